"""Chains: networks that are layers one after another, computed for all members of a pack at once.

`torch.vmap` runs any network; on a CPU most of its time beyond matrix products goes to passes over memory. For an
`nn.Sequential`, nested or not, the layers that matter have code here with fewer of them: bias and dropout are what a
matrix product is added to, and ReLU works in place. A layer without code here runs under `torch.vmap` as before.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tuner.models.layers import Dropout, widen
from tuner.training.batched import layers

Randomness = Literal["same", "different"]
"""Whether members share the random numbers of dropout."""

TensorDict = Mapping[str, Tensor]

ELEMENTWISE = (nn.ReLU, nn.SiLU, nn.GELU, nn.SELU, nn.Mish, nn.ELU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid)
"""Layers that do the same to each element: they take stacked values as they are."""


class Link(Protocol):
    """One layer, or a few that are computed together."""

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
        """Return [K, n, ...] for x [K, n, d]; parameters and buffers are layers, by their names in the network."""
        ...


@dataclass(frozen=True)
class Chain:
    """The layers of a network in their order."""

    links: Sequence[tuple[Link, Sequence[Link]]]
    """Each link for values [K, n, d], and its layers one by one for values of other dimensions."""

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
        """Return what the network gives, stacked: for x [K, n, d] its outputs [K, n, ...]."""
        for link, replaced in self.links:
            for one in (link,) if x.ndim == 3 else replaced:
                x = one(parameters, buffers, x)
        return x


def find_chain(network: nn.Module, randomness: Randomness) -> Chain | None:
    """Return a network's chain; None for a network that does more than pass values from layer to layer.

    randomness: whether members share the random numbers of dropout ("same") or not ("different").
    """
    if not _is_sequence(network) or _shares_parameters(network) or _hooks_backward(network):
        return None
    names = {id(module): name for name, module in network.named_modules()}
    layers = [layer for layer in _walk(network) if type(layer) is not nn.Identity or _has_hooks(layer)]
    links: list[tuple[Link, list[Link]]] = []
    while layers:
        link, n_taken = _make_link(layers, names, randomness)
        links.append((link, [Mapped(layer, names[id(layer)], randomness) for layer in layers[:n_taken]]))
        del layers[:n_taken]
    return Chain(links)


def _shares_parameters(network: nn.Module) -> bool:
    """Return whether two layers have a parameter or buffer in common: it has one name only, in one of them."""
    known = {name for named in (network.named_parameters(), network.named_buffers()) for name, _ in named}
    own = {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in network.named_modules()
        for name in (*module._parameters, *module._buffers)
        if getattr(module, name) is not None
    }
    return not own <= known


def _is_sequence(module: nn.Module) -> bool:
    """Return whether a module is an `nn.Sequential` that does what these do and no more."""
    return type(module).forward is nn.Sequential.forward and not _has_hooks(module)


def _has_hooks(module: nn.Module) -> bool:
    """Return whether calling a module does more than its `forward`; the widening of batch norms has its code here."""
    return bool(module._forward_hooks) or any(hook is not widen for hook in module._forward_pre_hooks.values())


def _hooks_backward(network: nn.Module) -> bool:
    """Return whether a layer has hooks on gradients."""
    return any(module._backward_hooks or module._backward_pre_hooks for module in network.modules())


def _walk(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences in their order."""
    if not _is_sequence(module):
        yield module
        return
    for child in cast("nn.Sequential", module):
        yield from _walk(child)


def _make_link(layers: Sequence[nn.Module], names: Mapping[int, str], randomness: Randomness) -> tuple[Link, int]:
    """Return what computes the first of these layers, and how many of them it computes."""
    layer, name = layers[0], names[id(layers[0])]
    link: Link = Mapped(layer, name, randomness)
    if _has_hooks(layer):
        pass
    elif type(layer) is nn.Linear and layer.bias is not None and _is_plain(layers[1:2], nn.ReLU):
        if _is_plain(layers[2:3], Dropout):
            dropout = cast("Dropout", layers[2])
            return Hidden(name, Drawing(dropout, names[id(dropout)], randomness)), 3
        return Hidden(name, None), 2
    elif type(layer) is nn.Linear:
        link = Linear(name, has_bias=layer.bias is not None)
    elif type(layer) is Dropout:
        link = Drop(Drawing(layer, name, randomness))
    elif type(layer) is nn.LayerNorm and len(layer.normalized_shape) == 1:
        link = LayerNorm(name, layer)
    elif type(layer) is nn.BatchNorm1d and layer.affine and layer.track_running_stats and layer.momentum is not None:
        link = BatchNorm(name, layer)
    elif type(layer) in ELEMENTWISE:
        link = Elementwise(_make_pure(layer))
    return link, 1


def _make_pure(layer: nn.Module) -> nn.Module:
    """Return a layer that does the same and writes into nothing it is given."""
    if not getattr(layer, "inplace", False):
        return layer
    pure = copy.copy(layer)
    pure.inplace = False  # type: ignore[assignment]
    return pure


def _is_plain(layers: Sequence[nn.Module], kind: type[nn.Module]) -> bool:
    """Return whether there is a layer, and one of exactly this kind."""
    return bool(layers) and type(layers[0]) is kind and not _has_hooks(layers[0])


@dataclass(frozen=True)
class Mapped:
    """Any layer: under `torch.vmap`, or as it is where there is one member, since not all layers can be mapped."""

    layer: nn.Module
    name: str
    randomness: Randomness

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
        """Return the layer's outputs."""
        parameters, buffers = _pick(parameters, self.name), _pick(buffers, self.name)
        if len(x) == 1:
            return call_alone(self.layer, parameters, buffers, x)
        call = torch.vmap(partial(call_module, self.layer), randomness=self.randomness)
        return call(parameters, buffers, x)


def call_module(module: nn.Module, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
    """Return what a module gives with these parameters and buffers, by their names in it, in place of its own."""
    output: Tensor = functional_call(module, (dict(parameters), dict(buffers)), (x,))
    return output


def call_alone(module: nn.Module, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
    """Return what a module gives for stacks of one row."""
    mine, kept = ({name: tensor[0] for name, tensor in group.items()} for group in (parameters, buffers))
    return call_module(module, mine, kept, x[0])[None]


def _pick(tensors: TensorDict, name: str) -> dict[str, Tensor]:
    """Return the tensors of a layer, by their names in it."""
    return {key[len(name) + 1 :]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}


@dataclass(frozen=True)
class Elementwise:
    """An activation."""

    layer: nn.Module

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the activations."""
        activations: Tensor = self.layer(x)
        return activations


@dataclass(frozen=True)
class LayerNorm:
    """A norm over the last dimension, then each member's own scale and shift."""

    name: str
    layer: nn.LayerNorm

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return normalised values."""
        y = nn.functional.layer_norm(x, self.layer.normalized_shape, eps=self.layer.eps)
        weight, bias = (parameters.get(f"{self.name}.{kind}") for kind in ("weight", "bias"))
        if weight is None:
            return y
        return y * weight[:, None] if bias is None else torch.addcmul(bias[:, None], y, weight[:, None])


@dataclass(frozen=True)
class BatchNorm:
    """A norm over each member's batch, or with its running statistics, which are updated in training."""

    name: str
    layer: nn.BatchNorm1d

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
        """Return normalised values, in float32 at least."""
        (x,) = widen(self.layer, (x,))
        weight, bias = (parameters[f"{self.name}.{kind}"] for kind in ("weight", "bias"))
        mean, variance, count = (
            buffers[f"{self.name}.{kind}"] for kind in ("running_mean", "running_var", "num_batches_tracked")
        )
        if not self.layer.training:
            factor = weight * (variance + self.layer.eps).rsqrt()
            return torch.addcmul((bias - factor * mean)[:, None], factor[:, None], x)
        y, batch_mean, batch_variance = layers.normalise(x, weight, bias, self.layer.eps)
        n, momentum = x.shape[1], self.layer.momentum
        assert momentum is not None
        mean.lerp_(batch_mean, momentum)
        variance.lerp_(batch_variance * (n / max(n - 1, 1)), momentum)
        count.add_(1)
        return y


@dataclass(frozen=True)
class Drawing:
    """What a dropout draws."""

    layer: Dropout
    name: str
    randomness: Randomness

    def draw(self, buffers: TensorDict, shape: Sequence[int], device: torch.device) -> layers.Drawn | None:
        """Draw for values of this shape, [K, n, d]; None where nothing is dropped."""
        numbers = self.layer.draw(shape[1:] if self.randomness == "same" else shape, device)
        return None if numbers is None else layers.Drawn(numbers, buffers[f"{self.name}.rate"].view(-1, 1, 1))


@dataclass(frozen=True)
class Drop:
    """Dropout: what is not dropped is scaled up."""

    drawing: Drawing

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return x with elements dropped."""
        drawn = self.drawing.draw(buffers, x.shape, x.device)
        return x if drawn is None else layers.drop(x, drawn)


@dataclass(frozen=True)
class Linear:
    """A linear layer."""

    name: str
    has_bias: bool

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the layer's outputs."""
        bias = parameters[f"{self.name}.bias"] if self.has_bias else None
        return layers.affine(x, parameters[f"{self.name}.weight"], bias)


@dataclass(frozen=True)
class Hidden:
    """A linear layer, ReLU, and dropout if there is one."""

    name: str
    drawing: Drawing | None

    def __call__(self, parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
        """Return the layer's outputs."""
        weight, bias = (parameters[f"{self.name}.{kind}"] for kind in ("weight", "bias"))
        shape = (*x.shape[:2], weight.shape[1])
        drawn = None if self.drawing is None else self.drawing.draw(buffers, shape, x.device)
        return layers.hidden(x, weight, bias, drawn)
