"""The cut flow: what each part of the selection leaves of signal and background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

ALL = "all events"


@dataclass(frozen=True, kw_only=True)
class CutStage:
    """Events that are left after a part of the selection and all parts before it."""

    cut: str
    """The part as it is written; "all events" before the first."""
    signal: int
    background: int
    signal_weight: float
    """Sum of the weights of signal; those that are not finite are left out."""
    background_weight: float


@dataclass(frozen=True)
class CutFlow:
    """What a selection leaves, part by part."""

    stages: tuple[CutStage, ...]
    """All events first, then one for each part of the selection in its order."""
    is_weighted: bool
    """Whether the problem has event weights; else they are ones."""

    @property
    def n_read(self) -> int:
        """Events before the selection."""
        return self.stages[0].signal + self.stages[0].background

    def frame(self) -> pd.DataFrame:
        """Return a table: cut, then for signal and background events, their share of all, and sums of weights."""
        table = {"cut": [stage.cut for stage in self.stages]}
        columns: dict[str, list[float]] = {}
        for kind in ("signal", "background"):
            for name in (kind, f"{kind}_weight"):
                left = [getattr(stage, name) for stage in self.stages]
                columns |= {name: left, f"{name}_kept": [_divide(part, left[0]) for part in left]}
        return pd.DataFrame(table | columns)

    @property
    def head(self) -> tuple[str, ...]:
        """Head of the table as a person reads it; weights only where there are some."""
        weights = ("sum of weights", "kept") if self.is_weighted else ()
        return ("After", "Signal", "kept", *weights, "Background", "kept", *weights)

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Rows of the table as a person reads it."""
        shown = self.frame().set_index("cut")
        if not self.is_weighted:
            shown = shown[[name for name in shown.columns if "weight" not in name]]
        return tuple(
            (str(cut), *(_write(value, str(name)) for name, value in row.items())) for cut, row in shown.iterrows()
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The table as lines of a terminal."""
        rows = (self.head, *self.rows)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return tuple(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


def count_cuts(
    parts: Sequence[tuple[str, np.ndarray]], labels: np.ndarray, weights: np.ndarray, *, is_weighted: bool
) -> CutFlow:
    """Return the cut flow of a selection.

    Args:
        parts: Each part as it is written, and where it holds, bool [n].
        labels: 1 for signal, 0 for all other events [n].
        weights: Event weights [n]; those that are not finite count as 0.
        is_weighted: Whether the weights are the problem's, not ones.
    """
    weights = np.where(np.isfinite(weights), weights, 0.0)
    is_signal = labels == 1
    kept = np.ones(len(labels), bool)
    stages = []
    for cut, holds in ((ALL, kept), *parts):
        kept = kept & holds
        signal, background = kept & is_signal, kept & ~is_signal
        stages.append(
            CutStage(
                cut=cut,
                signal=int(signal.sum()),
                background=int(background.sum()),
                signal_weight=float(weights[signal].sum()),
                background_weight=float(weights[background].sum()),
            )
        )
    return CutFlow(tuple(stages), is_weighted)


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _write(value: float, name: str) -> str:
    if np.isnan(value):
        return "\N{EN DASH}"
    if name.endswith("kept"):
        return f"{100 * value:.1f} %"
    return f"{value:,.6g}" if name.endswith("weight") else f"{value:,.0f}"
