"""What settings of networks have in common: the mark of a knob, and checks told all at once. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

from tuner.errors import StudyError, raise_together

KNOB = {"knob": True}
"""Metadata of a settings field that members of one pack need not share; every other field is structure."""


def check_settings(settings: object, checks: Mapping[str, bool]) -> None:
    """Raise one `StudyError` that tells every check that does not hold.

    A check is named by what must hold and begins with its field in backticks, `` `d_block` must be at least 1``.
    """
    broken = [
        f"{text}, but is {getattr(settings, text.split('`')[1])!r}." for text, holds in checks.items() if not holds
    ]
    raise_together(broken, StudyError, type(settings).__name__)


def is_count(value: object, least: int = 1) -> bool:
    """Return whether a value is a whole number of at least `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
