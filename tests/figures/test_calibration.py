"""The reliability diagram against scikit-learn's, which knows no weights, and against closed forms."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tuner.errors import EventsError
from tuner.figures import draw_calibration
from tuner.metrics import Measurement, balance_classes, calibrate, expected_calibration_error


def draw_calibrated(n=4_000, seed=0):
    """Labels that are 1 with the probability of their score; both classes are as abundant."""
    generator = np.random.default_rng(seed)
    scores = generator.random(n)
    return (generator.random(n) < scores).astype(int), scores


def test_without_weights_and_with_equal_classes_bins_are_scikit_learns():
    labels = np.repeat([0, 1], 1_000)
    scores = np.clip(np.random.default_rng(1).normal(0.35 + 0.3 * labels, 0.15), 0, 1)
    fraction, mean = calibration_curve(labels, scores, n_bins=8, strategy="quantile")
    frame = draw_calibration(labels, scores, part="test", n_bins=8, n_replicas=5).frame()
    np.testing.assert_allclose(frame["signal_fraction"], fraction, atol=0.01)
    np.testing.assert_allclose(frame["mean_score"], mean, atol=0.002)
    assert frame["events"].sum() == 2_000


def test_weighted_bins_and_the_error_are_those_of_the_metric_with_classes_balanced():
    labels, scores = draw_calibrated()
    weights = np.random.default_rng(2).exponential(1.0, len(labels)) * np.where(labels == 1, 1e-3, 50.0)
    drawing = draw_calibration(labels, scores**2, weights, part="test", n_replicas=20)
    balanced = balance_classes(labels, weights)
    central = calibrate(labels, scores**2, balanced)
    np.testing.assert_allclose(drawing.frame()["mean_score"], central.mean_score)
    np.testing.assert_allclose(drawing.frame()["signal_fraction"], central.signal_fraction)
    np.testing.assert_allclose(drawing.frame()["share"], central.weight)
    error = expected_calibration_error(labels, scores**2, balanced)
    assert f"ECE {error:.2f}" in drawing.alt
    assert "classes balanced, weighted events" in drawing.alt
    assert "classes balanced, weighted events" in drawing.figure.axes[1].get_xlabel()


def test_error_bars_are_binomial_and_a_calibrated_score_is_off_by_chance_alone():
    labels, scores = draw_calibrated(8_000)
    drawing = draw_calibration(labels, scores, part="test", n_replicas=100)
    frame = drawing.frame()
    expected = np.sqrt(frame["signal_fraction"] * (1 - frame["signal_fraction"]) / frame["events"])
    np.testing.assert_allclose((frame["high"] - frame["low"]) / 2, expected, rtol=0.35)
    told, chance = (float(drawing.alt.split(word)[1].split()[0].strip(",;.")) for word in ("ECE ", "by chance alone "))
    assert told == pytest.approx(chance, rel=0.7)
    np.testing.assert_allclose(frame["pull"], (frame["signal_fraction"] - frame["mean_score"]) / expected, rtol=0.35)
    # mean of |x| over ten bins of Gaussian x
    assert chance == pytest.approx(np.sqrt(2 / np.pi) * expected.mean(), rel=0.2)


def test_what_chance_gives_is_told_with_its_interval_and_holds_the_error_of_a_calibrated_score():
    held, pulls = 0, []
    for seed in range(16):
        labels, scores = draw_calibrated(2_000, seed)
        kept = (labels == 0) | (np.arange(2_000) % 4 == 0)  # a fourth of the signal, which the balance scales up
        weights = np.random.default_rng(seed).exponential(1.0, kept.sum())
        drawing = draw_calibration(labels[kept], scores[kept], weights, part="test", n_replicas=40)
        alt, pulls = drawing.alt, [*pulls, *drawing.frame()["pull"]]
        told = re.search(r"ECE ([\d.]+)[^,]*, by chance alone ([\d.]+) \[([\d.]+), ([\d.]+)\]", alt)
        error, chance, low, high = map(float, told.groups())
        assert low <= chance <= high
        held += low <= error <= high
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert 6 <= held <= 16  # 68 % of 16 within three standard deviations


@pytest.mark.parametrize("scores", [np.full(40, 0.5), np.repeat([0.0, 1.0], 20)], ids=["one score", "two scores"])
def test_few_scores_make_few_bins(scores):
    labels = np.tile([0, 1], 20)
    drawing = draw_calibration(labels, scores, part="validation", n_replicas=5)
    assert len(drawing.frame()) == len(np.unique(scores))
    assert drawing.png_bytes(dpi=40)


def test_negative_weights_are_drawn_and_logits_refused():
    labels, scores = draw_calibrated(300)
    weights = np.where(np.arange(300) % 5 == 0, -0.6, 1.0)
    assert draw_calibration(labels, scores, weights, part="test", n_replicas=20).png_bytes(dpi=40)
    with pytest.raises(EventsError, match="probabilities"):
        draw_calibration(labels, 8 * scores - 4, weights, part="test")


def test_an_error_that_was_measured_elsewhere_is_told_as_it_is():
    labels, scores = draw_calibrated(300)
    error = Measurement(0.0216, 0.0202, 0.0224)
    assert "ECE 0.0216 +0.0008 -0.0014, by chance" in draw_calibration(labels, scores, part="test", error=error).alt
