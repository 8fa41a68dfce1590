"""Replicas against scikit-learn on drawn rows, and against a cut that is kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from tuner.metrics.figures_of_merit import Auc, Custom, Significance
from tuner.metrics.replicas import replicate


def draw_events(n):
    """Two Gaussians 1.5 standard deviations apart: labels, logits, weights."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    return labels, rng.normal(1.5 * labels), rng.uniform(0.5, 2, n)


def test_replicas_of_ranked_events_are_those_of_scikit_learn():
    labels, scores, weights = draw_events(120)
    other = np.round(scores)
    ranked = replicate(Auc(), labels, [scores, other], weights, n_replicas=25, seed=4)
    by_rows = Custom(name="sklearn", function=lambda y, s, w: roc_auc_score(y, s, sample_weight=w))
    plain = replicate(by_rows, labels, [scores, other], weights, n_replicas=25, seed=4)
    np.testing.assert_allclose(ranked.replicas, plain.replicas)
    np.testing.assert_allclose(ranked.values, plain.values)
    assert ranked.replicas.shape == (2, 25)
    assert ranked.mean == pytest.approx(
        np.mean([roc_auc_score(labels, s, sample_weight=weights) for s in (scores, other)])
    )


def test_a_frozen_cut_is_kept_in_every_replica():
    labels, scores, weights = draw_events(400)
    scores, figure = norm.cdf(scores), Significance(s=100, b=1_000)
    cut = figure.choose(labels, scores, weights)
    frozen = replicate(figure, labels, [scores], weights, cuts=[cut], n_replicas=10, seed=1)
    searched = replicate(figure, labels, [scores], weights, n_replicas=10, seed=1)
    by_hand = Custom(name="at", function=lambda y, s, w: figure.at(cut, y, s, w))
    np.testing.assert_allclose(
        frozen.replicas, replicate(by_hand, labels, [scores], weights, n_replicas=10, seed=1).replicas
    )
    assert not np.allclose(frozen.replicas, searched.replicas)
