"""Who waits for whom: one evaluation of a search at a time, and none of the test part while the search goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tuner.errors import FolderError
from tuner.progress.wording import write_count

if TYPE_CHECKING:
    from tuner.tuning.search import Search

POLL_SECONDS = 0.5


def wait_for_workers(search: Search, tell: Callable[[str], None]) -> None:
    """Return when no worker trains the study any more; tell once that this waits. Ctrl-C ends the waiting.

    A worker that died does not count: at once on this host, after some minutes without a sign of life on another.
    """
    told = False
    while n_workers := sum(search.workers.values()):
        if not told:
            who = f"{write_count(n_workers, 'worker')} still {'trains' if n_workers == 1 else 'train'}"
            tell(f"{who} this study: the test part stays closed until the last one leaves. Ctrl-C stops waiting.")
            told = True
        time.sleep(POLL_SECONDS)


@contextmanager
def hold_alone(lock: Path, tell: Callable[[], None]) -> Iterator[None]:
    """Keep other processes of this host out while the context is open; `tell` is called where this has to wait.

    The system frees the lock of a process that dies.

    Args:
        lock: Path of the lock file.
        tell: Called once where this has to wait.

    Raises:
        FolderError: There can be no lock at this path.
    """
    held = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(timeout=0)
        except Timeout:
            tell()
            held.acquire(poll_interval=POLL_SECONDS)
    except (OSError, NotImplementedError) as error:
        raise FolderError(
            f'"{lock}" must be a file that can be locked, but is not ({error}). Use a run folder on a local disk that '
            "can be written, with --folder."
        ) from error
    try:
        yield
    finally:
        held.release()
