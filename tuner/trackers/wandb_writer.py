"""The process that talks to Weights & Biases: `python -m tuner.trackers.wandb_writer`, one JSON request a line.

Requests are `login`, `open`, `log` (without an answer), `end`, `study` and `close`. Each answer tells the mode, which
runs have ended since the last one, and what failed: "dead" (start another process), "offline" (the server is the
trouble), or "lost" (nothing helps: a full disk, a missing package).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import describe_error
from tuner.trackers.base import is_picture
from tuner.trackers.wandb_login import choose_mode, is_logged_in
from tuner.trackers.wandb_study import read_last, write_study
from tuner.trackers.wandb_sync import find_place, read_sweep_id, replace_earlier

if TYPE_CHECKING:
    import wandb

INIT_SECONDS = "15"
"""Time after which the server counts as out of reach, where `$WANDB_INIT_TIMEOUT` does not tell another."""

FINISH_SECONDS = "15"
"""Time for what is left of a run to arrive, where `$WANDB_FINISH_TIMEOUT` does not tell another."""

ORPHAN_SECONDS = 60.0
"""Time for the last runs where the process that asked is gone."""

MIN_SPACE = 1_000_000
"""Free bytes below which a disk counts as full; a run takes about 50,000."""

MAX_ENDING = 16
"""Runs that may be on their way out at once: each waits for the server, not for the processor."""


class Writer:
    """The open runs of one process, by the key that the asking side gave them."""

    def __init__(self) -> None:
        self._mode: str | None = None
        self._runs: dict[str, wandb.Run] = {}
        self._last_epochs: dict[str, float] = {}
        self._broken: dict[str, Exception] = {}
        self._ending: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(max_workers=MAX_ENDING, thread_name_prefix="tuner-wandb-end")

    def take(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Do what is asked; return the answer, None for a request that has none."""
        answer: dict[str, Any] = {"failure": None}
        try:
            answer |= self._do(request) or {}
        except Exception as error:
            answer["failure"] = self._describe(error)
        if request["do"] == "log":
            return None
        return answer | {"mode": self._mode, "ended": self._collect_ended()}

    def close(self) -> None:
        """End all runs; those that are open end as interrupted."""
        for key in list(self._runs):
            self._end({"key": key, "state": "interrupted"})
        for future in list(self._ending.values()):
            future.exception()

    def _do(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        what = request["do"]
        if what == "login":
            return {"logged_in": is_logged_in()}
        if what == "log":
            self._log(request["key"], request["rows"])
        elif what == "close":
            self.close()
        elif what == "end":
            self._end(request)
        else:
            return self._open(request)
        return None

    def _open(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Open a trial's run, or write the study's."""
        if self._mode is None:
            self._mode, warning = choose_mode(request["mode"])
        else:
            warning = None
        if self._mode != "disabled":
            run = self._open_run(request)
            if request["do"] == "study":
                write_study(run, request)
                _finish(run, 0)
                if run.offline:
                    replace_earlier(Path(run.dir).parent, max((row["trials"] for row in request["history"]), default=0))
            else:
                run.define_metric("epoch", hidden=True)
                run.define_metric("*", step_metric="epoch")
                self._last_epochs[request["key"]] = read_last(run, "epoch")
                self._runs[request["key"]] = run
        return {"warning": warning} if warning else None

    def _open_run(self, request: Mapping[str, Any]) -> wandb.Run:
        """Return a run that is quickly made: without the list of installed packages, above all."""
        import wandb

        place = find_place(Path(request["folder"]))
        place.mkdir(parents=True, exist_ok=True)
        _check_space(place)
        run_id = f"{read_sweep_id(Path(request['folder']))}-{request['slug']}"
        self._wait_for_end(run_id)
        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            symlink=False,
            use_dot_wandb=False,
            sagemaker_disable=True,
            init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT") or INIT_SECONDS),
            finish_timeout=float(os.environ.get("WANDB_FINISH_TIMEOUT") or FINISH_SECONDS),
            finish_timeout_raises=True,
            stop_fn=_ignore_stop,
            x_disable_stats=True,
            # The command line is part of what W&B tells of the machine.
            x_disable_meta=bool(request["is_secret"]),
            x_save_requirements=False,
        )
        return wandb.init(
            project=request["project"],
            entity=request["entity"],
            dir=place.parent,
            id=run_id,
            mode=self._mode,  # type: ignore[arg-type]
            reinit="create_new",
            resume="allow" if self._mode == "online" else None,
            settings=settings,
            **request["about"],
        )

    def _wait_for_end(self, run_id: str) -> None:
        """See the earlier part of a run out: W&B keeps its id in use until then."""
        for key, run in list(self._runs.items()):
            if run.id == run_id:
                self._end({"key": key, "state": "interrupted"})
        for key, future in list(self._ending.items()):
            if key.endswith(f" {run_id}"):
                future.exception()

    def _log(self, key: str, rows: list[dict[str, float]]) -> None:
        """Log epochs; those that the server has from the run's earlier part are not sent again."""
        if key not in self._runs:
            return
        try:
            for row in rows:
                if row["epoch"] > self._last_epochs[key]:
                    self._runs[key].log(row)
                    self._last_epochs[key] = row["epoch"]
        except Exception as error:
            self._broken.setdefault(key, error)

    def _end(self, request: Mapping[str, Any]) -> None:
        run = self._runs.pop(request["key"])
        last = self._last_epochs.pop(request["key"])
        if error := self._broken.pop(request["key"], None):
            raise error
        wait([f for f in self._ending.values() if not f.done()][: 1 - MAX_ENDING])
        future = self._pool.submit(self._end_run, run, request, last)
        self._ending[f"{request['key']} {run.id}"] = future

    def _end_run(self, run: wandb.Run, request: Mapping[str, Any], last: float) -> None:
        import wandb

        if notes := request.get("notes"):
            run.notes = notes
        pictures = {name: Path(path) for name, path in request.get("pictures", {}).items()}
        shown = {name: wandb.Image(str(path)) for name, path in pictures.items() if is_picture(path)}
        if shown:
            run.log(shown)
        state = request["state"]
        run.tags = (*(run.tags or ()), state)
        run.summary.update({**request.get("summary", {}), "state": state})
        if reason := request.get("reason"):
            run.summary["reason"] = reason
        _finish(run, 1 if state == "failed" else 0)
        if run.offline and (state != "interrupted" or last > float("-inf")):
            replace_earlier(Path(run.dir).parent, last)

    def _collect_ended(self) -> list[dict[str, Any]]:
        """Return the runs that have ended since the last answer, each with what failed."""
        done = {key: future for key, future in self._ending.items() if future.done()}
        for key in done:
            del self._ending[key]
        return [
            {"key": key.split(" ")[0], "failure": error and self._describe(error)}
            for key, future in done.items()
            for error in [future.exception()]
        ]

    def _describe(self, error: BaseException) -> dict[str, str]:
        """Return why something failed, and what the asking side is to do about it."""
        if isinstance(error, (OSError, ImportError)) and not isinstance(error, (TimeoutError, ConnectionError)):
            kind = "lost"
        else:
            kind = "offline" if self._mode == "online" and not _is_dead_service(error) else "dead"
        return {"kind": kind, "why": describe_error(error)}


def main() -> None:
    """Take requests until the last one, or until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever asks decides when it is over
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what W&B prints is no answer
    logging.getLogger("wandb").disabled = True  # would print a traceback per line to a full disk
    writer = Writer()
    for line in sys.stdin:
        request = json.loads(line)
        answer = writer.take(request)
        if answer is not None:
            print(json.dumps(answer), file=answers, flush=True)
        if request["do"] == "close":
            return
    last = threading.Timer(ORPHAN_SECONDS, os._exit, [1])
    last.daemon = True
    last.start()
    writer.close()


def _finish(run: wandb.Run, exit_code: int) -> None:
    """End a run. Raise where its disk is full: W&B's service loses it without a word."""
    run.finish(exit_code=exit_code)
    _check_space(Path(run.dir))


def _check_space(folder: Path) -> None:
    if shutil.disk_usage(folder).free < MIN_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _is_dead_service(error: BaseException) -> bool:
    """Return whether an error says that W&B's service, a process of its own, is gone."""
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

    return isinstance(error, (ConnectionError, HandleAbandonedError, MailboxClosedError))


def _ignore_stop() -> None:
    """Leave the sweep running when one of its runs is stopped in the browser: W&B would interrupt the process."""


if __name__ == "__main__":
    main()
