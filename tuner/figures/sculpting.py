"""Whether the cut shapes an observer, such as a mass, in background: before and after, against chance; efficiencies."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    INK,
    QUIET,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    shorten,
    start_figure,
    write_name,
)
from tuner.figures.units import NONE, split_unit
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.few_events import measure_share
from tuner.metrics.measurement import SIGNIFICANT, Measurement
from tuner.metrics.sculpting import Sculpting, measure_sculpting
from tuner.progress.wording import write_count

MAX_RATIO = 12.0
"""Of what passes to all, on a linear axis; where there is more, the axis is logarithmic, so that every bin is on it."""
MIN_EVENTS = 3.0
"""Effective events of a class in a bin of the observer from which on its efficiency there is drawn."""


class Divergence(Protocol):
    """How far two shapes are apart, and what chance does."""

    @property
    def divergence(self) -> Measurement:
        """Return the Jensen-Shannon divergence in bits."""
        ...

    @property
    def chance(self) -> Measurement:
        """Return that of random subsamples, median and 68 % interval."""
        ...

    @property
    def p_value(self) -> float:
        """Return the share of these that lie as far or farther."""
        ...


def draw_sculpting(
    observer: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float,
    cut_name: str = "cut",
    name: str,
    unit: str = "",
    part: str,
    known: Divergence | None = None,
    n_subsamples: int = 200,
    seed: int = 0,
) -> Drawing:
    """Draw an observer in background, all of it and what passes the cut "score >= threshold", of area 1 each.

    Below are the ratio of these two shapes, not of the events, and the efficiencies of background and signal against
    the observer. A flat eps_B is what an analysis that looks for a bump in the observer wants. Told are the
    Jensen-Shannon divergence of the two shapes in bits, and what random subsamples of the background, as many events
    as pass, have by chance.

    Args:
        observer: [n], not finite where undefined (left out and counted).
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n]; None: ones.
        threshold: The cut.
        cut_name: What it is called where there are several: "AMS cut".
        name: The observer's.
        unit: Of the observer; empty for the one in its name, if there is one.
        part: The part that the events are of.
        known: The divergence, where it was measured elsewhere on the same events: told as it is, so that a number has
            one error. None: it is measured here.
        n_subsamples: Random subsamples.
        seed: Of the subsamples.

    Raises:
        EventsError: As `measure_sculpting` does.
    """
    arrays = check_arrays(labels, scores, weights)
    n_drawn = n_subsamples if known is None else 1
    found = measure_sculpting(
        observer, labels, scores, weights, threshold=threshold, n_subsamples=n_drawn, n_replicas=n_drawn, seed=seed
    )
    frame = _tabulate(found, np.asarray(observer, dtype=np.float64).reshape(-1), arrays, threshold)
    figure = start_figure(COLUMN, 6.9)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(2.4, 1.1, 1.3))
    _draw_shapes(upper, frame, found, threshold)
    _draw_ratio(middle, frame)
    _draw_efficiencies(lower, frame, found.share_after)
    counted = "weighted events" if weights is not None else "events"
    told = _tell_divergence(found if known is None else known)
    dress(upper, x="", y=f"{counted}, area 1 each", title=told)
    dress(middle, x="", y="ratio of shapes")
    plain, unit = split_unit(name, {name: unit} if unit else NONE)
    quantity = f"{write_name(plain, 44)} ({write_name(unit, 16)})" if unit else write_name(name, 44)
    beyond = "; outermost bins hold what lies beyond" if found.has_tails else ""
    dress(lower, x=quantity + beyond, y=r"efficiency $\epsilon$")
    upper.set_xlim(found.edges[0], found.edges[-1])
    upper.set_ylim(min(0.0, float(frame["after"].min())), 1.5 * _top(frame))
    add_legend(upper, "upper right")
    above = {"bbox_to_anchor": (1.0, 0.97), "borderpad": 0.2, "borderaxespad": 0.1}
    add_legend(lower, "lower right", ncols=3, columnspacing=1.0, **above)
    title = f"{shorten(name)} in background, before and after the {cut_name}, {part} part"
    headline(figure, title)
    background = "weighted background" if weights is not None else "background"
    alt = (
        f"{title}, at {threshold:.3f}: {told}. {100 * found.share_after:.1f} % of the {background} passes "
        f"({found.n_after:,} of {write_count(found.n_before, 'event')}). "
        "Below are the ratio of the two shapes and the efficiencies."
    )
    if found.n_undefined:
        alt += f" Left out: {write_count(found.n_undefined, 'event')} without a value."
    return Drawing(figure, frame, title, alt)


def _tabulate(found: Sculpting, observer: np.ndarray, arrays: Arrays, threshold: float) -> pd.DataFrame:
    """Return a row for each bin.

    low, high; before, after: densities of the background with their errors; eps_b, eps_s: share of each class that
    passes with its 68 % interval (Clopper and Pearson's, of effective events); not-a-number for fewer than three.
    """
    width = np.diff(found.edges)
    columns = {name: getattr(found, name) / width for name in ("before", "before_error", "after", "after_error")}
    frame = pd.DataFrame({"low": found.edges[:-1], "high": found.edges[1:], **columns})
    defined = np.isfinite(observer)
    bins = np.clip(np.searchsorted(found.edges, observer, side="right") - 1, 0, len(width) - 1)
    for name, chosen in (("eps_b", defined & ~arrays.is_signal), ("eps_s", defined & arrays.is_signal)):
        shares = _measure_shares(bins[chosen], arrays.weights[chosen], arrays.scores[chosen] >= threshold, len(width))
        frame[name] = [share.value for share in shares]
        frame[f"{name}_low"] = [share.low for share in shares]
        frame[f"{name}_high"] = [share.high for share in shares]
    return frame


def _measure_shares(bins: np.ndarray, weights: np.ndarray, passes: np.ndarray, n_bins: int) -> list[Measurement]:
    """Return by bin the share of the weight [n] that passes."""
    sums, squares, passed = (
        np.bincount(bins, values, minlength=n_bins) for values in (weights, weights**2, weights * passes)
    )
    undefined = Measurement(float("nan"), float("nan"), float("nan"))
    return [
        measure_share(part / total, total**2 / square) if total > 0 and total**2 >= MIN_EVENTS * square else undefined
        for total, square, part in zip(sums, squares, passed, strict=True)
    ]


def _tell_divergence(found: Divergence) -> str:
    verdict = "more than chance" if found.p_value < SIGNIFICANT else "no more than chance"
    return (
        f"JSD {found.divergence} bits; random subsamples of this size: {found.chance.bracketed}; "
        f"p = {found.p_value:.2g}: {verdict}"
    )


def _draw_shapes(axes: Axes, frame: pd.DataFrame, found: Sculpting, threshold: float) -> None:
    left_out = f"; {found.n_undefined:,} undefined" if found.n_undefined else ""
    axes.stairs(
        frame["before"],
        found.edges,
        fill=True,
        facecolor=to_rgba(BACKGROUND, 0.15),
        edgecolor=BACKGROUND,
        linewidth=1.4,
        label=f"all background ({found.n_before:,} events{left_out})",
    )
    own = frame[(frame["before_error"] > 0) | (frame["after_error"] > 0)]
    axes.errorbar(
        (own["low"] + own["high"]) / 2,
        own["after"],
        yerr=own["after_error"],
        fmt="o",
        markersize=3.8,
        color=INK,
        elinewidth=1.1,
        label=rf"score $\geq$ {threshold:.3f} ({100 * found.share_after:.1f} %, {found.n_after:,} events)",
    )


def _draw_ratio(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the ratio of the densities with the error of what passes; every bin is on the axis."""
    filled = frame[frame["before"] > 0]
    ratio, error = filled["after"] / filled["before"], filled["after_error"] / filled["before"]
    axes.axhline(1, color=QUIET, linewidth=1.0, linestyle=":")
    axes.errorbar(
        (filled["low"] + filled["high"]) / 2, ratio, yerr=error, fmt="o", markersize=3.8, color=INK, elinewidth=1.1
    )
    if not len(ratio):
        return
    top = max(2.0, 1.1 * float((ratio + error).max()))
    if top <= MAX_RATIO:
        axes.set_ylim(min(0.0, float(ratio.min())), top)
    else:
        axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
        axes.set_ylim(min(0.0, float(ratio.min())), 1.6 * top)


def _draw_efficiencies(axes: Axes, frame: pd.DataFrame, share_after: float) -> None:
    """Draw both classes' efficiency by bin, where none passes its upper limit, and that of all background as a line."""
    middle = (frame["low"] + frame["high"]) / 2
    for name, colour, marker, label in (
        ("eps_s", SIGNAL, "s", r"signal $\epsilon_S$"),
        ("eps_b", BACKGROUND, "o", r"background $\epsilon_B$"),
    ):
        passes, limited = frame[name] > 0, frame[name] <= 0
        value, low, high = (frame[f"{name}{end}"] for end in ("", "_low", "_high"))
        errors = np.maximum([value - low, high - value], 0)[:, passes]
        style: dict[str, Any] = {"color": colour, "markersize": 3.8}
        axes.errorbar(middle[passes], value[passes], errors, fmt=marker, elinewidth=1.1, label=label, **style)
        axes.plot(middle[limited], high[limited], "v", fillstyle="none", **style)
    axes.axhline(share_after, color=BACKGROUND, linewidth=1.0, linestyle="--", label=r"$\epsilon_B$, all values")
    shown = np.append(frame[["eps_b", "eps_b_high"]].to_numpy().ravel(), share_after)
    axes.set(yscale="log", ylim=(0.4 * float(shown[shown > 0].min()), 1.5))


def _top(frame: pd.DataFrame) -> float:
    return float(max(frame["before"].max(), (frame["after"] + frame["after_error"]).max()))
