"""Packs: networks of one structure, trained as one. A solo trial is a pack of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tuner.errors import TrainingError
from tuner.models.layers import rest_dropout, widen_batch_norms
from tuner.training.batched.cuda_graphs import StepGraph, make_recorder
from tuner.training.batched.lanes import HostLane, IsDone, Lane, wait_for_all
from tuner.training.batched.parameters import Stack, TensorDict
from tuner.training.batched.sequential import Randomness
from tuner.training.building import CONSTANTS_SEED, build_network
from tuner.training.data import TrainingData
from tuner.training.device import choose_clock, fast_products, keep_freed_memory, mixed_precision
from tuner.training.early_stopping import note_epoch
from tuner.training.mapped_inputs import prefetch
from tuner.training.member import Member
from tuner.training.settings import Settings
from tuner.training.shuffling import count_shuffled_steps, draw_blocks, draw_orders, draw_rates, shuffle_stretch
from tuner.training.structure import find_structure
from tuner.training.validation import find_own_events, measure_rows, weigh_losses

__all__ = ["Member", "Pack"]

VALIDATION_BATCHES = 2
"""Training batches that one chunk of validation is as large as, at the least: it needs no gradients."""

VALIDATION_EVENTS = {"cuda": 2**16}
"""Events, times members, that a chunk has at the least: small chunks keep a GPU waiting for the host."""


class Pack:
    """K rows of one structure on one device; a row holds a member or is vacant.

    Each member has its own order of events, seed, age, schedule and knobs: its companions never change what it
    learns. On CUDA a step is a graph, captured anew when the rows become more or fewer, or dropout begins or ends.
    """

    def __init__(
        self,
        settings: Settings,
        data: TrainingData,
        *,
        n_epochs: int,
        n_events: int | None = None,
        randomness: Randomness = "same",
        noise_seed: int | None = None,
        n_parts: int = 1,
        lane: Lane | None = None,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Make an empty pack for the structure of `settings`; n_epochs is the whole budget of a member.

        n_events: how many events a member trains on in an epoch, all of the train part where None. Members with
        `train_rows` must have that many at least. randomness: "same" draws dropout once for all members, which is
        quick, but makes their results alike; "different" draws for each, so that members are independent trainings.
        noise_seed: what dropout draws in an epoch follows from this alone, whatever a member's age and companions, so
        that one that was interrupted goes on as if it had not been; events meet it in another order each epoch. None:
        torch's generator is left as it is. n_parts: in how many parts a batch is computed, which saves memory; their
        gradients are added up, and a batch norm sees each part for itself. lane: where its work runs, in the turns of
        which all of its methods are called; None where no other pack trains at the same time. on_step: called after
        each step, and each chunk of a validation.
        """
        keep_freed_memory()
        self.structure = find_structure(settings)
        self.data = data
        self.n_epochs = n_epochs
        self.noise_seed = noise_seed
        self.n_parts = n_parts
        self.lane = lane or HostLane()
        self.on_step = on_step
        self.members: list[Member | None] = []
        self.mean_rates = np.zeros(0)
        """Each row's learning rate [K], the mean of the last epoch's steps."""
        self.n_events = len(data.x) if n_events is None else n_events
        self.n_steps = max(1, round(self.n_events / settings.training.batch_size))
        self.batch_size = self.n_events // self.n_steps
        network = self._build(settings, CONSTANTS_SEED).to(data.device)
        self.stack = Stack(network, settings.training.optimizer, data.device, randomness=randomness)
        name = type(settings.network).__qualname__
        self.graph = StepGraph(self.structure, name, make_recorder(data.device, self.lane.stream))
        self._losses = self._figures = torch.zeros(0)
        self._bind()

    def _build(self, settings: Settings, seed: int) -> nn.Module:
        """Return a member's first network, on the CPU."""
        dtype = self.data.x.dtype
        return widen_batch_norms(build_network(settings.network, self.data.d_in, seed=seed, dtype=dtype))

    def _bind(self) -> None:
        """Make the tensors of an epoch: batches, learning rates, at which step it is, and sums of losses.

        A step takes all it needs from the device, so that the host has one call to make for it.
        """
        n, device = len(self.stack), self.data.device
        n_shuffled = count_shuffled_steps(self.n_steps, self.batch_size, self.data.d_in)
        self.orders = torch.zeros(n_shuffled, n, self.batch_size, dtype=torch.long, device=device)
        self.rates = torch.zeros(n_shuffled, n, 1, device=device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        self.losses = torch.zeros(n, device=device)
        self.graph.forget()

    @property
    def n_parameters(self) -> int:
        """Number of a member's parameters."""
        return self.stack.n_parameters

    # Members come and go.

    @property
    def rows(self) -> Iterator[tuple[int, Member]]:
        """Occupied rows and their members."""
        return ((row, member) for row, member in enumerate(self.members) if member is not None)

    def __len__(self) -> int:
        """Return the number of members."""
        return sum(member is not None for member in self.members)

    def admit(self, *members: Member) -> list[int]:
        """Put members into vacant rows, or into new ones; return their rows. Several at once are quicker."""
        for member in members:
            if find_structure(member.settings) != self.structure:
                raise TrainingError(
                    f"Members of a pack must share its structure, but trial {member.number} has another."
                )
            member.check_rows(len(self.data.x), len(self.data.validation_x), n_events=self.n_events)
        if not members:
            return []
        networks = [self._build(member.settings, member.seed) for member in members]
        rows = self._find_vacant_rows(len(members))
        self.stack.set_rows(rows, networks, [member.settings.training for member in members])
        for row, member in zip(rows, members, strict=True):
            self.members[row] = member
            if member.state is not None:
                self._load_member_state(row, member, member.state)
                member.state = None
        return rows

    def _find_vacant_rows(self, n: int) -> list[int]:
        """Return n rows without a member; new ones where there are not so many."""
        n_new = n - self.members.count(None)
        if n_new > 0:
            self.stack.keep([*range(len(self.members)), *[-1] * n_new])
            self.members += [None] * n_new
            self._bind()
        return [row for row, member in enumerate(self.members) if member is None][:n]

    def vacate(self, row: int) -> None:
        """Take the member out of a row; the others do not notice."""
        self.members[row] = None
        self.stack.clear_row(row)

    def compact(self) -> None:
        """Give up vacant rows; where steps are graphs, once half of the rows are: fewer rows need another capture."""
        rows = [row for row, _ in self.rows]
        if len(rows) < len(self.members) and (not self.graph.captures or 2 * len(rows) <= len(self.members)):
            self.members = [self.members[row] for row in rows]
            self.stack.keep(rows)
            self._bind()

    def clear(self) -> None:
        """Give up all rows and the memory that they take, also where that has run out while rows were added."""
        self.members = []
        self.stack.keep([])
        self._bind()

    # Training.

    def train_epoch(self) -> np.ndarray:
        """Train every member for one epoch of its own order of events, and wait for it; return mean losses [K].

        An epoch is `n_steps` equal batches; the at most `n_steps - 1` events left over are others each epoch.
        """
        wait_for_all(self.begin_epoch())
        return self.read_losses()

    def begin_epoch(self) -> Iterator[IsDone]:
        """Give the device the steps of an epoch, as many at once as the lane takes; `read_losses` reads what came.

        Yields:
            In between, what says whether the device has done the steps so far: then it is to be asked for the next.
        """
        self._prepare_steps()
        if self.noise_seed is not None:
            torch.manual_seed(self.noise_seed)
        rates = torch.empty(self.n_steps, *self.rates.shape[1:])
        self.mean_rates = draw_rates(self.members, n_epochs=self.n_epochs, out=rates)
        n_taken = 0
        for start, n_steps in self._draw_stretches():
            self.rates[:n_steps].copy_(rates[start : start + n_steps], non_blocking=True)
            self.at.zero_()
            for n in split_evenly(n_steps, self.lane.steps_at_once):
                if n_taken:
                    yield self.lane.mark()
                with fast_products(self.data.device):
                    for _ in range(n):
                        self.graph.run(self._take_step)
                        self.on_step()
                n_taken += n
        for _, member in self.rows:
            member.age += 1
        self._losses = self.lane.fetch(self.losses / self.n_steps)

    def read_losses(self) -> np.ndarray:
        """Return the mean losses [K] of the epoch that was begun last, where the lane's mark is done."""
        return self._losses.numpy()

    def _draw_stretches(self) -> Iterator[tuple[int, int]]:
        """Draw the orders of one stretch of steps after the other; yield its first step and how many there are.

        The whole epoch is one stretch, unless it has too many events to be shuffled at once.
        """
        n_all, n_shuffled = len(self.data.x), len(self.orders)
        if n_shuffled == self.n_steps:
            draw_orders(self.members, n_all, out=self.orders)
            yield 0, self.n_steps
            return
        members = dict(self.rows)
        starts = range(0, self.n_steps, n_shuffled)
        stretches = prefetch(partial(self._read_blocks, members, start) for start in starts)
        for start, blocks in zip(starts, stretches, strict=True):
            n_steps = min(n_shuffled, self.n_steps - start)
            shuffle_stretch(members, blocks, out=self.orders[:n_steps])
            yield start, n_steps
            if self.data.mapped is not None:
                self.data.mapped.release()

    def _read_blocks(self, members: Mapping[int, Member], start: int) -> dict[int, np.ndarray]:
        """Return the events of the stretch that begins with step `start`, by row, once they are being read."""
        stop = min(start + len(self.orders), self.n_steps)
        first, end = start * self.batch_size, stop * self.batch_size
        blocks = {row: draw_blocks(m, len(self.data.x), start=first, stop=end) for row, m in members.items()}
        if self.data.mapped is not None:
            for rows in blocks.values():
                self.data.mapped.read_ahead(rows)
        return blocks

    def time_step(self) -> float:
        """Take one step on events drawn at random with a learning rate of zero; return its seconds by `choose_clock`.

        A graph is captured first, where there are graphs.
        """
        clock = choose_clock(self.data.device)
        self._prepare_steps()
        self.orders.random_(len(self.data.x))
        self.rates.zero_()
        with fast_products(self.data.device):
            while not self.graph.is_settled:
                self.at.zero_()
                self.graph.run(self._take_step)
            self.at.zero_()
            self._wait()
            self.on_step()
            start = clock()
            self.graph.run(self._take_step)
            self._wait()
        return clock() - start

    def _prepare_steps(self) -> None:
        """Set the network to training, and to the first step; drop the graph where dropout begins or ends."""
        self.stack.network.train()
        if rest_dropout(self.stack.network, self.stack.buffers):
            self.graph.forget()
        self.at.zero_()
        self.losses.zero_()

    def _wait(self) -> None:
        """Let a GPU finish what it was given of this pack."""
        if self.data.device.type == "cuda":
            torch.cuda.current_stream(self.data.device).synchronize()

    def _take_step(self) -> None:
        """Take the step that it is at; add to `losses`. This is what a graph repeats."""
        data, stack = self.data, self.stack
        order, lr = self.orders.index_select(0, self.at)[0], self.rates.index_select(0, self.at)[0]
        for number, part in enumerate(order.chunk(self.n_parts, dim=1)):
            rows = part.flatten()
            x = data.x.index_select(0, rows).view(*part.shape, -1)
            labels, weights = data.labels[rows].view_as(part), data.weights[rows].view_as(part)
            with mixed_precision(data.device):
                logits = stack.forward(x)
            labels = labels * (1 - stack.smoothing) + 0.5 * stack.smoothing
            losses = weigh_losses(logits, labels, weights).sum(1) / self.batch_size
            stack.find_gradients(losses, add=number > 0)
            self.losses += losses.detach()
        stack.update(lr)
        self.at += 1

    # Validation.

    def validate(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each row's weighted AUC [K] and weighted loss [K] on the validation part, or its own part of it.

        A member that is better than before keeps a copy of its parameters; one with a fixed number of epochs keeps
        those of its last.
        """
        wait_for_all(self.begin_validation())
        return self.end_validation()

    def begin_validation(self) -> Iterator[IsDone]:
        """Give the device the validation of all rows; `end_validation` reads what came.

        Yields:
            Once, what says whether the device has done all that it was given.
        """
        x, own = self.data.validation_x, find_own_events(self.members, self.data)
        with torch.no_grad():
            figures = measure_rows(self.score(x if own is None else x[own.index]), self.data, own)
            self._figures = self.lane.fetch(figures)
        yield self.lane.mark()

    @torch.no_grad()
    def end_validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the figures of the validation that was begun last, where the lane's mark is done; see `validate`."""
        aucs, losses = self._figures.numpy()
        self.stack.keep_best([row for row, member in self.rows if note_epoch(member, float(aucs[row]))])
        return aucs, losses

    def score(self, x: Tensor) -> Tensor:
        """Return logits [K, n] of the present networks for prepared features [n, d_in], or [K, n, d_in] of each row."""
        return self._score(x, self.stack.judged(), self.stack.buffers)

    def best_scores(self, row: int, x: Tensor | None = None) -> np.ndarray:
        """Return a member's probabilities, float64 [n], by its best-epoch parameters.

        x: prepared features [n, d_in]; the whole validation part where None.
        """
        logits = self.best_logits(row, self.data.validation_x if x is None else x.to(self.data.device))
        return logits.double().sigmoid().cpu().numpy()

    def best_logits(self, row: int, x: Tensor) -> Tensor:
        """Return a member's logits [n] of prepared features [n, d_in] on its device, by its best-epoch parameters."""
        return self._score(x, *self.stack.best(row))[0]

    @torch.no_grad()
    def _score(self, x: Tensor, parameters: TensorDict, buffers: TensorDict) -> Tensor:
        """Return logits [K, n] in full precision, in chunks of events: rounded scores would tie.

        x: [n, d_in], or [K, n, d_in] where each member has its own events. Each member has a copy of them, as a network
        may write into what it is given. Chunks that outgrow the memory are halved, down to a training batch.
        """
        self.stack.network.eval()
        n_members = len(next(iter(parameters.values())))
        n_least = VALIDATION_EVENTS.get(self.data.device.type, 0) // max(n_members, 1)
        n_rows = max(VALIDATION_BATCHES * self.batch_size, n_least)
        logits: list[Tensor] = []
        with fast_products(self.data.device):
            while not logits:
                try:
                    logits = []
                    for chunk in torch.split(x, n_rows, dim=-2):
                        logits.append(self.stack.forward(chunk.expand(n_members, -1, -1).clone(), parameters, buffers))
                        self.on_step()
                except torch.OutOfMemoryError:
                    if n_rows <= self.batch_size:
                        raise
                    n_rows = max(n_rows // 2, self.batch_size)
        shape = tuple(logits[0].shape[1:])
        if len(shape) != 1:
            raise TrainingError(
                f"A network must map features [n, d_in] to one logit each, [n], but gave {list(shape)} for "
                f"{min(n_rows, x.shape[-2])} events. For [n, 1] end it with `nn.Flatten(0)` or `.squeeze(-1)`."
            )
        return torch.cat(logits, dim=1)

    # What a member takes along.

    def best_state(self, row: int) -> TensorDict:
        """Return the state dict of a member's network at its best epoch, on the CPU."""
        return self.stack.best_state(row)

    def member_state(self, row: int) -> dict[str, Any]:
        """Return everything that a member needs to go on later as if it had not stopped."""
        member = self.members[row]
        assert member is not None
        come = {"age": member.age, "best": member.best, "best_epoch": member.best_epoch, "curve": member.curve}
        return come | self.stack.row_state(row)

    def _load_member_state(self, row: int, member: Member, state: dict[str, Any]) -> None:
        """Put a member's state back into its row."""
        member.age, member.best, member.best_epoch = state["age"], state["best"], state["best_epoch"]
        member.curve = list(state["curve"])
        self.stack.load_row_state(row, state)


def split_evenly(n: int, most: int | None) -> list[int]:
    """Return parts of n that differ by one at the most, as few as can be with no more than `most` in each."""
    n_parts = 1 if most is None else max(1, math.ceil(n / most))
    return [(part + 1) * n // n_parts - part * n // n_parts for part in range(n_parts)]
