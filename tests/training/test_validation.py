"""AUC on the device against scikit-learn, with weights and ties."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tuner.training.validation import rank_auc


@pytest.mark.parametrize("decimals", [1, 2, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_equal_scikit_learn(decimals, weighted):
    rng = np.random.default_rng(decimals)
    labels = rng.integers(0, 2, 500)
    scores = (rng.normal(size=(5, 500)) + labels * np.arange(5)[:, None] / 2).round(decimals)
    weights = rng.exponential(size=500) if weighted else np.ones(500)
    came = rank_auc(torch.from_numpy(scores), torch.from_numpy(labels), torch.from_numpy(weights))
    expected = [roc_auc_score(labels, row, sample_weight=weights) for row in scores]
    np.testing.assert_allclose(came.numpy(), expected, rtol=1e-12)


def test_negative_weights_give_the_signed_statistic():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.normal(size=60).round(1)
    weights = rng.normal(1, 1, size=60)
    signal, background = labels == 1, labels == 0
    below = (scores[signal][:, None] > scores[background]) + 0.5 * (scores[signal][:, None] == scores[background])
    expected = (below * weights[signal][:, None] * weights[background]).sum()
    expected /= weights[signal].sum() * weights[background].sum()
    came = rank_auc(torch.from_numpy(scores)[None], torch.from_numpy(labels), torch.from_numpy(weights))
    assert came.item() == pytest.approx(expected, abs=1e-12)


def test_a_row_with_nan_is_nan_and_the_others_are_not():
    labels = torch.tensor([0, 1, 0, 1])
    scores = torch.tensor([[0.1, 0.9, float("nan"), 0.8], [0.1, 0.9, 0.2, 0.8]])
    came = rank_auc(scores, labels, torch.ones(4))
    assert came[0].isnan()
    assert came[1] == 1


def test_each_row_may_have_its_own_weights_and_zero_is_not_there():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 400)
    scores = (rng.normal(size=(4, 400)) + labels).round(1)
    weights = rng.exponential(size=(4, 400)) * (rng.random((4, 400)) < 0.4)
    scores[1][weights[1] == 0] = np.nan
    came = rank_auc(torch.from_numpy(scores), torch.from_numpy(labels), torch.from_numpy(weights))
    for row in range(4):
        there = weights[row] != 0
        expected = roc_auc_score(labels[there], scores[row][there], sample_weight=weights[row][there])
        assert came[row].item() == pytest.approx(expected, rel=1e-12)


def test_without_signal_or_background_there_is_no_figure():
    scores, labels = torch.rand(2, 6), torch.tensor([0, 0, 0, 1, 1, 1])
    weights = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    assert rank_auc(scores, labels, weights).isnan().all()
