"""What is found while columns are taken, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass
class Findings:
    """What was found while columns were taken: problems stop, notes are passed on."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def locate(table: pd.DataFrame, row: int) -> str:
    """Return where a row is: its number, counted from 1, and its file where the events come from several.

    The index of the table tells a row's place among the events that were read.
    """
    row, start = int(table.index[row]), 0
    parts = table.attrs.get("parts", [])
    for name, n in parts if len(parts) > 1 else []:
        if row < start + n:
            return f'event {row - start + 1:,} of "{name}"'
        start += n
    return f"event {row + 1:,}"


def write_value(value: object) -> str:
    """Return a value as it is to be written in a study file: text in quotes, numbers without."""
    plain = value.item() if isinstance(value, np.generic) else value
    return f'"{plain}"' if isinstance(plain, str) else repr(plain)
