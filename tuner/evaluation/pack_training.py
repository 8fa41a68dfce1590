"""Networks of one structure trained from scratch as one pack, whatever some of them raise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import torch

from tuner.errors import describe_failure
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
P = ParamSpec("P")
T = TypeVar("T")


def train_apart(
    members: Sequence[Member], data: TrainingData, *, n_epochs: int, keep: Keep, leave_out: LeaveOut
) -> None:
    """Train members of one structure as one pack, independently of each other; hand over each when it ends.

    Without dropout a member becomes what it would be alone. Dropout is drawn for all members of a pack at once: what
    one draws depends on how many they are and on its row, so a pack of another size gives another training of it.

    Where a network's own code raises, or the memory is full, those that are not done yet are trained in packs of half
    the size, at last alone; only one that fails alone is left out. What `keep` or `leave_out` raises is raised.

    Args:
        members: As they are before their first epoch. Their numbers are distinct.
        data: Events that the members' rows name.
        n_epochs: Budget of epochs, over which schedules run.
        keep: Takes each member that was trained.
        leave_out: Takes each member that failed, and the reason.
    """
    n_events = min(len(data.x) if member.train_rows is None else len(member.train_rows) for member in members)
    waiting = {member.number: member for member in members}
    raised: list[Exception] = []
    keep, leave_out = _note_errors(keep, raised), _note_errors(leave_out, raised)
    with keep_random_state(data.device):
        slots: int | None = None
        while waiting:
            first = next(iter(waiting.values()))
            try:
                pack = Pack(first.settings, data, n_epochs=n_epochs, n_events=n_events, randomness=RANDOMNESS)
                slots = slots or _choose_slots(pack, members)
                _train(pack, waiting, slots, keep, leave_out)
            except Exception as error:  # a network's own code may raise anything
                if error in raised:
                    raise
                if slots == 1 and waiting:  # else it happened after the last of them had ended
                    failed = next(iter(waiting.values()))
                    leave_out(failed, describe_failure(error))
                    del waiting[failed.number]
                slots = max(1, (slots or 1) // 2)


def _note_errors(call: Callable[P, T], raised: list[Exception]) -> Callable[P, T]:
    """Return a call that adds what it raises to a list, so that it is not taken for the failure of a network."""

    def note(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            raised.append(error)
            raise

    return note


def _choose_slots(pack: Pack, members: Sequence[Member]) -> int:
    try:
        return choose_pack_size(pack, members[0].settings, most=min(len(members), limit_slots(pack.data.device))).slots
    except Exception:  # the training itself fails with this error, and tells it
        return 1


def _train(pack: Pack, waiting: dict[int, Member], slots: int, keep: Keep, leave_out: LeaveOut) -> None:
    """Train who is waiting in a pack of so many slots; take out of `waiting` who is done."""
    queue = iter([replace(member, curve=[]) for member in waiting.values()])

    def end(member: Member, row: int, outcome: Outcome) -> None:
        checkpoint, reason = None, outcome.reason
        if outcome.state != "failed":
            try:
                checkpoint = take_checkpoint(pack, row)
            except Exception as error:  # a network's own code may raise anything
                reason = describe_failure(error)
        if checkpoint is None:
            leave_out(member, reason)
        else:
            keep(TrainedMember(member, checkpoint, pack.n_parameters))
        del waiting[member.number]

    first = list(itertools.islice(queue, slots))
    pack.admit(*first)
    torch.manual_seed(first[0].seed)
    train_members(pack, on_epoch=lambda _: "go on", on_end=end, refill=lambda: next(queue, None))
