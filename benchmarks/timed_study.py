"""The study of `overhead.py`: each worker process that reads this file writes down where its time goes.

Importing it puts a stopwatch around the calls of a worker; at the end of `Worker.run` the seconds are written to
`seconds-<process>.json` in the run folder.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from studies import magic, resonance
from tuner.errors import EventsError
from tuner.training.pack import Pack
from tuner.tuning.study import Budget, Study
from tuner.tuning.trial_queue import Asker
from tuner.tuning.trial_reporter import TrialReporter
from tuner.tuning.worker import Worker

SECONDS = "seconds-{}.json"
ALL, ALL_CPU = "all", "all, CPU"
ARITHMETIC, ARITHMETIC_CPU = "training and validation", "training and validation, CPU"

_spent: Counter[str] = Counter()


def choose_study() -> Study:
    """Return MAGIC where its events are at hand, else the resonance."""
    try:
        magic.study.problem.events.read()  # type: ignore[union-attr]
    except EventsError:
        return resonance.study
    return magic.study


def count_seconds(call: Callable[..., Any], what: str, cpu: str | None = None) -> Callable[..., Any]:
    """Return a call that adds its seconds, and those of its thread on a core, to what this process spent."""

    @functools.wraps(call)
    def timed(*args: Any, **kwargs: Any) -> Any:
        start, start_cpu = time.perf_counter(), time.thread_time()
        try:
            return call(*args, **kwargs)
        finally:
            _spent[what] += time.perf_counter() - start  # type: ignore[assignment]
            if cpu:
                _spent[cpu] += time.thread_time() - start_cpu  # type: ignore[assignment]

    return timed


def write_seconds(run: Callable[[Worker], None]) -> Callable[[Worker], None]:
    """Return `Worker.run` that writes down at its end what this process spent, its other threads included."""

    @functools.wraps(run)
    def timed(worker: Worker) -> None:
        start, start_cpu = time.perf_counter(), time.process_time()
        try:
            run(worker)
            worker.reporter.close()  # the last pictures; closing again does nothing
        finally:
            _spent[ALL] += time.perf_counter() - start  # type: ignore[assignment]
            _spent[ALL_CPU] += time.process_time() - start_cpu  # type: ignore[assignment]
            path = worker.search.folder.path / SECONDS.format(os.getpid())
            path.write_text(json.dumps(_spent), encoding="utf-8")

    return timed


for _owner, _name, _what in (
    (Worker, "_choose_size", "pack sizes"),
    (Asker, "ask", "sampling"),
    (TrialReporter, "report", "reports"),
    (TrialReporter, "tell", "ends of trials"),
):
    setattr(_owner, _name, count_seconds(getattr(_owner, _name), _what))
for _name in ("train_epoch", "validate"):
    setattr(Pack, _name, count_seconds(getattr(Pack, _name), ARITHMETIC, ARITHMETIC_CPU))
Worker.run = write_seconds(Worker.run)  # type: ignore[method-assign]

study = dataclasses.replace(choose_study(), name="overhead", budget=Budget(trials=48, epochs=30, stop_in_vain=False))
