"""A trial's picture holds the numbers that it shows."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tuner.figures import draw_trial


def test_the_picture_tells_the_weighted_auc_and_the_best_epoch():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 900)
    scores, weights = rng.random(900) * 0.7 + 0.3 * labels, rng.exponential(size=900)
    curve = pd.DataFrame({"epoch": [1, 2, 3], "validation_auc": [0.6, 0.8, 0.7]})
    drawing = draw_trial(7, curve, labels, scores, weights)
    assert f"{roc_auc_score(labels, scores, sample_weight=weights):.4f}" in drawing.alt
    texts = [axes.get_title(loc="left") for axes in drawing.figure.axes]
    assert texts[0] == "trial 7, best epoch 2"
    assert drawing.png_bytes(80).startswith(b"\x89PNG")
    assert (np.diff(drawing.frame()["eps_s"]) >= 0).all()
