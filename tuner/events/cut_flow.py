"""The cut flow: what each part of the selection leaves of signal and background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

ALL = "all events"
WIDTH, MIN_CUT = 80, 20
"""Of lines in a terminal, and of a part of the selection in them."""


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

    def to_json(self) -> dict[str, Any]:
        """Return the cut flow as plain objects."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> CutFlow | None:
        """Return what `to_json` gave; None for None."""
        if content is None:
            return None
        return cls(tuple(CutStage(**stage) for stage in content["stages"]), content["is_weighted"])

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
        """Head of a narrow table; what is kept is a share of the weights where there are some, else of the events."""
        weights = ("weights",) if self.is_weighted else ()
        return ("After", "Signal", *weights, "kept", "Background", *weights, "kept")

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Rows of the narrow table."""
        rows = []
        for stage, row in zip(self.stages, self.frame().to_dict("records"), strict=True):
            cells = [stage.cut]
            for kind in ("signal", "background"):
                cells.append(f"{row[kind]:,}")
                if self.is_weighted:
                    cells.append(f"{row[f'{kind}_weight']:,.5g}")
                cells.append(write_kept(row[f"{kind}_weight_kept" if self.is_weighted else f"{kind}_kept"]))
            rows.append(tuple(cells))
        return tuple(rows)

    @property
    def lines(self) -> tuple[str, ...]:
        """The narrow table as lines of a terminal; parts that are too long are cut off."""
        rows = (self.head, *self.rows)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        widths[0] = min(widths[0], max(MIN_CUT, WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)))
        return tuple(
            "  ".join(
                [_cut_off(row[0], widths[0]), *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:], strict=True))]
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


def write_kept(share: float) -> str:
    """Return a share in per cent; a dash where there was nothing to keep."""
    return "\N{EN DASH}" if np.isnan(share) else f"{100 * share:.1f} %"


def _cut_off(text: str, width: int) -> str:
    plain = " ".join(text.split())
    return plain.ljust(width) if len(plain) <= width else f"{plain[: width - 1]}\u2026"
