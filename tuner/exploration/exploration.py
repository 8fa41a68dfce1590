"""What a look at the events gave, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tuner.events.checks.finding import Finding
from tuner.events.cut_flow import CutFlow
from tuner.exploration.binning import FeatureHistogram
from tuner.exploration.correlation import name_strongest
from tuner.exploration.pairs import PairHistogram


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """Features and classes of events, measured with event weights."""

    source: str
    """Where the events came from."""
    shown: str
    """Which of the events are shown, as a sentence."""
    classes: pd.DataFrame
    """Rows signal and background: events, weight (their sum), effective ((sum w)^2 / sum w^2), negative (share),
    share_events and share_weight (of both classes together)."""
    columns: pd.DataFrame
    """One row a column, those of label, weights and observers among them: role, type, kind, distinct, undefined,
    memory (bytes)."""
    rows: pd.DataFrame
    """A few events from the start, the middle and the end, by their number, with all their columns."""
    features: pd.DataFrame
    """One row a feature, the most telling first: undefined, mean, sd, separation, auc, minimum, maximum, distinct."""
    correlations: Mapping[str, pd.DataFrame]
    """Weighted correlation matrix [d, d] of "signal" and of "background"."""
    rank_correlations: Mapping[str, pd.DataFrame]
    """Those of the ranks."""
    histograms: tuple[FeatureHistogram, ...]
    """One for each feature, in the events' order."""
    pairs: tuple[PairHistogram, ...]
    """One for each pair of the five most telling features."""
    warnings: tuple[str, ...]
    """What may go wrong, and what one does about it, a line each: notes of the reader, then the findings."""
    findings: tuple[Finding, ...] = ()
    """What checks found of the events."""
    cut_flow: CutFlow | None = None
    """What each part of the problem's selection left of all events; None without a selection."""

    def frame(self) -> pd.DataFrame:
        """Return the table of features with `feature` as its first column."""
        return self.features.reset_index()

    @property
    def n_events(self) -> int:
        """Number of events that are shown."""
        return int(self.classes["events"].sum())

    @property
    def memory(self) -> int:
        """Bytes that these events take."""
        return int(self.columns["memory"].sum())

    @cached_property
    def strongest(self) -> tuple[str, ...]:
        """Which features go together most, and where the classes differ in that, as sentences."""
        return name_strongest(self.correlations, self.rank_correlations)

    @property
    def ranked_histograms(self) -> tuple[FeatureHistogram, ...]:
        """The histograms, that of the most telling feature first."""
        by_name = {histogram.name: histogram for histogram in self.histograms}
        return tuple(by_name[str(name)] for name in self.features.index)

    def __repr__(self) -> str:
        """Return the exploration as a person reads it in a terminal."""
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from tuner.exploration.exploration_card import write_exploration_card

        return write_exploration_card(self)

    @property
    def lines(self) -> tuple[str, ...]:
        """The exploration as a person reads it in a terminal of 80 columns, the features that tell most."""
        from tuner.exploration.exploration_card import describe_exploration

        return describe_exploration(self)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain objects; what is not a number is None."""
        return {
            "source": self.source,
            "shown": self.shown,
            "n_events": self.n_events,
            "n_features": len(self.features),
            "memory": self.memory,
            "classes": _to_plain(self.classes),
            "columns": _to_plain(self.columns),
            "rows": _to_plain(self.rows),
            "features": _to_plain(self.features),
            "correlations": {name: _to_plain(matrix) for name, matrix in self.correlations.items()},
            "rank_correlations": {name: _to_plain(matrix) for name, matrix in self.rank_correlations.items()},
            "strongest": list(self.strongest),
            "warnings": list(self.warnings),
            "findings": [finding.to_json() for finding in self.findings],
            "cut_flow": None if self.cut_flow is None else self.cut_flow.to_json(),
        }


def _to_plain(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return row name to column name to value."""
    return {
        str(row): {str(column): _simplify(value) for column, value in values.items()}
        for row, values in table.to_dict("index").items()
    }


def _simplify(value: Any) -> Any:
    """Return a value as JSON has it: a number, a text, or None for what is not a number."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return plain if np.isfinite(plain) else None
    return plain if isinstance(plain, bool | int | str) else None if pd.isna(plain) else str(plain)
