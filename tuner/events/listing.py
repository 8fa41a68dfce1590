"""What columns a file has, before any values are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tuner.errors import EventsError, name_all

Wanted = Callable[[str], bool]
"""Says of a column's name whether the column is to be read."""

ALL_ROWS = slice(0, None)
"""All events of a file."""


class ListedColumn(NamedTuple):
    """A column of a file, as the file tells it."""

    name: str
    type: str
    """As the file's format calls it."""
    is_scalar: bool
    """One number or one text for each event; else a list, a struct or something else that needs an expression."""


@dataclass(frozen=True)
class Lists:
    """What a column holds of which each event has a list of numbers: expressions make numbers of it."""

    length: int | None = None
    """Of every list, where all are equally long."""
    are_conditions: bool = False
    """They hold yes and no, such as which entries are no padding."""
    valid: str = ""
    """Column of conditions that says which entries are there, and not padding; empty where there is none."""


class Reason(str):
    """Why a column is left out, as "holds a list for each event", and what may be made of it nevertheless."""

    lists: Lists | None
    """What it holds, where that is lists of numbers."""
    is_elsewhere: bool
    """Only some of the sources have it."""

    def __new__(cls, why: str, *, lists: Lists | None = None, is_elsewhere: bool = False) -> Reason:
        """Return the reason in words, with what is known beside them."""
        reason = super().__new__(cls, why)
        reason.lists, reason.is_elsewhere = lists, is_elsewhere
        return reason


def get_lists(why: str) -> Lists | None:
    """Return which lists of numbers a column holds that is left out; None where it holds something else."""
    return getattr(why, "lists", None)


def is_elsewhere(why: str) -> bool:
    """Return whether a column is left out as only some of the sources have it."""
    return getattr(why, "is_elsewhere", False)


class Reasons(dict[str, str]):
    """Why columns are left out, by name: a table's `attrs["left_out"]`, which nobody changes.

    pandas copies a table's attributes, deeply, whenever a column is taken from it. Not these: of the files of
    experiments they tell thousands.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Reasons:
        """Return the same."""
        return self


@dataclass(frozen=True)
class Column:
    """A column that may be read."""

    name: str
    read: Callable[[], Any]
    """Return the values [n]."""
    why_not: str = ""
    """Why it is no number and no text per event, as "holds a list for each event"; empty where it is."""


def cut_into_stretches(blocks: Sequence[int], at_most: int) -> list[slice]:
    """Return stretches of whole blocks, each of `at_most` events or of one block; without any event none.

    Args:
        blocks: Events of each block, in their order.
        at_most: Events of a stretch.
    """
    stretches: list[slice] = []
    for n in blocks:
        start = stretches[-1].stop if stretches else 0
        if stretches and start + n - stretches[-1].start <= at_most:
            stretches[-1] = slice(stretches[-1].start, start + n)
        elif n:
            stretches.append(slice(start, start + n))
    return stretches


def leave_out() -> None:
    """Stand for the values of a column that is never read."""


def check_names(path: Path | str, names: Sequence[str]) -> None:
    """Raise `EventsError` where a file names a column twice: nobody can tell which one is meant."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise EventsError(
            f'"{path}" must name each column once, but has twice: {name_all(twice)}. Give each a name of its own.'
        )
