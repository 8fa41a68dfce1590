"""Stacks: the parameters, buffers and optimizer state of K networks of one structure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tuner.errors import TrainingError, name_all
from tuner.models.layers import find_decayed
from tuner.training.batched.optimizers import FlatOptimizer
from tuner.training.batched.sequential import Randomness, call_alone, call_module, find_chain
from tuner.training.building import list_state
from tuner.training.settings import OptimizerKind, TrainingSettings

TensorDict = dict[str, Tensor]


class Stack:
    """K rows, each one network's numbers: the present ones and those of its best epoch.

    All parameters are one tensor [K, P], those that decay first and frozen ones (`requires_grad=False`) last; the
    network sees views of it under `torch.vmap`.
    A row is written in place. `keep` makes new tensors: whoever holds on to the old ones must ask again.
    """

    def __init__(
        self, network: nn.Module, optimizer: OptimizerKind, device: torch.device, *, randomness: Randomness = "same"
    ) -> None:
        """Make a stack of no rows of a network that is on the device."""
        self.network = network
        self.randomness = randomness
        self.chain = find_chain(network, randomness)
        decayed = find_decayed(network)
        named = dict(network.named_parameters())
        self.trained = {name for name, parameter in named.items() if parameter.requires_grad}
        names = sorted(named, key=lambda name: (name not in self.trained, name not in decayed))
        self.shapes = {name: named[name].shape for name in names}
        self.n_parameters = sum(shape.numel() for shape in self.shapes.values())
        n_decayed = sum(self.shapes[name].numel() for name in decayed & self.trained)
        self.flat = torch.zeros(0, self.n_parameters, device=device, dtype=next(iter(named.values())).dtype)
        self.best_flat = self.flat.clone()
        self.smoothing = torch.zeros(0, 1, device=device)
        self.buffers = {name: b.new_zeros(0, *b.shape) for name, b in network.named_buffers()}
        self.best_buffers = {name: b.clone() for name, b in self.buffers.items()}
        self.optimizer = FlatOptimizer(optimizer, self.flat, n_decayed)
        self._bind()

    def _bind(self) -> None:
        """Make the views of the flat parameters that the network computes with."""
        views = {name: view.detach() for name, view in self._split(self.flat).items()}
        self.views = {name: view.requires_grad_(name in self.trained) for name, view in views.items()}
        self.leaves = [view for view in self.views.values() if view.requires_grad]
        self.no_gradients = [torch.zeros_like(view) for view in self.views.values() if not view.requires_grad]
        self.gradient = torch.empty_like(self.flat)

    def _split(self, flat: Tensor) -> TensorDict:
        """Return views of flat parameters [..., P] by name, [..., *shape]."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            views[name] = flat[..., start : start + shape.numel()].view((*flat.shape[:-1], *shape))
            start += shape.numel()
        return views

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.flat)

    # Rows come and go.

    @torch.no_grad()
    def set_rows(
        self, rows: Sequence[int], networks: Sequence[nn.Module], settings: Sequence[TrainingSettings]
    ) -> None:
        """Start rows anew, each with its network's first numbers and its knobs."""
        index = self._index(rows)
        states = [self._check_shapes(list_state(network)) for network in networks]
        flats = [torch.cat([state[name].detach().flatten() for name in self.shapes]) for state in states]
        self.flat[index] = torch.stack(flats).to(self.flat)
        for name, buffer in self.buffers.items():
            buffer[index] = torch.stack([state[name] for state in states]).to(buffer)
        self.optimizer.set_rows(index, settings)
        self.smoothing[index] = self.smoothing.new_tensor([[s.label_smoothing] for s in settings])
        self.keep_best(rows)

    def _check_shapes(self, state: TensorDict) -> TensorDict:
        """Return a network's first numbers; raise `TrainingError` where their names or shapes are not the stack's."""
        expected = self.shapes | {name: buffer.shape[1:] for name, buffer in self.buffers.items()}
        odd = [name for name in expected | state if name not in state or state[name].shape != expected.get(name)]
        if odd:
            raise TrainingError(
                f"Networks of one structure must have the same tensors, but they differ in {name_all(odd)}. A field "
                "that fixes a shape must not be marked as a knob, and shapes must not be drawn at random."
            )
        return state

    def _index(self, rows: Sequence[int]) -> Tensor:
        """Return rows as an index on the device."""
        return torch.as_tensor(rows, dtype=torch.long, device=self.flat.device)

    def clear_row(self, row: int) -> None:
        """Take a network out of its row: nothing in it, infinite or not, is met again."""
        index = self._index([row])
        for tensor in (self.flat, *self.buffers.values()):
            tensor[index] = 0
        self.optimizer.clear_rows(index)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these rows of every tensor, in this order; row -1 is a new one, of zeros."""
        n_new = sum(row < 0 for row in rows)
        index = self._index(rows)

        def pick(tensor: Tensor) -> Tensor:
            if n_new:
                tensor = torch.cat([tensor, tensor.new_zeros(n_new, *tensor.shape[1:])])
            return tensor[index]

        self.flat, self.best_flat, self.smoothing = pick(self.flat), pick(self.best_flat), pick(self.smoothing)
        self.buffers = {name: pick(buffer) for name, buffer in self.buffers.items()}
        self.best_buffers = {name: pick(buffer) for name, buffer in self.best_buffers.items()}
        self.optimizer.keep(pick)
        self._bind()

    # What the network computes, and how it learns.

    def forward(self, x: Tensor, parameters: TensorDict | None = None, buffers: TensorDict | None = None) -> Tensor:
        """Return logits [K, n] (or [K, n, k] from an ensemble in training) for x [K, n, d], which may be written into.

        parameters, buffers: stacked, by name; the present ones where None.
        """
        parameters, buffers = parameters or self.views, buffers or self.buffers
        if self.chain is not None:
            logits = self.chain(parameters, buffers, x)
        elif len(x) == 1:  # alone: any module will do, and vmap's overhead is saved
            logits = call_alone(self.network, parameters, buffers, x)
        else:
            call = partial(call_module, self.network)
            logits = torch.vmap(call, randomness=self.randomness)(parameters, buffers, x)
        if logits.ndim == 1 and x.shape[1] == 1:  # a `squeeze()` takes the dimension of a single event, too
            logits = logits[:, None]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def find_gradients(self, losses: Tensor, *, add: bool) -> None:
        """Find the gradients of losses [K] for the step that comes, or add them to those that were found."""
        gradients = torch.autograd.grad(losses.sum(), self.leaves, materialize_grads=True)
        flattened = [g.reshape(len(g), math.prod(g.shape[1:])) for g in (*gradients, *self.no_gradients)]
        if add:
            self.gradient += torch.cat(flattened, dim=1)
        else:
            torch.cat(flattened, dim=1, out=self.gradient)

    def update(self, lr: Tensor) -> None:
        """Take an optimizer's step against the gradients that were found; lr is [K, 1]."""
        self.optimizer.step(self.flat, self.gradient, lr)

    # The best epoch, and what a member takes along.

    def judged(self) -> TensorDict:
        """Return the parameters to judge the present networks by, stacked, by name."""
        return self._split(self.optimizer.average(self.flat))

    @torch.no_grad()
    def keep_best(self, rows: Sequence[int]) -> None:
        """Take the present numbers of these rows as those of their best epoch."""
        index = self._index(rows)
        self.best_flat[index] = self.optimizer.average(self.flat)[index]
        for name, buffer in self.buffers.items():
            self.best_buffers[name][index] = buffer[index]

    def best(self, row: int) -> tuple[TensorDict, TensorDict]:
        """Return parameters and buffers of a row's best epoch, [1, *shape] each."""
        parameters = {name: tensor[None] for name, tensor in self._split(self.best_flat[row]).items()}
        return parameters, {name: buffer[row][None] for name, buffer in self.best_buffers.items()}

    def best_state(self, row: int) -> TensorDict:
        """Return the state dict of a row's network at its best epoch, on the CPU."""
        parameters, buffers = self.best(row)
        return {name: tensor[0].detach().cpu().clone() for name, tensor in (parameters | buffers).items()}

    def row_state(self, row: int) -> dict[str, Any]:
        """Return a copy of all that is in a row, on the CPU."""
        return {
            "flat": self.flat[row].cpu().clone(),
            "best_flat": self.best_flat[row].cpu().clone(),
            "buffers": {name: buffer[row].cpu().clone() for name, buffer in self.buffers.items()},
            "best_buffers": {name: buffer[row].cpu().clone() for name, buffer in self.best_buffers.items()},
            "optimizer": {name: tensor.cpu() for name, tensor in self.optimizer.row_state(row).items()},
        }

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        """Put back what `row_state` gave."""
        self.flat[row] = state["flat"].to(self.flat.device)
        self.best_flat[row] = state["best_flat"].to(self.flat.device)
        for name in self.buffers:
            self.buffers[name][row] = state["buffers"][name].to(self.flat.device)
            self.best_buffers[name][row] = state["best_buffers"][name].to(self.flat.device)
        self.optimizer.load_row_state(row, state["optimizer"])
