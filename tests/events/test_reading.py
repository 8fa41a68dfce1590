"""What must hold for events, and that all that does not is told at once."""

import numpy as np
import pandas as pd
import pytest

from tuner.drafts.roles import infer_roles
from tuner.errors import EventsError
from tuner.events import read_events, read_features


def read(make_problem, table, **changes):
    return read_events(make_problem(table, **changes))


def refuse(make_problem, table, **changes):
    with pytest.raises(EventsError) as caught:
        read(make_problem, table, **changes)
    return str(caught.value)


def test_infinity_and_the_undefined_value_become_undefined(make_events, make_problem):
    table = make_events()
    table.loc[0, "a"], table.loc[1, "a"], table.loc[2, "a"] = np.inf, -np.inf, np.nan
    table.loc[3, "m"] = -999.0
    events = read(make_problem, table)
    assert events.table["a"].isna().sum() == 3
    assert events.table["b"].isna().sum() == 40
    assert events.table.dtypes.eq(np.float32).all()
    assert np.isnan(events.observers["m"][3])
    assert np.isnan(read(make_problem, table, undefined=None).table["b"]).sum() == 0


def test_an_undefined_value_that_float32_cannot_hold_is_found(make_events, make_problem):
    table = make_events()
    table["b"] = table["b"].replace(-999.0, -999.9)
    assert read(make_problem, table, undefined=-999.9).table["b"].isna().sum() == 40
    table["b"] = table["b"].astype(np.float32)
    assert read(make_problem, table, undefined=-999.9).table["b"].isna().sum() == 40


@pytest.mark.parametrize("mark", [-999, -999.9, -9.99, 10000.1, 0.1])
@pytest.mark.parametrize("widths", [("float32", "float64"), ("float64", "float32"), ("float32",), ("float16",)])
def test_an_undefined_value_is_found_whatever_the_width_of_the_numbers(
    make_events, make_problem, tmp_path, mark, widths
):
    for number, width in enumerate(widths):
        table = make_events(50, seed=number)
        table["b"] = table["b"].replace(-999.0, mark).astype(width)
        table.to_parquet(tmp_path / f"part{number}.parquet")
    events = read_events(make_problem(events=str(tmp_path / "part*.parquet"), undefined=mark))
    np.testing.assert_array_equal(events.table["b"].isna(), np.arange(50 * len(widths)) % 5 == 0)


def test_several_values_may_stand_for_undefined(make_events, make_problem):
    table = make_events(c=np.tile([-99.0, 1.0, 2.0, -999.0], 50))
    assert read(make_problem, table, undefined=(-999, -99)).table.isna().sum().to_dict() == {"a": 0, "b": 40, "c": 100}


def test_columns_may_differ_in_what_stands_for_undefined(make_events, make_problem):
    table = make_events(c=np.tile([-99.0, 1.0, 2.0, -999.0], 50))
    events = read(make_problem, table, undefined={"b": -999, "c": (-99, 7), "m": table["m"][3]})
    assert events.table.isna().sum().to_dict() == {"a": 0, "b": 40, "c": 50}
    assert np.isnan(events.observers["m"]).tolist() == [row == 3 for row in range(200)]
    assert '`undefined` names column "cc", which is not there.' in refuse(make_problem, table, undefined={"cc": 1})
    assert '`units` names column "mm", which is not there.' in refuse(make_problem, table, units={"mm": "GeV"})


@pytest.mark.parametrize("value", [1e39, -1e39, 1.7e308, np.inf, -np.inf, np.finfo(np.float32).max])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_beyond_float32_are_undefined_and_counted(make_events, make_problem, value, dtype):
    table = make_events()
    with np.errstate(over="ignore"):
        table["a"] = table["a"].where(table.index % 50 != 7, value).astype(dtype)
    events = read(make_problem, table)
    assert np.flatnonzero(events.table["a"].isna()).tolist() == [7, 57, 107, 157]
    assert events.notes == (
        'Feature "a" is infinite or beyond 1.7e+38 in 4 events, the first of them event 8: there it counts as '
        "undefined.",
    )


def test_weights_default_to_one_and_whole_numbers_and_booleans_are_features(make_events, make_problem):
    table = make_events(
        count=np.arange(200) % 7, flag=np.arange(200) % 3 == 0, maybe=pd.array([1, None] * 100, "Int64")
    )
    table["text"] = (np.arange(200) % 5).astype(str)
    events = read(make_problem, table.drop(columns="w"), weight=None)
    assert (events.weights == 1).all()
    assert events.features == ("a", "b", "count", "flag", "maybe", "text")
    assert events.table["maybe"].isna().sum() == 100
    assert events.table["flag"].sum() == 67
    assert events.table["text"].max() == 4


def test_all_missing_columns_are_named_with_the_nearest(make_events, make_problem):
    said = refuse(
        make_problem, make_events().rename(columns={"w": "weight"}), weight="weigth", label="label", optimum="xx"
    )
    assert 'Column "weigth" (weight) is not there. Did you mean "weight"?' in said
    assert 'Columns "label" (label) and "xx" (observer) are not there. There are "a", "b", "y", "weight", ' in said
    assert "2 problems" in said


def test_a_missing_feature_is_named_among_all_columns_of_the_file(make_events, make_problem):
    said = refuse(make_problem, make_events(momentum=1.0), features=("a", "momentun"))
    assert 'Column "momentun" (feature) is not there. Did you mean "momentum"?' in said


def test_no_feature_left(make_events, make_problem):
    assert "There must be a feature" in refuse(make_problem, make_events()[["y", "w", "m"]])


def test_one_class(make_events, make_problem):
    said = refuse(make_problem, make_events(y=1))
    assert 'Label "y" must have two values, one of them signal, but has 1: 1 (200 events)' in said


def test_a_third_class(make_events, make_problem):
    said = refuse(make_problem, make_events(y=np.arange(200) % 3))
    assert "but has 3: 0 (67 events), 1 (67 events), 2 (66 events)" in said


def test_label_that_is_missing_in_an_event(make_events, make_problem):
    table = make_events()
    table["y"] = table["y"].astype(object).where(table.index != 6)
    assert 'Label "y" must say of each event what it is, but says nothing of event 7.' in refuse(make_problem, table)
    assert "event 7" in refuse(make_problem, table)


@pytest.mark.parametrize(("signal", "hint"), [("gamma", 'Did you mean "g"?'), ("hadrons", 'Did you mean "h"?')])
def test_signal_that_is_not_there(make_events, make_problem, signal, hint):
    said = refuse(make_problem, make_events(y=np.array(["g", "h"])[np.arange(200) % 2]), signal=signal)
    assert f'`signal="{signal}"` is not a value of column "y" (found "g", "h"). {hint}' in said


@pytest.mark.parametrize(
    ("values", "signal", "expected"),
    [([0, 1], "1", "1"), (["0", "1"], 1, "'1'"), ([False, True], "1", "True"), ([0.0, 1.0], "1", "1.0")],
)
def test_a_number_and_the_same_number_as_text_are_taken_as_equal_and_it_is_said(
    make_events, make_problem, values, signal, expected
):
    events = read(make_problem, make_events(y=np.array(values)[np.arange(200) % 2]), signal=signal)
    np.testing.assert_array_equal(events.labels, np.arange(200) % 2)
    assert f"Write `signal={expected}`" in events.notes[0]


@pytest.mark.parametrize(("values", "signal"), [([0, 1], 1), ([0, 1], True), ([0.0, 1.0], 1), ([False, True], 1)])
def test_equal_numbers_need_no_remark(make_events, make_problem, values, signal):
    events = read(make_problem, make_events(y=np.array(values)[np.arange(200) % 2]), signal=signal)
    np.testing.assert_array_equal(events.labels, np.arange(200) % 2)
    assert events.notes == ()


def test_a_category_is_a_label(make_events, make_problem):
    table = make_events(y=pd.Categorical(np.array(["bkg", "sig"])[np.arange(200) % 2]))
    assert read(make_problem, table, signal="sig").labels.sum() == 100


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.nan, "must be a finite number in each event, but is not in 200, the first of them event 1"),
        (np.r_[np.ones(199), np.inf], "but is not in 1, the first of them event 200"),
        (0.0, "must not be zero in all events"),
        (np.arange(200) % 2.0, "of background must add up to more than 0, but adds up to 0"),
        (0.5 - np.arange(200) % 2, "of signal must add up to more than 0, but adds up to -50"),
        (np.array(["one", "1"])[np.arange(200) % 2], 'Weight "w" must be numbers, but is "one" in event 1'),
    ],
)
def test_weights_that_cannot_be(make_events, make_problem, weights, said):
    assert said in refuse(make_problem, make_events(w=weights))


def test_negative_weights_may_be(make_events, make_problem):
    weights = np.where(np.arange(200) % 10 < 2, -0.5, 1.0)
    np.testing.assert_array_equal(read(make_problem, make_events(w=weights)).weights, weights)


def test_features_that_tell_nothing(make_events, make_problem):
    said = refuse(make_problem, make_events(same=3.5, never=-999.0, blank=np.nan, other=2))
    assert 'these are undefined in all events: "never", "blank"' in said
    assert 'these are the same in all events: "same = 3.5", "other = 2"' in said
    assert "[constant]" in said
    assert "`ignored`" in said


def test_a_feature_that_is_the_same_wherever_it_is_defined_still_tells_that(make_events, make_problem):
    flag = np.where(np.arange(200) % 3 == 0, 1.0, -999.0)
    assert "flag" in read(make_problem, make_events(flag=flag)).features


def test_text_says_which_value_in_which_event(make_events, make_problem):
    text = (np.arange(200) / 7).astype(str).astype(object)
    text[[41, 60]] = "muon"
    said = refuse(make_problem, make_events(kind=text))
    assert 'Feature "kind" must be numbers, but is "muon" in event 42 (2 such events)' in said
    assert "same in all" not in said


def test_an_event_id_that_is_missing(make_events, make_problem):
    said = refuse(make_problem, make_events(id=np.where(np.arange(200) == 9, np.nan, 1.0)), event_id="id", ignored=())
    assert 'Event id "id" must be there in each event, but is missing in 1, the first of them event 10' in said


def test_an_optimum_must_be_finite(make_events, make_problem):
    said = refuse(make_problem, make_events(best=np.where(np.arange(200) == 4, np.inf, 1.0)), optimum="best")
    assert 'Optimum "best" must be a finite number in each event, but is not in 1, the first of them event 5' in said


def test_a_column_that_is_there_twice(make_problem, make_events):
    class Twice:
        def read(self):
            return pd.concat([make_events(), make_events()[["a"]]], axis=1)

        def describe(self):
            return "twice"

        def at(self, path):
            return self

    with pytest.raises(EventsError, match=r'must name each column once, but has twice: "a"'):
        read_events(make_problem(events=Twice()))


def test_everything_is_told_at_once(make_events, make_problem):
    table = make_events(y=np.arange(200) % 3, w=np.nan, same=1.0, kind=np.where(np.arange(200) == 7, "muon", "1.5"))
    said = refuse(make_problem, table, observers=("mass",), signal="s")
    for part in ('"mass"', "`signal=", "has 3", "finite number", "same = 1", '"muon"'):
        assert part in said
    assert "6 problems" in said


def test_the_digest_sees_every_value_and_name(make_events, make_problem):
    table = make_events()
    digest = read(make_problem, table).digest
    assert digest == read(make_problem, table).digest
    for column, value in (("a", 0.25), ("w", 0.25), ("y", 1)):
        changed = table.copy()
        changed.loc[0, column] = value
        assert read(make_problem, changed).digest != digest
    assert read(make_problem, table.rename(columns={"a": "c"})).digest != digest
    changed = table.copy()
    changed.loc[0, "m"] = 0.25
    assert read(make_problem, changed).digest == digest


def test_new_events_need_only_features(make_events, make_problem, tmp_path):
    table = make_events()
    problem = make_problem(table, event_id="id", ignored=())
    path = tmp_path / "new.csv"
    table[["b", "a"]].assign(extra="text").to_csv(path, index=False)
    new = read_features(problem, path, features=("a", "b"))
    pd.testing.assert_frame_equal(new.table, read_events(problem).table)
    assert new.labels is new.weights is new.event_id is None
    assert new.observers.shape == (200, 0)
    table[["a"]].to_csv(path, index=False)
    with pytest.raises(EventsError, match=r'Column "b" \(feature\) is not there'):
        read_features(problem, path, features=("a", "b"))


def test_new_events_bring_their_roles_along(make_events, make_problem, tmp_path):
    table = make_events(seed=4)
    problem = make_problem(make_events(), event_id="id", ignored=())
    path = tmp_path / "new.parquet"
    table.to_parquet(path)
    new = read_features(problem, path)
    np.testing.assert_array_equal(new.labels, table["y"])
    np.testing.assert_array_equal(new.weights, table["w"])
    np.testing.assert_array_equal(new.event_id, table["id"])
    assert list(new.observers.columns) == ["m"]


@pytest.mark.parametrize(("label", "expected"), [(1, 1), (0, 0)])
def test_new_events_may_be_of_one_class(make_events, make_problem, tmp_path, label, expected):
    problem = make_problem(make_events())
    path = tmp_path / "new.parquet"
    make_events(y=label, b=1.0).to_parquet(path)
    assert (read_features(problem, path).labels == expected).all()


def test_numbers_that_differ_only_beyond_single_precision_are_told_so(make_problem, make_events):
    events_table = make_events()
    n = len(events_table)
    table = events_table.assign(stamp=1_700_000_000_000 + np.arange(n) % 7, coarse=40_000_000 + np.arange(n))
    with pytest.raises(EventsError) as error:
        read_events(make_problem(table))
    assert 'Feature "stamp" tells events apart only beyond single precision' in str(error.value)
    assert """`columns={"stamp_shifted": "stamp - 1700000000000"}`""" in str(error.value)
    cured = {"stamp_shifted": "stamp - 1700000000000", "coarse_shifted": "coarse - 40000000"}
    events = read_events(make_problem(table, columns=cured, ignored=("id", "stamp")))
    np.testing.assert_array_equal(events.table["stamp_shifted"], np.arange(n) % 7)
    np.testing.assert_array_equal(events.table["coarse_shifted"], np.arange(n))
    (note,) = [note for note in events.notes if '"coarse"' in note]
    assert f"has only {len(np.unique(np.float32(table['coarse']))):,} different values" in note
    assert infer_roles(table.drop(columns="m"), label="y").reasons["ignored"].count("stamp - 1700000000000") == 1


def test_new_events_that_lack_features_are_told_so_once(make_problem, make_events):
    events_table = make_events()
    problem = make_problem(events_table.rename(columns={"a": "pt [GeV]"}), ignored=("id",))
    features = ("pt [GeV]", "b", *(f"zzz{number}" for number in range(20)))
    with pytest.raises(EventsError) as error:
        read_features(problem, events_table[["m", "id"]].rename(columns={"m": "mass"}), features=features)
    assert str(error.value).count("There are") == 1
    assert '"pt [GeV]", "b", "zzz0"' in str(error.value)
