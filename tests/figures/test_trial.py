"""A trial's picture holds the numbers that it shows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tuner.figures import draw_trial
from tuner.figures.trial import draw_learning_curve

CURVE = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "train_loss": [0.7, 0.5, 0.4],
        "validation_loss": [0.7, 0.6, 0.6],
        "validation_auc": [0.6, 0.8, 0.7],
    }
)


def test_the_picture_tells_the_weighted_auc_and_the_best_epoch():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 900)
    scores, weights = rng.random(900) * 0.7 + 0.3 * labels, rng.exponential(size=900)
    drawing = draw_trial(7, CURVE, labels, scores, weights)
    assert f"{roc_auc_score(labels, scores, sample_weight=weights):.4f}" in drawing.alt
    assert drawing.figure.axes[0].texts[0].get_text() == "trial 7, best epoch 2"
    assert drawing.png_bytes(80).startswith(b"\x89PNG")
    assert (np.diff(drawing.frame()["eps_s"]) >= 0).all()


def test_the_cut_is_marked_where_it_lies_on_the_curve():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 900)
    scores, weights = rng.random(900) * 0.7 + 0.3 * labels, rng.exponential(size=900)
    selected = scores >= 0.6
    expected = [np.average(selected[labels == which], weights=weights[labels == which]) for which in (0, 1)]
    drawing = draw_trial(7, CURVE, labels, scores, weights, threshold=0.6)
    (point,) = [line for line in drawing.figure.axes[1].lines if line.get_marker() == "o"]
    assert np.ravel(point.get_data()) == pytest.approx(expected)
    assert drawing.figure.axes[2].lines[0].get_xdata()[0] == 0.6


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_a_trial_that_did_not_complete_shows_its_losses(n_epochs):
    drawing = draw_learning_curve(8, CURVE.iloc[:n_epochs], end="pruned")
    losses, area = drawing.figure.axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [
        CURVE[name].tolist()[:n_epochs] for name in ("train_loss", "validation_loss")
    ]
    assert area.lines[0].get_ydata().tolist() == CURVE["validation_auc"].tolist()[:n_epochs]
    assert f"trial 8, pruned after epoch {n_epochs}" in drawing.alt
    assert drawing.png_bytes(80).startswith(b"\x89PNG")


def test_a_figure_that_is_no_number_is_no_reason_to_draw_nothing():
    curve = CURVE.assign(validation_auc=np.nan, train_loss=np.inf)
    assert draw_learning_curve(8, curve, end="failed").png_bytes(80).startswith(b"\x89PNG")


@pytest.mark.parametrize(("slope", "scale"), [(0.0, "linear"), (9.0, "log")])
def test_scores_are_logarithmic_where_one_bin_would_flatten_all_others(slope, scale):
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 20_000), rng.random(20_000)
    weights = np.exp(-slope * scores)
    assert draw_trial(7, CURVE, labels, scores, weights).figure.axes[2].get_yscale() == scale
