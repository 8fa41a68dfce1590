"""Features of texts become codes; what is no category is left out or refused; new events have the codes of training."""

import numpy as np
import pandas as pd
import pytest

from tuner.errors import EventsError, StudyError
from tuner.events import read_events, read_features, read_variant
from tuner.events.categories import recode
from tuner.problem import Nuisance

CHANNELS = ("ee", "em", "mm")


@pytest.fixture
def table(make_events):
    rng = np.random.default_rng(0)
    return make_events().assign(
        channel=rng.choice(CHANNELS, 200), name=[f"event {i}" for i in range(200)], stage="final",
        quality=np.where(rng.random(200) < 0.2, "?", rng.choice(["good", "bad"], 200)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "parquet", "dictionary", "csv.gz"])
def test_texts_are_codes_and_what_is_undefined_stays_so(table, make_problem, tmp_path, kind):
    if kind == "dictionary":
        problem = make_problem(table.astype({"channel": "category", "quality": "category"}))
    elif kind == "parquet":
        problem = make_problem(table)
    else:
        table.to_csv(tmp_path / f"events.{kind}", index=False)
        problem = make_problem(events=tmp_path / f"events.{kind}")
    events = read_events(problem)
    assert events.features == ("a", "b", "channel", "quality")
    assert events.codes == {"channel": CHANNELS, "quality": ("bad", "good")}
    np.testing.assert_array_equal(np.array(CHANNELS)[events.table["channel"].astype(int)], table["channel"])
    np.testing.assert_array_equal(events.table["quality"].isna(), table["quality"] == "?")
    told = " ".join(events.notes)
    assert '"name" holds 200 different texts, which only `categories` would make a feature' in told
    assert '"stage" holds one text in all events, "final"' in told


def test_the_name_of_a_process_is_no_feature_unless_it_is_asked_for(table, make_problem):
    rng = np.random.default_rng(1)
    process = np.where(table["y"] == 1, "ttH", rng.choice(["tt", "Wt", "Z"], 200))
    events = read_events(make_problem(table.assign(process=process)))
    assert "process" not in events.features
    assert any('"process" tells the class: almost each' in note for note in events.notes)
    assert "process" in read_events(make_problem(table.assign(process=process), categories=("process",))).features


def test_names_of_texts_are_part_of_what_the_events_are(table, make_problem):
    digest = read_events(make_problem(table)).digest
    renamed = table.assign(channel=table["channel"].map({"ee": "e2", "em": "em", "mm": "mm"}))
    assert read_events(make_problem(renamed)).digest != digest


def test_a_category_that_is_named_may_have_many_texts_or_be_of_numbers(table, make_problem):
    events = read_events(make_problem(table, categories=("name", "a")))
    assert len(events.codes["name"]) == 200
    assert "a" not in events.codes, "numbers are their own codes"
    np.testing.assert_array_equal(events.table["a"], table["a"].astype(np.float32))
    with pytest.raises(StudyError, match='`categories` must be features, but "m" is observer'):
        make_problem(table, categories=("m",))
    with pytest.raises(EventsError, match=r'`categories` names "chanel", which is no .* Did you mean "channel"\?'):
        read_events(make_problem(table, categories=("chanel",)))
    with pytest.raises(EventsError, match=r'"name" must be numbers, or a category of 2 to 32 texts, but holds 200'):
        read_events(make_problem(table, features=("a", "name")))


def test_new_events_have_the_codes_of_training(table, make_problem, tmp_path):
    problem = make_problem(table)
    codes = read_events(problem).codes
    new = table.drop(columns=["y", "w"]).assign(channel=np.resize(["mm", "tt", "ee"], 200), quality="good")
    new.to_csv(tmp_path / "new.csv", index=False)
    scored = read_features(problem, tmp_path / "new.csv", features=("a", "b", "channel", "quality"), codes=codes)
    np.testing.assert_array_equal(scored.table["channel"], np.resize([2, -1, 0], 200))
    assert set(scored.table["quality"]) == {1}
    assert any('"channel" holds "tt", which training never saw, in 67 events' in note for note in scored.notes)
    alone = read_features(problem, tmp_path / "new.csv", features=("a", "b", "channel"))
    assert alone.codes == {"channel": ("ee", "mm", "tt")}
    one = read_features(problem, new.assign(channel="mm"))
    assert one.codes["channel"] == ("mm",)
    assert set(recode(one.table, one.codes, codes)["channel"]) == {codes["channel"].index("mm")}
    moved = recode(alone.table, alone.codes, codes)
    np.testing.assert_array_equal(moved["channel"], scored.table["channel"])


def test_shifted_events_have_the_codes_of_the_nominal_ones(table, make_problem, tmp_path):
    shifted = table.assign(a=table["a"] + 1, channel=np.where(table["channel"] == "ee", "em", table["channel"]))
    shifted.to_parquet(tmp_path / "shifted.parquet")
    nuisance = Nuisance(name="scale", up=tmp_path / "shifted.parquet")
    problem = make_problem(table, nuisances=(nuisance,))
    events = read_events(problem)
    found = read_variant(problem, nuisance, "up", events)
    expected = np.where(events.table["channel"] == 0, 1, events.table["channel"])
    np.testing.assert_array_equal(found["channel"], expected)
    pd.testing.assert_series_equal(found["quality"], events.table["quality"])
