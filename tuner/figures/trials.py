"""Trials as a table: what the figures of a search are drawn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tuner.figures.drawing import FAINT, INK, QUIET, SIGNAL

STATES: Mapping[str, tuple[str, str]] = {
    "complete": (SIGNAL, "o"),
    "pruned": (FAINT, "v"),
    "interrupted": (QUIET, "s"),
    "running": (QUIET, ">"),
    "waiting": (QUIET, "."),
    "failed": (INK, "x"),
}
"""State of a trial to colour and marker, the same in every figure."""


class Trial(Protocol):
    """What a figure needs to know of a trial."""

    @property
    def number(self) -> int:
        """Return its number."""
        ...

    @property
    def state(self) -> str:
        """Return complete, pruned, failed, ..."""
        ...

    @property
    def value(self) -> float | None:
        """Return its best value; None where it reported none."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Return its parameters by name."""
        ...


OWN_COLUMNS = ("number", "state", "value")


def tabulate_trials(trials: Iterable[Trial]) -> pd.DataFrame:
    """Return one row per trial: number, state, value (not-a-number where there is none), then every parameter."""
    rows = [
        {"number": t.number, "state": t.state, "value": float("nan") if t.value is None else t.value}
        | {name_column(name): value for name, value in t.params.items()}
        for t in trials
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(OWN_COLUMNS))


def name_column(parameter: str) -> str:
    """Return the column of a parameter in the table of trials: its name, unless that is a column of the trial's own."""
    return f"{parameter} (parameter)" if parameter in OWN_COLUMNS else parameter


def find_best(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the row with the largest value of a column, the first of equals; the table has one."""
    return table.iloc[int(table[column].to_numpy(dtype=np.float64, na_value=-np.inf).argmax())]
