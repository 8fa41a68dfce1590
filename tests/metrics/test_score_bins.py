"""Bins of the score: the best of all ways to part the quantiles, as trying every one finds it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import norm

from tuner.errors import EventsError
from tuner.metrics import asimov_significance, choose_score_bins, measure_binned_significance
from tuner.metrics.score_bins import ENOUGH

YIELDS = {"s": 60.0, "b": 800.0}


def draw(n=2_000, seed=5):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return labels, norm.cdf(generator.normal(labels * 1.5)), generator.uniform(0.5, 1.5, n)


def sum_bins(edges, labels, scores, weights):
    """Return s, b, the latter's statistical error and the effective background events of bins, from numpy alone."""
    s, b, squares = (
        np.histogram(scores[labels == label], edges, weights=weights[labels == label] ** power)[0]
        for label, power in ((1, 1), (0, 1), (0, 2))
    )
    scale = YIELDS["b"] / b.sum()
    return s * YIELDS["s"] / s.sum(), b * scale, np.sqrt(squares) * scale, b**2 / squares


@pytest.mark.parametrize("systematic", [0.0, 0.2])
def test_no_other_bins_promise_more(monkeypatch, systematic):
    """Every way to take up to three of the ten cuts is tried; at most 1 % less is accepted for fewer bins."""
    monkeypatch.setattr("tuner.metrics.score_bins.N_CELLS", 5)
    monkeypatch.setattr("tuner.metrics.score_bins.N_HALVINGS", 1)
    events = draw()
    labels, scores, _ = events
    shares = np.array([0.2, 0.4, 0.6, 0.8, 0.9])  # the uppermost fifth is halved once
    cuts = np.unique([np.quantile(scores[labels == label], shares) for label in (0, 1)])
    best = {0: 0.0}
    for number in range(4):
        for chosen in combinations(cuts, number):
            s, b, error, effective = sum_bins([-np.inf, *chosen, np.inf], *events)
            if effective.min() >= 50:
                z = np.sqrt((asimov_significance(s, b, np.hypot(error, systematic * b)) ** 2).sum())
                best[number] = max(best.get(number, 0.0), z)
    edges = choose_score_bins(*events, **YIELDS, relative_systematic=systematic, n_bins=4)
    s, b, error, _ = sum_bins(edges, *events)
    found = np.sqrt((asimov_significance(s, b, np.hypot(error, systematic * b)) ** 2).sum())
    assert found == pytest.approx(best[len(edges) - 2])
    assert found >= ENOUGH * max(best.values())
    assert all(best[fewer] < ENOUGH * max(best.values()) for fewer in range(len(edges) - 2))


def test_each_bin_holds_enough_background_and_too_few_events_are_refused():
    events = draw(6_000)
    for least in (50, 400):
        edges = choose_score_bins(*events, **YIELDS, least_background=least)
        assert 3 <= len(edges) <= 11
        assert sum_bins(edges, *events)[3].min() >= least * (1 - 1e-9)
    with pytest.raises(EventsError, match=r"at least 50 effective background events each, but there are .* in all"):
        choose_score_bins(*(each[:60] for each in events), **YIELDS)


def test_bins_gain_on_events_that_they_were_not_chosen_on():
    edges = choose_score_bins(*draw(seed=1), **YIELDS)
    many, one = (
        measure_binned_significance(*draw(seed=2), edges=each, **YIELDS, n_replicas=5).value
        for each in (edges, [-np.inf, np.inf])
    )
    assert many > 1.3 * one


def test_scores_that_tell_nothing_have_one_bin():
    labels = np.arange(400) % 2
    assert choose_score_bins(labels, np.full(400, 0.5), **YIELDS).tolist() == [-np.inf, np.inf]
