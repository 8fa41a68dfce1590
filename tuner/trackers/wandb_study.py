"""The Weights & Biases run of a study: its curves, tables, pictures and figures, and artifacts with their lineage."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.trackers.base import is_picture
from tuner.trackers.wandb_sync import find_last_sent

if TYPE_CHECKING:
    import wandb

_STEPS = {"trials": "", "minutes": " over time"}
"""What the study's curves are drawn against, and what is added to the name of a curve."""

ARTIFACT_SECONDS = 60


def write_study(run: wandb.Run, record: Mapping[str, Any]) -> None:
    """Write a study's record into its run, in place of what the run held of it before."""
    import wandb

    # Tables and artifacts wait there until they are sent: they go when the run's folder goes.
    os.environ["WANDB_DATA_DIR"] = str(Path(run.dir).parent / "staging")
    _write_history(run, record["history"])
    shown: dict[str, Any] = {
        f"tables/{name}": wandb.Table(columns=table["columns"], data=table["rows"], allow_mixed_types=True)
        for name, table in record["tables"].items()
    }
    pictures = {name: path for name, path in record["pictures"].items() if is_picture(Path(path))}
    shown |= {f"pictures/{name}": wandb.Image(path) for name, path in pictures.items()}
    if shown:
        run.log(shown)
    run.notes = record["about"]["notes"]
    kept = {*record["summary"], *shown, *_list_curves(record["history"]), *_STEPS}
    summary: Any = run.summary
    for name in list(summary.keys()):
        if name not in kept and not name.startswith("_"):
            del summary[name]
    summary.update(record["summary"])
    for artifact in record["artifacts"]:
        _log_artifact(run, record["group"], artifact, record["artifacts"])


def read_last(run: wandb.Run, step: str) -> float:
    """Return up to which value of a step the server has the history of a run; minus infinity for a new one."""
    if run.offline:
        return find_last_sent(Path(run.dir).parent.parent, run.id)
    summary: Any = run.summary
    value = summary.get(step)
    return float(value) if isinstance(value, (int, float)) else float("-inf")


def _write_history(run: wandb.Run, history: list[dict[str, float]]) -> None:
    """Log each curve against the number of trials and against minutes; rows that the server has are not sent again."""
    for step, ending in _STEPS.items():
        run.define_metric(step, hidden=True)
        for name in _list_curves(history):
            if name.endswith(ending) and (ending or not name.endswith(_STEPS["minutes"])):
                run.define_metric(name, step_metric=step)
    last = read_last(run, "trials")
    for row in history:
        if row["trials"] > last:
            curves = {name: value for name, value in row.items() if name not in _STEPS}
            both = {f"{name}{ending}": value for ending in _STEPS.values() for name, value in curves.items()}
            run.log({step: row[step] for step in _STEPS if step in row} | both)


def _list_curves(history: list[dict[str, float]]) -> list[str]:
    names = dict.fromkeys(name for row in history for name in row if name not in _STEPS)
    return [f"{name}{ending}" for ending in _STEPS.values() for name in names]


def _log_artifact(
    run: wandb.Run, study: str, described: Mapping[str, Any], all_described: list[Mapping[str, Any]]
) -> None:
    """Log an artifact. What others are made from is an input of the run, where W&B takes inputs: not offline.

    Its metadata tell what it was made from in any case.
    """
    import wandb

    metadata = {**described["metadata"], "made_from": [_name_artifact(study, name) for name in described["made_from"]]}
    artifact = wandb.Artifact(_name_artifact(study, described["name"]), described["kind"], metadata=metadata)
    kept = Path(run.dir).parent / "artifacts" / _name_artifact(study, described["name"])
    kept.mkdir(parents=True, exist_ok=True)
    if not described["files"]:
        # W&B tells versions apart by their files.
        (kept / "about.json").write_text(json.dumps(metadata, indent=2, sort_keys=True))
    for path in described["files"]:
        shutil.copy(path, kept / Path(path).name)
    for path in sorted(kept.iterdir()):
        artifact.add_file(str(path), policy="immutable", skip_cache=True)
    is_source = any(described["name"] in other["made_from"] for other in all_described)
    if is_source and not run.offline:
        run.use_artifact(artifact, aliases=["latest", *described["aliases"]])
    else:
        logged = run.log_artifact(artifact, aliases=["latest", *described["aliases"]])
        if not run.offline:
            logged.wait(timeout=ARTIFACT_SECONDS)


def _name_artifact(study: str, name: str) -> str:
    """Return a name that is unique in a project, of the letters that W&B takes."""
    return "".join(c if (c.isalnum() and c.isascii()) or c in "-_." else "-" for c in f"{study}-{name}")[-128:]
