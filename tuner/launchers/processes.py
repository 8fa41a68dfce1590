"""Processes: a name that is theirs for good, and how they end."""

from __future__ import annotations

import functools
import os
import signal
import socket
from pathlib import Path

from tuner.launchers.signals import PREEMPTION_SIGNALS
from tuner.launchers.watchdog_process import HANG_SIGNAL

OUTSIDE_SIGNALS = (signal.SIGINT, signal.SIGKILL, *PREEMPTION_SIGNALS)
"""Ends that say nothing against what a worker trained: a scheduler, a user, or the kernel that needs memory."""


@functools.cache
def name_host() -> str:
    """Return a name within which a process number means one process: host, its boot, its space of numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {boot} {space}"


def read_start(pid: int) -> str | None:
    """Return when a process of this host started: pid and start name a process for good. None: it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _probe(pid)
    return None if fields[0] == "Z" else fields[19]


def _probe(pid: int) -> str | None:
    """Return "unknown" for a living process where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def is_outside(exit_code: int) -> bool:
    """Whether an exit code is that of a process which a signal from outside ended."""
    return exit_code < 0 and -exit_code in OUTSIDE_SIGNALS


def is_hang(exit_code: int) -> bool:
    """Whether an exit code is that of a process which hung, so that its watchdog ended it."""
    return exit_code == -HANG_SIGNAL


def describe_exit(exit_code: int) -> str:
    """Return how a process ended, as the end of a sentence."""
    if is_hang(exit_code):
        return "made no progress for too long and was ended"
    if exit_code < 0:
        name = next((known.name for known in signal.Signals if known == -exit_code), f"signal {-exit_code}")
        return f"was ended by {name}"
    return f"ended with exit code {exit_code}"
