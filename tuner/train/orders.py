"""What an epoch is made of: the order of each member's events, and its learning rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tuner.train.member import Member
from tuner.train.schedules import draw_schedule


def draw_orders(
    members: Sequence[Member | None], n_all: int, *, n_steps: int, batch_size: int, device: torch.device
) -> Tensor:
    """Return places of events in the train part, int64 [steps, K, batch]; zeros for vacant rows.

    Each member's order is a shuffle of its own events (of n_all where it has all), cut after n_steps batches; it
    follows from its seed and age.
    """
    n_used = n_steps * batch_size
    orders = torch.zeros(len(members), n_used, dtype=torch.long, device=device)
    for row, member in enumerate(members):
        if member is None:
            continue
        generator = torch.Generator(device).manual_seed(_mix_seeds(member.seed, member.age))
        mine = member.train_rows
        shuffled = torch.randperm(n_all if mine is None else len(mine), generator=generator, device=device)[:n_used]
        orders[row] = shuffled if mine is None else torch.as_tensor(mine, device=device)[shuffled]
    return orders.view(-1, n_steps, batch_size).transpose(0, 1).contiguous()


def draw_rates(members: Sequence[Member | None], *, n_steps: int, n_epochs: int, device: torch.device) -> Tensor:
    """Return the learning rates of the epoch that comes, float32 [steps, K, 1]; zeros for vacant rows."""
    rates = np.zeros((n_steps, len(members), 1), dtype=np.float32)
    for row, member in enumerate(members):
        if member is not None:
            rates[:, row, 0] = draw_schedule(member.settings.training, member.age, n_steps, n_epochs)
    return torch.from_numpy(rates).to(device)


def _mix_seeds(*seeds: int) -> int:
    """Return one 63-bit seed that follows from several."""
    return int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1)
