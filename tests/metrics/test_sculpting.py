"""Sculpting against scipy's Jensen-Shannon distance, and its p-value against chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from tuner.errors import EventsError
from tuner.metrics import measure_sculpting
from tuner.metrics.sculpting import jensen_shannon

HISTOGRAMS = arrays(np.float64, 7, elements=st.floats(0, 10)).filter(lambda a: a.sum() > 1e-3)


def make_events(n=600, seed=0, shift=0.0):
    generator = np.random.default_rng(seed)
    labels, scores = np.tile([0, 1], n // 2), generator.random(n)
    return generator.normal(100 + shift * scores, 10), labels, scores, generator.exponential(1.0, n)


@given(HISTOGRAMS, HISTOGRAMS)
def test_the_divergence_is_the_square_of_scipys_distance_in_bits(first, second):
    with np.errstate(invalid="ignore"):  # scipy takes the root of a rounding error below 0 where both are the same
        expected = np.nan_to_num(jensenshannon(first, second, base=2)) ** 2
    assert jensen_shannon(first, second) == pytest.approx(expected, abs=1e-9)
    assert jensen_shannon(first, second) == pytest.approx(jensen_shannon(3 * second, first), abs=1e-12)


def test_the_divergence_ends_at_zero_and_one_bit_and_negative_bins_are_empty():
    assert jensen_shannon(np.array([1.0, 1, 0]), np.array([2.0, 2, 0])) == 0
    assert jensen_shannon(np.array([1.0, 0, 0]), np.array([0.0, 1, 1])) == pytest.approx(1)
    assert jensen_shannon(np.array([1.0, -0.2, 1]), np.array([1.0, 0, 1])) == 0


def test_shapes_and_their_divergence_are_scipys_of_numpys_histograms():
    observer, labels, scores, weights = make_events(shift=20)
    found = measure_sculpting(observer, labels, scores, weights, threshold=0.6, n_subsamples=20)
    clipped = np.clip(observer, found.edges[0], found.edges[-1])
    shapes = []
    for chosen in (labels == 0, (labels == 0) & (scores >= 0.6)):
        sums, _ = np.histogram(clipped[chosen], found.edges, weights=weights[chosen])
        squares, _ = np.histogram(clipped[chosen], found.edges, weights=weights[chosen] ** 2)
        shapes.append((sums / weights[chosen].sum(), np.sqrt(squares) / weights[chosen].sum()))
    np.testing.assert_allclose([found.before, found.before_error], shapes[0])
    np.testing.assert_allclose([found.after, found.after_error], shapes[1])
    assert found.divergence.value == pytest.approx(jensenshannon(shapes[0][0], shapes[1][0], base=2) ** 2)
    assert found.beyond_chance
    assert found.divergence.low > found.chance.high


def test_a_score_that_knows_nothing_of_the_observer_is_within_chance_as_often_as_said():
    p_values = [
        measure_sculpting(*make_events(400, seed), threshold=0.5, n_bins=12, n_subsamples=39, n_replicas=1).p_value
        for seed in range(120)
    ]
    assert 0.4 < np.mean(p_values) < 0.6
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.08)
    assert min(p_values) >= 1 / 40


def test_without_weights_the_chance_is_that_of_the_hypergeometric_distribution():
    observer, labels, scores, _ = make_events()
    found = measure_sculpting(observer, labels, scores, threshold=0.7, n_bins=8, n_subsamples=400, n_replicas=1)
    counts = np.rint(found.before * found.n_before).astype(int)
    drawn = np.random.default_rng(1).multivariate_hypergeometric(counts, found.n_after, size=4_000)
    expected = np.quantile([jensenshannon(d, counts, base=2) ** 2 for d in drawn], [0.1587, 0.5, 0.8413])
    np.testing.assert_allclose([found.chance.low, found.chance.value, found.chance.high], expected, rtol=0.15)


def test_signal_and_undefined_values_do_not_count():
    observer, labels, scores, weights = make_events()
    observer[:20:2] = np.nan
    found = measure_sculpting(observer, labels, scores, weights, threshold=0.5, n_subsamples=5)
    background = (labels == 0) & np.isfinite(observer)
    assert (found.n_before, found.n_undefined) == (background.sum(), 10)
    assert found.n_after == (background & (scores >= 0.5)).sum()
    alone = measure_sculpting(
        np.where(labels == 1, 1e6, observer), labels, scores, weights, threshold=0.5, n_subsamples=5
    )
    assert alone.divergence.value == found.divergence.value


def test_few_values_get_a_bin_each_and_one_value_cannot_be_sculpted():
    _, labels, scores, weights = make_events()
    jets = np.random.default_rng(0).integers(2, 6, len(labels))
    found = measure_sculpting(jets, labels, scores, weights, threshold=0.5, n_subsamples=5)
    np.testing.assert_allclose(found.edges, [1.5, 2.5, 3.5, 4.5, 5.5])
    assert not found.has_tails
    same = measure_sculpting(np.full(len(labels), 91.0), labels, scores, weights, threshold=0.5, n_subsamples=5)
    assert same.divergence.value == 0
    assert same.p_value == 1


def test_what_cannot_be_measured_is_told():
    observer, labels, scores, weights = make_events()
    with pytest.raises(EventsError, match="Loosen the cut"):
        measure_sculpting(observer, labels, scores, weights, threshold=2.0)
    with pytest.raises(EventsError, match="one value for each event"):
        measure_sculpting(observer[1:], labels, scores, weights, threshold=0.5)
    with pytest.raises(EventsError, match="Loosen the cut"):
        measure_sculpting(np.full(len(labels), np.nan), labels, scores, weights, threshold=0.5)


def test_the_interval_of_the_divergence_holds_the_truth():
    """Two Gaussians of ten bins each, whose divergence is known; plain percentiles would lie above it throughout."""
    generator, held, above = np.random.default_rng(4), 0, 0
    n_experiments, n = 80, 600
    observer = generator.normal(100 + 6 * np.repeat([0, 1], 100_000), 10)
    truth_of = np.repeat([0, 1], 100_000)
    for seed in range(n_experiments):
        rows = generator.integers(0, 200_000, n)
        labels = np.zeros(n + 1, dtype=int)
        labels[-1] = 1
        values, scores = np.append(observer[rows], 0.0), np.append(truth_of[rows], 1.0)
        found = measure_sculpting(
            values, labels, scores, threshold=0.5, n_bins=10, n_subsamples=1, n_replicas=60, seed=seed
        )
        bins = np.digitize(observer, found.edges[1:-1])
        shapes = [np.bincount(bins[chosen], minlength=10) for chosen in (truth_of == 1, truth_of >= 0)]
        truth = jensenshannon(*shapes, base=2) ** 2
        held += found.divergence.low <= truth <= found.divergence.high
        above += found.divergence.value > truth
    assert above > 0.55 * n_experiments
    assert held / n_experiments == pytest.approx(0.68, abs=0.12)
