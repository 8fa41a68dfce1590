"""What a look at the events gave: numbers, and how to print, draw and save them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tuner.events.cut_flow import CutFlow
from tuner.exploration.feature import FeatureHistogram
from tuner.notebook_cards import BACKGROUND, SIGNAL, draw_steps, write_card, write_lines, write_table
from tuner.progress.wording import write_count

MAX_LETTERS = 60
"""Of a feature's name in a terminal."""
MAX_SHOWN = 15
"""Features that a `repr` and a notebook show."""


@dataclass(frozen=True, eq=False, repr=False)
class Exploration:
    """Features and classes of events, measured with event weights."""

    source: str
    """Where the events came from."""
    classes: pd.DataFrame
    """Rows signal and background: events, weight (their sum), effective ((sum w)^2 / sum w^2), negative (share)."""
    features: pd.DataFrame
    """One row a feature, the most telling first: undefined, mean, sd, separation, auc, minimum, maximum."""
    correlations: Mapping[str, pd.DataFrame]
    """Weighted correlation matrix [d, d] of "signal" and of "background"."""
    histograms: tuple[FeatureHistogram, ...]
    """One for each feature, in the events' order."""
    warnings: tuple[str, ...]
    """What may go wrong, and what one does about it."""
    cut_flow: CutFlow | None = None
    """What each part of the problem's selection left of all events; None without a selection."""

    def frame(self) -> pd.DataFrame:
        """Return the table of features with `feature` as its first column."""
        return self.features.reset_index()

    def __repr__(self) -> str:
        """Return the exploration as a person reads it in a terminal, for the features that tell most."""
        n_more = len(self.features) - MAX_SHOWN
        shown = replace(self, features=self.features.head(MAX_SHOWN))
        more = [f"... and {write_count(n_more, 'feature')} more"] if n_more > 0 else []
        return "\n".join([*shown.lines, *more])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: classes, the features that tell most with their histograms, warnings."""
        classes = [
            [str(name), *(f"{row[column]:,.6g}" for column in ("events", "weight", "effective"))]
            for name, row in self.classes.iterrows()
        ]
        pictures = {histogram.name: _draw(histogram) for histogram in self.histograms}
        features = [
            [
                str(name),
                f"{row['auc']:.3f}",
                f"{row['separation']:.3f}",
                f"{row['undefined']:.1%}",
                pictures.get(str(name), ""),
            ]
            for name, row in self.features.head(MAX_SHOWN).iterrows()
        ]
        n_more = len(self.features) - MAX_SHOWN
        return write_card(
            self.source,
            *([] if self.cut_flow is None else [write_table(self.cut_flow.head, self.cut_flow.rows)]),
            write_table(("class", "events", "sum of weights", "effective events"), classes),
            write_table(
                ("feature", "AUC", "separation", "undefined", "signal (blue), background (orange)"),
                features,
                texts=("signal (blue), background (orange)",),
            ),
            write_lines([f"{write_count(n_more, 'feature')} more: `.frame()`"] if n_more > 0 else [], faint=True),
            write_lines(f"Note: {warning}" for warning in self.warnings),
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The exploration as a person reads it in a terminal."""
        counts = [
            f"{str(name).capitalize():<11} {row['events']:>11,.0f} events   sum of weights {row['weight']:>12,.6g}   "
            f"effective events {row['effective']:>11,.0f}"
            for name, row in self.classes.iterrows()
        ]
        names = [_keep_on_a_line(str(name)) for name in self.features.index]
        width = max(len("feature"), *map(len, names))
        head = (
            f"{'feature':<{width}}    AUC  separation  undefined         signal, mean +- sd     background, mean +- sd"
        )
        rows = [
            f"{name:<{width}}  {row['auc']:.3f}       {row['separation']:.3f}  {row['undefined']:>8.1%}"
            f"  {row['mean_signal']:>12.4g} +- {row['sd_signal']:<10.4g} {row['mean_background']:>12.4g}"
            f" +- {row['sd_background']:.4g}"
            for name, (_, row) in zip(names, self.features.iterrows(), strict=True)
        ]
        cautions = ["", *(f"Note: {warning}" for warning in self.warnings)] if self.warnings else []
        cuts = [] if self.cut_flow is None else ["", "Selection:", *self.cut_flow.lines]
        return (self.source, *counts, *cuts, "", head, *rows, *cautions)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain objects; what is not a number is None."""
        return {
            "source": self.source,
            "classes": _to_plain(self.classes),
            "features": _to_plain(self.features),
            "correlations": {name: _to_plain(matrix) for name, matrix in self.correlations.items()},
            "warnings": list(self.warnings),
            "cut_flow": None if self.cut_flow is None else self.cut_flow.to_json(),
        }


def _draw(histogram: FeatureHistogram) -> Markup:
    shares = {SIGNAL: histogram.signal.tolist(), BACKGROUND: histogram.background.tolist()}
    return draw_steps(shares, label=f"Shares of signal and of background by {histogram.name}")


def _keep_on_a_line(text: str) -> str:
    """Return the beginning of a text, with a blank for what a terminal does not print as a letter."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return kept if len(kept) <= MAX_LETTERS else f"{kept[: MAX_LETTERS - 1]}\u2026"


def _to_plain(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return row name to column name to value."""
    return {
        str(row): {str(column): float(value) if np.isfinite(value) else None for column, value in values.items()}
        for row, values in table.iterrows()
    }
