"""Ctrl-C and SIGTERM, taken for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

INTERRUPTED_CODE = 130
"""Exit code after Ctrl-C or SIGTERM, as a shell has it for SIGINT."""

REQUEUE_CODE = 75
"""Exit code of a worker that a batch system ends: its job is to be requeued, and the same command resumes."""


@contextmanager
def watch_interrupt(on_first: Callable[[], object]) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C or SIGTERM sets, after which `on_first` is called; the second leaves.

    Raises:
        KeyboardInterrupt: At the second.
    """
    event = threading.Event()

    def handle(*_: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        on_first()

    with take_signals(handle):
        yield event


@contextmanager
def take_signals(handle: Callable[..., object]) -> Iterator[None]:
    """Let `handle` take SIGINT and SIGTERM while the context is open (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that is not Python's cannot be put back
                signal.signal(number, handler)
