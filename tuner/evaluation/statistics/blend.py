"""Blend of two candidates of different kinds, networks and boosted trees: a weighted mean of their logits."""

from __future__ import annotations

import numpy as np

EDGE = 1e-7
"""Scores are taken to be at least this far from 0 and 1, where logits are infinite."""


def blend_scores(networks: np.ndarray, trees: np.ndarray, share: float) -> np.ndarray:
    """Return scores in (0, 1), float64 [n], whose logit is the weighted mean of two logits.

    Args:
        networks: scores [n] in [0, 1] of the networks.
        trees: scores [n] of the trees.
        share: weight of the trees' logit, in [0, 1]; the networks' has the rest.
    """
    from scipy.special import expit

    logits: np.ndarray = (1 - share) * _take_logits(networks) + share * _take_logits(trees)
    return np.asarray(expit(logits), np.float64)


def fit_share(labels: np.ndarray, networks: np.ndarray, trees: np.ndarray, weights: np.ndarray) -> float:
    """Return the trees' share in [0, 1] of the blend that has the lowest log loss.

    The log loss is a convex function of the share, so that there is one lowest value (Boyd and Vandenberghe, Convex
    Optimization, 7.1.1), found by SciPy's bounded minimisation. Scores of events that the candidates were not trained
    on give an honest share: out-of-fold scores.

    Args:
        labels: [n] in {0, 1}.
        networks: scores [n] in [0, 1] of the networks.
        trees: scores [n] of the trees.
        weights: training weights [n]; events of weight 0 or less do not count, as then the loss has no lowest value.

    Returns:
        The share, to three decimals.
    """
    from scipy.optimize import minimize_scalar

    used = weights > 0
    signs, weights = np.where(labels[used] == 1, 1.0, -1.0), weights[used] / weights[used].sum()
    of_networks, of_trees = signs * _take_logits(networks[used]), signs * _take_logits(trees[used])

    def compute_loss(share: float) -> float:
        return float(weights @ np.logaddexp(0, -(1 - share) * of_networks - share * of_trees))

    inner = float(minimize_scalar(compute_loss, bounds=(0, 1), method="bounded").x)
    shares = np.array([0.0, 1.0, inner])
    return round(float(shares[np.argmin([compute_loss(share) for share in shares])]), 3)


def _take_logits(scores: np.ndarray) -> np.ndarray:
    from scipy.special import logit

    return np.asarray(logit(np.clip(np.asarray(scores, np.float64), EDGE, 1 - EDGE)), np.float64)
