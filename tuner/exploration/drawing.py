"""Pictures of the features: signal over background, and what each tells by itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, MarkerStyle
from matplotlib.patches import Patch, StepPatch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from tuner.exploration.binning import MAX_BARS, FeatureHistogram
from tuner.exploration.exploration import Exploration
from tuner.figures.drawing import BACKGROUND, INK, QUIET, SIGNAL, write_name
from tuner.figures.units import NONE, split_unit

N_PAGE = 24
"""Features of a figure, at most."""
WIDTH, HEIGHT = 3.5, 2.7
"""Inches of a feature's room."""
LEFT, RIGHT, BOTTOM, TOP = 0.66, 0.14, 0.78, 0.3
"""Inches around its axes. They are set, as matplotlib takes a minute to find them for two hundred features."""
HEAD = 0.45
"""Inches above all features."""
MAX_DECADES = 8
"""Of an axis with small ticks between the powers of ten."""
SMALLEST_PLAIN, MANY_DIGITS = 1e-3, 5
"""Numbers below the first are written as powers of ten; ticks of more digits are fewer."""
TICK_LENGTH, TICK_PAD = 3.0, 3.5
"""Points of a tick, and from its end to what is written there."""
MAX_LETTERS = 26
"""Of the values below bars that stand side by side."""


def part_features(exploration: Exploration) -> list[tuple[FeatureHistogram, ...]]:
    """Return the features of each figure, the most telling first."""
    ranked = exploration.ranked_histograms
    return [ranked[start : start + N_PAGE] for start in range(0, len(ranked), N_PAGE)]


def draw_features(
    exploration: Exploration,
    histograms: Sequence[FeatureHistogram] | None = None,
    *,
    n_columns: int | None = None,
    units: Mapping[str, str] = NONE,
) -> Figure:
    """Draw the shares of signal and of background in bins of each feature, the most telling feature first.

    Shares are of what is drawn, with errors sqrt(sum w^2). An axis is logarithmic where a linear one would hide most.

    Args:
        exploration: What `explore_events` returned.
        histograms: Those that are drawn; None for the first 24.
        n_columns: Features side by side.
        units: Unit of a feature, by its name; else what the name says.
    """
    drawn = exploration.ranked_histograms[:N_PAGE] if histograms is None else histograms
    columns = n_columns or min(len(drawn), 4 if len(drawn) > 6 else 3)
    rows = -(-len(drawn) // columns)
    measures = exploration.features.to_dict("index")
    figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + HEAD), facecolor="white")
    for number, histogram in enumerate(drawn):
        axis = _place(figure, number // columns, number % columns)
        name, unit = split_unit(histogram.name, units)
        draw_histogram(axis, histogram)
        axis.set_title(write_name(name, 32), loc="left", y=1.04, fontsize=10, weight="bold", color=INK)
        shares = "share of class per bin" if not _is_partial(histogram) else "share of class, if defined"
        axis.set_ylabel("" if histogram.axis == "none" else shares, fontsize=8, color=INK)
        _write_below(axis, histogram, unit, measures[histogram.name])
        _fix_labels(axis, histogram)
        for which in ("x", "y") if histogram.axis != "values" else ("y",):
            _settle_ticks(axis, which)
    _write_head(figure, exploration, drawn)
    return figure


def _is_partial(histogram: FeatureHistogram) -> bool:
    """Return whether the feature is undefined for some events: its shares are of the others."""
    return bool(max(np.nan_to_num(histogram.undefined)) > 0)


def _fix_labels(axis: Axes, histogram: FeatureHistogram) -> None:
    """Put labels where they are to be: matplotlib would lay out the ticks of each axis four times to find a place."""
    axis.yaxis.set_label_coords(-0.68 * LEFT / (WIDTH - LEFT - RIGHT), 0.5)
    if histogram.axis != "values":  # the names of values may be turned
        axis.xaxis.set_label_coords(0.5, -0.26 / (HEIGHT - BOTTOM - TOP))


def _settle_ticks(axis: Axes, which: str) -> None:
    """Draw ticks as one line, and a text each: matplotlib makes five artists of each, and lays all out twice."""
    own = axis.xaxis if which == "x" else axis.yaxis
    direction = mpl.rcParams["xtick.direction"] if which == "x" else mpl.rcParams["ytick.direction"]
    if direction != "out":  # a style of its own
        return
    low, high = sorted(own.get_view_interval())
    margin = 1e-9 * (high - low)
    places = [place for place in own.get_majorticklocs() if low - margin <= place <= high + margin]
    labels = own.get_major_formatter().format_ticks(places)
    own.set_major_locator(NullLocator())
    zeros = np.zeros(len(places))
    x, y, marker = (places, zeros, TICKDOWN) if which == "x" else (zeros, places, TICKLEFT)
    get_transform = axis.get_xaxis_text1_transform if which == "x" else axis.get_yaxis_text1_transform
    transform, vertical, horizontal = get_transform(TICK_LENGTH + TICK_PAD)
    for i, label in enumerate(labels):
        text = Text(x[i], y[i], label, color=INK, verticalalignment=vertical, horizontalalignment=horizontal)
        text.set(fontsize=8, transform=transform, clip_on=False)
        axis.add_artist(text)
    line = Line2D(x, y, color=INK, linestyle="none", markersize=TICK_LENGTH, markeredgewidth=0.8)
    line.set_marker(MarkerStyle(marker))
    line.set(transform=axis.get_xaxis_transform() if which == "x" else axis.get_yaxis_transform(), clip_on=False)
    axis.add_artist(line)


def _place(figure: Figure, row: int, column: int) -> Axes:
    """Return axes for the feature in a row and column."""
    width, height = figure.get_size_inches()
    left, bottom = WIDTH * column + LEFT, height - HEAD - HEIGHT * (row + 1) + BOTTOM
    size = ((WIDTH - LEFT - RIGHT) / width, (HEIGHT - BOTTOM - TOP) / height)
    return figure.add_axes((left / width, bottom / height, *size))


def _write_head(figure: Figure, exploration: Exploration, drawn: Sequence[FeatureHistogram]) -> None:
    """Write what the colours mean, and which features are drawn where these are not all."""
    handles = [Patch(fc=to_rgba(SIGNAL, 0.3), ec=SIGNAL, lw=1.4), Patch(fc="none", ec=BACKGROUND, hatch="////", lw=1.4)]
    _, height = figure.get_size_inches()
    figure.legend(
        handles,
        ["signal", "background"],
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.04 / height),
        borderaxespad=0.0,
        ncols=2,
        frameon=False,
        fontsize=10,
        labelcolor=INK,
    )
    if 0 < len(drawn) < len(exploration.histograms):
        first = exploration.ranked_histograms.index(drawn[0]) + 1
        told = f"{first} to {first + len(drawn) - 1} of {len(exploration.histograms)} features"
        figure.text(0.01, 1 - 0.13 / height, told, fontsize=9, color=QUIET, ha="left", va="top")


def draw_histogram(axis: Axes, histogram: FeatureHistogram, *, with_shares: bool = True) -> None:
    """Draw one feature: signal filled, background hatched; bars where it has few values.

    Args:
        axis: Where it is drawn.
        histogram: What is drawn.
        with_shares: Whether the axis of shares is drawn, too.
    """
    axis.tick_params(labelsize=8, colors=INK, length=TICK_LENGTH)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(QUIET)
    if histogram.axis == "none":
        axis.set(xticks=[], yticks=[])
        axis.text(0.5, 0.5, "never defined", ha="center", va="center", fontsize=9, color=QUIET)
        return
    if histogram.axis == "values":
        _draw_bars(axis, histogram)
    else:
        _draw_steps(axis, histogram)
    axis.set_xlim(histogram.edges[0], histogram.edges[-1])
    _limit_shares(axis, histogram)
    if with_shares:
        _mark_shares(axis, histogram)
    else:
        axis.yaxis.set_visible(False)
        axis.spines["left"].set_visible(False)
    mark_values(axis, histogram)


def _draw_steps(axis: Axes, histogram: FeatureHistogram) -> None:
    # Artists are added as they are: to find the limits of what they hold takes longer than to draw it.
    edges = histogram.edges
    axis.add_artist(StepPatch(histogram.signal, edges, fill=True, color=SIGNAL, alpha=0.3, lw=0))
    hatched = StepPatch(histogram.background, edges, fill=True, fc="none", ec=BACKGROUND, hatch="////", lw=0, alpha=0.4)
    axis.add_artist(hatched)
    for shares, errors, colour in _walk(histogram):
        axis.add_artist(StepPatch(shares, edges, fill=False, ec=colour, lw=1.4))
        _draw_errors(axis, _find_middles(histogram), shares, errors, colour)


def _draw_bars(axis: Axes, histogram: FeatureHistogram) -> None:
    middles = _find_middles(histogram)
    fills, hatches = (to_rgba(SIGNAL, 0.3), "none"), ("", "////")
    for (shares, errors, colour), fill, hatch, shift in zip(_walk(histogram), fills, hatches, (-0.2, 0.2), strict=True):
        axis.bar(middles + shift, shares, width=0.36, fc=fill, ec=colour, lw=1.2, hatch=hatch)
        _draw_errors(axis, middles + shift, shares, errors, colour)


def _draw_errors(axis: Axes, x: np.ndarray, shares: np.ndarray, errors: np.ndarray, colour: str) -> None:
    """Draw an upright line for each error, all of them as one line with gaps."""
    gaps = np.full(len(x), np.nan)
    ends = np.column_stack([shares - errors, shares + errors, gaps]).ravel()
    axis.add_artist(Line2D(np.repeat(x, 3), ends, color=colour, lw=0.9, solid_capstyle="butt"))


def _walk(histogram: FeatureHistogram) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Yield shares, errors and colour of signal and of background."""
    yield histogram.signal, histogram.signal_error, SIGNAL
    yield histogram.background, histogram.background_error, BACKGROUND


def _find_middles(histogram: FeatureHistogram) -> np.ndarray:
    """Return the middles of the bins as they are drawn."""
    lower, upper = histogram.edges[:-1], histogram.edges[1:]
    middles: np.ndarray = np.sqrt(lower * upper) if histogram.axis == "logarithmic" else (lower + upper) / 2
    return middles


def _limit_shares(axis: Axes, histogram: FeatureHistogram) -> None:
    """Choose the axis of shares: from 0, or logarithmic from below the smallest share to above the largest."""
    shares = np.concatenate([histogram.signal, histogram.background])
    errors = np.concatenate([histogram.signal_error, histogram.background_error])
    top = float((shares + errors).max()) or 1.0
    if histogram.is_steep:
        axis.set_yscale("log", nonpositive="clip")
        axis.set_ylim(max(0.5 * float(shares[shares > 0].min()), 1e-6 * top), 2 * top)
    else:
        axis.set_ylim(min(0.0, 1.05 * float(shares.min())), 1.05 * top)


def _mark_shares(axis: Axes, histogram: FeatureHistogram) -> None:
    if histogram.is_steep:
        mark_powers(axis, "y")
    else:
        mark_numbers(axis, "y", 4)


def mark_values(axis: Axes, histogram: FeatureHistogram, which: str = "x", n_ticks: int = 5) -> None:
    """Choose the scale and the ticks of the axis, "x" or "y", along which a feature is drawn."""
    own = axis.xaxis if which == "x" else axis.yaxis
    if histogram.axis == "logarithmic":
        (axis.set_xscale if which == "x" else axis.set_yscale)("log")
        mark_powers(axis, which)
    elif histogram.few is not None:
        labels = [write_name(text, 9) for text in histogram.texts] or [
            f"{value:.4g}".replace("-", "\N{MINUS SIGN}") for value in histogram.few
        ]
        own.set_ticks(np.arange(len(labels)), labels)
        if which == "x" and sum(map(len, labels)) > MAX_LETTERS:
            turn, size = (30, 6.5) if len(labels) <= MAX_BARS else (90, 5.5)
            for label in own.get_ticklabels():
                label.set(rotation=turn, ha="right", va="center", rotation_mode="anchor", fontsize=size)
    elif histogram.axis == "angle":
        _mark_angles(axis, which, histogram)
    else:
        mark_numbers(axis, which, n_ticks, whole=histogram.axis == "whole")


def _mark_angles(axis: Axes, which: str, histogram: FeatureHistogram) -> None:
    """Mark the quarters of the circle."""
    low, high = histogram.edges[0], histogram.edges[-1]
    in_degrees = high - low > 100
    quarter = 90.0 if in_degrees else np.pi / 2
    numbers = np.arange(np.ceil(low / quarter - 0.01), np.floor(high / quarter + 0.01) + 1).astype(int)
    labels = [f"{90 * n}" if in_degrees else _write_angle(n) for n in numbers.tolist()]
    own = axis.xaxis if which == "x" else axis.yaxis
    own.set_ticks(numbers * quarter, [label.replace("-", "\N{MINUS SIGN}") for label in labels])


def _write_angle(quarters: int) -> str:
    """Return a number of quarters of a circle in radian."""
    if quarters % 2:
        return f"{quarters if abs(quarters) > 1 else '-'[: quarters < 0]}\N{GREEK SMALL LETTER PI}/2"
    halves = quarters // 2
    return f"{halves if abs(halves) > 1 else '-'[: halves < 0]}\N{GREEK SMALL LETTER PI}" if halves else "0"


def mark_powers(axis: Axes, which: str) -> None:
    """Mark the powers of ten of a logarithmic axis; numbers between them where it spans less than two of them."""
    own = axis.xaxis if which == "x" else axis.yaxis
    low, high = sorted(axis.get_xlim() if which == "x" else axis.get_ylim())
    subs = (1.0,) if np.log10(high / low) >= 1.7 else (1.0, 2.0, 5.0)
    write = _write_plain if low > 1e-3 and high < 2e4 else _write_power
    own.set_major_locator(LogLocator(subs=subs, numticks=6))
    own.set_major_formatter(FuncFormatter(write))
    own.set_minor_locator(NullLocator())
    _add_small_ticks(axis, which, low, high)


def _add_small_ticks(axis: Axes, which: str, low: float, high: float) -> None:
    """Add the ticks between powers of ten as one line: matplotlib takes longer for them than for all else."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    if len(powers) > MAX_DECADES:
        return
    values = np.outer(powers, np.arange(2, 10)).ravel()
    values = np.repeat(values[(values > low) & (values < high)], 3)
    ends = np.tile([0.0, 0.02, np.nan], len(values) // 3)
    x, y = (values, ends) if which == "x" else (ends, values)
    transform = axis.get_xaxis_transform() if which == "x" else axis.get_yaxis_transform()
    axis.add_artist(Line2D(x, y, transform=transform, color=QUIET, lw=0.6, solid_capstyle="butt"))


def mark_numbers(axis: Axes, which: str, n_ticks: int, *, whole: bool = False) -> None:
    """Mark round numbers, each written by itself: no power of ten that stands apart at the end of the axis."""
    own = axis.xaxis if which == "x" else axis.yaxis
    low, high = sorted(axis.get_xlim() if which == "x" else axis.get_ylim())
    largest = max(abs(low), abs(high))
    # Digits that tell two ticks apart; where there are many, or powers of ten, fewer ticks have room.
    digits = int(np.clip(np.ceil(np.log10(largest * n_ticks / (high - low))) + 2, 2, 8)) if high > low else 4
    in_powers = not SMALLEST_PLAIN <= largest < 10.0 ** max(5, digits)
    n_ticks = min(n_ticks, 3) if in_powers or digits > MANY_DIGITS else n_ticks
    own.set_major_locator(MaxNLocator(n_ticks, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    write = partial(_write_tick, largest=largest, digits=digits) if in_powers else partial(_write_number, digits=digits)
    own.set_major_formatter(FuncFormatter(write))


def _write_number(value: float, _place: int | None = None, *, digits: int) -> str:
    """Return a number at a tick."""
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}") if abs(value) > 1e-9 else "0"


def _write_tick(value: float, _place: int | None = None, *, largest: float, digits: int) -> str:
    """Return a number at a tick as a multiple of a power of ten."""
    if abs(value) < 1e-9 * largest:
        return "0"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    times = "" if mantissa == "1" else f"{mantissa}\\times"
    return f"$\\mathdefault{{{times}10^{{{int(power)}}}}}$"


def _write_plain(value: float, _place: int | None = None) -> str:
    return f"{value:g}"


def _write_power(value: float, _place: int | None = None) -> str:
    """Return a power of ten, or a multiple of one."""
    power = int(np.floor(np.log10(value) + 1e-9))
    factor = value / 10.0**power
    times = "" if abs(factor - 1) < 1e-6 else f"{factor:g}\\times"
    return f"$\\mathdefault{{{times}10^{{{power}}}}}$"


def _write_below(axis: Axes, histogram: FeatureHistogram, unit: str, measures: Mapping[Hashable, float]) -> None:
    """Write unit, measures, and what share is undefined below a feature."""
    auc, separation = (
        "\N{EN DASH}" if np.isnan(measures[name]) else f"{measures[name]:.3f}" for name in ("auc", "separation")
    )
    measured = f"AUC {auc}   separation {separation}"
    lines = [f"{write_name(unit, 16)}   {measured}" if unit else measured]
    if _is_partial(histogram):
        signal, background = map(_write_share, histogram.undefined)
        lines.append(f"undefined: {signal} of signal, {background} of background")
    axis.set_xlabel("\n".join(lines), fontsize=8, color=QUIET)


def _write_share(share: float) -> str:
    """Return a share in whole per cent, none of them 0 that is not."""
    if np.isnan(share):
        return "\N{EN DASH}"
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
