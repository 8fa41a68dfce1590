"""How many members a pack should have: measured, on the device and the network at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from tuner.training.batched.sequential import Randomness
from tuner.training.data import TrainingData
from tuner.training.device import is_out_of_memory
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


@dataclass(frozen=True)
class PackSize:
    """The size chosen for a structure, and the measurement behind it."""

    slots: int
    """Members of a pack."""
    curve: Mapping[int, float]
    """Seconds per step and member for each size that was tried."""
    reason: str
    """Why it did not grow further."""


def choose_pack_size(
    settings: Settings,
    data: TrainingData,
    *,
    most: int,
    n_events: int | None = None,
    randomness: Randomness = "same",
) -> PackSize:
    """Return the size at which the time per member stops falling by a worthwhile amount.

    Sizes 1, 2, 4, ... (on a GPU 1, 8, 16, ...) and `most` members of this structure each take a few steps on events
    drawn at random; `n_events` and `randomness` are those of the pack that is to be made. Running out of memory ends
    the growth: sizes between what fits and what does not are halved, and of what fits half is kept free. A network
    that cannot be packed gets a size of one; one that cannot be trained at all, or does not fit, raises what it raises.
    """
    curve: dict[int, float] = {}
    best, reason = 1, f"no more than {most} members are of use"
    size, too_large = 1, 0
    make_pack = partial(Pack, settings, data, n_epochs=1, n_events=n_events, randomness=randomness)
    pack = make_pack()
    while size <= most:
        try:
            curve[size] = _time_members(pack, settings, size)
        except Exception as error:
            if size == 1:
                raise
            if not is_out_of_memory(error):
                return PackSize(1, curve, f"{UNPACKABLE}: {type(error).__name__}: {error}")
            too_large = too_large or size
        if size not in curve:
            size //= 2
            if size <= best:
                break
            del pack  # its memory is free before the next one is made, and the error forgotten
            pack = make_pack()
            continue
        if size > 1 and curve[size] > WORTHWHILE * curve[best]:
            reason = f"{size} members take {curve[size] / curve[best]:.2f} of the time per member of {best}"
            break
        best = size
        if too_large:
            break
        larger = SECOND.get(data.device.type, 2) if size == 1 else 2 * size
        size = min(larger, most) if size < most else most + 1
    if too_large:
        return PackSize(max(1, best // 2), curve, f"out of memory with {too_large} members")
    return PackSize(best, curve, reason)


def _time_members(pack: Pack, settings: Settings, size: int) -> float:
    """Fill a pack up to a size; return its seconds per step and member."""
    pack.admit(*[Member(number, settings, seed=number) for number in range(len(pack), size)])
    pack.time_step()
    return min(pack.time_step() for _ in range(STEPS)) / size
