"""Signals that end a process in order: Ctrl-C, and what a batch system sends before it takes a machine away."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

INTERRUPTED_CODE = 130
"""Exit code after Ctrl-C, as a shell has it for SIGINT."""

REQUEUE_CODE = 75
"""Exit code after SIGTERM, SIGUSR1 or SIGHUP: the job is to be requeued, and the same command resumes.

EX_TEMPFAIL of BSD's `sysexits.h`, "temporary failure, try again": one code for all three signals, below those that a
shell gives to a process that was killed (above 128), and given by nothing else here, so that a job script may requeue
on this code alone.
"""

PREEMPTION_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
"""By which batch systems announce that they take the machine away, and a terminal that it is closed."""


class Preempted(KeyboardInterrupt):
    """A signal of a batch system came while there was nothing to end in order."""


class Interrupt(threading.Event):
    """Set by the first signal that asks this process to end."""

    def __init__(self) -> None:
        super().__init__()
        self.signal: signal.Signals | None = None
        """The signal; that of a batch system where both came."""
        self.since = 0.0
        """When it came, on the monotonic clock."""

    @property
    def is_preemption(self) -> bool:
        """Whether a batch system takes the machine away, so that there are seconds left."""
        return self.signal in PREEMPTION_SIGNALS

    def note(self, number: signal.Signals) -> None:
        """Take a signal for the reason to end."""
        self.signal, self.since = number, time.monotonic()
        self.set()


def find_exit_code(number: signal.Signals) -> int:
    """Return the exit code after a signal that ended a command in order."""
    return INTERRUPTED_CODE if number == signal.SIGINT else REQUEUE_CODE


def describe_stop(number: signal.Signals) -> str:
    """Return what a process that trains says when a signal asks it to end."""
    if number == signal.SIGINT:
        return "Stopping after this epoch; running trials resume next time. Press Ctrl-C again to leave at once."
    return (
        f"Stopping within seconds ({number.name}): running trials are given back, and the same command resumes them. "
        f"Exit code {REQUEUE_CODE}: requeue the job."
    )


@contextmanager
def watch_interrupt(on_first: Callable[[Interrupt], object]) -> Iterator[Interrupt]:
    """Yield an event that the first Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP sets; the second Ctrl-C leaves.

    A batch system may send its signals several times, to a process and to its children: they count once.

    Args:
        on_first: Called after the first signal, and again where a batch system's signal follows a Ctrl-C.

    Raises:
        KeyboardInterrupt: At the second Ctrl-C.
    """
    event = Interrupt()
    n_pressed = 0

    def handle(number: int, _frame: object) -> None:
        nonlocal n_pressed
        n_pressed += number == signal.SIGINT
        if n_pressed > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not event.is_set() or (number in PREEMPTION_SIGNALS and not event.is_preemption):
            event.note(signal.Signals(number))
            on_first(event)

    with take_signals(handle):
        yield event


def leave_at_once(number: int, _frame: object) -> None:
    """Raise `KeyboardInterrupt` at Ctrl-C, and `Preempted`, which is one, at a batch system's signal."""
    raise Preempted if number in PREEMPTION_SIGNALS else KeyboardInterrupt


@contextmanager
def take_signals(handle: Callable[..., object]) -> Iterator[None]:
    """Let `handle` take SIGINT, SIGTERM, SIGUSR1 and SIGHUP while the context is open (in the main thread only).

    A SIGHUP that is ignored, as under `nohup`, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [n for n in (signal.SIGINT, *PREEMPTION_SIGNALS) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that is not Python's cannot be put back
                signal.signal(number, handler)
