"""New events like those of training are scored in silence; what is unlike them is counted."""

import numpy as np
import pandas as pd
import pytest

from tuner.prediction.unusual_events import find_unusual, measure_ranges

NAMES = ("normal", "long tail", "Cauchy", "count", "rarely there", "flag")


def draw(rng, n):
    """Draw events: tails of all kinds, a small count, a feature that most events lack, yes or no."""
    there = np.where(rng.random(n) < 0.1, rng.normal(size=n), np.nan)
    columns = (rng.normal(size=n), np.exp(2 * rng.normal(size=n)), rng.standard_cauchy(n), rng.poisson(2, n), there)
    return np.column_stack([*columns, rng.integers(0, 2, n)]).astype(np.float32)


def make_new(values):
    return pd.DataFrame(values, columns=list(NAMES))


def look(values, seed=0, n=4000):
    return find_unusual(make_new(values), measure_ranges(draw(np.random.default_rng([seed, 1]), n), NAMES))


def test_events_like_those_of_training_are_scored_in_silence():
    """Also ten times as many of them: the farthest then lie farther out."""
    told = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        told += [str(finding) for finding in look(draw(rng, (1, 500, 40_000)[seed % 3]), seed)]
    assert len(told) <= 1, told


def change(values, column, rows, value):
    values = values.copy()
    values[rows, NAMES.index(column)] = value
    return values


@pytest.mark.parametrize(
    ("column", "rows", "value", "code", "words"),
    [
        ("normal", slice(3, 4), 1e6, "far-outside", '"normal" in 1 event is far outside'),
        ("normal", slice(None, None, 10), -12.0, "far-outside", '"normal" in 100 events is far outside'),
        ("Cauchy", slice(3, 4), 1e12, "far-outside", '"Cauchy" in 1 event is far outside'),
        ("normal", slice(0, 7), np.nan, "newly-undefined", 'Of 1,000 events, "normal" in 7 events is undefined'),
        (
            "flag",
            slice(0, 50),
            2.0,
            "unseen-values",
            '"flag" in 50 events is of a value that training never had: "flag" (2)',
        ),
        ("normal", slice(None), 2.5, "shifted-feature", '"normal": 100% of the events lie where'),
    ],
)
def test_what_is_unlike_training_is_counted(column, rows, value, code, words):
    values = draw(np.random.default_rng(5), 1000)
    (found,) = look(change(values, column, rows, value))
    assert (found.code, found.columns) == (code, (column,))
    assert words in str(found)


def test_events_without_any_feature_are_counted_once():
    values = draw(np.random.default_rng(5), 1000)
    values[[4, 9]] = np.nan
    (found,) = look(values)
    assert str(found).startswith("Warning [empty-events]: 2 events of 1,000 have no feature that is defined, the first")
    assert "event 5." in str(found)


def test_a_feature_in_other_units_is_told_either_way():
    energy = np.exp(np.random.default_rng(6).normal(3, 0.5, 5000))
    ranges = measure_ranges(np.column_stack([energy] * len(NAMES)).astype(np.float32), NAMES)
    for factor, code in ((1000, "far-outside"), (0.001, "shifted-feature")):
        new = np.column_stack([factor * energy[:1000]] * len(NAMES)).astype(np.float32)
        assert code in [finding.code for finding in find_unusual(make_new(new), ranges)]


def test_no_events_and_features_that_training_lacked_are_no_matter():
    assert look(np.empty((0, len(NAMES)), np.float32)) == ()
    ranges = measure_ranges(np.full((50, len(NAMES)), np.nan, np.float32), NAMES)
    assert find_unusual(make_new(draw(np.random.default_rng(0), 10)), ranges) == ()


def test_texts_that_training_never_had_are_counted():
    ranges = measure_ranges(np.arange(300, dtype=np.float32)[:, None] % 3, ("channel",))
    (found,) = find_unusual(pd.DataFrame({"channel": [0.0, 1.0, -1.0, np.nan]}), ranges, coded=("channel",))[1:]
    assert (found.code, found.figures) == ("unseen-values", {"channel": 1})
    assert 'of a value that training never had: "channel" (other texts)' in found.sentence
