"""Durations, rates and sparklines as a person would write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.progress.wording import (
    draw_sparkline,
    say_estimate,
    say_figure,
    say_rate,
    say_states,
    say_value,
    write_duration,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "\N{EN DASH}"),
        (-1, "0 s"),
        (3.0, "3 s"),
        (48.4, "48 s"),
        (59.6, "1 min 0 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert write_duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "under a minute"), (50, "about 1 min"), (420, "about 7 min"), (9000, "about 2.5 h")]
)
def test_estimates_are_no_finer_than_they_are_known(seconds: float, words: str) -> None:
    assert say_estimate(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [(None, "\N{EN DASH}"), (0.25, "15.0 trials/h"), (9.66, "9.7 trials/min"), (250.4, "250 trials/min")],
)
def test_rates(rate: float | None, words: str) -> None:
    assert say_rate(rate) == words


def test_values() -> None:
    assert [say_value(v) for v in (0.00213456, 256, "silu", True, 1e-5)] == ["0.002135", "256", "silu", "True", "1e-05"]


def test_figures_have_as_many_digits_as_their_interval() -> None:
    assert say_figure(None) == "\N{EN DASH}"
    assert [say_figure(value) for value in (0.93, 29.314)] == ["0.9300", "29.31"]
    assert say_figure(0.93214, 0.9298, 0.9345) == "0.9321 ± 0.0024"


def test_states_come_in_order_and_those_without_a_worker_apart() -> None:
    told = say_states({"running": 3, "complete": 12}, 2)
    assert [text for text, _ in told] == ["12 complete", "1 running", "2 without a live worker"]
    assert say_states({}) == []


def test_sparkline_rises() -> None:
    assert draw_sparkline([0.5, 0.8, 0.86, 0.9], 24) == "▁▁▅█"
    assert draw_sparkline([0.9, 0.9], 24) == "██"
    assert draw_sparkline([0.9], 24) == ""


@given(st.lists(st.floats(0.5, 1.0), min_size=2, max_size=300), st.integers(2, 40))
def test_sparkline_of_a_running_best_never_falls(values: list[float], width: int) -> None:
    best = [max(values[: place + 1]) for place in range(len(values))]
    line = draw_sparkline(best, width)
    assert len(line) == min(width, len(values))
    assert list(line) == sorted(line)
    assert line[-1] == "█"
