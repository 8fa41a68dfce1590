"""Optuna Dashboard on the storage and the artifacts of a search, made quick enough for thousands of trials."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import bottle
import optuna_dashboard
from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage, get_storage

from tuner.tuning.dashboard_notes import collect_trial_notes, leave_trial_notes_out

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from optuna.study._frozen import FrozenStudy

_STUDY_ROUTE = "/api/studies/<study_id:int>"


def make_dashboard(storage: BaseStorage, artifacts: Path) -> WSGIApplication:
    """Return the web application of Optuna Dashboard, as a server takes it.

    Args:
        storage: Holds the study.
        artifacts: Folder of the artifact store; what lies elsewhere is not served, by whatever link.
    """
    logging.getLogger("optuna_dashboard._bottle_util").addFilter(_keep_first_line)
    artifacts.mkdir(parents=True, exist_ok=True)
    cached = get_storage(storage)  # of a database, finished trials are read once
    app: Any = optuna_dashboard.wsgi(_NotesApart(cached), _Artifacts(artifacts))
    app.install(_AnswerTrialNotes(cached))
    app.install(_answer_missing_artifacts)
    application: WSGIApplication = app
    return application


def _keep_first_line(record: logging.LogRecord) -> bool:
    """Keep what went wrong and leave its traceback out, as a filter of a logger."""
    record.msg, record.args = record.getMessage().partition("\n")[0], None
    return True


class _Artifacts(FileSystemArtifactStore):
    """Artifacts that lie in their folder themselves."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        path = self._get_filepath(artifact_id)
        if path.resolve().parent != self._base_path.resolve():
            raise ArtifactNotFound(f"{path} leads out of the folder.")
        return super().open_reader(artifact_id)


class _NotesApart:
    """A storage that tells of a study without the notes of its trials.

    They are attributes of the study, and the dashboard looks through all attributes of the study for each trial: its
    time would grow with the square of their number. `_AnswerTrialNotes` puts the notes back into the answer.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies; of their system attributes all but the notes of trials."""
        studies = self._storage.get_all_studies()
        for study in studies:
            study.system_attrs = leave_trial_notes_out(study.system_attrs)
        return studies


BaseStorage.register(_NotesApart)


class _AnswerTrialNotes:
    """A plugin of bottle that adds the notes of trials to the answer on a study."""

    api = 2

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def apply(self, answer: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        """Return what answers a route."""
        if route.rule != _STUDY_ROUTE or route.method != "GET":
            return answer

        def answer_with_notes(study_id: int) -> Any:
            content = answer(study_id=study_id)
            if isinstance(content, dict) and "trials" in content:
                notes = collect_trial_notes(self._storage.get_study_system_attrs(study_id))
                for trial in [*content["trials"], *content["best_trials"]]:
                    if (note := notes.get(trial["trial_id"])) is not None:
                        trial["note"] = note
            return content

        return answer_with_notes


def _answer_missing_artifacts(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Answer 404 where an artifact's file is gone, as a plugin of bottle."""

    def answer_or_refuse(*args: Any, **arguments: Any) -> Any:
        try:
            return answer(*args, **arguments)
        except ArtifactNotFound:
            return bottle.HTTPError(404, "The file of this artifact is not there.")

    return answer_or_refuse
