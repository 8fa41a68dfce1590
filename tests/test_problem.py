"""What stands for "not defined" may be said in several ways, and what is no number is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.errors import StudyError
from tuner.metrics.figures_of_merit import Ams
from tuner.problem import Problem


def frame(undefined):
    return Problem(question="?", events="events.csv", label="y", signal=1, undefined=undefined)


@pytest.mark.parametrize(
    ("undefined", "of_a", "of_b"),
    [
        (None, (), ()),
        (-999, (-999,), (-999,)),
        (np.float32(-9.5), (-9.5,), (-9.5,)),
        ([-999, np.int64(-99)], (-999, -99), (-999, -99)),
        (np.array([-9.0, 0.5]), (-9.0, 0.5), (-9.0, 0.5)),
        ({"a": -999}, (-999,), ()),
        ({"a": [-1, -2], "b": np.float64(7)}, (-1, -2), (7.0,)),
    ],
)
def test_values_for_all_columns_or_for_each(undefined, of_a, of_b):
    problem = frame(undefined)
    assert (problem.list_undefined("a"), problem.list_undefined("b")) == (of_a, of_b)
    assert all(type(value) in (int, float) for value in problem.list_undefined("a"))


@pytest.mark.parametrize("undefined", ["-999", True, (-999, "?"), {"a": "-999"}, (-999, (-99,)), {"a": None}, [None]])
def test_what_is_no_number_is_refused(undefined):
    with pytest.raises(StudyError, match=r"`undefined` must be a number, several of them, \(-999, -99\), or"):
        frame(undefined)


def test_the_optimum_may_be_named_among_the_observers_and_is_no_feature():
    given = {"question": "q", "events": "e.csv", "label": "y", "signal": 1, "optimum": "m"}
    assert Problem(**given, observers=("m", "n")).all_observers == ("m", "n")
    with pytest.raises(StudyError, match='"m" has more than one role: features, optimum'):
        Problem(**given, features=("m",))


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_expected_events_are_a_number_above_zero(value):
    with pytest.raises(StudyError, match="`expected_signal` must be a number of events above 0, but is"):
        Problem(question="q", events="e.csv", label="y", signal=1, expected_signal=value)


def test_expected_events_are_those_of_the_figure_of_merit_unless_said_otherwise():
    given = {"question": "q", "events": "e.csv", "label": "y", "signal": 1}
    assert Problem(**given).yields == (None, None)
    assert Problem(**given, figure_of_merit=Ams(s=5, b=7)).yields == (5, 7)
    assert Problem(**given, figure_of_merit=Ams(s=5, b=7), expected_background=9).yields == (5, 9)
