"""What tests of training share."""

import pytest
import torch

from tuner.training.batched.cuda_graphs import StepGraph


@pytest.fixture(autouse=True)
def forget_refusals(monkeypatch):
    monkeypatch.setattr(StepGraph, "refused", {})


@pytest.fixture
def double():
    """Double precision: what Adam makes of rounding, where a gradient is zero, is no matter then."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
