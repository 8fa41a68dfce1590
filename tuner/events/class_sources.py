"""Events of which each class is a source of its own: a file, or several, or a tree or group of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.events.joining import read_source
from tuner.events.listing import Reason, Reasons, Wanted
from tuner.problem import EventSource
from tuner.progress.wording import join_words


@dataclass(frozen=True)
class ClassSource:
    """Where the events of one class are, or some of them."""

    source: EventSource
    value: str | None
    """What the label column says of them; None where that is not known."""
    name: str
    """What they are called in messages."""


def read_classes(
    sources: Sequence[ClassSource], wanted: Wanted, label: str, fill: Mapping[str, float]
) -> list[tuple[str, pd.DataFrame]]:
    """Return name and table of each source, all with the same columns, and a label column of what each stands for.

    A column that not all sources have is left out, but for those of `fill`.

    Args:
        sources: One for each class, or several.
        wanted: Says which columns are read.
        label: Name of the label column, which is made where it is wanted.
        fill: Value of a column where a source has none.

    Raises:
        EventsError: A source has a column of the name that the label is to have.
    """
    there: list[dict[str, None]] = [{} for _ in sources]
    tables = [_read(one, wanted, label, names) for one, names in zip(sources, there, strict=True)]
    left_out = Reasons(_find_left_out(sources, tables, there, fill))
    named = dict.fromkeys([*(str(name) for table in tables for name in table.columns), *fill])
    names = [name for name in named if name not in left_out and wanted(name)]
    values = list(dict.fromkeys(one.value for one in sources if one.value is not None))
    parts = []
    for one, read in zip(sources, tables, strict=True):
        arrays: dict[str, Any] = {name: read[name] if name in read else fill[name] for name in names}
        if one.value is not None and wanted(label):
            codes = np.full(len(read), values.index(one.value), np.int8)
            arrays[label] = pd.Categorical.from_codes(codes, categories=pd.Index(values))
        table = pd.DataFrame(arrays, index=pd.RangeIndex(len(read)), copy=False)
        table.attrs = {**read.attrs, "left_out": left_out}
        parts.append((one.source.describe(), table))
    return parts


def _read(one: ClassSource, wanted: Wanted, label: str, there: dict[str, None]) -> pd.DataFrame:
    """Return the wanted events of a source; add the names of its wanted columns, whether they can be read or not."""

    def note(name: str) -> bool:
        if is_wanted := (name == label and one.value is not None) or wanted(name):
            there[name] = None
        return is_wanted

    table = read_source(one.source, note).reset_index(drop=True)
    if label in table and one.value is not None:
        raise EventsError(
            f'The label column that is made must have a name of its own, but there is a column "{label}" in '
            f'{one.name}. Give it another, such as `label="class"`, where the classes are named.'
        )
    return table


def _find_left_out(
    sources: Sequence[ClassSource],
    tables: Sequence[pd.DataFrame],
    there: Sequence[Mapping[str, None]],
    fill: Mapping[str, float],
) -> dict[str, str]:
    """Return why columns are left out: what cannot be read of one source, or is not there in all of them."""
    left_out = {str(name): why for table in tables for name, why in table.attrs.get("left_out", {}).items()}
    for name in dict.fromkeys(name for names in there for name in names if name not in {*fill, *left_out}):
        having = list(dict.fromkeys(one.name for one, names in zip(sources, there, strict=True) if name in names))
        if any(name not in names for names in there):
            told = f'is only in {join_words(having)}: fill={{"{name}": VALUE}} gives it a value elsewhere'
            left_out[name] = Reason(told, is_elsewhere=True)
    return left_out
