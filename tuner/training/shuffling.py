"""What an epoch is made of: the order of each member's events, and its learning rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tuner.training.member import Member
from tuner.training.schedules import draw_schedules

WEYL, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""Constants of SplitMix64 (doi:10.1145/2660193.2660195) as signed numbers."""

KEYS_AT_ONCE = 2**22
"""Events that are shuffled together at the most, to bound the memory that sorting takes."""


def draw_orders(members: Sequence[Member | None], n_all: int, *, out: Tensor) -> None:
    """Write places of events in the train part, int64 [steps, K, batch]; the rows of vacant places stay as they are.

    Each member's order is a shuffle of its own events, cut after the last whole batch. It follows from its seed and age
    alone, on every device.

    Args:
        members: Of each row; None where it is vacant.
        n_all: Events of the train part, all of which a member has that names no rows.
        out: What is written to.
    """
    n_steps, _, batch_size = out.shape
    occupied = [(row, member) for row, member in enumerate(members) if member is not None]
    most = max((_count_events(member, n_all) for _, member in occupied), default=1)
    n_rows = max(1, KEYS_AT_ONCE // most)
    for start in range(0, len(occupied), n_rows):
        rows, some = zip(*occupied[start : start + n_rows], strict=True)
        places = _shuffle(some, n_all, out.device)[:, : n_steps * batch_size]
        out[:, list(rows)] = places.view(-1, n_steps, batch_size).transpose(0, 1)


def draw_rates(members: Sequence[Member | None], *, n_epochs: int, out: Tensor) -> np.ndarray:
    """Write the learning rates of the epoch that comes, float32 [steps, K, 1]; zeros for vacant rows.

    Args:
        members: Of each row; None where it is vacant.
        n_epochs: Whole budget of epochs.
        out: What is written to.

    Returns:
        Each row's mean over the epoch, float64 [K].
    """
    n_steps = len(out)
    rates = np.zeros((n_steps, len(members)))
    occupied = [row for row, member in enumerate(members) if member is not None]
    there = [member for member in members if member is not None]
    rates[:, occupied] = draw_schedules(
        [member.settings.training for member in there], [member.age for member in there], n_steps, n_epochs
    )
    out.copy_(torch.from_numpy(rates)[:, :, None])
    means: np.ndarray = rates.mean(axis=0)
    return means


def _count_events(member: Member, n_all: int) -> int:
    """Return how many events a member trains on."""
    return n_all if member.train_rows is None else len(member.train_rows)


def _shuffle(members: Sequence[Member], n_all: int, device: torch.device) -> Tensor:
    """Return each member's events shuffled, places [K, n] of the longest; in the others what ends a row is no event.

    Events are sorted by numbers that are drawn for them: one sort for all, where a permutation each would keep a
    GPU waiting for the host.
    """
    lengths = np.array([_count_events(member, n_all) for member in members])
    n = int(lengths.max())
    seeds, ages = (
        torch.from_numpy(np.array(values, dtype=np.uint64).astype(np.int64))
        for values in ([member.seed for member in members], [member.age for member in members])
    )
    streams = _mix(_mix(seeds) + ages * WEYL).to(device)
    keys = _mix(streams[:, None] + torch.arange(n, device=device) * WEYL)
    if lengths.min() < n:
        absent = torch.arange(n, device=device) >= torch.from_numpy(lengths).to(device)[:, None]
        keys.masked_fill_(absent, torch.iinfo(torch.long).max)
    places = keys.argsort(dim=1)
    if all(member.train_rows is None for member in members):
        return places
    own = np.zeros((len(members), n), dtype=np.int64)
    for row, member in enumerate(members):
        own[row, : lengths[row]] = np.arange(n_all) if member.train_rows is None else member.train_rows
    return torch.from_numpy(own).to(device).gather(1, places)


def _mix(x: Tensor) -> Tensor:
    """Return the output function of SplitMix64 of each int64: all bits depend on all bits."""
    x = (x ^ (x >> 30 & (1 << 34) - 1)) * FIRST
    x = (x ^ (x >> 27 & (1 << 37) - 1)) * SECOND
    return x ^ (x >> 31 & (1 << 33) - 1)
