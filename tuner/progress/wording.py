"""Words and small pictures for numbers: durations, rates, parameters, a line of blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "running": "cyan",
    "waiting": "dim",
    "failed": "red",
}
"""Order and colour of the states of trials."""

_BLOCKS = "▁▂▃▄▅▆▇█"


def say_duration(seconds: float | None) -> str:
    """Return `48 s`, `3 min 12 s` or `2 h 05 min`; a dash where it is not known."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


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
        return "-"
    if per_minute < 1:
        return f"{60 * per_minute:.1f} trials/h"
    return f"{per_minute:.1f} trials/min" if per_minute < 100 else f"{per_minute:.0f} trials/min"


def say_value(value: Any) -> str:
    """Return a parameter's value as one would write it: four digits of a number are enough."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say_states(states: Mapping[str, int]) -> str:
    """Return `12 complete, 19 pruned, 4 running`, leaving out states that no trial is in."""
    known = [f"{states[state]} {state}" for state in STATE_STYLES if states.get(state)]
    return ", ".join(known) or "none yet"


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
