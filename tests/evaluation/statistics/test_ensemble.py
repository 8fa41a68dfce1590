"""The greedy ensemble against a literal one, against all ensembles of few networks, and against the best network."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tuner.evaluation.statistics.ensemble import cross_fit_ensemble, pick_ensemble
from tuner.metrics.figures_of_merit import Auc, Custom


def draw_scores(n_networks, *, n=200, seed=0, noise=1.0):
    """Return labels, weights and the scores of networks that see the same with noise of their own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    seen = rng.normal(1.0 * labels)
    return labels, rng.uniform(0.5, 2, n), [norm.cdf(seen + noise * rng.normal(size=n)) for _ in range(n_networks)]


def measure(labels, scores, weights, picks):
    return roc_auc_score(labels, np.mean([scores[i] for i in picks], axis=0), sample_weight=weights)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_greedy_one_and_near_the_best_of_all(seed):
    labels, weights, scores = draw_scores(3, seed=seed)
    shares = pick_ensemble(Auc(), labels, scores, weights, most=4)
    assert shares.sum() == pytest.approx(1)
    found = roc_auc_score(labels, sum(s * one for s, one in zip(shares, scores, strict=True)), sample_weight=weights)

    picks, on_the_way = [], []
    for _ in range(4):
        picks = max(([*picks, i] for i in range(3)), key=lambda each: measure(labels, scores, weights, each))
        on_the_way.append(picks)
    best = max(on_the_way, key=lambda each: measure(labels, scores, weights, each))
    np.testing.assert_allclose(shares, np.bincount(best, minlength=3) / len(best))

    everyone = [p for k in range(1, 5) for p in combinations_with_replacement(range(3), k)]
    upper = max(measure(labels, scores, weights, each) for each in everyone)
    assert max(measure(labels, scores, weights, [i]) for i in range(3)) <= found <= upper + 1e-12
    assert found == pytest.approx(upper, abs=0.005)


def test_the_best_one_stands_alone_where_the_others_are_noise():
    labels, weights, (good,) = draw_scores(1, n=2_000, noise=0.1)
    rng = np.random.default_rng(1)
    noise = [rng.uniform(size=2_000) for _ in range(4)]
    shares = pick_ensemble(Auc(), labels, [noise[0], noise[1], good, *noise[2:]], weights)
    assert shares.tolist() == [0, 0, 1, 0, 0]


def test_equal_networks_of_independent_noise_share():
    labels, weights, scores = draw_scores(4, n=2_000, noise=1.0)
    shares = pick_ensemble(Auc(), labels, scores, weights)
    assert (shares > 0.1).all()
    together = roc_auc_score(labels, np.average(scores, axis=0, weights=shares), sample_weight=weights)
    assert together > 0.02 + max(measure(labels, scores, weights, [i]) for i in range(4))


def test_a_network_may_be_drawn_again_and_no_more_than_the_most():
    labels, weights, scores = draw_scores(2, n=400)
    worse = norm.cdf(norm.ppf(scores[1]) + 1.5 * np.random.default_rng(2).normal(size=400))
    shares = pick_ensemble(Auc(), labels, [scores[0], worse], weights, most=5)
    assert 0.5 < shares[0] <= 1
    assert any(np.isclose(shares[0] * k, round(shares[0] * k)) for k in range(1, 6))


def test_one_network_is_its_own_ensemble():
    labels, weights, scores = draw_scores(1)
    assert pick_ensemble(Auc(), labels, scores, weights).tolist() == [1.0]


def test_an_ensemble_of_noise_is_worth_nothing_on_the_half_that_it_was_not_picked_on():
    rng = np.random.default_rng(0)
    excess = []
    for seed in range(6):
        labels, noise = np.arange(200) % 2, [rng.random(200) for _ in range(10)]
        shares = pick_ensemble(Auc(), labels, noise)
        mixed = sum(share * one for share, one in zip(shares, noise, strict=True))
        crossed = cross_fit_ensemble(Auc(), labels, noise, seed=seed)
        excess.append([roc_auc_score(labels, mixed) - 0.5, roc_auc_score(labels, crossed) - 0.5])
    picked, crossed = np.mean(excess, axis=0)
    assert picked > 0.06
    assert abs(crossed) < 0.04


@pytest.mark.parametrize(("undefined", "expected"), [((0,), [0, 1]), ((0, 1), [1, 0])])
def test_a_network_whose_figure_is_no_number_is_not_picked_unless_there_is_no_other(undefined, expected):
    labels, weights, scores = draw_scores(2)
    scores[1] = scores[1] / 10  # so that means with the first can be told from it alone

    def measure_some(y, s, w):
        is_first = s.max() > 0.1
        return np.nan if int(not is_first) in undefined else roc_auc_score(y, s, sample_weight=w)

    assert pick_ensemble(Custom(name="some", function=measure_some), labels, scores, weights).tolist() == expected
