"""What an epoch is made of: the order of each member's events, and its learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tuner.training.member import Member
from tuner.training.schedules import draw_schedules

WEYL, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""Constants of SplitMix64 (doi:10.1145/2660193.2660195) as signed numbers."""

KEYS_AT_ONCE = 2**22
"""Events that are shuffled together at the most, to bound the memory that sorting takes."""

BYTES_AT_ONCE = 2**30
"""Inputs of the events that are shuffled together, at the most: they shall stay in memory while they are used."""

BLOCK = 2**13
"""Neighbouring events that are read together where there are too many events to be shuffled at once."""


def count_shuffled_steps(n_steps: int, batch_size: int, d_in: int) -> int:
    """Return the steps of an epoch whose events are shuffled together: all of them, unless there are too many events.

    It follows from the events and the batch size alone, so that a training gives the same on every machine.

    Args:
        n_steps: Steps of an epoch.
        batch_size: Events of a step.
        d_in: Inputs of an event, float32.
    """
    n_events = min(KEYS_AT_ONCE, max(BYTES_AT_ONCE // (4 * d_in), BLOCK))
    return min(n_steps, max(1, n_events // batch_size))


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
        together = rows[-1] - rows[0] + 1 == len(rows)  # a slice goes to a device without a wait of the host
        out[:, slice(rows[0], rows[-1] + 1) if together else list(rows)] = places.view(
            -1, n_steps, batch_size
        ).transpose(0, 1)


def draw_blocks(member: Member, n_all: int, *, start: int, stop: int) -> np.ndarray:
    """Return a stretch of a member's events with its blocks in random order, places in the train part, int64 [n].

    For more events than can be shuffled at once: blocks of neighbours come in a random order, which follows from the
    member's seed and age; `shuffle_stretch` then shuffles the events of a stretch. The events of a part are in random
    order to begin with, so that blocks are random samples, but what is read lies together.

    Args:
        member: Whose events.
        n_all: Events of the train part, all of which a member has that names no rows.
        start: First event of the stretch, counted in the order that comes out.
        stop: Where it ends.
    """
    n = _count_events(member, n_all)
    n_blocks = -(-n // BLOCK)
    order = _draw_keys([member], torch.arange(n_blocks), of="blocks")[0].argsort().numpy()
    firsts = order * BLOCK
    lengths = np.minimum(firsts + BLOCK, n) - firsts
    ends = np.cumsum(lengths)
    pieces = []
    for k in range(int(np.searchsorted(ends, start, side="right")), n_blocks):
        begin = int(ends[k] - lengths[k])
        if begin >= stop:
            break
        first = int(firsts[k])
        pieces.append(np.arange(first + max(start - begin, 0), first + min(stop - begin, int(lengths[k]))))
    own = np.concatenate(pieces)
    return own if member.train_rows is None else np.asarray(member.train_rows)[own]


def shuffle_stretch(members: Mapping[int, Member], blocks: Mapping[int, np.ndarray], *, out: Tensor) -> None:
    """Write each member's stretch of events, shuffled, int64 [steps, K, batch].

    Args:
        members: By row.
        blocks: What `draw_blocks` returned, by row, [steps * batch] each.
        out: What is written to.
    """
    n_steps, _, batch_size = out.shape
    for row, member in members.items():
        places = torch.from_numpy(blocks[row]).to(out.device)
        order = _draw_keys([member], places, of="events")[0].argsort()
        out[:, row] = places[order].view(n_steps, batch_size)


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
    keys = _draw_keys(members, torch.arange(n, device=device), of="events")
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


def _draw_keys(members: Sequence[Member], numbers: Tensor, *, of: Literal["events", "blocks"]) -> Tensor:
    """Return a random number of each member for each of `numbers` [n], int64 [K, n], on their device.

    of: numbers of events, or of blocks of them, which are drawn apart.
    """
    seeds, ages = (
        torch.from_numpy(np.array(values, dtype=np.uint64).astype(np.int64))
        for values in ([member.seed for member in members], [member.age for member in members])
    )
    streams = _mix(_mix(seeds) + ages * WEYL)
    if of == "blocks":
        streams = _mix(streams)
    return _mix(streams.to(numbers.device, non_blocking=True)[:, None] + numbers * WEYL)


def _mix(x: Tensor) -> Tensor:
    """Return the output function of SplitMix64 of each int64: all bits depend on all bits."""
    x = (x ^ (x >> 30 & (1 << 34) - 1)) * FIRST
    x = (x ^ (x >> 27 & (1 << 37) - 1)) * SECOND
    return x ^ (x >> 31 & (1 << 33) - 1)
