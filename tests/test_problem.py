"""What stands for "not defined" may be said in several ways, and what is no number is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tuner.errors import StudyError
from tuner.events.reading import read_events
from tuner.metrics.figures_of_merit import Ams
from tuner.preparation.splits import prepare_splits
from tuner.preparation.yields import find_yields
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


def count_right(labels, scores, weights):
    return float(np.average((scores > 0.5) == labels, weights=weights))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (count_right, "count right"),
        (partial(count_right), "count right"),
        (lambda labels, scores, weights=None: 0.5, "custom figure"),
    ],
)
def test_a_plain_function_is_a_figure_of_merit_with_its_own_name(function, name):
    problem = Problem(question="q", events="e.csv", label="y", signal=1, figure_of_merit=function)
    assert problem.figure_of_merit.name == name
    labels, scores, weights = np.array([0, 1, 1]), np.array([0.3, 0.9, 0.2]), np.array([1.0, 1.0, 1.0])
    assert problem.figure_of_merit(labels, scores, weights) == pytest.approx(function(labels, scores, weights=weights))


@pytest.mark.parametrize("function", [lambda labels, scores: 1.0, lambda: 1.0])
def test_a_function_that_takes_no_weights_is_refused(function):
    with pytest.raises(StudyError, match="must take labels, scores and weights, in this order, but takes"):
        Problem(question="q", events="e.csv", label="y", signal=1, figure_of_merit=function)


def test_yields_may_be_those_of_the_weights_of_all_parts_together(make_events, make_problem):
    table = make_events(200)
    problem = make_problem(table, expected_signal="weights", expected_background=900)
    splits = prepare_splits(read_events(problem), problem)
    assert find_yields(problem, splits) == (pytest.approx(table["w"][table["y"] == 1].sum()), 900)
    assert find_yields(replace(problem, expected_background=None), splits) is None
    with pytest.raises(StudyError, match='"weights", but no column of weights is named'):
        Problem(question="q", events="e.csv", label="y", signal=1, expected_signal="weights")


def test_units_are_names_of_units():
    assert replace(frame(None), units={"jet_pt": "GeV"}).units == {"jet_pt": "GeV"}
    with pytest.raises(StudyError, match="must give columns a unit"):
        replace(frame(None), units={"jet_pt": " "})
    with pytest.raises(StudyError, match="but gives 'jet_pt' 3"):
        replace(frame(None), units={"jet_pt": 3})
