"""Packs: networks of one structure, trained as one. A solo trial is a pack of one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.func import functional_call

from tuner.errors import TrainingError
from tuner.models.layers import exchange_dropout, find_decayed, rest_dropout
from tuner.train.data import TrainingData
from tuner.train.device import keep_random_state, mixed_precision
from tuner.train.optimizers import FlatOptimizer
from tuner.train.ranking import rank_auc
from tuner.train.schedules import draw_schedule
from tuner.train.settings import Settings
from tuner.train.structure import find_structure

TensorDict = dict[str, Tensor]

VALIDATION_BATCHES = 8
"""Training batches that one chunk of validation is as large as: without gradients it needs no more memory."""


@dataclass
class Member:
    """A setting in training: who it is and how far it has come."""

    name: int
    """Number that the caller knows it by (the trial's)."""
    settings: Settings
    seed: int
    """Seed of its first parameters and of its order of events."""
    age: int = 0
    """Epochs trained."""
    best: float = -np.inf
    """Best validation AUC."""
    best_epoch: int = 0
    """Epochs trained when it was reached."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """A row an epoch: epoch, train_loss, validation_loss, validation_auc, lr."""
    state: dict[str, Any] | None = None
    """What `Pack.member_state` gave when it was interrupted; it goes on from there."""
    train_rows: np.ndarray | None = None
    """Events that it trains on: places in the train part, int64 (a fold's, say). None: all."""
    validation_rows: np.ndarray | None = None
    """Events that its validation figures are taken on: places in the validation part, int64. None: all."""


class Pack:
    """K rows of one structure on one device; a row holds a member or is vacant.

    All parameters are one tensor [K, P], those that decay first; the network sees views of it under `torch.vmap`. Each
    member has its own order of events, seed, age, schedule and knobs: its companions never change what it learns.
    """

    def __init__(self, settings: Settings, data: TrainingData, *, n_epochs: int, n_events: int | None = None) -> None:
        """Make an empty pack for the structure of `settings`; n_epochs is the whole budget of a member.

        n_events: how many events a member trains on in an epoch, all of the train part where None. Members with
        `train_rows` must have that many at least.
        """
        self.structure = find_structure(settings)
        self.data = data
        self.n_epochs = n_epochs
        self.members: list[Member | None] = []
        self.n_events = len(data.x) if n_events is None else n_events
        self.n_steps = max(1, round(self.n_events / settings.training.batch_size))
        self.batch_size = self.n_events // self.n_steps
        self.network = self._build(settings, seed=0)
        decayed = find_decayed(self.network)
        named = sorted(self.network.named_parameters(), key=lambda item: item[0] not in decayed)
        self.shapes = {name: parameter.shape for name, parameter in named}
        self.n_parameters = sum(shape.numel() for shape in self.shapes.values())
        n_decayed = sum(shape.numel() for name, shape in self.shapes.items() if name in decayed)
        self.flat = torch.zeros(0, self.n_parameters, device=data.device)
        self.best_flat = self.flat.clone()
        self.smoothing = torch.zeros(0, 1, device=data.device)
        self.buffers = {name: b.new_zeros(0, *b.shape) for name, b in self.network.named_buffers()}
        self.best_buffers = {name: b.clone() for name, b in self.buffers.items()}
        self.optimizer = FlatOptimizer(settings.training.optimizer, self.flat, n_decayed)
        self._bind()

    def _build(self, settings: Settings, seed: int) -> nn.Module:
        """Return a member's first network; torch's own random state stays as it was."""
        with keep_random_state(self.data.device):
            torch.manual_seed(seed)
            return exchange_dropout(settings.network.build(self.data.d_in)).to(self.data.device)

    def _bind(self) -> None:
        """Make the views of the flat parameters that the network computes with."""
        self.views = {name: view.detach().requires_grad_() for name, view in self._split(self.flat).items()}
        self.gradient = torch.empty_like(self.flat)

    def _split(self, flat: Tensor) -> TensorDict:
        """Return views of flat parameters [..., P] by name, [..., *shape]."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            views[name] = flat[..., start : start + shape.numel()].view(*flat.shape[:-1], *shape)
            start += shape.numel()
        return views

    # Members come and go.

    @property
    def rows(self) -> Iterator[tuple[int, Member]]:
        """Occupied rows and their members."""
        return ((row, member) for row, member in enumerate(self.members) if member is not None)

    def __len__(self) -> int:
        """Return the number of members."""
        return sum(member is not None for member in self.members)

    def admit(self, member: Member) -> int:
        """Put a member into a vacant row, or into a new one; return the row."""
        if find_structure(member.settings) != self.structure:
            raise TrainingError(f"Members of a pack must share its structure, but trial {member.name} has another.")
        self._check_rows(member)
        network = self._build(member.settings, member.seed)
        row = self._find_vacant_row()
        parameters = dict(network.named_parameters())
        with torch.no_grad():
            self.flat[row] = torch.cat([parameters[name].detach().flatten() for name in self.shapes])
            for name, buffer in network.named_buffers():
                self.buffers[name][row] = buffer
                self.best_buffers[name][row] = buffer
            self.best_flat[row] = self.flat[row]
        self.optimizer.set_row(row, member.settings.training)
        self.smoothing[row] = member.settings.training.label_smoothing
        self.members[row] = member
        if member.state is not None:
            self._load_member_state(row, member, member.state)
            member.state = None
        return row

    def _check_rows(self, member: Member) -> None:
        """Raise `TrainingError` where a member's own events are too few or not there."""
        n_train, n_validation = len(self.data.x), len(self.data.validation_x)
        for what, rows, least, n in (
            ("train_rows", member.train_rows, self.n_events, n_train),
            ("validation_rows", member.validation_rows, 1, n_validation),
        ):
            n_rows = n if rows is None else len(rows)
            if n_rows < max(1, least):
                raise TrainingError(
                    f"`{what}` of a member must name at least {max(1, least):,} events, but trial {member.name} has "
                    f"{n_rows:,}. Make the pack with `n_events` of the smallest member."
                )
            if rows is not None and not (rows.min() >= 0 and rows.max() < n):
                raise TrainingError(
                    f"`{what}` must be places among {n:,} events, 0 to {n - 1:,}, but those of trial {member.name} "
                    f"go from {rows.min():,} to {rows.max():,}."
                )

    def _find_vacant_row(self) -> int:
        if None not in self.members:
            self.members.append(None)
            self._keep([*range(len(self.members) - 1), -1])
        return self.members.index(None)

    def vacate(self, row: int) -> None:
        """Take the member out of a row; the others do not notice."""
        self.members[row] = None
        self.flat[row] = 0

    def compact(self) -> None:
        """Give up vacant rows."""
        rows = [row for row, _ in self.rows]
        if len(rows) < len(self.members):
            self.members = [self.members[row] for row in rows]
            self._keep(rows)

    def _keep(self, rows: Sequence[int]) -> None:
        """Keep these rows of every tensor, in this order; row -1 is a new one, of zeros."""
        n_new = sum(row < 0 for row in rows)
        index = torch.as_tensor(rows, dtype=torch.long, device=self.flat.device)

        def pick(tensor: Tensor) -> Tensor:
            return torch.cat([tensor, tensor.new_zeros(n_new, *tensor.shape[1:])])[index]

        self.flat, self.best_flat, self.smoothing = pick(self.flat), pick(self.best_flat), pick(self.smoothing)
        self.buffers = {name: pick(buffer) for name, buffer in self.buffers.items()}
        self.best_buffers = {name: pick(buffer) for name, buffer in self.best_buffers.items()}
        self.optimizer.keep(pick)
        self._bind()

    # Training.

    def train_epoch(self) -> np.ndarray:
        """Train every member for one epoch of its own order of events; return mean losses [K].

        An epoch is `n_steps` equal batches; the at most `n_steps - 1` events left over are others each epoch.
        """
        self.network.train()
        rest_dropout(self.network, self.buffers)
        order, rates = self._draw_order(), self._draw_rates()
        losses = torch.zeros(len(self.members), device=self.flat.device)
        for step in range(self.n_steps):
            losses += self._step(order[step], rates[step])
        for _, member in self.rows:
            member.age += 1
        return (losses / self.n_steps).cpu().numpy()

    def time_step(self) -> float:
        """Take one step on events drawn at random with a learning rate of zero; return its seconds."""
        self.network.train()
        rest_dropout(self.network, self.buffers)
        order = torch.randint(len(self.data.x), (len(self.members), self.batch_size), device=self.data.device)
        rate = torch.zeros(len(self.members), 1, device=self.data.device)
        self._wait()
        start = time.perf_counter()
        self._step(order, rate)
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        """Let a GPU finish what it was given."""
        if self.data.device.type == "cuda":
            torch.cuda.synchronize(self.data.device)

    def _draw_order(self) -> Tensor:
        """Return row numbers of events, [steps, K, batch]: each member's order follows from its seed and age."""
        device = self.data.device
        n_used = self.n_steps * self.batch_size
        order = torch.zeros(len(self.members), n_used, dtype=torch.long, device=device)
        for row, member in self.rows:
            generator = torch.Generator(device).manual_seed(_mix_seeds(member.seed, member.age))
            mine = member.train_rows
            n_mine = len(self.data.x) if mine is None else len(mine)
            shuffled = torch.randperm(n_mine, generator=generator, device=device)[:n_used]
            order[row] = shuffled if mine is None else torch.as_tensor(mine, device=device)[shuffled]
        return order.view(-1, self.n_steps, self.batch_size).transpose(0, 1).contiguous()

    def _draw_rates(self) -> Tensor:
        """Return learning rates [steps, K, 1] of the epoch that comes."""
        rates = np.zeros((self.n_steps, len(self.members), 1), dtype=np.float32)
        for row, member in self.rows:
            rates[:, row, 0] = draw_schedule(member.settings.training, member.age, self.n_steps, self.n_epochs)
        return torch.from_numpy(rates).to(self.data.device)

    def _step(self, order: Tensor, lr: Tensor) -> Tensor:
        """Take one step of every row: order [K, batch], lr [K, 1]; return losses [K]."""
        rows, data = order.flatten(), self.data
        x = data.x.index_select(0, rows).view(*order.shape, -1)
        labels, weights = data.labels[rows].view_as(order), data.weights[rows].view_as(order)
        with mixed_precision(data.device):
            logits = self._forward(x, in_dims=0)
        labels = labels * (1 - self.smoothing) + 0.5 * self.smoothing
        losses = _weigh_losses(logits, labels, weights).sum(1) / self.batch_size
        gradients = torch.autograd.grad(losses.sum(), list(self.views.values()))
        torch.cat([gradient.flatten(1) for gradient in gradients], dim=1, out=self.gradient)
        self.optimizer.step(self.flat, self.gradient, lr)
        return losses.detach()

    def _forward(
        self, x: Tensor, in_dims: int | None, parameters: TensorDict | None = None, buffers: TensorDict | None = None
    ) -> Tensor:
        """Return logits [K, n] (or [K, n, k] from an ensemble in training) for x [K, n, d] or, with None, [n, d]."""
        parameters, buffers = parameters or self.views, buffers or self.buffers

        def call(parameters: TensorDict, buffers: TensorDict, x: Tensor) -> Tensor:
            output: Tensor = functional_call(self.network, (parameters, buffers), (x,))
            return output

        if len(next(iter(parameters.values()))) == 1:  # alone: any module will do, and vmap's overhead is saved
            mine, kept = ({name: tensor[0] for name, tensor in group.items()} for group in (parameters, buffers))
            logits = call(mine, kept, x if in_dims is None else x[0])[None]
        else:
            logits = torch.vmap(call, in_dims=(0, 0, in_dims), randomness="same")(parameters, buffers, x)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    # Validation.

    @torch.no_grad()
    def validate(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each row's weighted AUC [K] and weighted loss [K] on the validation part, or its own part of it.

        A member that is better than before keeps a copy of its parameters.
        """
        data = self.data
        logits = self.score(data.validation_x)
        present = self._find_present()
        event_weights = data.validation_weights.expand_as(logits) * present
        weights = data.validation_training_weights.expand_as(logits) * present
        aucs = rank_auc(logits, data.validation_labels, event_weights)
        losses = _weigh_losses(logits, data.validation_labels.expand_as(logits), weights).sum(1) / weights.sum(1)
        figures = torch.stack([aucs, losses.double()]).cpu().numpy()
        for row, member in self.rows:
            if figures[0, row] > member.best:
                member.best, member.best_epoch = float(figures[0, row]), member.age
                self.best_flat[row] = self.flat[row]
                for name, buffer in self.buffers.items():
                    self.best_buffers[name][row] = buffer[row]
        return figures[0], figures[1]

    def _find_present(self) -> Tensor:
        """Return which validation events count for which row, bool [K, m]; [1, 1] where all count for all."""
        if all(member.validation_rows is None for _, member in self.rows):
            return torch.ones(1, 1, dtype=torch.bool, device=self.data.device)
        present = np.ones((len(self.members), len(self.data.validation_x)), dtype=bool)
        for row, member in self.rows:
            if member.validation_rows is not None:
                present[row] = False
                present[row, member.validation_rows] = True
        return torch.from_numpy(present).to(self.data.device)

    def score(self, x: Tensor) -> Tensor:
        """Return logits [K, n] of the present parameters for prepared features [n, d_in]."""
        return self._score(x, self.views, self.buffers)

    def best_scores(self, row: int, x: Tensor | None = None) -> np.ndarray:
        """Return a member's probabilities, float64 [n], by its best-epoch parameters.

        x: prepared features [n, d_in]; the whole validation part where None.
        """
        x = self.data.validation_x if x is None else x.to(self.data.device)
        parameters = {name: tensor[None] for name, tensor in self._split(self.best_flat[row]).items()}
        buffers = {name: buffer[row][None] for name, buffer in self.best_buffers.items()}
        logits = self._score(x, parameters, buffers)[0]
        return logits.double().sigmoid().cpu().numpy()

    @torch.no_grad()
    def _score(self, x: Tensor, parameters: TensorDict, buffers: TensorDict) -> Tensor:
        """Return logits [K, n] in full precision, in chunks of events: rounded scores would tie."""
        self.network.eval()
        n_rows = VALIDATION_BATCHES * self.batch_size
        logits = [self._forward(chunk, None, parameters, buffers) for chunk in torch.split(x, n_rows)]
        shape = tuple(logits[0].shape[1:])
        if len(shape) != 1:
            raise TrainingError(
                f"A network must map features [n, d_in] to one logit each, [n], but gave {list(shape)} for "
                f"{min(n_rows, len(x))} events. For [n, 1] end it with `nn.Flatten(0)` or `.squeeze(-1)`."
            )
        return torch.cat(logits, dim=1)

    # What a member takes along.

    def best_state(self, row: int) -> TensorDict:
        """Return the state dict of a member's network at its best epoch, on the CPU."""
        buffers = {name: buffer[row] for name, buffer in self.best_buffers.items()}
        state = self._split(self.best_flat[row]) | buffers
        return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def member_state(self, row: int) -> dict[str, Any]:
        """Return everything that a member needs to go on later as if it had not stopped."""
        member = self.members[row]
        assert member is not None
        return {
            "age": member.age,
            "best": member.best,
            "best_epoch": member.best_epoch,
            "curve": member.curve,
            "flat": self.flat[row].cpu().clone(),
            "best_flat": self.best_flat[row].cpu().clone(),
            "buffers": {name: buffer[row].cpu().clone() for name, buffer in self.buffers.items()},
            "best_buffers": {name: buffer[row].cpu().clone() for name, buffer in self.best_buffers.items()},
            "optimizer": {name: tensor.cpu() for name, tensor in self.optimizer.row_state(row).items()},
        }

    def _load_member_state(self, row: int, member: Member, state: dict[str, Any]) -> None:
        """Put a member's state back into its row."""
        member.age, member.best, member.best_epoch = state["age"], state["best"], state["best_epoch"]
        member.curve = list(state["curve"])
        self.flat[row] = state["flat"].to(self.flat.device)
        self.best_flat[row] = state["best_flat"].to(self.flat.device)
        for name in self.buffers:
            self.buffers[name][row] = state["buffers"][name].to(self.flat.device)
            self.best_buffers[name][row] = state["best_buffers"][name].to(self.flat.device)
        self.optimizer.load_row_state(row, state["optimizer"])


def _weigh_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return weighted cross-entropies [K, n]; an ensemble's [K, n, k] are averaged over its k."""
    if logits.ndim > labels.ndim:
        labels = labels[..., None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1) * weights
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights


def _mix_seeds(*seeds: int) -> int:
    """Return one 63-bit seed that follows from several."""
    return int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1)
