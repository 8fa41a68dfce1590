"""Words and small pictures for numbers: durations, counts, rates, parameters, a line of blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "running": "cyan",
    "waiting": "dim",
    "interrupted": "dim",
    "failed": "red",
}
"""Order and colour of the states of trials."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_DASH = "\N{EN DASH}"


def write_duration(seconds: float | None) -> str:
    """Return a time in its two greatest units: 48 s, 6 min 12 s, 3 h 20 min; a dash where it is not known."""
    if seconds is None:
        return _DASH
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{max(0.0, seconds):.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def write_count(count: int, noun: str) -> str:
    """Return a count with its noun: 1 trial, 64 trials."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def write_number(value: float | None, digits: int = 4) -> str:
    """Return a number with its significant digits: 0.9338, 54,017, 3.1e-05; a dash for none."""
    if value is None or math.isnan(value):
        return _DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e9):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:,.{digits}g}"


def say_estimate(seconds: float) -> str:
    """Return a time to come, no finer than it is known: `under a minute`, `about 7 min`, `about 2.5 h`."""
    if seconds < 45:
        return "under a minute"
    if seconds < 5400:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.1f} h"


def say_rate(per_minute: float | None) -> str:
    """Return `9.7 trials/min`, or trials per hour where there is less than one a minute."""
    if per_minute is None:
        return _DASH
    if per_minute < 1:
        return f"{60 * per_minute:.1f} trials/h"
    return f"{per_minute:.1f} trials/min" if per_minute < 100 else f"{per_minute:.0f} trials/min"


def say_value(value: Any) -> str:
    """Return a parameter's value as one would write it: four digits of a number are enough."""
    if value is None:
        return _DASH
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say_figure(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a figure of merit, with its error where an interval is known: `0.9321 ± 0.0024`."""
    if value is None:
        return _DASH
    if low is None or high is None:
        return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    from tuner.metrics.measurement import Measurement

    return str(Measurement(value, low, high))


def say_states(states: Mapping[str, int], n_lost: int = 0) -> list[tuple[str, str]]:
    """Return how many trials are in each state that there are trials in, in order, each with its colour.

    n_lost: those among the running ones that no living worker trains.
    """
    counts = {**states, "running": states.get("running", 0) - n_lost}
    told = [(f"{counts[state]:,} {state}", style) for state, style in STATE_STYLES.items() if counts.get(state)]
    if n_lost:
        told.append((f"{n_lost:,} without a live worker", "yellow"))
    return told


def draw_sparkline(values: Sequence[float], width: int) -> str:
    """Return a line of blocks for the last values, thinned to `width` columns; empty where there are fewer than two.

    The scale starts at the first quartile, so that a poor first trial does not flatten all the others.
    """
    if len(values) < 2:
        return ""
    step = max(1.0, len(values) / width)
    columns = min(width, len(values))
    shown = [values[min(len(values) - 1, int((column + 1) * step) - 1)] for column in range(columns)]
    low, high = min(sorted(shown)[len(shown) // 4], shown[-1]), max(shown)
    if high <= low:
        low = min(shown)
    span = high - low
    if span <= 0:
        return _BLOCKS[-1] * columns
    return "".join(_BLOCKS[round(max(0.0, (value - low) / span) * (len(_BLOCKS) - 1))] for value in shown)


def join_words(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
