from __future__ import annotations

import math

import pytest

from tuner.metrics.measurement import Measurement
from tuner.models import MLPSettings
from tuner.progress.wording import write_count, write_duration, write_number
from tuner.reporting.formatting import list_settings, write_change, write_measurement, write_value


@pytest.mark.parametrize(
    ("measured", "value", "interval"),
    [
        (Measurement(0.93384, 0.93121, 0.93643), "0.9338", "0.9312 \N{EN DASH} 0.9364"),
        (Measurement(41.23, 35.1, 48.9), "41.2", "35.1 \N{EN DASH} 48.9"),
        (Measurement(1615.0, 1522.0, 1708.0), "1,615", "1,522 \N{EN DASH} 1,708"),
        (Measurement(0.5, math.nan, math.nan), "0.5", "\N{EN DASH}"),
        (Measurement(math.inf, 3.0, math.inf), "> 3", "\N{EN DASH}"),
        (Measurement(-0.0034, -0.0054, -0.0016), "-0.0034", "-0.0054 to -0.0016"),
        (Measurement(-0.0013, -0.0026, -0.00001), "-0.0013", "-0.0026 to 0.0000"),
    ],
)
def test_a_measurement_has_the_digits_of_its_interval(measured, value, interval):
    assert write_measurement(measured) == (value, interval)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measurement(0.93384, 0.93121, 0.93643), "0.9338 ± 0.0026"),
        (Measurement(112.0, 84.0, 190.0), "112 +78 -28"),
        (Measurement(0.5, 0.45, 0.5), "0.500 +0.000 -0.050"),
        (Measurement(0.5, math.nan, math.nan), "0.5"),
        (Measurement(math.inf, 32.64, math.inf), "> 32.6"),
    ],
)
def test_an_error_is_symmetric_where_its_sides_hardly_differ(measured, text):
    assert str(measured) == text


def test_a_change_has_its_sign():
    changes = [Measurement(value, value - 0.1, value + 0.1) for value in (0.34, -0.34, 0.0)]
    assert [write_change(change) for change in changes] == ["+0.34", "-0.34", "0.00"]
    assert [change.signed for change in changes] == ["+0.34 ± 0.10", "-0.34 ± 0.10", "0.00 ± 0.10"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.93384, "0.9338"),
        (54017, "54,017"),
        (3.1e-5, "3.1e-05"),
        (128.0, "128"),
        (None, "\N{EN DASH}"),
        (1e12, "1,000,000,000,000"),
    ],
)
def test_numbers(value, text):
    assert write_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.23, "1.2 s"), (48, "48 s"), (372.4, "6 min 12 s"), (59.99 * 60, "59 min 59 s"), (12010, "3 h 20 min")],
)
def test_durations(seconds, text):
    assert write_duration(seconds) == text


def test_counts_agree_with_their_nouns():
    assert [write_count(n, "trial") for n in (0, 1, 1200)] == ["0 trials", "1 trial", "1,200 trials"]


def test_settings_are_listed_by_field():
    listed = dict(list_settings(MLPSettings(widths=(64, 32), dropout=0.1)))
    assert listed["widths"] == "64, 32"
    assert listed["dropout"] == "0.1"
    assert listed["embedding"] == "none"
    assert write_value(True) == "yes"
