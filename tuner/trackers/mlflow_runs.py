"""Runs of MLflow: how one is opened or found again, and how what is to be written to it is sent.

Importing mlflow takes seconds, and is done on the tracker's own thread.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuner.checked_files import read_json
from tuner.run_folder import RunFolder
from tuner.trackers.background_tracker import Subject
from tuner.trackers.mlflow_writes import Known, Metric, Write, clean_names, write_metrics, write_parameters, write_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_TRIES = 3
"""Of a write that fails while the server answers others, as pictures do where its store for files is broken."""

_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own settings, where the user has none: it would wait for a dead server for minutes, report its use to its
makers, and print two lines for each run."""


@dataclass(eq=False)
class Run:
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
    known: Known | None = None
    """Metrics of an earlier call, where it goes on with a run: a resumed trial logs its curve from the start."""
    _metrics: list[Metric] = field(default_factory=list)
    _tries: int = 0
    """How often the next write has failed."""

    def add_metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Have figures sent with the next writes."""
        now = int(time.time() * 1000)
        names = clean_names(figures)
        self._metrics += [(names[name], value, now, step) for name, value in figures.items()]
        self.last_epoch = max(step, self.last_epoch)

    def send(self, client: MlflowClient, *, is_last: bool = False) -> list[Exception]:
        """Send everything; return why writes failed that are not sent again, each of which costs itself only.

        Raise where the server does not answer, or fails, and may do better later. is_last: there is no later.
        """
        self.sent_at = time.monotonic()
        try:
            if self.id is None:
                self.id, is_old = _open_run(client, self)
                self.known = Known(client, self.id) if is_old else None
        except Exception as error:
            if _is_silent(error) or _is_failing(error):
                raise
            return [error]
        if self._metrics:
            self.writes.appendleft(partial(write_metrics, self._metrics, self.known))
            self._metrics = []
        lost = []
        while self.writes:
            try:
                self.writes[0](client, self.id)
            except Exception as error:
                may_help = _is_silent(error) or _is_failing(error)
                if may_help and not self._is_hopeless(error, client, is_last=is_last):
                    raise
                lost.append(error)
            self.writes.popleft()
            self._tries = 0
        return lost

    def _is_hopeless(self, error: Exception, client: MlflowClient, *, is_last: bool) -> bool:
        """Return whether the next write is given up, as it failed often, or in MLflow, and the server answers others.

        A server that cannot keep a file may close the connection before it answers.
        """
        self._tries += 1
        is_enough = is_last or self._tries >= MAX_TRIES or error.__context__ is None
        return is_enough and _is_well(client, str(self.id))


def _is_silent(error: Exception) -> bool:
    """Return whether an error says that there was no answer. MLflow raises one of its own while it handles it."""
    from requests import exceptions

    kinds = (ConnectionError, TimeoutError, exceptions.ConnectionError, exceptions.Timeout)
    return any(isinstance(cause, kinds) for cause in _list_causes(error))


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_failing(error: Exception) -> bool:
    """Return whether an error is an answer that the same request may not get later."""
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if isinstance(error, MlflowException):
        status = int(error.get_http_status_code())
    elif isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        return False
    return status >= 500 or status in (408, 429)


def _is_well(client: MlflowClient, run_id: str) -> bool:
    try:
        client.get_run(run_id)
    except Exception:
        return False
    return True


def connect(uri: str | None, folder: Path) -> MlflowClient:
    """Return a client for a server, or for the database of a run folder, which is made where there is none."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri) if uri else open_database(folder)


def open_database(folder: Path) -> MlflowClient:
    """Return a client for the database of a run folder. The first worker makes its tables, which takes seconds."""
    from mlflow import MlflowClient

    place = RunFolder(folder).mlflow.absolute()
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / ".lock", timeout=60):
        client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
        client.search_experiments(max_results=1)
    return client


def _open_run(client: MlflowClient, run: Run) -> tuple[str, bool]:
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
    write_tags({name: text for name, text in tags.items() if text}, client, opened.info.run_id)
    write_parameters(client, opened, run.config)
    return str(opened.info.run_id), bool(found)


def _find_experiment(client: MlflowClient, run: Run) -> str:
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
