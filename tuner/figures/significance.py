"""Significance against the cut on the score, and what the cut costs: where the working point comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    FAINT,
    GOOD,
    INK,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    frame_values,
    headline,
    start_figure,
    write_formulas,
)
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.at_threshold import sum_confusion
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import Ranking, RocCurve, rank
from tuner.metrics.cut_scan import MIN_BACKGROUND
from tuner.metrics.figures_of_merit import CutFigure
from tuner.metrics.measurement import measure

N_CUTS = 300
"""Cuts that are drawn, evenly spaced in the score, and as many evenly spaced in the number of events."""


def draw_significance(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    figure: CutFigure,
    threshold: float | None = None,
    part: str = "validation",
    n_replicas: int = 100,
    seed: int = 0,
) -> Drawing:
    """Draw a figure of one cut against the cut with its 68 % band; below it efficiencies and purity.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones), rescaled per class to the `s` and `b` that the
    figure expects before the cut. threshold: the chosen cut, frozen; None: the best of these events by the smoothed
    curve. Cuts that leave fewer than 25 background events, counted, have no figure: they are greyed. The band is a
    bootstrap of the events. Raise `EventsError` where every cut leaves fewer.
    """
    arrays = check_arrays(labels, scores, weights)
    scan = figure.scan(arrays.is_signal, arrays.scores, arrays.weights)
    chosen = float(scan.thresholds[scan.best]) if threshold is None else float(threshold)
    ranking = rank(arrays.is_signal, arrays.scores)
    kept = _choose_cuts(ranking.thresholds, [*scan.thresholds[[0, scan.best]], chosen])
    place = int((ranking.thresholds >= chosen).sum()) - 1
    taken = np.append(kept, place)
    replicas = np.array(
        [
            _expect(figure, ranking.curve(arrays.weights * counts), taken)
            for counts in draw_counts(arrays.is_signal, n_replicas, seed)
        ]
    )
    frame = _tabulate(ranking, arrays.weights, replicas[:, :-1], kept, figure)
    frame["smoothed"] = pd.Series(scan.smoothed, scan.thresholds).reindex(frame["threshold"]).to_numpy()
    found = measure(figure.at(chosen, arrays.is_signal, arrays.scores, arrays.weights), replicas[:, -1])
    canvas = start_figure(COLUMN, 6.2)
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(1.5, 1.0))
    short, _, told = figure.name.partition(", ")
    _draw_figure(upper, frame)
    _draw_costs(lower, frame)
    for axes in (upper, lower):
        _mark_cut(axes, chosen, frame, float(scan.thresholds[0]), named=axes is upper)
    counted = "weighted events" if weights is not None else "events"
    rule = "largest of the smoothed curve" if threshold is None else "frozen"
    row = _describe_cut(arrays, chosen, figure)
    smoothed = pd.Series(scan.smoothed, scan.thresholds).get(chosen)
    value = f"{short} at the cut itself {found}" + ("" if smoothed is None else f", smoothed {smoothed:.3g}")
    title = rf"cut $\geq${chosen:.3f} ({rule}): {write_formulas(value)}; {row}"
    dress(upper, x="", y=write_formulas(short), title=title)
    dress(lower, x="cut: selected is what scores at least this", y=f"share\n({counted})")
    upper.set_ylim(*_limit(frame))
    add_legend(upper, "best")
    add_legend(
        lower, "lower right", bbox_to_anchor=(1.0, 0.99), ncols=3, columnspacing=1.0, borderpad=0.2, borderaxespad=0.1
    )
    title = f"{short[:1].upper()}{short[1:]} against the cut{f' ({told})' if told else ''}, {part} part"
    headline(canvas, title)
    alt = (
        f"{title}. The cut is {chosen:.3f} ({rule}): {value}; {row}. "
        f"Cuts above {scan.thresholds[0]:.3f} leave fewer than {MIN_BACKGROUND} background events and are not judged."
    )
    return Drawing(canvas, frame, title, alt)


def _choose_cuts(thresholds: np.ndarray, needed: Sequence[float]) -> np.ndarray:
    """Return places of the cuts to be drawn in falling thresholds [k + 1], the first of which is infinity."""
    last = len(thresholds) - 1
    by_score = np.searchsorted(-thresholds, -np.linspace(thresholds[1], thresholds[-1], N_CUTS))
    by_rank = np.linspace(1, last, N_CUTS).astype(int)
    marked = np.searchsorted(-thresholds, -np.asarray(needed))
    return np.unique(np.concatenate([by_score, by_rank, marked]).clip(1, last))


def _expect(figure: CutFigure, curve: RocCurve, taken: np.ndarray) -> np.ndarray:
    """Return the figure of the cuts at the given places; not-a-number where there is no positive background."""
    values = np.full(len(taken), np.nan)
    regular = curve.eps_b[taken] > 0
    places = taken[regular]
    values[regular] = figure.expect(figure.s * curve.eps_s[places], figure.b * curve.eps_b[places])
    return values


def _tabulate(
    ranking: Ranking, weights: np.ndarray, replicas: np.ndarray, kept: np.ndarray, figure: CutFigure
) -> pd.DataFrame:
    """Return one row per cut: threshold, eps_s, eps_b, purity, s, b, raw_background, significance and its band."""
    curve = ranking.curve(weights)
    raw = np.append(0, np.cumsum(~ranking.is_signal)[ranking.ends])[kept]
    value = np.where(raw >= MIN_BACKGROUND, _expect(figure, curve, kept), np.nan)
    band = [
        measure(at, column if np.isfinite(at) else np.empty(0))
        for at, column in zip(value, np.transpose(replicas), strict=True)
    ]
    eps_s, eps_b = curve.eps_s[kept], curve.eps_b[kept]
    s, b = figure.s * eps_s, figure.b * eps_b
    purity = np.divide(s, s + b, out=np.full(len(kept), np.nan), where=s + b > 0)
    return pd.DataFrame(
        {
            "threshold": curve.thresholds[kept],
            "eps_s": eps_s,
            "eps_b": eps_b,
            "purity": purity,
            "s": s,
            "b": b,
            "raw_background": raw,
            "significance": value,
            "low": [measured.low for measured in band],
            "high": [measured.high for measured in band],
        }
    )


def _describe_cut(arrays: Arrays, chosen: float, figure: CutFigure) -> str:
    """Return the expected signal and background above the cut, and the background that this is told from."""
    passes = arrays.scores >= chosen
    sums = sum_confusion(arrays.is_signal, passes, arrays.weights)
    raw = int((passes & ~arrays.is_signal).sum())
    return f"s {figure.s * sums.sensitivity:.4g}, b {figure.b * (1 - sums.specificity):.4g} ({raw} background events)"


def _draw_figure(axes: Axes, frame: pd.DataFrame) -> None:
    judged = frame[frame["significance"].notna()]
    axes.fill_between(
        judged["threshold"], judged["low"], judged["high"], color=SIGNAL, alpha=0.2, linewidth=0, label="68 % interval"
    )
    axes.plot(judged["threshold"], judged["significance"], color=SIGNAL, linewidth=1.0, alpha=0.8, label="each cut")
    axes.plot(
        judged["threshold"], judged["smoothed"], color=INK, linewidth=2.0, label="smoothed: mean of neighbouring cuts"
    )


def _draw_costs(axes: Axes, frame: pd.DataFrame) -> None:
    enough = frame["raw_background"] >= MIN_BACKGROUND
    style: dict[str, Any] = {"linewidth": 1.8}
    axes.plot(frame["threshold"], frame["eps_s"], color=SIGNAL, label=r"signal $\epsilon_S$", **style)
    axes.plot(
        frame["threshold"],
        frame["eps_b"],
        color=BACKGROUND,
        linestyle="--",
        label=r"background $\epsilon_B$",
        **style,
    )
    pure = frame[enough]
    axes.plot(pure["threshold"], pure["purity"], color=GOOD, linestyle="-.", label="expected purity $s/(s+b)$", **style)


def _mark_cut(axes: Axes, chosen: float, frame: pd.DataFrame, tightest: float, *, named: bool) -> None:
    """Draw the chosen cut, and grey what lies above the tightest cut that is judged."""
    top = float(frame["threshold"].max())
    low, high = frame_values(frame["threshold"].to_numpy(), share=0.01)
    grey = f"fewer than {MIN_BACKGROUND} background events" if named else None
    if top > tightest:
        axes.axvspan(tightest, high, color=FAINT, alpha=0.28, linewidth=0, label=grey)
    if np.isfinite(chosen):
        axes.axvline(chosen, color=INK, linewidth=1.2, linestyle="--", label=f"cut {chosen:.3f}" if named else None)
    axes.set_xlim(low, high)


def _limit(frame: pd.DataFrame) -> tuple[float, float]:
    """Return limits from 0, with the band inside and room for the legend above."""
    shown = frame[["significance", "high", "smoothed"]].to_numpy()
    finite = shown[np.isfinite(shown)]
    low = frame[["significance", "low"]].to_numpy()
    bottom = min(0.0, *low[np.isfinite(low)]) if np.isfinite(low).any() else 0.0
    return bottom, 1.25 * (float(finite.max()) if len(finite) and finite.max() > 0 else 1.0)
