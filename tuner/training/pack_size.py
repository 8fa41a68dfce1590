"""How many members a pack should have: measured, on the device and the network at hand, or one like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from tuner.training.device import is_out_of_memory, name_device
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.settings import Settings

WORTHWHILE = 0.92
"""A pack grows while the next size leaves less than this share of the time per member."""

STEPS = 3
"""Timed steps of each size; the fastest counts."""

SECOND = {"cuda": 8}
"""Size that is tried after one, where it is not two: each costs a capture, and a GPU has room for some."""

UNPACKABLE = "the network trains alone but not under torch.vmap"
"""Begins the reason of a pack size of one that is not chosen for speed."""

LIKE = 2.0
"""Ratio of the work of two steps up to which the size that was chosen for one network serves the other, too."""


@dataclass(frozen=True)
class PackSize:
    """The size chosen for a structure, and the measurement behind it."""

    slots: int
    """Members of a pack."""
    curve: Mapping[int, float]
    """Seconds per step and member for each size that was tried."""
    reason: str
    """Why it did not grow further."""


def choose_pack_size(pack: Pack, settings: Settings, *, most: int) -> PackSize:
    """Return the size at which the time per member of an empty pack stops falling by a worthwhile amount.

    The pack itself takes the timed steps, on events drawn at random with a learning rate of zero, with 1, 2, 4, ... (on
    a GPU 1, 8, 16, ...) and `most` members, and is empty again afterwards. Running out of memory ends the growth: sizes
    between what fits and what does not are halved, and of what fits half is kept free. A network that cannot be packed
    gets a size of one. Where one member is all that is wanted there is nothing to choose, and nothing is timed.

    Args:
        pack: The pack that is to be trained.
        settings: Those of a member.
        most: How many members the pack may have, at least 1.

    Raises:
        Exception: Whatever a network raises that cannot be trained at all, or does not fit.
    """
    if most <= 1:
        return PackSize(1, {}, "no more than 1 member is of use")
    try:
        size = _measure(pack, settings, most)
    except Exception:
        pack.clear()
        raise
    if len(pack) == size.slots:  # rows of this number, and a graph captured for them, serve on
        for row, _ in list(pack.rows):
            pack.vacate(row)
    else:
        pack.clear()
    return size


def _measure(pack: Pack, settings: Settings, most: int) -> PackSize:
    """Fill a pack with more and more members of a structure; return the size that is chosen."""
    curve: dict[int, float] = {}
    best, reason = 1, f"no more than {most} members are of use"
    size, too_large = 1, 0
    while size <= most:
        try:
            curve[size] = _time_members(pack, settings, size)
        except Exception as error:
            if size == 1:
                raise
            if not is_out_of_memory(error):
                return PackSize(1, curve, f"{UNPACKABLE}: {type(error).__name__}: {error}")
            too_large = too_large or size
        if size not in curve:  # the error is forgotten by now, and with it what it held
            pack.clear()
            size //= 2
            if size <= best:
                break
            continue
        if size > 1 and curve[size] > WORTHWHILE * curve[best]:
            reason = f"{size} members take {curve[size] / curve[best]:.2f} of the time per member of {best}"
            break
        best = size
        if too_large:
            break
        larger = SECOND.get(pack.data.device.type, 2) if size == 1 else 2 * size
        size = min(larger, most) if size < most else most + 1
    if too_large:
        return PackSize(max(1, best // 2), curve, f"out of memory with {too_large} members")
    return PackSize(best, curve, reason)


def _time_members(pack: Pack, settings: Settings, size: int) -> float:
    """Fill a pack up to a size; return its seconds per step and member."""
    pack.admit(*[Member(number, settings, seed=number) for number in range(len(pack), size)])
    pack.time_step()
    return min(pack.time_step() for _ in range(STEPS)) / size


def measures_once(device: torch.device) -> bool:
    """Return whether a size that was measured serves like packs: on a GPU, where measuring takes captures."""
    return device.type == "cuda"


def describe_pack(pack: Pack) -> dict[str, Any]:
    """Return what the right size of a pack follows from, for `find_pack_size`.

    Its `work` is the number of a network's parameters times the events of a step.
    """
    return {
        "device": name_device(pack.data.device),
        "network": pack.graph.name,
        "optimizer": pack.stack.optimizer.kind,
        "work": pack.n_parameters * pack.batch_size,
    }


def find_pack_size(rows: Iterable[Mapping[str, Any]], pack: Pack, *, most: int) -> PackSize | None:
    """Return the size that was chosen for a network like a pack's on a device like its own; None where none was.

    A network that has more work in a step, and of which as many members as are wanted were worth it, says that they are
    for one with less.

    Args:
        rows: What `describe_pack` gave, with the `slots` that were chosen of `most`, and the `reason`.
        pack: The pack that is to be trained.
        most: How many members it may have.
    """
    own = describe_pack(pack)
    work = own.pop("work")
    rows = [row for row in rows if own.items() <= row.items() and not row["reason"].startswith(UNPACKABLE)]
    if any(row["slots"] >= most and row["work"] >= work for row in rows):
        return PackSize(most, {}, "as many were worth it in networks with more work")
    like = [row for row in rows if row["most"] >= most and work / LIKE <= row["work"] <= work * LIKE]
    if not like:
        return None
    nearest = min(like, key=lambda row: max(row["work"] / work, work / row["work"]))
    return PackSize(min(nearest["slots"], most), {}, "as in a network with about the same work")
