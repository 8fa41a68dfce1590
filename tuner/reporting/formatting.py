"""Numbers and lists as a person writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from tuner.metrics.measurement import Measurement, write_fixed
from tuner.progress.wording import write_count, write_number

if TYPE_CHECKING:
    from tuner.tuning.search import Search, TrialRecord

DASH = "\N{EN DASH}"
"""Stands where there is nothing, and between two ends."""


def write_measurement(measured: Measurement) -> tuple[str, str]:
    """Return a value and its interval, with two digits of the interval's half width: 0.9338, 0.9312 to 0.9364.

    An infinite value is told by its lower limit: > 32.6.
    """
    if measured.is_lower_limit:
        return measured.value_text, DASH
    digits = measured.decimals
    if digits is None:
        return (measured.value_text if math.isinf(measured.value) else write_number(measured.value)), DASH
    value, low, high = (write_fixed(x, digits) for x in (measured.value, measured.low, measured.high))
    return value, f"{low} {'to' if measured.low < 0 else DASH} {high}"


def write_change(measured: Measurement) -> str:
    """Return a difference with its sign: +0.0034."""
    value = write_measurement(measured)[0]
    return f"+{value}" if measured.value > 0 else value


def stack(first: str, rest: str) -> str:
    """Return a cell of two lines; of one where there is no second."""
    return f"{first}\n{rest}" if rest else first


def stack_error(measured: Measurement) -> str:
    """Return a cell with a value and, below it, its error."""
    return stack(write_measurement(measured)[0], measured.error_text)


def stack_interval(measured: Measurement | None) -> str:
    """Return a cell with a value and, below it, its interval; a dash for none."""
    if measured is None:
        return DASH
    value, interval = write_measurement(measured)
    return stack(value, interval if interval != DASH else "")


def write_figure(value: float | None) -> str:
    """Return a figure of merit with four significant digits, zeros at its end included: 0.9560; a dash for none."""
    return f"{value:#,.4g}" if value is not None and abs(value) < 1000 else write_number(value)


def write_share(value: float, digits: int = 1) -> str:
    """Return a share as a percentage."""
    return f"{100 * value:.{digits}f} %"


def write_percent(measured: Measurement) -> tuple[str, str]:
    """Return a share as a percentage, and its error: 98.20 %, ± 0.40 %."""
    percent = Measurement(*(100 * x for x in (measured.value, measured.low, measured.high)))
    error = percent.error_text
    return (f"{write_measurement(percent)[0]} %", f"{error} %") if error else (write_share(measured.value), "")


def write_percent_with_error(measured: Measurement) -> str:
    """Return a share as a percentage with its error: 98.20 ± 0.40 %."""
    value, error = write_percent(measured)
    return f"{value.removesuffix(' %')} {error}" if error else value


def write_value(value: Any) -> str:
    """Return a setting's value: numbers short, sequences by commas, nested settings by their fields."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return write_number(value)
    if is_dataclass(value) and not isinstance(value, type):
        inner = ", ".join(f"{f.name} {write_value(getattr(value, f.name))}" for f in fields(value))
        return f"{type(value).__name__.removesuffix('Settings')} ({inner})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(write_value, value))
    return str(value)


def list_settings(settings: Any) -> list[tuple[str, str]]:
    """Return the fields of a settings dataclass as names and values."""
    return [(f.name.replace("_", " "), write_value(getattr(settings, f.name))) for f in fields(settings)]


def name_network(search: Search, trial: TrialRecord) -> str:
    """Return the kind and size of a trial's network: MLP of 54,017 parameters."""
    kind = type(search.settings(trial).network).__name__.removesuffix("Settings")
    return f"{kind} of {write_count(trial.n_parameters, 'parameter')}" if trial.n_parameters else kind
