"""What is written to a run of MLflow: parameters, metrics, tags and files, under names that it takes."""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.trackers.base import StudyRecord, is_picture
from tuner.trackers.plain_values import describe_artifact, flatten, make_strict, split_numbers

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MAX_IN_A_BATCH = 100
"""Parameters or tags that the server takes at once; it takes ten times as many metrics."""

MAX_CHARACTERS = 5_000
"""Of the value of a tag or a parameter."""

Write = Callable[["MlflowClient", str], None]
"""Sends something to a run of an id."""

Metric = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""


class Known:
    """The metrics that a run has: MLflow keeps whatever it is given, the same value of the same step as well."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._values: dict[str, set[tuple[int, str]]] = {}

    def has(self, name: str, value: float, step: int) -> bool:
        """Return whether a metric has a value at a step. As text, NaN is NaN."""
        if name not in self._values:
            history = self._client.get_metric_history(self._run_id, name)
            self._values[name] = {(item.step, repr(item.value)) for item in history}
        return (step, repr(value)) in self._values[name]


def write_parameters(client: MlflowClient, run: Run, config: Mapping[str, Any]) -> None:
    """Write a configuration. MLflow keeps the first value of a parameter: what has changed since is a tag."""
    from mlflow.entities import Param

    values = {name: str(value) for name, value in flatten(config).items()}
    names = clean_names(values)
    old = run.data.params
    new = [Param(names[name], text[:MAX_CHARACTERS]) for name, text in values.items() if names[name] not in old]
    for start in range(0, len(new), MAX_IN_A_BATCH):
        client.log_batch(run.info.run_id, params=new[start : start + MAX_IN_A_BATCH])
    changed = {n: t for n, t in values.items() if names[n] in old and old[names[n]] != t[:MAX_CHARACTERS]}
    write_tags({f"changed/{name}": text for name, text in changed.items()}, client, run.info.run_id)
    if any(len(text) > MAX_CHARACTERS for text in values.values()):
        client.log_text(run.info.run_id, json.dumps(make_strict(dict(config)), indent=2), "configuration.json")


def write_metrics(metrics: Iterable[Metric], known: Known | None, client: MlflowClient, run_id: str) -> None:
    """Write metrics but for those that a run has."""
    from mlflow.entities import Metric as Entity

    entities = [
        Entity(name, value, milliseconds, step)
        for name, value, milliseconds, step in metrics
        if known is None or not known.has(name, value, step)
    ]
    for start in range(0, len(entities), 10 * MAX_IN_A_BATCH):
        client.log_batch(run_id, metrics=entities[start : start + 10 * MAX_IN_A_BATCH])


def write_tags(tags: Mapping[str, str], client: MlflowClient, run_id: str) -> None:
    """Write tags, in place of older ones of the same name."""
    from mlflow.entities import RunTag

    names = clean_names(tags)
    entities = [RunTag(names[name], _shorten(text)) for name, text in tags.items()]
    for start in range(0, len(entities), MAX_IN_A_BATCH):
        client.log_batch(run_id, tags=entities[start : start + MAX_IN_A_BATCH])


def write_file(path: Path, name: str, client: MlflowClient, run_id: str) -> None:
    """Write a file as an artifact of a name, which MLflow would take from the file."""
    folder, _, base = _clean_name(name).rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / base
        try:
            copy.symlink_to(path.absolute())
        except OSError:
            shutil.copyfile(path, copy)
        client.log_artifact(run_id, str(copy), folder or None)


def _write_text(text: str, name: str, client: MlflowClient, run_id: str) -> None:
    client.log_text(run_id, text, _clean_name(name))


def terminate(status: str, client: MlflowClient, run_id: str) -> None:
    """End a run with MLflow's word for how it ended."""
    client.set_terminated(run_id, status)


def write_figures(record: StudyRecord, client: MlflowClient, run_id: str) -> None:
    """Write the figures of a study's record: its summary and the history of its search."""
    summary, words = split_numbers(record.summary)
    write_tags({f"summary/{name}": text for name, text in words.items()}, client, run_id)
    now, names = int(time.time() * 1000), clean_names(summary)
    metrics = [(names[name], value, now, 0) for name, value in summary.items()]
    for number, row in enumerate(record.history, 1):
        figures, _ = split_numbers(row)
        step = int(figures.pop("trials", number))
        metrics += [(_clean_name(f"search/{name}"), value, now, step) for name, value in figures.items()]
    write_metrics(metrics, Known(client, run_id), client, run_id)


def list_files(record: StudyRecord) -> list[Write]:
    """Return what writes the files of a study's record, each in place of the one before."""
    writes: list[Write] = [
        partial(_write_text, table.to_csv(index=False), f"tables/{name}.csv") for name, table in record.tables.items()
    ]
    writes += [
        partial(write_file, path, f"pictures/{name}{path.suffix}")
        for name, path in record.pictures.items()
        if is_picture(path)
    ]
    for artifact in record.artifacts:
        writes += [partial(write_file, path, f"{artifact.name}/{path.name}") for path in artifact.files]
    if record.artifacts:
        lineage = [describe_artifact(artifact, [path.name for path in artifact.files]) for artifact in record.artifacts]
        writes.append(partial(_write_text, json.dumps(lineage, indent=2), "artifacts.json"))
    if len(record.notes) > MAX_CHARACTERS:
        writes.append(partial(_write_text, record.notes, "notes.md"))
    return writes


def clean_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that MLflow takes, no two the same."""
    cleaned: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        own = first = _clean_name(name)
        number = 2
        while own in taken:
            own, number = f"{first[:240]}_{number}", number + 1
        taken.add(own)
        cleaned[name] = own
    return cleaned


def _clean_name(name: str) -> str:
    """Return a name that MLflow takes: letters, digits and _ - . : / and spaces, and like the path of a file."""
    return posixpath.normpath("/" + re.sub(r"[^/\w.\- :]", "_", name)[:250]).lstrip("/") or "_"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 4] + " ..."
