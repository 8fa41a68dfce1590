"""A process that makes one call: `python -m tuner.launchers.pickled_call FOLDER`.

The call lies in a folder that only its owner can write, where the outcome goes as well.
"""

from __future__ import annotations

import faulthandler
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.errors import describe_error


def write_call(folder: Path, call: bytes) -> None:
    """Put a pickled call of no arguments into a folder."""
    (folder / "call").write_bytes(call)


def read_outcome(folder: Path) -> bytes | None:
    """Return the pickled outcome of a call, whether it returned and what it returned or raised; None for none yet."""
    path = folder / "outcome"
    return path.read_bytes() if path.exists() else None


def main(folder: Path) -> None:
    """Make the call, and leave its outcome."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    call = pickle.loads((folder / "call").read_bytes())
    outcome = _make(call)
    try:
        content = pickle.dumps(outcome)
    except Exception as error:
        content = pickle.dumps((False, RuntimeError(describe_error(outcome[1] if not outcome[0] else error))))
    (folder / "unfinished").write_bytes(content)
    (folder / "unfinished").replace(folder / "outcome")


def _make(call: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return True, call()
    except Exception as error:
        return False, error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
