"""Nuisance variants: roles, shifted columns and files, and that they must be the same events in the same order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tuner.errors import EventsError, StudyError
from tuner.events import read_events, read_features, read_variant
from tuner.problem import Nuisance

COLUMNS = Nuisance(name="scale of a", up={"a": "a_up"}, down={"a": "a_down"})


@pytest.fixture
def shifted_events(make_events):
    table = make_events()
    return table.assign(a_up=table["a"] * 1.01, a_down=table["a"] * 0.99)


def write(tmp_path, table):
    path = tmp_path / "shifted.parquet"
    table.to_parquet(path)
    return path


def test_columns_of_a_nuisance_are_read_only_as_its_variants(make_problem, make_events, shifted_events):
    problem = make_problem(shifted_events, nuisances=(COLUMNS,))
    events = read_events(problem)
    assert events.features == ("a", "b")
    assert problem.roles["a_up"] == problem.roles["a_down"] == "nuisance variant"
    up, down = (read_variant(problem, COLUMNS, direction, events) for direction in ("up", "down"))
    pd.testing.assert_series_equal(up["a"], (shifted_events["a"] * 1.01).astype(np.float32))
    pd.testing.assert_series_equal(down["a"], (shifted_events["a"] * 0.99).astype(np.float32))
    pd.testing.assert_series_equal(up["b"], events.table["b"])


@pytest.mark.parametrize(
    ("up", "selection", "n"), [("columns", "a > 0", 1), ("columns", "b > -1e9", 0), ("file", "b < 9", 1)]
)
def test_a_shift_that_may_move_events_across_a_cut_is_noted(make_problem, shifted_events, tmp_path, up, selection, n):
    shift = {"a": "a_up"} if up == "columns" else write(tmp_path, shifted_events)
    problem = make_problem(shifted_events, nuisances=(Nuisance(name="scale", up=shift),), ignored=("id", "a_down"))
    ignored = ("id", "a_down") if up == "columns" else ("id", "a_down", "a_up")
    notes = read_events(replace(problem, selection=selection, ignored=ignored)).notes
    said = 'shifted events of nuisance "scale" are those that pass `selection` with their nominal values'
    assert sum(said in note for note in notes) == n


def test_a_shifted_column_has_the_undefined_values_of_its_feature(make_problem, make_events):
    table = make_events()
    nuisance = Nuisance(name="scale of b", up={"b": "b_up"})
    shifted = table.assign(b_up=table["b"].where(table["b"] == -999, table["b"] * 1.01))
    problem = make_problem(shifted, nuisances=(nuisance,), undefined={"b": -999})
    up = read_variant(problem, nuisance, "up", read_events(problem))
    np.testing.assert_array_equal(up["b"].isna(), table["b"] == -999)


def test_the_digest_of_the_events_is_that_without_nuisances(make_problem, make_events, shifted_events):
    digest = read_events(make_problem(shifted_events, nuisances=(COLUMNS,))).digest
    assert digest == read_events(make_problem(make_events())).digest


def test_a_file_of_shifted_events_may_hold_more_columns_in_another_order(make_problem, make_events, tmp_path):
    table = make_events()
    shifted = table.assign(a=table["a"] + 1, extra="text")[["extra", "b", "id", "a", "y", "m"]]
    nuisance = Nuisance(name="shift", up=write(tmp_path, shifted))
    problem = make_problem(table, event_id="id", ignored=(), nuisances=[nuisance])
    events = read_events(problem)
    up = read_variant(problem, nuisance, "up", events)
    pd.testing.assert_frame_equal(up, events.table.assign(a=(table["a"] + 1).astype(np.float32)))
    with pytest.raises(StudyError, match='has no variant "down"'):
        read_variant(problem, nuisance, "down", events)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.iloc[1:], "there are 199 events instead of 200"),
        (lambda table: table.assign(y=1 - table["y"]), 'label "y" differs in 200 events, the first of them event 1'),
        (lambda table: table.assign(id=table["id"].where(table.index != 6, -1)), 'event id "id" differs in 1 events, '),
        (lambda table: table.iloc[::-1], "in the same order as the nominal ones"),
        (lambda table: table.drop(columns="b"), 'Column "b" (feature) is not there'),
        (lambda table: table.assign(a="muon"), 'Feature "a" must be numbers'),
        (lambda table: table.assign(y=2), "is not a value of column"),
    ],
)
def test_what_are_not_the_same_events_is_refused(make_problem, make_events, tmp_path, change, said):
    table = make_events()
    nuisance = Nuisance(name="scale", up=write(tmp_path, change(table)))
    problem = make_problem(table, event_id="id", ignored=(), nuisances=(nuisance,))
    with pytest.raises(EventsError, match='Nuisance "scale", up: ') as caught:
        read_variant(problem, nuisance, "up", read_events(problem))
    assert said in str(caught.value)


def test_a_missing_variant_and_a_misspelt_feature_are_found_with_the_events(make_problem, make_events):
    nuisance = Nuisance(name="scale", up={"a": "a_up", "bb": "c"})
    with pytest.raises(EventsError) as caught:
        read_events(make_problem(make_events(c=np.arange(200)), nuisances=(nuisance,)))
    assert 'Column "a_up" (nuisance variant) is not there. ' in str(caught.value)
    assert 'Nuisance "scale" must shift features, but "bb" is none. Did you mean "b"?' in str(caught.value)


def test_new_events_need_no_variants(make_problem, make_events, shifted_events, tmp_path):
    problem = make_problem(shifted_events, nuisances=(COLUMNS,))
    new = read_features(problem, write(tmp_path, make_events()))
    assert new.features == ("a", "b")
    assert read_features(problem, write(tmp_path, make_events()), features=("b",)).features == ("b",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nuisances": (COLUMNS,), "features": ("a", "a_up")}, '"a_up" has more than one role: features, nuisance'),
        ({"nuisances": (COLUMNS,), "observers": ("a_up",)}, '"a_up" has more than one role: observers, nuisance var'),
        ({"nuisances": (COLUMNS,), "features": ("b",)}, 'must shift features, but "a" is not among `features`'),
        ({"nuisances": (COLUMNS,), "observers": ("a",)}, 'must shift features, but "a" is observer'),
        ({"nuisances": (COLUMNS, COLUMNS)}, 'There is more than one nuisance "scale of a"'),
    ],
)
def test_clashes_are_found_when_the_problem_is_framed(make_problem, changes, said):
    with pytest.raises(StudyError) as caught:
        make_problem(events="events.csv", **changes)
    assert said in str(caught.value)


def test_nuisances_may_share_a_column(make_problem):
    other = Nuisance(name="other", up={"a": "a_up"})
    assert make_problem(events="events.csv", nuisances=(COLUMNS, other)).roles["a_up"] == "nuisance variant"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"name": " ", "up": "e.csv"}, "`name` is empty"),
        ({"name": "scale", "up": {}}, "`up` names no column"),
        ({"name": "scale", "up": "e.csv", "down": {"a": "c", "b": "c"}}, "`down` gives two features the same column"),
    ],
)
def test_a_nuisance_must_hold(frame, said):
    with pytest.raises(StudyError, match=said):
        Nuisance(**frame)
