"""Flat optimizers against torch.optim on the same gradients."""

import itertools
from typing import get_args

import pytest
import schedulefree
import torch

from tuner.errors import StudyError
from tuner.training.batched.optimizers import FlatOptimizer
from tuner.training.settings import OptimizerKind, TrainingSettings

N_MATRIX, N_VECTOR = 12, 4

KNOBS = [
    {"lr": 1e-2, "weight_decay": 0.1, "momentum": 0.9, "beta2": 0.99},
    {"lr": 3e-3, "weight_decay": 0.0, "momentum": 0.5, "beta2": 0.999},
    {"lr": 1e-1, "weight_decay": 0.01, "momentum": 0.0, "beta2": 0.9},
]
"""A momentum of zero is none of schedule-free AdamW, which divides by it."""


def make_reference(kind: str, matrix: torch.Tensor, vector: torch.Tensor, s: TrainingSettings) -> torch.optim.Optimizer:
    groups = [
        {"params": [matrix], "weight_decay": s.weight_decay},
        {"params": [vector], "weight_decay": 0.0},
    ]
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=s.lr, momentum=s.momentum, nesterov=s.momentum > 0)
    if kind == "schedule_free":
        optimizer = schedulefree.AdamWScheduleFree(groups, lr=s.lr, betas=(s.momentum, s.beta2))
        optimizer.train()
        return optimizer
    maker = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return maker(groups, lr=s.lr, betas=(s.momentum, s.beta2))


@pytest.mark.parametrize("kind", get_args(OptimizerKind))
@pytest.mark.parametrize("clip_norm", [float("inf"), 0.7])
def test_rows_equal_torch_optim(kind, clip_norm):
    generator = torch.Generator().manual_seed(0)
    all_knobs = KNOBS[:2] if kind == "schedule_free" else KNOBS
    start = torch.randn(len(all_knobs), N_MATRIX + N_VECTOR, generator=generator)
    settings = [
        TrainingSettings(optimizer=kind, schedule="constant", clip_norm=clip_norm, **knobs) for knobs in all_knobs
    ]
    flat = start.clone()
    optimizer = FlatOptimizer(kind, flat, N_MATRIX)
    for row, s in enumerate(settings):
        optimizer.set_rows(torch.tensor([row]), [s])
    lr = torch.tensor([[s.lr] for s in settings])
    references = []
    for row, s in enumerate(settings):
        matrix = start[row, :N_MATRIX].clone().requires_grad_()
        vector = start[row, N_MATRIX:].clone().requires_grad_()
        references.append((matrix, vector, make_reference(kind, matrix, vector, s)))
    for _ in range(20):
        gradient = torch.randn(flat.shape, generator=generator)
        for row, (matrix, vector, reference) in enumerate(references):
            matrix.grad, vector.grad = gradient[row, :N_MATRIX].clone(), gradient[row, N_MATRIX:].clone()
            torch.nn.utils.clip_grad_norm_([matrix, vector], clip_norm if clip_norm < 1e9 else 1e9)
            reference.step()
        optimizer.step(flat, gradient.clone(), lr)
    judged = optimizer.average(flat)
    assert torch.equal(judged, flat) == (kind != "schedule_free")
    for row, (matrix, vector, reference) in enumerate(references):
        torch.testing.assert_close(flat[row], torch.cat([matrix, vector]).detach(), rtol=1e-5, atol=1e-6)
        if kind == "schedule_free":
            reference.eval()
        torch.testing.assert_close(judged[row], torch.cat([matrix, vector]).detach(), rtol=1e-5, atol=1e-6)


def test_the_schedule_free_average_gives_a_warm_up_little_weight():
    flat = torch.randn(1, N_MATRIX)
    matrix = flat[0].clone().requires_grad_()
    settings = TrainingSettings(optimizer="schedule_free", schedule="constant", clip_norm=float("inf"))
    optimizer = FlatOptimizer("schedule_free", flat, N_MATRIX)
    optimizer.set_rows(torch.tensor([0]), [settings])
    reference = schedulefree.AdamWScheduleFree([matrix], lr=0.1, warmup_steps=5)
    reference.train()
    for step in range(20):
        matrix.grad = torch.randn(N_MATRIX)
        gradient = matrix.grad[None].clone()
        reference.step()
        optimizer.step(flat, gradient, torch.full((1, 1), 0.1 * min(1, (step + 1) / 5)))
    reference.eval()
    torch.testing.assert_close(optimizer.average(flat)[0], matrix.detach(), rtol=1e-5, atol=1e-6)


def test_a_step_at_a_rate_of_zero_changes_nothing():
    for kind in get_args(OptimizerKind):
        flat = torch.randn(1, N_MATRIX)
        before = flat.clone()
        optimizer = FlatOptimizer(kind, flat, N_MATRIX)
        optimizer.set_rows(torch.tensor([0]), [TrainingSettings(optimizer=kind, schedule="constant")])
        optimizer.step(flat, torch.randn(1, N_MATRIX), torch.zeros(1, 1))
        torch.testing.assert_close(optimizer.average(flat), before, rtol=0, atol=0)


def test_a_new_row_starts_anew_and_others_go_on():
    flat = torch.zeros(2, 3)
    optimizer = FlatOptimizer("adamw", flat, 3)
    settings = TrainingSettings(lr=0.1, clip_norm=float("inf"))
    for row in range(2):
        optimizer.set_rows(torch.tensor([row]), [settings])
    for _ in range(3):
        optimizer.step(flat, torch.ones(2, 3), torch.full((2, 1), 0.1))
    optimizer.set_rows(torch.tensor([1]), [settings])
    assert [moment[1].abs().sum().item() for moment in optimizer.moments] == [0, 0]
    assert optimizer.steps.flatten().tolist() == [3, 0]
    assert all(moment[0].abs().sum() > 0 for moment in optimizer.moments)


def test_a_new_schedule_free_row_forgets_its_average():
    flat = torch.zeros(2, 3)
    optimizer = FlatOptimizer("schedule_free", flat, 3)
    settings = TrainingSettings(optimizer="schedule_free", schedule="constant", lr=0.1)
    for row in range(2):
        optimizer.set_rows(torch.tensor([row]), [settings])
    optimizer.step(flat, torch.ones(2, 3), torch.full((2, 1), 0.1))
    optimizer.set_rows(torch.tensor([1]), [settings])
    assert optimizer.weight_sum[0] > 0
    assert optimizer.weight_sum[1] == 0
    torch.testing.assert_close(optimizer.average(flat)[1], flat[1])


def test_a_row_of_nan_does_not_leak():
    flat = torch.ones(2, 3)
    optimizer = FlatOptimizer("adamw", flat, 3)
    for row in range(2):
        optimizer.set_rows(torch.tensor([row]), [TrainingSettings(lr=0.1)])
    gradient = torch.tensor([[float("nan")] * 3, [1.0] * 3])
    optimizer.step(flat, gradient, torch.full((2, 1), 0.1))
    assert flat[0].isnan().all()
    assert flat[1].isfinite().all()
    assert (flat[1] < 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"schedule": "cosine"}, '`schedule` must be "constant"'), ({"momentum": 0.0}, "`momentum` must be above 0")],
)
def test_what_schedule_free_training_cannot_have_is_refused(changes, message):
    with pytest.raises(StudyError, match=message):
        TrainingSettings(**{"optimizer": "schedule_free", "schedule": "constant", **changes})


@pytest.mark.parametrize("kind", ["adam", "schedule_free"])
def test_state_of_a_row_travels(kind):
    one, other = torch.zeros(1, 3), torch.zeros(1, 3)
    optimizers = [FlatOptimizer(kind, flat, 3) for flat in (one, other)]
    for optimizer, flat in zip(optimizers, (one, other), strict=True):
        optimizer.set_rows(torch.tensor([0]), [TrainingSettings(optimizer=kind, schedule="constant", lr=0.1)])
        if flat is one:
            for _ in itertools.repeat(None, 5):
                optimizer.step(flat, torch.tensor([[1.0, -2.0, 0.5]]), torch.full((1, 1), 0.1))
    optimizers[1].load_row_state(0, optimizers[0].row_state(0))
    other.copy_(one)
    for optimizer, flat in zip(optimizers, (one, other), strict=True):
        optimizer.step(flat, torch.tensor([[0.3, 0.1, -1.0]]), torch.full((1, 1), 0.1))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
