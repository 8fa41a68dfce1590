"""Whether a gain survives the systematic uncertainty of the background."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    GOOD,
    QUIET,
    Drawing,
    dress,
    headline,
    start_figure,
    write_name,
)
from tuner.metrics.measurement import Measurement

MIN_SPACING = 0.05
"""Share of the axis between neighbouring points below which ticks at the points would touch each other."""


def draw_survival(
    table: pd.DataFrame,
    *,
    names: tuple[str, str] = ("winner", "boosted trees"),
    d_auc: Measurement | None = None,
) -> Drawing:
    """Draw the difference of two candidates' significance against the relative systematic of the background.

    table: relative_systematic, value, low, high: significance Z of the first minus that of the second and its 68 %
    interval; p_holm: p value of no difference, corrected for all rows: below 0.05 a point is coloured;
    winner_at_floor, baseline_at_floor: whether the cut leaves as little background as it may, where the point is open.
    names: of the two. d_auc: difference of their AUC, told in the title.
    """
    frame = table.sort_values("relative_systematic", ignore_index=True)
    first, second = names
    figure = start_figure(COLUMN, 4.2)
    axes = figure.subplots()
    percent = 100 * frame["relative_systematic"].to_numpy(dtype=np.float64)
    above, below = (_find_clear(frame, sign) for sign in (1, -1))
    axes.axhline(0, color=QUIET, linewidth=1.2, linestyle="--")
    at_floor = frame[["winner_at_floor", "baseline_at_floor"]].to_numpy(dtype=bool).any(axis=1)
    looks = ((above, GOOD, "o"), (below, BACKGROUND, "v"), (~(above | below), QUIET, "s"))
    for (kind, colour, marker), is_open in product(looks, (False, True)):
        chosen = kind & (at_floor == is_open)
        if not chosen.any():
            continue
        own = frame[chosen]
        errors = np.nan_to_num(np.maximum([own["value"] - own["low"], own["high"] - own["value"]], 0))
        axes.errorbar(
            percent[chosen],
            own["value"],
            yerr=errors,
            fmt=marker,
            color=colour,
            markerfacecolor="white" if is_open else colour,
            markersize=6.5,
            capsize=4,
            elinewidth=1.8,
        )
    gain = "" if d_auc is None else rf"$\Delta$AUC = {d_auc.signed}; "
    dress(
        axes,
        x="relative uncertainty of the background (%)",
        y=r"difference of significance $\Delta Z$",
        title=f"{gain}{write_name(first, 30)} minus {write_name(second, 30)}, 68 % intervals",
    )
    _label_sides(axes, first, second)
    if len(percent) > 1 and np.diff(percent).min() >= MIN_SPACING * np.ptp(percent):
        axes.set_xticks(percent, [f"{value:g}" for value in percent])
        axes.tick_params(axis="x", which="minor", length=0)
    title = f"Does the difference between {first} and {second} survive?"
    headline(figure, title)
    return Drawing(figure, frame, title, f"{title} {_describe(frame, percent, first, second, d_auc)}")


def _label_sides(axes: Axes, first: str, second: str) -> None:
    """Write on either side of zero who is better there; zero is always shown."""
    low, high = axes.get_ylim()
    reach = max(abs(low), abs(high))
    low, high = min(low, -0.25 * reach), max(high, 0.25 * reach)
    axes.set_ylim(low - 0.12 * (high - low), high + 0.12 * (high - low))
    style: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 9.5, "color": QUIET, "ha": "right"}
    axes.text(0.985, 0.975, f"{write_name(first)} better", va="top", **style)
    axes.text(0.985, 0.025, f"{write_name(second)} better", va="bottom", **style)


def _describe(frame: pd.DataFrame, percent: np.ndarray, first: str, second: str, d_auc: Measurement | None) -> str:
    rows = zip(percent, frame["value"], frame["low"], frame["high"], strict=True)
    told = "; ".join(f"{p:g} %: {value:+.2f} [{low:+.2f}, {high:+.2f}]" for p, value, low, high in rows)
    gain = "" if d_auc is None else f" The difference in AUC is {d_auc.signed}."
    clear = int(_find_clear(frame, 1).sum())
    return (
        f"Significance of {first} minus that of {second} by relative background systematic: {told} (68 %). "
        f"The difference is clearly above 0 at {clear} of {len(frame)} (5 % after Holm's correction).{gain}"
    )


def _find_clear(frame: pd.DataFrame, sign: int) -> np.ndarray:
    """Return which rows have a significant difference of a sign, bool [k]."""
    clear: np.ndarray = ((frame["p_holm"] < 0.05) & (sign * frame["value"] > 0)).to_numpy()
    return clear
