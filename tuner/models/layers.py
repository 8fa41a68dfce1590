"""Layers that train in packs: dropout whose rate is a tensor, so that each member of a pack has its own.

A pack runs networks under `torch.vmap(randomness="same")`, parameters and buffers stacked [K, ...]. What holds there:

- Rates in buffers are knobs. A rate that a module keeps as a number (`F.dropout` in a `forward`, the `dropout` of
  `nn.MultiheadAttention`) works too, but must be structure: the members share it.
- `nn.BatchNorm1d` works as it is: batch statistics in training, and its running statistics, `num_batches_tracked`
  too, are stacked buffers that it updates in place, each member its own. `momentum=None` does not: it reads the
  count of batches as a number.
- A buffer that `forward` replaces (`self.count = self.count + 1`) is lost after the call; update it in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tuner.models.settings import check_settings

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805
"""Constants of SELU (arXiv:1706.02515, equation 14)."""

EMBEDDINGS = ("LinearEmbeddings", "_Periodic", "PBLD")
"""Modules, ours and of the authors' packages, whose parameters belong to one feature each."""


class Dropout(nn.Module):
    """Set elements to zero at a rate that is a tensor, and scale the others up, in training only.

    Uniform numbers are drawn once for all members of a pack: drawing costs more than the matrix product.
    """

    rate: Tensor
    idle = False
    """Whether nothing is drawn: `rest_dropout` says so where no member drops."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.initial_rate = float(rate)
        check_settings(self, {"`initial_rate` must be in [0, 1)": 0 <= rate < 1})
        self.register_buffer("rate", torch.tensor(float(rate)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with elements dropped; any shape."""
        numbers = self.draw(x.shape, x.device)
        return x if numbers is None else x * find_factors(numbers, self.rate).to(x.dtype)

    def draw(self, shape: Sequence[int], device: torch.device) -> Tensor | None:
        """Return a uniform number for each element, in (0, 1]: at a rate of zero all are kept; None to drop nothing."""
        return None if self.idle or not self.training else 1 - torch.rand(tuple(shape), device=device)

    def extra_repr(self) -> str:
        """Return the rate that it was made with."""
        return f"rate={self.initial_rate}"


def find_factors(numbers: Tensor, rate: Tensor) -> Tensor:
    """Return what dropout multiplies by: zero where a number in (0, 1] is not above the rate, else 1 / (1 - rate)."""
    if numbers.device.type == "cpu":  # truth values, times numbers, take a CPU thrice the time of numbers
        return (numbers - rate).ceil_().div_(1 - rate)
    return (numbers > rate) / (1 - rate)


class AlphaDropout(Dropout):
    """Drop to SELU's lowest value and keep mean and variance (arXiv:1706.02515, section 3), in training only."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with elements dropped; any shape."""
        numbers = self.draw(x.shape, x.device)
        if numbers is None:
            return x
        lowest, q = -SCALE * ALPHA, 1 - self.rate
        a = (q + lowest**2 * q * (1 - q)) ** -0.5
        b = -a * (1 - q) * lowest
        return (a * torch.where(numbers > self.rate, x, lowest) + b).to(x.dtype)


def exchange_dropout(module: nn.Module) -> nn.Module:
    """Replace `nn.Dropout` and `nn.AlphaDropout` in a network by those whose rate is a tensor, in place; return it.

    A module used in several places stays one module. Raises `StudyError` for a rate of 1.
    """
    exchanged: dict[nn.Module, nn.Module] = {}
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if type(child) not in (nn.Dropout, nn.AlphaDropout):
            continue
        if child not in exchanged:
            ours = (AlphaDropout if isinstance(child, nn.AlphaDropout) else Dropout)(child.p)
            exchanged[child] = ours.train(child.training)
        if not name:
            return exchanged[child]
        parent, _, last = name.rpartition(".")
        module.get_submodule(parent).register_module(last, exchanged[child])
    return module


def widen_batch_norms(module: nn.Module) -> nn.Module:
    """Let the batch norms of a network take float32 where autocast gives them bfloat16, in place; return it.

    Under `torch.vmap` their statistics in float32 and an input in bfloat16 do not go together, and means and
    variances of rounded numbers would be rounded themselves.
    """
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            child.register_forward_pre_hook(widen)
    return module


def widen(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return inputs in float32 at least."""
    return tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in inputs)


def rest_dropout(network: nn.Module, buffers: Mapping[str, Tensor]) -> bool:
    """Let dropout draw nothing where the rates of all members are zero, and draw again where one is not.

    Return whether that changes anything. buffers: those of a pack by name, stacked [K, ...]. Without its draws a
    step of three layers of 128 units takes a quarter less.
    """
    modules = {name: module for name, module in network.named_modules() if isinstance(module, Dropout)}
    if not modules:
        return False
    before = [module.idle for module in modules.values()]
    draws = torch.stack([buffers[f"{name}.rate" if name else "rate"].any() for name in modules]).tolist()
    for module, drawn in zip(modules.values(), draws, strict=True):
        module.idle = not drawn
    return before != [module.idle for module in modules.values()]


def find_decayed(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that weight decay is for: matrices.

    Biases and norms are not, nor what turns a feature into a vector (as in arXiv:2106.11959), though there
    is one for each feature and they look like matrices.
    """
    return frozenset(
        f"{prefix}.{name}" if prefix else name
        for prefix, module in network.named_modules()
        if type(module).__name__ not in EMBEDDINGS
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim > 1 and not name.endswith("bias")
    )
