"""Permutation importance of scores whose answer is known: what is not looked at is worth nothing, all else to 0.5."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from tuner.evaluation.statistics.importance import measure_importances
from tuner.metrics.figures_of_merit import Auc, Significance
from tuner.preparation.preprocessing import Preprocessing
from tuner.preparation.splits import Part

PREPROCESSING = Preprocessing(
    features=("useless", "shifted", "gappy"),
    fill=np.zeros(3, np.float32),
    x_knots=np.tile(np.float32([0, 1]), (3, 1)),
    z_knots=np.tile(np.float32([0, 1]), (3, 1)),
    clamped=False,
    indicated=np.array([2]),
)


@pytest.fixture(scope="module")
def part():
    """2,000 events: one feature without, one with information, one that is undefined mostly in background."""
    rng = np.random.default_rng(0)
    labels = np.arange(2_000) % 2
    undefined = rng.uniform(size=2_000) < np.where(labels, 0.2, 0.7)
    x = np.column_stack([rng.normal(size=2_000), rng.normal(labels), np.where(undefined, 0, rng.normal(size=2_000))])
    weights = rng.uniform(0.5, 2, 2_000)
    inputs = np.column_stack([x, undefined]).astype(np.float32)
    return Part(inputs, labels, weights, weights, np.arange(2_000))


def measure(part, score, figure=None, **more):
    found = measure_importances(figure or Auc(), part, "test", PREPROCESSING, score, **more)
    assert {importance.part for importance in found} == {"test"}
    return {importance.feature: importance.drop for importance in found}


def test_the_only_feature_that_is_looked_at_is_worth_all_and_the_others_exactly_nothing(part):
    found = measure(part, lambda x: expit(x[:, 1]))
    assert next(iter(found)) == "shifted"
    whole = roc_auc_score(part.labels, part.x[:, 1], sample_weight=part.weights) - 0.5
    assert found["shifted"].value == pytest.approx(whole, abs=0.015)
    assert found["shifted"].low < whole < found["shifted"].high
    for name in ("useless", "gappy"):
        assert (found[name].value, found[name].low, found[name].high) == (0, 0, 0)


def test_a_feature_is_shuffled_with_its_indicator(part):
    whole = roc_auc_score(part.labels, -part.x[:, 3], sample_weight=part.weights) - 0.5
    found = measure(part, lambda x: expit(-x[:, 3]))
    assert found["gappy"].value == pytest.approx(whole, abs=0.015)

    def count_contradictions(x):
        """An undefined value is filled with 0: value and indicator must stay together."""
        assert ((x[:, 3] == 1) <= (x[:, 2] == 0)).all()
        return expit(x[:, 1])

    measure(part, count_contradictions)


def test_what_is_measured_on_is_left_as_it_is_and_the_interval_holds_the_events(part):
    before = part.x.copy()
    few = Part(part.x[:200], part.labels[:200], part.weights[:200], part.weights[:200], part.rows[:200])
    errors = [measure(each, lambda x: expit(x[:, 1]))["shifted"].error for each in (few, part)]
    np.testing.assert_array_equal(part.x, before)
    assert errors[0] / errors[1] == pytest.approx(np.sqrt(10), rel=0.6)


def test_a_significance_loses_at_its_frozen_cut(part):
    figure = Significance(s=100, b=1_000)
    scores = expit(part.x[:, 1])
    cut = figure.choose(part.labels, scores, part.weights)
    found = measure(part, lambda x: expit(x[:, 1]), figure, cut=cut)["shifted"]
    shuffled = np.random.default_rng(1).permutation(scores)
    expected = figure.at(cut, part.labels, scores, part.weights) - figure.at(cut, part.labels, shuffled, part.weights)
    assert found.value == pytest.approx(expected, rel=0.15)
