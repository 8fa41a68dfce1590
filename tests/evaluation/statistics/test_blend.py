"""The blend's share against a grid and against two Gaussians whose likelihood ratio is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from tuner.evaluation.statistics.blend import blend_scores, fit_share


@pytest.fixture
def events():
    """Labels, weights, and two scores, each with an error of its own, the second of twice the standard deviation."""
    rng = np.random.default_rng(1)
    labels = np.arange(20_000) % 2
    truth = rng.normal(labels - 0.5)
    scores = [expit(truth + rng.normal(0, sd, len(labels))) for sd in (0.5, 1.0)]
    return labels, rng.uniform(0.5, 2, len(labels)), *scores


def test_the_blend_is_the_mean_of_logits_also_where_a_score_is_0_or_1():
    one, two = np.array([0.0, 0.3, 1.0]), np.array([0.5, 0.6, 1.0])
    blended = blend_scores(one, two, 0.25)
    assert logit(blended[1]) == pytest.approx(0.75 * logit(0.3) + 0.25 * logit(0.6))
    assert 0 < blended[0] < 1e-4 and 1 - 1e-6 < blended[2] < 1
    np.testing.assert_allclose(blend_scores(one[1:2], two[1:2], 0.0), one[1:2])


def test_the_share_has_the_lowest_weighted_log_loss_of_all(events):
    labels, weights, one, two = events
    share = fit_share(labels, one, two, weights)
    grid = np.linspace(0, 1, 201)
    losses = [log_loss(labels, blend_scores(one, two, s), sample_weight=weights) for s in grid]
    assert share == pytest.approx(grid[int(np.argmin(losses))], abs=0.005)
    assert 0.1 < share < 0.5  # the steadier of the two counts more


def test_who_has_nothing_to_add_gets_no_share(events):
    labels, weights, one, two = events
    noise = np.random.default_rng(2).permutation(two)
    assert fit_share(labels, one, one**3 / (one**3 + (1 - one) ** 3), weights) < 0.05
    softened = expit(0.8 * logit(one))
    assert fit_share(labels, softened, 1 - two, weights) == 0.0
    assert fit_share(labels, 1 - noise, one, weights) > 0.9


def test_events_of_negative_weight_do_not_count(events):
    labels, weights, one, two = events
    negative = np.arange(len(labels)) % 7 == 0
    kept = fit_share(*(array[~negative] for array in (labels, one, two, weights)))
    assert fit_share(labels, one, two, np.where(negative, -weights, weights)) == kept
