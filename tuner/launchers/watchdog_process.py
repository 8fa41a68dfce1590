"""A program of its own: ends the process that started it where that hangs, or does not leave after a signal.

It imports nothing of this package, so that it starts in milliseconds. `tuner.launchers.watchdog` starts it and tells
it, byte by byte on its standard input, how that process gets on.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

BUSY, IDLE = 0x80, 0x81
"""What the process tells: it has come a step further in what may hang; it does nothing that may. Lower bytes are
signals that it was sent, which Python's own handler in C passes on, whatever the interpreter does."""

TIMES = 20.0
"""How many times the longest step so far a step may take, where that is more than the limit."""

HANG_SIGNAL = signal.SIGALRM
"""Ends a process that hangs: a timer ran out. It writes where it hangs before it dies."""

LAST_SECONDS = 5.0
"""What the process has for that, before it is killed."""

_LEAVING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Signals after which a process has to leave soon; it may have handlers for others."""


class Watch:
    """What is known of the process that is watched."""

    def __init__(self, pid: int, hang_seconds: float, leave_seconds: float) -> None:
        self.pid = pid
        self.hang_seconds = hang_seconds
        self.leave_seconds = leave_seconds
        self.busy_since: float | None = None
        """When it last came a step further in what may hang; None where it does nothing that may."""
        self.longest = 0.0
        """Seconds of its longest step."""
        self.kill_at = float("inf")
        """When it is killed, as it was told to leave or to die."""

    def take(self, told: bytes, now: float) -> None:
        """Take what the process tells."""
        for byte in told:
            if byte in (BUSY, IDLE):
                if self.busy_since is not None:
                    self.longest = max(self.longest, now - self.busy_since)
                self.busy_since = now if byte == BUSY else None
            elif byte in _LEAVING:
                self.kill_at = min(self.kill_at, now + self.leave_seconds)

    def pause(self, seconds: float) -> None:
        """Leave out a time in which the process, or this one, was stopped."""
        self.kill_at += seconds
        if self.busy_since is not None:
            self.busy_since += seconds

    def judge(self, now: float) -> signal.Signals | None:
        """Return the signal that the process is to be sent now; None for none."""
        if now >= self.kill_at:
            return signal.SIGKILL
        allowed = max(self.hang_seconds, TIMES * self.longest)
        if self.busy_since is not None and now - self.busy_since > allowed:
            self.busy_since = None
            self.kill_at = min(self.kill_at, now + LAST_SECONDS)
            say(f"It has made no progress for {allowed:,.0f} s and is ended. Where it hangs follows.")
            return HANG_SIGNAL
        return None


def say(text: str) -> None:
    """Write a line where the process writes its own."""
    print(text, file=sys.stderr, flush=True)


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, as by SIGSTOP; False where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in ("T", "t")
    except OSError:
        return False


def main(pid: int, hang_seconds: float, leave_seconds: float, look_seconds: float = 1.0) -> None:
    """Watch the parent, whose number this is, until it closes the pipe or is gone."""
    for ignored in (signal.SIGINT, *_LEAVING):
        signal.signal(ignored, signal.SIG_IGN)
    watch, before = Watch(pid, hang_seconds, leave_seconds), time.monotonic()
    while os.getppid() == pid:
        ready, _, _ = select.select([0], [], [], look_seconds)
        now = time.monotonic()
        gap = now - before - look_seconds
        if is_stopped(pid) or gap > look_seconds:  # the machine slept, or a group of processes was stopped
            watch.pause(now - before)
        before = now
        if ready:
            told = os.read(0, 4096)
            if not told:
                return
            watch.take(told, now)
        number = watch.judge(now)
        if number is not None and os.getppid() == pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:]))
