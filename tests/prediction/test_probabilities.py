"""Calibrations of scores with a known distortion, against the exact probability."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

import tuner
from tuner.errors import SearchError
from tuner.prediction.probabilities import fit_calibration, make_calibration
from tuner.preparation.splits import Part
from tuner.preparation.training_weights import make_training_weights


def draw(n, seed=0):
    """Labels and exact logits of signal, of two classes that are as likely: Gaussians one unit apart."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.5
    x = rng.normal(labels - 0.5, 1.0)
    return labels.astype(int), x


@pytest.mark.parametrize(("kind", "close"), [("platt", 0.01), ("isotonic", 0.04)])
def test_a_distorted_score_becomes_the_probability(kind, close):
    labels, logits = draw(40_000)
    distorted = expit(2.5 * logits + 1)
    _, new = draw(5_000, seed=1)
    found = fit_calibration(labels, distorted, kind=kind).apply(expit(2.5 * new + 1))
    assert np.abs(found - expit(new)).mean() < close / 2
    assert np.quantile(np.abs(found - expit(new)), 0.99) < close
    assert (np.diff(found[np.argsort(new)]) >= 0).all()


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_weights_and_the_prior_say_how_likely_the_classes_are(kind):
    labels, logits = draw(40_000)
    kept = (labels == 0) | (np.random.default_rng(2).random(len(labels)) < 0.2)
    labels, logits = labels[kept], logits[kept]
    weights = np.where(labels == 1, 5.0, 1.0)
    for given in (None, weights):
        balanced = fit_calibration(labels, expit(logits), given, kind=kind)
        assert np.abs(balanced.apply(expit(logits)) - expit(logits)).mean() < 0.02
    rare = fit_calibration(labels, expit(logits), weights, kind=kind, prior=0.01)
    exact = expit(logits + np.log(0.01 / 0.99))
    assert np.abs(rare.apply(expit(logits)) - exact).mean() < 0.002


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_negative_weights_few_events_and_sure_scores_leave_probabilities(kind):
    labels, logits = draw(60)
    weights = np.where(np.arange(60) % 7 == 0, -0.2, 1.0)
    sure = np.where(labels == 1, 1.0, 0.0)
    for scores in (expit(logits), sure):
        found = fit_calibration(labels, scores, weights, kind=kind).apply([0.0, 1e-9, 0.5, 1.0])
        assert np.isfinite(found).all()
        assert (np.diff(found) >= 0).all()
        assert (found >= 0).all()
        assert (found <= 1).all()
    assert np.isnan(fit_calibration(labels, expit(logits), kind=kind).apply([np.nan])).all()


@pytest.mark.parametrize("kind", ["balanced", "physics", "none"])
def test_a_prior_alone_starts_from_the_share_that_was_trained_at(handed_on_search, kind):
    """A perfect score is the probability at the share of the training weights, whatever share is asked for."""
    rng = np.random.default_rng(0)
    labels = (rng.random(20_000) < 0.2).astype(np.float32)
    weights = np.where(labels == 1, 0.2, 1.0)
    used = make_training_weights(labels, weights, kind=kind, negative="keep")
    train = Part(np.zeros((len(labels), 1), np.float32), labels, weights, used, np.arange(len(labels)))
    search = SimpleNamespace(splits=replace(handed_on_search.splits, train=train))
    logits = rng.normal(size=200)
    share = {"balanced": 0.5, "physics": 0.04 / 0.84, "none": 0.2}[kind]
    scores = expit(logits + np.log(share / (1 - share)))
    found = make_calibration(search, None, None, prior=0.01)
    np.testing.assert_allclose(found.apply(scores), expit(logits + np.log(0.01 / 0.99)), rtol=0.05)


def test_what_cannot_be_calibrated_is_told(handed_on_search, new_events):
    with pytest.raises(SearchError, match="but the refit has seen train and validation"):
        tuner.predict(handed_on_search, new_events, candidate="refit", calibration="platt")
    with pytest.raises(SearchError, match=r'`prior` must be a share .* or "events", but is 1\.5'):
        tuner.predict(handed_on_search, new_events, prior=1.5)
    share = tuner.predict(handed_on_search, new_events, prior="events")
    half = tuner.predict(handed_on_search, new_events, prior=0.5)
    np.testing.assert_allclose(half.probabilities, half, atol=1e-12)
    assert (share.probabilities < half.probabilities).all()
    single = tuner.predict(handed_on_search, new_events, candidate="single", calibration="platt")
    assert 0 < single.probabilities.min() < single.probabilities.max() < 1
