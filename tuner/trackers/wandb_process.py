"""Weights & Biases' client in a process of its own, which is asked over pipes, and ended where it does not answer.

In a process of its own it takes no time of the training's, neither sees nor touches runs that the user has open, and
is replaced where it or its service dies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 120.0
"""Time for one answer; a process that takes longer counts as hung."""

_OF_ANOTHER_RUN = frozenset(
    f"WANDB_{name}"
    for name in (
        "SERVICE", "RUN_ID", "NAME", "RUN_NAME", "NOTES", "RUN_NOTES", "RUN_GROUP", "JOB_TYPE", "RUN_JOB_TYPE", "TAGS",
        "RUN_TAGS", "RESUME", "RESUME_FROM", "FORK_FROM", "SWEEP_ID", "SWEEP_PARAM_PATH", "CONFIG", "CONFIG_PATHS",
        "LAUNCH", "LAUNCH_CONFIG_PATH", "DISABLED", "SYNC_TENSORBOARD",
    )
)  # fmt: skip
"""Variables with which a parent process tells of its own run or its own service: they would change or merge ours."""


class ProcessEndedError(Exception):
    """The process has ended, or was ended since it did not answer."""


class WandbProcess:
    """One process that runs `wandb_writer`."""

    def __init__(self, folder: Path) -> None:
        """Start it. `folder`: the run folder, where W&B's caches go."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuner.trackers.wandb_writer"],
            env=make_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._deadline = float("inf")
        self._ended = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="tuner-wandb-watchdog", daemon=True)
        self._watchdog.start()

    def tell(self, request: Mapping[str, Any]) -> None:
        """Hand in a request that has no answer. Raise `ProcessEndedError`."""
        assert self._process.stdin is not None
        self._deadline = time.monotonic() + ANSWER_SECONDS
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._describe_end() from error
        finally:
            self._deadline = float("inf")

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Hand in a request and return its answer. Raise `ProcessEndedError`."""
        assert self._process.stdout is not None
        self.tell(request)
        self._deadline = time.monotonic() + ANSWER_SECONDS
        try:
            line = self._process.stdout.readline()
        finally:
            self._deadline = float("inf")
        if not line:
            raise self._describe_end()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self, timeout: float) -> None:
        """Close the pipes, and end the process where it does not end within `timeout` seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self._process.kill()
        self._process.wait()
        self._ended.set()
        self._watchdog.join()
        self._process.stdout.close()
        self._said.close()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            if time.monotonic() > self._deadline:
                self._process.kill()

    def _describe_end(self) -> ProcessEndedError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().splitlines()[-1:]
        code = self._process.poll()
        how = "does not answer" if code is None else f"ended with exit code {code}"
        return ProcessEndedError(": ".join([f"its process {how}", *last]))


def make_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a W&B that leaves nothing outside of `folder`, and knows no other run."""
    place = folder.absolute() / "wandb"
    ours = {
        "WANDB_CACHE_DIR": str(place / "cache"),
        "WANDB_DATA_DIR": str(place / "cache"),
        "WANDB_ARTIFACT_DIR": str(place / "cache"),
        "WANDB_ERROR_REPORTING": "false",
    }
    return ours | {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_RUN}
