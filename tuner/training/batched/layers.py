"""Layers of K networks at once, with their derivatives, in few passes over memory.

Inputs are [K, n, d], weights [K, h, d], biases [K, h]. Products are taken in autocast's type where that is on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from tuner.models.layers import find_factors

HUGE = 1e30
"""What a dropped unit is lowered by: ReLU makes zero of it, whatever the sum of its inputs."""


class Drawn(NamedTuple):
    """What dropout draws: a unit is dropped where its number is not above its member's rate."""

    numbers: Tensor
    """Uniform in (0, 1]: [n, h], or [K, n, h] where members do not share them."""
    rates: Tensor
    """[K, 1, 1]."""

    def keep(self) -> Tensor:
        """Return [K, n, h]: at most zero where a unit is dropped, above any scale or bias where it is not.

        Numbers take a CPU a tenth of the time that truth values take.
        """
        return torch.sub(self.numbers * HUGE, self.rates * HUGE)

    @property
    def scale(self) -> Tensor:
        """What kept units are multiplied by, [K, 1, 1]."""
        return 1 / (1 - self.rates)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x w^T + b, [K, n, h]."""
    y: Tensor = _Affine.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return y


def hidden(x: Tensor, weight: Tensor, bias: Tensor, drawn: Drawn | None) -> Tensor:
    """Return ReLU of x w^T + b, [K, n, h], with units dropped and the others scaled up; None for no dropout."""
    y: Tensor = _Hidden.apply(x, weight, bias, drawn)  # type: ignore[no-untyped-call]
    return y


def drop(x: Tensor, drawn: Drawn) -> Tensor:
    """Return x [K, n, d] with units dropped and the others scaled up."""
    return x * find_factors(drawn.numbers, drawn.rates).to(x.dtype)


def normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return a batch norm in training (arXiv:1502.03167) [K, n, d], and the batch's means and biased variances."""
    y: Tensor
    y, mean, variance = _Normalise.apply(x, weight, bias, eps)  # type: ignore[no-untyped-call]
    return y, mean, variance


class _Affine(torch.autograd.Function):
    """`affine`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return [K, n, h]."""
        ctx.dtypes = x.dtype, weight.dtype
        dtype = _find_dtype(x)
        x, weight = x.to(dtype), weight.to(dtype).contiguous()
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        if bias is None:
            return torch.bmm(x, weight.mT)
        return torch.baddbmm(bias.to(dtype)[:, None], x, weight.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        for_x, for_weight = _multiply_back(ctx, gradient, x, weight)
        for_bias = gradient.sum(1, dtype=ctx.dtypes[1]) if ctx.has_bias else None
        return for_x, for_weight, for_bias


class _Hidden(torch.autograd.Function):
    """`hidden`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, drawn: Drawn | None) -> Tensor:
        """Return [K, n, h]: the product is added to the bias, or to -HUGE where an element is dropped."""
        ctx.dtypes = x.dtype, weight.dtype
        dtype = _find_dtype(x)
        x, weight, bias = x.to(dtype), weight.to(dtype).contiguous(), bias.to(dtype)[:, None]
        scale = None
        if drawn is None:
            y = torch.baddbmm(bias, x, weight.mT).relu_()
        else:
            kept = drawn.keep().to(dtype)
            y = torch.minimum(kept, bias, out=kept).baddbmm_(x, weight.mT).relu_()
            scale = drawn.scale.to(dtype)
            y.mul_(scale)
        ctx.save_for_backward(x, weight, y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return gradients of x, weight and bias: y is above zero where the sum was and nothing is dropped."""
        x, weight, y, scale = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        if scale is not None:
            gradient.mul_(scale)
        for_x, for_weight = _multiply_back(ctx, gradient, x, weight)
        return for_x, for_weight, gradient.sum(1, dtype=ctx.dtypes[1]), None


def _find_dtype(x: Tensor) -> torch.dtype:
    """Return the type that products take: autocast's where it is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def _multiply_back(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return gradients of x (None where nobody wants one) and weight; the wide side of a product comes last."""
    for_x = torch.bmm(gradient, weight).to(ctx.dtypes[0]) if ctx.needs_input_grad[0] else None
    if x.shape[-1] < gradient.shape[-1]:
        return for_x, torch.bmm(x.mT, gradient).mT.to(ctx.dtypes[1])
    return for_x, torch.bmm(gradient.mT, x).to(ctx.dtypes[1])


class _Normalise(torch.autograd.Function):
    """`normalise`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return values, means and variances."""
        weight, bias = weight[:, None], bias[:, None]
        n = x.shape[1]
        mean = x.mean(1, keepdim=True)
        normal = x - mean
        variance = (normal * normal).sum(1, keepdim=True).div_(n)
        inverse = (variance + eps).rsqrt_()
        normal.mul_(inverse)
        ctx.save_for_backward(normal, weight, inverse)
        mean, variance = mean.squeeze(1), variance.squeeze(1)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(bias, normal, weight), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return gradients of x, weight and bias."""
        normal, weight, inverse = ctx.saved_tensors
        n = normal.shape[1]
        for_bias = gradient.sum(1, keepdim=True)
        for_weight = (gradient * normal).sum(1, keepdim=True)
        for_x = torch.addcmul(gradient, normal, for_weight, value=-1 / n)
        return for_x.sub_(for_bias / n).mul_(weight * inverse), for_weight.squeeze(1), for_bias.squeeze(1), None
