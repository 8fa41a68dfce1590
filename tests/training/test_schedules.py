"""Learning rates of a member's steps."""

import numpy as np
import pytest
import torch

from tuner.training.schedules import draw_schedules
from tuner.training.settings import TrainingSettings


def whole(n_epochs=10, n_steps=7, **knobs):
    settings = TrainingSettings(lr=0.5, **knobs)
    return np.concatenate([draw_schedules([settings], [epoch], n_steps, n_epochs)[:, 0] for epoch in range(n_epochs)])


def test_cosine_equals_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=70)
    expected = []
    for _ in range(70):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(whole(schedule="cosine", warmup=0.0), expected, rtol=1e-9, atol=1e-12)


def test_warmup_is_linear_and_ends_where_it_should():
    rates = whole(schedule="constant", warmup=0.2)
    np.testing.assert_allclose(rates[:14], 0.5 * np.arange(1, 15) / 14)
    assert (rates[14:] == 0.5).all()


def test_flat_cosine_is_flat_for_half():
    rates = whole(schedule="flat-cosine", warmup=0.0)
    assert (rates[:35] == 0.5).all()
    assert (np.diff(rates[35:]) < 0).all()
    assert rates[-1] < 0.01


@pytest.mark.parametrize("schedule", ["constant", "cosine", "flat-cosine"])
def test_rates_are_never_negative_nor_above_the_highest(schedule):
    rates = whole(schedule=schedule, warmup=0.1)
    assert (rates >= 0).all()
    assert (rates <= 0.5).all()
