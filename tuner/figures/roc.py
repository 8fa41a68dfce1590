"""The ROC curve in the three conventions of the field, side by side, formulas on the axes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
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
from tuner.metrics.curves import Ranking, RocCurve, background_rejection, rank, smooth_rejection
from tuner.metrics.few_events import widen_rejection
from tuner.metrics.measurement import ONE_SIGMA, Measurement, measure

OPTIMUM = "optimum"
LEGEND_COLUMNS, LEGEND_LETTERS = 4, 140
"""Columns of the legend, at most, and letters that have room beside each other in them."""
MIN_DRAWN = 10.0
"""Effective background events above the cut, (sum w)^2 / sum w^2, below which 1/eps_B is neither drawn nor marked: it
would be a fluctuation."""
AUC, REJECTIONS = "AUC", {eps_s: f"1/eps_B at eps_S={eps_s:g}" for eps_s in (0.3, 0.5)}
"""Names of what is told, by which `known` gives it."""
DASHES = ("-", "--", "-.")
"""Of the curves; the next ones where the colours begin again."""


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
    known: Mapping[str, Mapping[str, Measurement]] = MappingProxyType({}),
    n_replicas: int = 100,
    seed: int = 0,
) -> Drawing:
    """Draw eps_S over eps_B, 1 - eps_B over eps_S, and 1/eps_B over eps_S, with the 68 % band of each.

    Where fewer than 10 effective background events pass, 1/eps_B is neither drawn nor marked.

    Args:
        labels: [n] in {0, 1}.
        scores: [n]; higher is more signal-like.
        weights: Event weights [n]; None: ones.
        name: Of the scores' candidate.
        part: The part that the events are of.
        others: Scores [n] of further candidates by name.
        optimum: Observer [n] that no network can beat, drawn dashed.
        threshold: The working point, marked by a circle.
        known: Figures of the candidates that were measured elsewhere, by candidate and name ("AUC", "1/eps_B at
            eps_S=0.3"): told as they are, so that a number has one error. What is not among them is measured here, by
            bootstrap.
        n_replicas: Bootstrap replicas for the bands; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    drawn: list[tuple[str, str, Any, ArrayLike]] = [
        (name, SIGNAL, "-", scores),
        *(
            (other, OTHERS[place % len(OTHERS)], DASHES[place // len(OTHERS) % len(DASHES)], values)
            for place, (other, values) in enumerate(others.items())
        ),
    ]
    if optimum is not None:
        drawn.append((OPTIMUM, INK, (0, (5, 2)), optimum))
    replicas = {"n_replicas": n_replicas, "seed": seed}
    candidates = [
        _Candidate.of(who, (colour, line), check_arrays(labels, values, weights), known.get(who, {}), **replicas)
        for who, colour, line, values in drawn
    ]
    figure = start_figure(13.2, 4.7 + 0.2 * ceil((len(candidates) + 2) / LEGEND_COLUMNS))
    learning, tmva, tagging = figure.subplots(1, 3)
    for candidate in candidates:
        candidate.draw(learning, tmva, tagging)
    if threshold is not None:
        _mark_working_point(candidates[0], threshold, learning, tmva, tagging)
    _draw_chance(learning, tmva, tagging)
    _dress_conventions(learning, tmva, tagging, weighted=weights is not None)
    _mark_rejections(candidates[0], tagging)
    handles, names = learning.get_legend_handles_labels()
    columns = _count_columns(names)
    legend = add_legend(figure, "outside lower center", handles=handles, labels=names, ncols=columns, columnspacing=1.2)
    title = f"ROC curve, {part} part"
    headline(figure, title)
    areas = "; ".join(f"{c.name} AUC {c.area}" for c in candidates)
    frame = pd.concat([c.frame for c in candidates], ignore_index=True)
    return Drawing(figure, frame, title, f"{title}. {areas}.", panels=(learning, tmva, tagging, legend))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One curve, thinned for drawing, with its band."""

    name: str
    look: tuple[str, Any]
    """Colour and style of the line."""
    curve: RocCurve
    effective: np.ndarray
    """[k + 1], effective background events that pass, at each point of the curve."""
    area: Measurement
    rejections: Mapping[float, Measurement]
    """1/eps_B by eps_S."""
    frame: pd.DataFrame
    """candidate, threshold, eps_s, eps_b, effective_background, and the 68 % band of each efficiency at the other."""

    @classmethod
    def of(
        cls,
        name: str,
        look: tuple[str, Any],
        arrays: Arrays,
        known: Mapping[str, Measurement],
        *,
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
        effective = _count_effective(ranking, weights)
        columns = {"threshold": curve.thresholds[kept], "eps_s": eps_s, "eps_b": eps_b}
        columns["effective_background"] = effective[kept]
        band = {"eps_s_low": s_low, "eps_s_high": s_high, "eps_b_low": b_low, "eps_b_high": b_high}
        area = known.get(AUC) or measure(curve.area, np.array([replica.area for replica in replicas]))
        n_background = effective_number(weights[~is_signal])
        rejections = {
            eps: known.get(named) or _measure_rejection(curve, replicas, eps, n_background)
            for eps, named in REJECTIONS.items()
        }
        frame = pd.DataFrame({"candidate": name, **columns, **band})
        return cls(name, look, curve, effective, area, rejections, frame)

    def draw(self, learning: Axes, tmva: Axes, tagging: Axes) -> None:
        """Draw the curve into the three panels."""
        table = self.frame
        colour, line = self.look
        best = self.name == OPTIMUM
        style: dict[str, Any] = {
            "color": colour,
            "linewidth": 1.5 if best else 1.9,
            "linestyle": line,
            "zorder": 3 if colour == SIGNAL else 2,
        }
        band: dict[str, Any] = {"color": colour, "alpha": 0.10 if best else 0.20, "linewidth": 0}
        order = np.argsort(table["eps_b"], kind="stable")
        learning.fill_between(
            table["eps_b"].iloc[order], table["eps_s_low"].iloc[order], table["eps_s_high"].iloc[order], **band
        )
        learning.plot(table["eps_b"], table["eps_s"], label=f"{write_name(self.name)}, AUC {self.area}", **style)
        tmva.fill_between(table["eps_s"], 1 - table["eps_b_high"], 1 - table["eps_b_low"], **band)
        tmva.plot(table["eps_s"], 1 - table["eps_b"], **style)
        told = (table["effective_background"] >= MIN_DRAWN) & (table["eps_b"] > 0) & (table["eps_b_low"] > 0)
        enough = table[told]
        tagging.fill_between(enough["eps_s"], 1 / enough["eps_b_high"], 1 / enough["eps_b_low"], **band)
        tagging.plot(enough["eps_s"], 1 / enough["eps_b"], **style)

    def find(self, threshold: float) -> tuple[float, float, bool]:
        """Return eps_S and eps_B of "score >= threshold", and whether enough background passes to tell 1/eps_B."""
        place = int((self.curve.thresholds >= threshold).sum()) - 1
        eps_s, eps_b = float(self.curve.eps_s[place]), float(self.curve.eps_b[place])
        return eps_s, eps_b, bool(self.effective[place] >= MIN_DRAWN and eps_b > 0)


def _count_effective(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """Return the effective background events that pass each cut of a curve or any looser one, the fewest, [k + 1].

    One heavy event more makes fewer effective ones: a curve that is believed from a cut on is believed to its end.
    """
    sums, squares = (np.append(0.0, summed) for summed in ranking.sum_background(weights))
    effective = np.divide(sums**2, squares, out=np.zeros(len(sums)), where=squares > 0)
    fewest: np.ndarray = np.minimum.accumulate(effective[::-1])[::-1]
    return fewest


def _measure_rejection(curve: RocCurve, replicas: Sequence[RocCurve], eps_s: float, n_background: float) -> Measurement:
    """Return 1/eps_B at a signal efficiency with its 68 % interval."""
    of_replicas = np.array([smooth_rejection(replica, eps_s) for replica in replicas])
    value, centre = background_rejection(curve, eps_s), smooth_rejection(curve, eps_s)
    return widen_rejection(measure(value, of_replicas, centre=centre), n_background)


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


def _count_columns(names: Sequence[str]) -> int:
    """Return how many columns of the legend fit side by side; it fills them one after the other."""
    lengths = np.array([len(re.sub(r"\$\\\w+_(\w)\$", r"e\1", name)) for name in names])
    for columns in range(min(LEGEND_COLUMNS, len(names)), 1, -1):
        if sum(column.max() for column in np.array_split(lengths, columns)) <= LEGEND_LETTERS:
            return columns
    return 1


def _mark_working_point(candidate: _Candidate, threshold: float, learning: Axes, tmva: Axes, tagging: Axes) -> None:
    eps_s, eps_b, enough = candidate.find(threshold)
    style: dict[str, Any] = {
        "marker": "o",
        "markersize": 8,
        "color": SIGNAL,
        "markerfacecolor": "white",
        "markeredgewidth": 1.8,
    }
    text = rf"working point: $\epsilon_S$ {eps_s:.3f}, $\epsilon_B$ {eps_b:.3f}"
    learning.plot([eps_b], [eps_s], linestyle="none", label=text, zorder=5, **style)
    tmva.plot([eps_s], [1 - eps_b], zorder=5, **style)
    if enough:
        tagging.plot([eps_s], [1 / eps_b], zorder=5, **style)


def _mark_rejections(candidate: _Candidate, tagging: Axes) -> None:
    """Write 1/eps_B at eps_S = 0.3 and 0.5; mark the points where enough background passes to draw the curve there."""
    lines = []
    for eps_s, rejection in candidate.rejections.items():
        place = int((candidate.curve.eps_s >= eps_s - 1e-12).argmax())
        if candidate.effective[place] >= MIN_DRAWN and np.isfinite(rejection.value):
            tagging.plot([eps_s, eps_s], [1, rejection.value], color=SIGNAL, linewidth=0.8, alpha=0.6)
            tagging.plot([eps_s], [rejection.value], marker=".", markersize=8, color=SIGNAL)
            lines.append(rf"$1/\epsilon_B$ = {rejection} at $\epsilon_S$ = {eps_s:g}")
        else:
            lines.append(rf"$1/\epsilon_B$ at $\epsilon_S$ = {eps_s:g}: fewer than {MIN_DRAWN:g} events")
    tagging.text(
        0.97, 0.96, "\n".join(lines), transform=tagging.transAxes, ha="right", va="top", fontsize=9.5, color=INK
    )
