"""Processes that try inputs, each bounded in time and memory; one that hangs or crashes is replaced."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.fuzz.trying import SECONDS, Outcome, try_input

MEMORY_BYTES = 6 * 2**30
"""What a process may take on top of what it needs to begin with."""
GRACE_SECONDS = 60.0
"""After which an input that does not heed its alarm is ended with its process."""

LEAVE_SECONDS = 5.0
"""In which a process that waits for an input leaves."""

SPAWN = multiprocessing.get_context("spawn")


@dataclass
class _Process:
    """A process that tries inputs, and the one that it is at."""

    process: Any
    connection: Connection
    number: int = -1
    since: float = field(default_factory=time.monotonic)

    def begin(self, number: int) -> None:
        self.number, self.since = number, time.monotonic()
        self.connection.send(number)

    def end(self) -> None:
        """Let it leave, which it does where it waits for a number; else end it."""
        self.connection.close()
        self.process.join(LEAVE_SECONDS)
        self.process.kill()
        self.process.join()


def try_all(
    seed: int, numbers: Iterator[int], n_processes: int, scratch: Path, references: dict[str, Any]
) -> Iterator[Outcome]:
    """Yield the outcome of each input; a process that hangs or crashes is replaced."""
    running: dict[Connection, _Process] = {}

    def start() -> None:
        if (number := next(numbers, None)) is None:
            return
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_serve, args=(theirs, seed, scratch, references), daemon=True)
        process.start()
        theirs.close()
        running[ours] = _Process(process, ours)
        running[ours].begin(number)

    for _ in range(n_processes):
        start()
    try:
        while running:
            for connection in wait(list(running), timeout=1.0):
                one = running[connection]  # type: ignore[index]
                try:
                    yield one.connection.recv()
                except (EOFError, OSError):
                    one.process.join()
                    yield Outcome(one.number, "its process", "crash", f"exit code {one.process.exitcode}")
                    del running[one.connection]
                    start()
                    continue
                if (number := next(numbers, None)) is None:
                    running.pop(one.connection).end()
                else:
                    one.begin(number)
            for one in list(running.values()):
                if time.monotonic() - one.since > max(SECONDS.values()) + GRACE_SECONDS:
                    running.pop(one.connection).end()
                    yield Outcome(one.number, "its process", "time-out", "it did not heed the alarm")
                    start()
    finally:
        for one in running.values():
            one.end()


def _serve(connection: Connection, seed: int, scratch: Path, references: dict[str, Any]) -> None:
    """Try the inputs whose numbers come, until none comes."""
    own = scratch / f"process-{multiprocessing.current_process().pid}"
    limit = _virtual_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        connection.send(try_input(seed, number, scratch / "whole", own, references))


def _virtual_bytes() -> int:
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0
