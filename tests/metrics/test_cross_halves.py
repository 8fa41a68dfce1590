"""A cut chosen on one half and measured on the other: by hand, for replicas, for scores that separate the classes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tuner.metrics import Ams, Significance, approximate_median_significance, asimov_significance
from tuner.metrics.arrays import check_arrays

FIGURE = Significance(s=100, b=1_000)


def draw(n: int = 4_000, seed: int = 1, blur: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    scores = norm.cdf(generator.normal(labels * 1.5) + blur * generator.normal(size=n))
    return labels, scores, generator.uniform(0.5, 1.5, n)


def test_two_scores_have_the_one_cut_and_the_figure_is_that_of_the_halves_less_what_counts_scatter():
    """Half of the background scores 1: either half has about 500 events above the only cut that is worth it."""
    labels = np.repeat([1, 0], 1_000)
    scores = np.concatenate([np.ones(1_000), np.tile([0.0, 1.0], 500)])
    expected = float(asimov_significance(100.0, 500.0))
    n = 250.0  # events above the cut in a half of 500: their scatter makes Z too large by 3/8 of its inverse
    assert FIGURE(labels, scores) == pytest.approx(expected, rel=0.02)
    halves = FIGURE.halves(*check_arrays(labels, scores))
    assert halves.n_cuts == 2
    assert FIGURE(labels, scores) < expected * (1 + 3 / (8 * n)) * 1.02


def test_the_better_score_has_the_larger_figure_and_any_monotone_function_of_it_the_same():
    labels, scores, weights = draw()
    assert FIGURE(labels, scores, weights) > FIGURE(*draw(blur=1.0))
    assert FIGURE(labels, np.log(scores), weights) == FIGURE(labels, scores, weights)
    assert FIGURE(labels, scores, 7 * weights) == pytest.approx(FIGURE(labels, scores, weights))


@pytest.mark.parametrize("figure", [Ams(s=692, b=411_000), FIGURE])
def test_a_perfect_score_has_the_best_value_whether_it_has_two_values_or_many(figure):
    generator = np.random.default_rng(2)
    labels = np.arange(4_000) % 2
    many = labels + 0.5 * generator.random(4_000)
    good = generator.normal(labels * 4.0)
    values = [figure(labels, scores) for scores in (labels.astype(float), many, good, np.round(good, 1))]
    assert min(values[:2]) > 0.98 * max(values[2:])
    for scores in (labels.astype(float), many):
        scan = figure.scan(labels, scores)
        other = figure.scan(labels, good)
        assert scan.significance[scan.best] >= 0.999 * other.significance[other.best]
        assert scan.is_at_floor
        assert ((scores >= figure.choose(labels, scores)) == labels).mean() > 0.98


def test_the_ams_of_separated_scores_is_that_of_the_floors_background():
    labels = np.repeat([1, 0], 500)
    figure = Ams(s=692, b=411_000)
    scan = figure.scan(labels, labels.astype(float))
    expected = approximate_median_significance(692, 411_000 * 50 / 500)
    assert scan.significance[scan.best] == pytest.approx(expected)
    assert figure(labels, labels.astype(float)) > expected > 3 > approximate_median_significance(692, 411_000)


def test_a_replica_is_the_figure_of_events_that_come_as_often_in_the_same_halves():
    labels, scores, weights = draw(1_000)
    halves = FIGURE.halves(*check_arrays(labels, scores, weights))
    once = np.ones(1_000, dtype=np.int64)
    assert halves.cross(once) == halves.cross() == FIGURE(labels, scores, weights)
    counts = np.random.default_rng(3).multinomial(1_000, np.full(1_000, 1e-3))
    left_out = counts > 0
    rest = FIGURE.halves(*check_arrays(labels, scores, weights)).cross(np.where(left_out, counts, 0))
    assert rest == halves.cross(counts)


def test_negative_weights_that_prevail_on_a_half_count_for_nothing():
    labels, scores, weights = draw(400)
    weights[::7] *= -1
    assert np.isfinite(FIGURE(labels, scores, weights))
    heavy = np.where(labels == 1, -1.0, 1.0)
    heavy[1] = 250.0
    assert np.isnan(FIGURE(labels, scores, heavy))


def test_the_floor_is_in_effective_events_and_told_in_the_name_where_it_is_not_the_default():
    labels, scores, weights = draw(4_000)
    weights = weights * np.where(np.arange(4_000) % 10 == 0, 20.0, 1.0)
    for floor in (20.0, 50.0, 200.0):
        figure = Ams(s=100, b=1_000_000, min_background=floor)
        passes = (scores >= figure.choose(labels, scores, weights)) & (labels == 0)
        assert weights[passes].sum() ** 2 / (weights[passes] ** 2).sum() >= floor
        assert ("floor" in figure.name) == (floor != 50)
