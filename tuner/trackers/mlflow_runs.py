"""MLflow: one run per trial and one for the study, on a server or in a database in the run folder.

The only file that imports mlflow, which takes seconds and is done on the tracker's own thread.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import posixpath
import re
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from filelock import FileLock

from tuner.checked_files import read_json
from tuner.errors import MissingPackage
from tuner.passwords import hide_passwords
from tuner.run_folder import RunFolder
from tuner.trackers.background import CAPACITY
from tuner.trackers.background_tracker import BackgroundTracker, Ending, LoggedTrial, Subject
from tuner.trackers.base import Artifact, StudyRecord
from tuner.trackers.not_recorded import STUDY
from tuner.trackers.plain_values import describe_error, flatten, make_plain, make_strict, split_numbers

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SECONDS_BETWEEN_SENDINGS = 1.0
"""A trial's epochs are sent together, at most this often."""

SECONDS_OF_PAUSE = 30.0
"""After which a server that did not answer is asked again."""

MAX_WAITING = 500
"""Trials that have ended and wait for a server that does not answer; the oldest is given up for each one more."""

MAX_IN_A_BATCH = 100
"""Parameters or tags that the server takes at once; it takes ten times as many metrics."""

MAX_CHARACTERS = 5_000
"""Of the value of a tag or a parameter."""

_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings, where the user has none: it would wait for a dead server for minutes, report its use to its
makers, and print two lines for each run."""

_STATUSES = {"complete": "FINISHED", "failed": "FAILED"}
"""MLflow's word for how a trial ended; "KILLED" for all others, and the tag `tuner.state` has ours."""

Write = Callable[["MlflowClient", str], None]
"""Sends something to a run of an id."""

Metric = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""


class MLflow(BackgroundTracker):
    """Tracks each trial as a run of MLflow; the study is the experiment, and has a run of its own.

    Runs go to `$MLFLOW_TRACKING_URI`, else to a database in `<run folder>/mlflow`. While a server does not answer, what
    is to be sent waits; what has not arrived when the tracker is closed is listed in the run folder.
    """

    title = "MLflow"

    def __init__(self, *, tracking_uri: str | None = None, capacity: int = CAPACITY) -> None:
        """Name where runs go. Raises `MissingPackage` without the extra "mlflow"."""
        if importlib.util.find_spec("mlflow") is None:
            raise MissingPackage("mlflow", "mlflow", "Tracking with MLflow")
        super().__init__(capacity=capacity)
        self._asked_uri = tracking_uri
        self._uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self._clients: dict[Path, MlflowClient] = {}
        self._runs: WeakKeyDictionary[LoggedTrial, _Run] = WeakKeyDictionary()
        self._unsent: list[_Run] = []
        """Runs that are open, or have something to send, in order."""
        self._pauses_until = 0.0
        self._last_error = ""

    @property
    def has_defaults(self) -> bool:
        """Whether it was made without arguments: another one that is made so writes to the same place."""
        return super().has_defaults and self._asked_uri is None

    def _open_trial(self, trial: LoggedTrial) -> None:
        tags = {
            "tuner.kind": "trial",
            "tuner.trial": str(trial.number),
            "tuner.state": "running",
            "tuner.tags": ", ".join(trial.tags),
            **({"tuner.resumed_as": str(trial.trial)} if trial.trial != trial.number else {}),
        }
        run = _Run(trial.subject, f"trial {trial.number}", tags, trial.config)
        self._runs[trial] = run
        self._unsent.append(run)
        self._send(run)

    def _write_epoch(self, trial: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        run = self._runs[trial]
        run.add_metrics(split_numbers(figures)[0], epoch)
        if time.monotonic() - run.sent_at >= SECONDS_BETWEEN_SENDINGS:
            self._send(run)

    def _end_trial(self, trial: LoggedTrial, ending: Ending) -> bool:
        run = self._runs[trial]
        numbers, words = split_numbers(ending.summary)
        run.add_metrics({f"summary/{name}": value for name, value in numbers.items()}, run.last_epoch)
        tags = {"tuner.state": ending.state, "tuner.reason": ending.reason or "", "mlflow.note.content": ending.notes}
        tags |= {f"summary/{name}": text for name, text in words.items()}
        run.writes.append(partial(_write_tags, {name: text for name, text in tags.items() if text}))
        run.writes.append(partial(_terminate, _STATUSES.get(ending.state, "KILLED")))
        run.has_ended = True
        self._send(run)
        self._send_waiting()
        return False

    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        run = self._runs[trial]
        run.writes.append(partial(_write_file, path, f"pictures/{name}{path.suffix}"))
        if run not in self._unsent:
            self._unsent.append(run)
        self._send(run)

    def _write_study(self, subject: Subject, record: StudyRecord) -> bool:
        tags = {"tuner.kind": "study", "tuner.tags": ", ".join(record.tags), "mlflow.note.content": record.notes}
        run = _Run(subject, record.study, tags, record.config)
        run.writes += [partial(_write_figures, record), *_list_files(record), partial(_terminate, "FINISHED")]
        run.has_ended = True
        older = [w for w in self._unsent if w.subject.what == STUDY and w.subject.folder == subject.folder]
        for waiting in older:
            self._unsent.remove(waiting)
            self._unwritten.pop(waiting.subject, None)
        self._unsent.append(run)
        self._send(run)
        return False

    def _flush(self) -> None:
        """Try a last time, and list what does not arrive."""
        self._pauses_until = 0.0
        self._send_waiting()
        for run in self._unsent:
            self._give_up(run)
        self._unsent.clear()

    def _send_waiting(self) -> None:
        """Send what waits of trials that have ended, where the server may answer again."""
        waiting = [run for run in self._unsent if run.has_ended]
        for run in waiting[: max(0, len(waiting) - MAX_WAITING)]:
            self._unsent.remove(run)
            self._give_up(run)
        for run in waiting:
            self._send(run)

    def _give_up(self, run: _Run) -> None:
        self._unwritten.pop(run.subject, None)
        self._note_loss(run.subject, self._last_error)

    def _send(self, run: _Run) -> None:
        """Send what is to be sent of a run, unless the server did not answer just now."""
        if run not in self._unsent or time.monotonic() < self._pauses_until:
            return
        try:
            refusals = run.send(self._connect(run.subject.folder))
        except Exception as error:
            self._last_error = hide_passwords(describe_error(error))
            self._pauses_until = time.monotonic() + SECONDS_OF_PAUSE
            self._warn(f"cannot be reached ({self._last_error})")
            return
        for refusal in refusals:
            self._lose(run.subject, refusal)
        if run.has_ended:
            self._unsent.remove(run)
            self._settle(run.subject)

    def _connect(self, folder: Path) -> MlflowClient:
        """Return a client for the server, or for the database of a run folder, which is made where there is none."""
        if folder not in self._clients:
            for name, value in _PATIENCE.items():
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient

            for name in ("mlflow", "alembic"):
                logging.getLogger(name).setLevel(logging.WARNING)
            self._clients[folder] = MlflowClient(tracking_uri=self._uri) if self._uri else _open_database(folder)
        return self._clients[folder]


@dataclass(eq=False)
class _Run:
    """What is to be sent of a trial, or of a study."""

    subject: Subject
    name: str
    tags: Mapping[str, str]
    config: Mapping[str, Any]
    id: str | None = None
    """MLflow's, once it is known."""
    writes: deque[Write] = field(default_factory=deque)
    has_ended: bool = False
    sent_at: float = 0.0
    last_epoch: int = 0
    known: _Known | None = None
    """Metrics of an earlier call, where it goes on with a run: a resumed trial logs its curve from the start."""
    _metrics: list[Metric] = field(default_factory=list)

    def add_metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Have figures sent with the next writes."""
        now = int(time.time() * 1000)
        names = _clean_names(figures)
        self._metrics += [(names[name], value, now, step) for name, value in figures.items()]
        self.last_epoch = max(step, self.last_epoch)

    def send(self, client: MlflowClient) -> list[Exception]:
        """Send everything; return what the server refused, which is not sent again. Raise where it does not answer."""
        self.sent_at = time.monotonic()
        try:
            if self.id is None:
                self.id, is_old = _open_run(client, self)
                self.known = _Known(client, self.id) if is_old else None
        except Exception as error:
            if not _is_refusal(error):
                raise
            return [error]
        if self._metrics:
            self.writes.appendleft(partial(_write_metrics, self._metrics, self.known))
            self._metrics = []
        refusals = []
        while self.writes:
            try:
                self.writes[0](client, self.id)
            except Exception as error:
                if not _is_refusal(error):
                    raise
                refusals.append(error)
            self.writes.popleft()
        return refusals


def _is_refusal(error: Exception) -> bool:
    """Return whether an error is the server's answer, or that of a file, so that the same again would not help."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = int(error.get_http_status_code())
        return 400 <= status < 500 and status not in (408, 429)
    return isinstance(error, FileNotFoundError)


def _open_database(folder: Path) -> MlflowClient:
    """Return a client for the database of a run folder. The first worker makes its tables, which takes seconds."""
    from mlflow import MlflowClient

    place = RunFolder(folder).mlflow.absolute()
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / ".lock", timeout=60):
        client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
        client.search_experiments(max_results=1)
    return client


class _Known:
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


def _open_run(client: MlflowClient, run: _Run) -> tuple[str, bool]:
    """Return the id of a run, and whether it is one of an earlier call, which goes on."""
    experiment = _find_experiment(client, run)
    search = _read_search_id(run.subject.folder)
    tags = {"tuner.study": run.subject.study, "tuner.search": search, **run.tags}
    identity = {name: tags[name] for name in ("tuner.search", "tuner.kind", "tuner.trial") if name in tags}
    found = client.search_runs([experiment], " and ".join(f"tags.`{n}` = '{v}'" for n, v in identity.items()))
    if found:
        opened = found[0]
        client.update_run(opened.info.run_id, status="RUNNING")
    else:
        opened = client.create_run(experiment, tags=identity, run_name=run.name)
    _write_tags({name: text for name, text in tags.items() if text}, client, opened.info.run_id)
    _write_parameters(client, opened, run.config)
    return str(opened.info.run_id), bool(found)


def _find_experiment(client: MlflowClient, run: _Run) -> str:
    """Return the id of the study's experiment; make it where there is none, and restore it where it was deleted."""
    from mlflow.exceptions import MlflowException

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.subject.study
    found = client.get_experiment_by_name(name)
    if found is None:
        is_local = client.tracking_uri.startswith("sqlite:///")
        artifacts = (RunFolder(run.subject.folder).mlflow.absolute() / "artifacts").as_uri() if is_local else None
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another worker may have made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _read_search_id(folder: Path) -> str:
    """Return what tells the runs of this run folder from others of the same study: another search is not mixed in."""
    owner = read_json(RunFolder(folder).owner).get("search")
    return str(owner or hashlib.sha256(bytes(folder.absolute())).hexdigest()[:16])


def _write_parameters(client: MlflowClient, run: Run, config: Mapping[str, Any]) -> None:
    """Write a configuration. MLflow keeps the first value of a parameter: what has changed since is a tag."""
    from mlflow.entities import Param

    values = {name: str(value) for name, value in flatten(config).items()}
    names = _clean_names(values)
    old = run.data.params
    new = [Param(names[name], text[:MAX_CHARACTERS]) for name, text in values.items() if names[name] not in old]
    for start in range(0, len(new), MAX_IN_A_BATCH):
        client.log_batch(run.info.run_id, params=new[start : start + MAX_IN_A_BATCH])
    changed = {n: t for n, t in values.items() if names[n] in old and old[names[n]] != t[:MAX_CHARACTERS]}
    _write_tags({f"changed/{name}": text for name, text in changed.items()}, client, run.info.run_id)
    if any(len(text) > MAX_CHARACTERS for text in values.values()):
        client.log_text(run.info.run_id, json.dumps(make_strict(dict(config)), indent=2), "configuration.json")


def _write_metrics(metrics: Iterable[Metric], known: _Known | None, client: MlflowClient, run_id: str) -> None:
    from mlflow.entities import Metric as Entity

    entities = [
        Entity(name, value, milliseconds, step)
        for name, value, milliseconds, step in metrics
        if known is None or not known.has(name, value, step)
    ]
    for start in range(0, len(entities), 10 * MAX_IN_A_BATCH):
        client.log_batch(run_id, metrics=entities[start : start + 10 * MAX_IN_A_BATCH])


def _write_tags(tags: Mapping[str, str], client: MlflowClient, run_id: str) -> None:
    from mlflow.entities import RunTag

    names = _clean_names(tags)
    entities = [RunTag(names[name], _shorten(text)) for name, text in tags.items()]
    for start in range(0, len(entities), MAX_IN_A_BATCH):
        client.log_batch(run_id, tags=entities[start : start + MAX_IN_A_BATCH])


def _write_file(path: Path, name: str, client: MlflowClient, run_id: str) -> None:
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


def _terminate(status: str, client: MlflowClient, run_id: str) -> None:
    client.set_terminated(run_id, status)


def _write_figures(record: StudyRecord, client: MlflowClient, run_id: str) -> None:
    summary, words = split_numbers(record.summary)
    _write_tags({f"summary/{name}": text for name, text in words.items()}, client, run_id)
    now, names = int(time.time() * 1000), _clean_names(summary)
    metrics = [(names[name], value, now, 0) for name, value in summary.items()]
    for number, row in enumerate(record.history, 1):
        figures, _ = split_numbers(row)
        step = int(figures.pop("trials", number))
        metrics += [(_clean_name(f"search/{name}"), value, now, step) for name, value in figures.items()]
    _write_metrics(metrics, _Known(client, run_id), client, run_id)


def _list_files(record: StudyRecord) -> list[Write]:
    """Return what writes the files of a study's record, each in place of the one before."""
    writes: list[Write] = [
        partial(_write_text, table.to_csv(index=False), f"tables/{name}.csv") for name, table in record.tables.items()
    ]
    writes += [
        partial(_write_file, path, f"pictures/{name}{path.suffix}")
        for name, path in record.pictures.items()
        if path.exists()
    ]
    for artifact in record.artifacts:
        writes += [partial(_write_file, path, f"{artifact.name}/{path.name}") for path in artifact.files]
    if record.artifacts:
        lineage = [_describe_artifact(artifact) for artifact in record.artifacts]
        writes.append(partial(_write_text, json.dumps(make_strict(lineage), indent=2), "artifacts.json"))
    if len(record.notes) > MAX_CHARACTERS:
        writes.append(partial(_write_text, record.notes, "notes.md"))
    return writes


def _describe_artifact(artifact: Artifact) -> Any:
    files = [path.name for path in artifact.files]
    return make_plain(
        {
            "name": artifact.name,
            "kind": artifact.kind,
            "aliases": artifact.aliases,
            "made_from": artifact.made_from,
            "files": files,
            "metadata": artifact.metadata,
        }
    )


def _clean_names(names: Iterable[str]) -> dict[str, str]:
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
