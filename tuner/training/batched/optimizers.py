"""Optimizers of a pack: every member's parameters in one [K, P] tensor, every knob a [K, 1] column.

The updates equal `torch.optim`'s (tested), each row for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tuner.training.settings import OptimizerKind, TrainingSettings


class FlatOptimizer:
    """State and update of one kind of optimizer for all rows of a flat parameter tensor.

    Columns of `knobs` are [K, 1]: `weight_decay`, `momentum`, `beta2`, `clip_norm`. `moments` are [K, P], and zero at
    first, as are the columns `steps` and `weight_sum` (of the schedule-free average).
    The first `n_decayed` of P parameters decay (matrices), the others do not (biases, norms).
    """

    KNOBS = ("weight_decay", "momentum", "beta2", "clip_norm")

    def __init__(self, kind: OptimizerKind, flat: Tensor, n_decayed: int) -> None:
        self.kind = kind
        self.n_decayed = n_decayed
        n_moments = 1 if kind == "sgd" else 2
        self.moments = [torch.zeros_like(flat) for _ in range(n_moments)]
        self.steps = flat.new_zeros(len(flat), 1)
        self.weight_sum = flat.new_zeros(len(flat), 1)
        self.knobs = {name: flat.new_zeros(len(flat), 1) for name in self.KNOBS}

    def set_rows(self, index: Tensor, settings: Sequence[TrainingSettings]) -> None:
        """Start the rows of an index [n] anew, each with its member's knobs."""
        self.clear_rows(index)
        for name, column in self.knobs.items():
            column[index] = column.new_tensor([[getattr(s, name)] for s in settings])

    def clear_rows(self, index: Tensor) -> None:
        """Forget what the rows of an index [n] have learned by."""
        for tensor in (*self.moments, self.steps, self.weight_sum):
            tensor[index] = 0

    def keep(self, pick: Callable[[Tensor], Tensor]) -> None:
        """Replace every tensor by the rows that `pick` takes of it."""
        self.moments = [pick(moment) for moment in self.moments]
        self.steps, self.weight_sum = pick(self.steps), pick(self.weight_sum)
        self.knobs = {name: pick(column) for name, column in self.knobs.items()}

    def row_state(self, row: int) -> dict[str, Tensor]:
        """Return a copy of a row's state, for a checkpoint."""
        state = {f"moment{i}": moment[row].clone() for i, moment in enumerate(self.moments)}
        return state | {"steps": self.steps[row].clone(), "weight_sum": self.weight_sum[row].clone()}

    def load_row_state(self, row: int, state: dict[str, Tensor]) -> None:
        """Put a row's state back."""
        for i, moment in enumerate(self.moments):
            moment[row] = state[f"moment{i}"]
        self.steps[row], self.weight_sum[row] = state["steps"], state["weight_sum"]

    @torch.no_grad()
    def average(self, flat: Tensor) -> Tensor:
        """Return the parameters to judge by, [K, P]: `flat` itself, but an average of its past if schedule-free."""
        if self.kind != "schedule_free":
            return flat
        return torch.addcmul(flat, self.moments[0], 1 - 1 / self.knobs["momentum"])

    @torch.no_grad()
    def step(self, flat: Tensor, gradient: Tensor, lr: Tensor) -> None:
        """Clip each row's gradient to its norm and update `flat` [K, P] in place; lr is [K, 1]."""
        norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient.mul_((self.knobs["clip_norm"] / (norm + 1e-6)).clamp_(max=1.0))
        self.steps += 1
        if self.kind == "schedule_free":
            self._step_schedule_free(flat, gradient, lr)
            return
        if self.kind == "adamw":
            flat[:, : self.n_decayed] *= 1 - lr * self.knobs["weight_decay"]
        else:
            gradient[:, : self.n_decayed].addcmul_(flat[:, : self.n_decayed], self.knobs["weight_decay"])
        if self.kind == "sgd":
            self._step_momentum(flat, gradient, lr)
        else:
            self._step_adam(flat, gradient, lr)

    def _step_momentum(self, flat: Tensor, gradient: Tensor, lr: Tensor) -> None:
        """Apply SGD with Nesterov momentum (Sutskever et al. 2013, in PyTorch's form)."""
        momentum, (velocity,) = self.knobs["momentum"], self.moments
        velocity.mul_(momentum).add_(gradient)
        flat.addcmul_(gradient.addcmul_(velocity, momentum), lr, value=-1)

    def _step_adam(self, flat: Tensor, gradient: Tensor, lr: Tensor) -> None:
        """Apply Adam (arXiv:1412.6980)."""
        beta1, beta2, (mean, square) = self.knobs["momentum"], self.knobs["beta2"], self.moments
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient.mul_(gradient), 1 - beta2)
        root = (1 - beta2**self.steps).sqrt_()  # of the correction of `square`, taken out of the sum with epsilon
        scale = torch.sqrt(square, out=gradient).add_(1e-8 * root)
        flat.addcdiv_(mean, scale.mul_((beta1**self.steps - 1) / (lr * root)))  # a rate of zero: an infinite scale

    def _step_schedule_free(self, flat: Tensor, gradient: Tensor, lr: Tensor) -> None:
        """Apply schedule-free AdamW (arXiv:2405.15682, algorithm 1 and its authors' code) with a rate that never falls.

        `flat` is the paper's y, where gradients are taken; the first moment is z - y, so that it is zero at first.
        """
        beta1, beta2, (lead, square) = self.knobs["momentum"], self.knobs["beta2"], self.moments
        weight = lr.square()
        self.weight_sum += weight
        share = weight / self.weight_sum.clamp(min=torch.finfo(lr.dtype).tiny)  # of this step in the average
        scale = gradient * gradient
        square.mul_(beta2).addcmul_(scale, 1 - beta2)
        torch.sqrt(square, out=scale).div_((1 - beta2**self.steps).sqrt_()).add_(1e-8)
        gradient.div_(scale)
        gradient[:, : self.n_decayed].addcmul_(flat[:, : self.n_decayed], self.knobs["weight_decay"])
        flat.addcmul_(lead, share).addcmul_(gradient, lr * (beta1 * (1 - share) - 1))
        lead.addcmul_(gradient, -lr * beta1).mul_(1 - share)
