"""Networks of one structure trained from scratch as one pack, whatever some of them raise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from tuner.errors import TrainingError, describe_failure
from tuner.training.batched.sequential import Randomness
from tuner.training.checkpoints import Checkpoint, take_checkpoint
from tuner.training.data import TrainingData
from tuner.training.device import keep_random_state
from tuner.training.loop import Outcome, train_members
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import choose_pack_size
from tuner.tuning.limits import limit_slots

RANDOMNESS: Randomness = "different"
"""Members are to be independent trainings: with the same dropout their spread would be far too small."""


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A member whose training has ended well."""

    member: Member
    checkpoint: Checkpoint
    """Its network, at the epoch that it keeps."""
    n_parameters: int


Keep = Callable[[TrainedMember], object]
LeaveOut = Callable[[Member, str], object]


def train_apart(
    members: Sequence[Member], data: TrainingData, *, n_epochs: int, keep: Keep, leave_out: LeaveOut
) -> None:
    """Train members of one structure as one pack, each as if it were alone; on the way, hand over what comes of it.

    Where a network's own code raises, or the memory is full, those that are not done yet are trained in packs of half
    the size, at last alone; only one that fails alone is left out.

    Args:
        members: As they are before their first epoch. Their numbers are distinct.
        data: Events that the members' rows name.
        n_epochs: Budget of epochs, over which schedules run.
        keep: Takes each member that was trained.
        leave_out: Takes each member that failed, and the reason.
    """
    n_events = min(len(data.x) if member.train_rows is None else len(member.train_rows) for member in members)
    waiting = {member.number: member for member in members}
    with keep_random_state(data.device):
        slots: int | None = None
        while waiting:
            pack = Pack(members[0].settings, data, n_epochs=n_epochs, n_events=n_events, randomness=RANDOMNESS)
            slots = slots or _choose_slots(pack, members)
            try:
                _train(pack, waiting, slots, keep, leave_out)
            except Exception as error:  # a network's own code may raise anything
                if slots == 1 and waiting:  # else it happened after the last of them had ended
                    leave_out(waiting.pop(next(iter(waiting))), describe_failure(error))
                slots = max(1, slots // 2)


def _choose_slots(pack: Pack, members: Sequence[Member]) -> int:
    try:
        return choose_pack_size(pack, members[0].settings, most=min(len(members), limit_slots(pack.data.device))).slots
    except Exception:  # the training itself fails with this error, and tells it
        return 1


def _train(pack: Pack, waiting: dict[int, Member], slots: int, keep: Keep, leave_out: LeaveOut) -> None:
    """Train who is waiting in a pack of so many slots; take out of `waiting` who is done."""
    queue = iter([replace(member, curve=[]) for member in waiting.values()])

    def end(member: Member, row: int, outcome: Outcome) -> None:
        del waiting[member.number]
        if outcome.state == "failed":
            leave_out(member, outcome.reason)
            return
        try:
            checkpoint = take_checkpoint(pack, row)
        except TrainingError as error:
            leave_out(member, str(error))
            return
        keep(TrainedMember(member, checkpoint, pack.n_parameters))

    first = list(itertools.islice(queue, slots))
    pack.admit(*first)
    torch.manual_seed(first[0].seed)
    train_members(pack, on_epoch=lambda _: "go on", on_end=end, refill=lambda: next(queue, None))
