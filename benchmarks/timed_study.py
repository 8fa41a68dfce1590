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
from collections.abc import Callable, Iterator
from typing import Any

from studies import magic, resonance
from tuner.errors import EventsError
from tuner.training.batched.lanes import IsDone
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


def count_turns(begin: Callable[[Pack], Iterator[IsDone]]) -> Callable[[Pack], Iterator[IsDone]]:
    """Return a method of packs that adds the seconds in which the host gives the device work to the arithmetic."""

    @functools.wraps(begin)
    def timed(pack: Pack) -> Iterator[IsDone]:
        turns = begin(pack)
        take = count_seconds(lambda: next(turns, None), ARITHMETIC, ARITHMETIC_CPU)
        while (is_done := take()) is not None:
            yield is_done

    return timed


def count_busy(go_round: Callable[[Worker, list[Any]], None]) -> Callable[[Worker, list[Any]], None]:
    """Return `Worker._go_round` that takes a round for arithmetic as a whole where a GPU was at work as it began."""

    @functools.wraps(go_round)
    def timed(worker: Worker, runs: list[Any]) -> None:
        is_busy = any(not run.is_done() for run in runs)
        before, start = _spent[ARITHMETIC], time.perf_counter()
        go_round(worker, runs)
        if is_busy:
            _spent[ARITHMETIC] = before + time.perf_counter() - start  # type: ignore[assignment]

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
for _name in ("begin_epoch", "begin_validation"):
    setattr(Pack, _name, count_turns(getattr(Pack, _name)))
Pack.end_validation = count_seconds(Pack.end_validation, ARITHMETIC, ARITHMETIC_CPU)  # type: ignore[method-assign]
Worker._go_round = count_busy(Worker._go_round)  # type: ignore[method-assign]
Worker.run = write_seconds(Worker.run)  # type: ignore[method-assign]

study = dataclasses.replace(choose_study(), name="overhead", budget=Budget(trials=48, epochs=30, stop_in_vain=False))
