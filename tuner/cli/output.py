"""What commands write to standard output: text for people, one JSON object for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.progress.display import Display


def print_text(text: str) -> None:
    """Write a line as it is, at once: no wrapping, so that paths can be copied and lines searched."""
    print(text, flush=True)


def choose_display(*, quiet: bool) -> Display:
    """Return the display of a command, on standard error: standard output is for results."""
    from tuner.progress.display import NoDisplay, open_display

    return NoDisplay() if quiet else open_display()


def print_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object. Not-a-number and infinity, which JSON has not, become null."""
    from tuner.trackers.plain_values import make_strict

    print(json.dumps(make_strict(content, lambda _: None), indent=2, default=str, allow_nan=False))
