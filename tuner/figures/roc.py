"""The ROC curve in the three conventions of the field, side by side, formulas on the axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    INK,
    OTHERS,
    QUIET,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    start_figure,
    write_name,
)
from tuner.metrics.arrays import Arrays, check_arrays, effective_number
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import RocCurve, background_rejection, rank, smooth_rejection
from tuner.metrics.few_events import widen_rejection
from tuner.metrics.measurement import ONE_SIGMA, Measurement, measure

OPTIMUM = "optimum"
MIN_BACKGROUND = 10
"""Background events above the cut, counted, below which 1/eps_B is not drawn: it would be a fluctuation."""


def draw_roc(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    name: str = "network",
    part: str = "test",
    others: Mapping[str, ArrayLike] = MappingProxyType({}),
    optimum: ArrayLike | None = None,
    threshold: float | None = None,
    n_replicas: int = 100,
    seed: int = 0,
) -> Drawing:
    """Draw eps_S over eps_B, 1 - eps_B over eps_S, and 1/eps_B over eps_S, with the 68 % band of each.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones). others: scores [n] of further candidates by name.
    optimum: observer [n] that no network can beat, drawn dashed. threshold: the working point, marked by a circle.
    """
    drawn = [
        (name, SIGNAL, scores),
        *((other, colour, s) for (other, s), colour in zip(others.items(), cycle(OTHERS), strict=False)),
    ]
    if optimum is not None:
        drawn.append((OPTIMUM, INK, optimum))
    candidates = [
        _Candidate.of(who, colour, check_arrays(labels, values, weights), n_replicas, seed)
        for who, colour, values in drawn
    ]
    figure = start_figure(13.2, 4.7)
    learning, tmva, tagging = figure.subplots(1, 3)
    for candidate in candidates:
        candidate.draw(learning, tmva, tagging)
    if threshold is not None:
        _mark_working_point(candidates[0].curve, threshold, learning, tmva, tagging)
    _draw_chance(learning, tmva, tagging)
    _dress_conventions(learning, tmva, tagging, weighted=weights is not None)
    _mark_rejections(candidates[0].rejections, tagging)
    add_legend(learning, "lower right")
    title = f"ROC curve, {part} part"
    headline(figure, title)
    areas = "; ".join(f"{c.name} AUC {c.area}" for c in candidates)
    frame = pd.concat([c.frame for c in candidates], ignore_index=True)
    return Drawing(figure, frame, title, f"{title}. {areas}.", panels=(learning, tmva, tagging))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One curve, thinned for drawing, with its band."""

    name: str
    colour: str
    curve: RocCurve
    area: Measurement
    rejections: Mapping[float, Measurement]
    """1/eps_B by eps_S."""
    frame: pd.DataFrame
    """candidate, threshold, eps_s, eps_b, raw_background, and the 68 % band of each efficiency at the other."""

    @classmethod
    def of(
        cls,
        name: str,
        colour: str,
        arrays: Arrays,
        n_replicas: int,
        seed: int,
    ) -> _Candidate:
        is_signal, scores, weights = arrays
        ranking = rank(is_signal, scores)
        curve = ranking.curve(weights)
        replicas = [ranking.curve(weights * counts) for counts in draw_counts(is_signal, n_replicas, seed)]
        last = len(curve.eps_s) - 1
        kept = np.unique(np.concatenate([[0], np.geomspace(1, last, 300), np.linspace(1, last, 500)]).astype(int))
        eps_s, eps_b = curve.eps_s[kept], curve.eps_b[kept]
        tails = ((1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2)
        s_low, s_high = np.quantile([_follow(eps_b, r.eps_b, r.eps_s) for r in replicas], tails, axis=0)
        b_low, b_high = np.quantile([_follow(eps_s, r.eps_s, r.eps_b) for r in replicas], tails, axis=0)
        raw = np.append(0, np.cumsum(~ranking.is_signal)[ranking.ends])[kept]
        columns = {"threshold": curve.thresholds[kept], "eps_s": eps_s, "eps_b": eps_b, "raw_background": raw}
        band = {"eps_s_low": s_low, "eps_s_high": s_high, "eps_b_low": b_low, "eps_b_high": b_high}
        area = measure(curve.area, np.array([replica.area for replica in replicas]))
        n_background = effective_number(weights[~is_signal])
        rejections = {
            eps: widen_rejection(
                measure(
                    background_rejection(curve, eps),
                    np.array([smooth_rejection(replica, eps) for replica in replicas]),
                    centre=smooth_rejection(curve, eps),
                ),
                n_background,
            )
            for eps in (0.3, 0.5)
        }
        return cls(name, colour, curve, area, rejections, pd.DataFrame({"candidate": name, **columns, **band}))

    def draw(self, learning: Axes, tmva: Axes, tagging: Axes) -> None:
        """Draw the curve into the three panels."""
        table = self.frame
        dashed = self.name == OPTIMUM
        style: dict[str, Any] = {
            "color": self.colour,
            "linewidth": 1.5 if dashed else 1.9,
            "linestyle": (0, (5, 2)) if dashed else "-",
        }
        band: dict[str, Any] = {"color": self.colour, "alpha": 0.10 if dashed else 0.20, "linewidth": 0}
        order = np.argsort(table["eps_b"], kind="stable")
        learning.fill_between(
            table["eps_b"].iloc[order], table["eps_s_low"].iloc[order], table["eps_s_high"].iloc[order], **band
        )
        learning.plot(table["eps_b"], table["eps_s"], label=f"{write_name(self.name)}, AUC {self.area}", **style)
        tmva.fill_between(table["eps_s"], 1 - table["eps_b_high"], 1 - table["eps_b_low"], **band)
        tmva.plot(table["eps_s"], 1 - table["eps_b"], **style)
        enough = table[(table["raw_background"] >= MIN_BACKGROUND) & (table["eps_b"] > 0) & (table["eps_b_low"] > 0)]
        tagging.fill_between(enough["eps_s"], 1 / enough["eps_b_high"], 1 / enough["eps_b_low"], **band)
        tagging.plot(enough["eps_s"], 1 / enough["eps_b"], **style)


def _follow(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y at the given x; a signed curve that turns back is followed by the largest x so far."""
    followed: np.ndarray = np.interp(at, np.maximum.accumulate(x), y)
    return followed


def _draw_chance(learning: Axes, tmva: Axes, tagging: Axes) -> None:
    style: dict[str, Any] = {"color": QUIET, "linewidth": 1.0, "linestyle": ":"}
    grid = np.linspace(0.001, 1, 200)
    learning.plot([0, 1], [0, 1], label="chance", **style)
    tmva.plot([0, 1], [1, 0], **style)
    tagging.plot(grid, 1 / grid, **style)


def _dress_conventions(learning: Axes, tmva: Axes, tagging: Axes, *, weighted: bool) -> None:
    """Label the axes with words and formulas."""
    counted = "weighted events" if weighted else "events"
    signal = rf"signal efficiency $\epsilon_S$ = TPR ({counted})"
    background = rf"background efficiency $\epsilon_B$ = FPR ({counted})"
    dress(learning, x=background, y=r"signal efficiency $\epsilon_S$ = TPR", title="machine learning")
    dress(tmva, x=signal, y=r"background rejection $1-\epsilon_B$", title="TMVA")
    dress(tagging, x=signal, y=r"background rejection $1/\epsilon_B$", title="taggers")
    for axes in (learning, tmva):
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="auto")
    tagging.set(xlim=(0, 1), yscale="log")
    tagging.set_ylim(bottom=1)


def _mark_working_point(curve: RocCurve, threshold: float, learning: Axes, tmva: Axes, tagging: Axes) -> None:
    place = int((curve.thresholds >= threshold).sum()) - 1
    eps_s, eps_b = float(curve.eps_s[place]), float(curve.eps_b[place])
    style: dict[str, Any] = {
        "marker": "o",
        "markersize": 8,
        "color": SIGNAL,
        "markerfacecolor": "white",
        "markeredgewidth": 1.8,
    }
    text = rf"cut $\geq${threshold:.3f}: $\epsilon_S$ {eps_s:.3f}, $\epsilon_B$ {eps_b:.3f}"
    learning.plot([eps_b], [eps_s], linestyle="none", label=text, zorder=5, **style)
    tmva.plot([eps_s], [1 - eps_b], zorder=5, **style)
    if eps_b > 0:
        tagging.plot([eps_s], [1 / eps_b], zorder=5, **style)


def _mark_rejections(rejections: Mapping[float, Measurement], tagging: Axes) -> None:
    """Write 1/eps_B at eps_S = 0.3 and 0.5, where it can be told."""
    lines = []
    for eps_s, rejection in rejections.items():
        if np.isfinite(rejection.value):
            tagging.plot([eps_s, eps_s], [1, rejection.value], color=SIGNAL, linewidth=0.8, alpha=0.6)
            tagging.plot([eps_s], [rejection.value], marker=".", markersize=8, color=SIGNAL)
            lines.append(rf"$1/\epsilon_B$ = {rejection} at $\epsilon_S$ = {eps_s:g}")
    if lines:
        tagging.text(
            0.97, 0.96, "\n".join(lines), transform=tagging.transAxes, ha="right", va="top", fontsize=9.5, color=INK
        )
