"""Events of which each file, or each group of a file, holds one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tuner.errors import name_all
from tuner.events.listing import Reason, Wanted

if TYPE_CHECKING:
    from tuner.events.sources import File


@dataclass(frozen=True)
class ClassSource:
    """Where the events of one class are."""

    source: File
    value: str | None
    """What the label column says of them; None where that is not known."""


def read_classes(
    sources: Sequence[ClassSource], wanted: Wanted, label: str, fill: Mapping[str, float]
) -> list[tuple[str, pd.DataFrame]]:
    """Return name and table of each source, with a label column of what it stands for.

    Args:
        sources: One for each class, or several.
        wanted: Says which columns are read, of those that all sources have, and those that `fill` has.
        label: Name of the label column, which is made where it is wanted.
        fill: Value of a column where a source has none.
    """
    columns, left_out = _list_columns(sources)
    named = dict.fromkeys([*(name for here in columns.values() for name in here), *fill])
    for name in named:
        having = [source for source, here in columns.items() if name in here]
        if len(having) < len(columns) and name not in fill:
            told = f'is only in {name_all(having)}: fill={{"{name}": VALUE}} gives it a value elsewhere'
            left_out.setdefault(name, Reason(told, is_elsewhere=True))
    chosen = [name for name in named if name not in left_out and wanted(name)]
    values = sorted({one.value for one in sources if one.value is not None})
    is_labelled = bool(values) and wanted(label)
    tables = []
    for one in sources:
        read = one.source.read_columns(lambda name: name in chosen)
        arrays: dict[str, Any] = {name: read[name] if name in read else fill[name] for name in chosen}
        if is_labelled and one.value is not None:
            codes = np.full(len(read), values.index(one.value), np.int8)
            arrays[label] = pd.Categorical.from_codes(codes, categories=pd.Index(values))
        table = pd.DataFrame(arrays, index=pd.RangeIndex(len(read)), copy=False)
        table.attrs = {**read.attrs, "left_out": left_out}
        tables.append((one.source.describe(), table))
    return tables


def _list_columns(sources: Sequence[ClassSource]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the columns of each source that can be read, and why others are left out, without reading values."""
    columns: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for one in sources:
        names = columns[one.source.describe()] = []
        table = one.source.read_columns(partial(_note, names))
        left_out |= table.attrs.get("left_out", {})
    return columns, left_out


def _note(names: list[str], name: str) -> bool:
    """Remember the name of a column, which is not wanted."""
    if name not in names:
        names.append(name)
    return False
