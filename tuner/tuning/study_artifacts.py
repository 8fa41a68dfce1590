"""The report and its figures as artifacts of the study, which Optuna Dashboard shows."""

from __future__ import annotations

import json
import mimetypes
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.checked_files import write_atomically

if TYPE_CHECKING:
    from tuner.tuning.search import Search


def keep_study_artifacts(search: Search) -> None:
    """Give Optuna's artifact store the report page and its figures; each takes the place of the one before.

    Optuna's own `upload_artifact` names each artifact at random, so that a report written twice would be there twice.
    One that a person has deleted in Optuna Dashboard is there again after the next report.
    """
    from optuna.artifacts import ArtifactMeta

    folder, study = search.folder, search.optuna_study
    folder.artifacts.mkdir(parents=True, exist_ok=True)
    known = study._storage.get_study_system_attrs(study._study_id)
    for file in [folder.report, *sorted(folder.figures.glob("*.png"))]:
        if not file.exists():
            continue
        name = _name_artifact(search, file)
        write_atomically(folder.artifacts / name, file.read_bytes())
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        told = json.dumps(asdict(ArtifactMeta(artifact_id=name, filename=file.name, mimetype=kind, encoding=None)))
        if known.get(f"artifacts:{name}") != told:
            study._storage.set_study_system_attr(study._study_id, f"artifacts:{name}", told)


def _name_artifact(search: Search, file: Path) -> str:
    """Return the name of a file's artifact, the same each time."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tuner:{search.search_id}/{file.name}"))
