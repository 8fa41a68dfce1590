"""Step 5, train: the one training loop. It knows packs and members, not where they come from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.training.batched.lanes import IsDone, wait_for_all
from tuner.training.early_stopping import has_stalled
from tuner.training.member import Member
from tuner.training.pack import Pack

Answer = Literal["go on", "prune", "interrupt"]
"""What a caller may say after an epoch of a member."""


@dataclass(frozen=True)
class Outcome:
    """How a member's training ended."""

    state: Literal["complete", "pruned", "failed", "interrupted"]
    reason: str


def train_members(
    pack: Pack,
    *,
    on_epoch: Callable[[Member], Answer],
    on_end: Callable[[Member, int, Outcome], None],
    refill: Callable[[], Member | None],
    on_round: Callable[[], None] = lambda: None,
    on_trained: Callable[[Sequence[Member]], None] = lambda _: None,
) -> None:
    """Train until no member is left.

    The arguments are those of `take_turns`.
    """
    wait_for_all(
        take_turns(pack, on_epoch=on_epoch, on_end=on_end, refill=refill, on_round=on_round, on_trained=on_trained)
    )


def take_turns(
    pack: Pack,
    *,
    on_epoch: Callable[[Member], Answer],
    on_end: Callable[[Member, int, Outcome], None],
    refill: Callable[[], Member | None],
    on_round: Callable[[], None] = lambda: None,
    on_trained: Callable[[Sequence[Member]], None] = lambda _: None,
) -> Iterator[IsDone]:
    """Train until no member is left, a turn at a time, so that the host may go round several packs.

    A turn reads the figures of the epoch before, lets members end and others begin, and gives the device the next
    epoch.

    Args:
        pack: With its first members.
        on_epoch: Takes each member after each of its epochs; says whether it goes on.
        on_end: Takes a member, its row and how it ended, while it still is in the row.
        on_round: Called after each epoch of the pack, once members that ended have left it.
        on_trained: Takes, before `on_epoch` takes each, all members that have just trained an epoch.
        refill: Gives a member for a vacant row, or None; it may be asked again after None where the pack keeps the row.

    Yields:
        At the end of each turn, what says whether the device has done it: the next may be taken then.
    """
    while len(pack):
        yield from pack.begin_epoch()
        yield from pack.begin_validation()
        losses, (aucs, validation_losses) = pack.read_losses(), pack.end_validation()
        trained = list(pack.rows)
        for row, member in trained:
            figures = (float(losses[row]), float(validation_losses[row]), float(aucs[row]))
            member.curve.append(
                dict(zip(("train_loss", "validation_loss", "validation_auc"), figures, strict=True))
                | {"epoch": member.age, "lr": float(pack.mean_rates[row])}
            )
        finite = {member.number: _is_finite(member) for _, member in trained}
        on_trained([member for _, member in trained if finite[member.number]])
        for row, member in trained:
            outcome = _judge(pack, member, on_epoch if finite[member.number] else None)
            if outcome is not None:
                on_end(member, row, outcome)
                pack.vacate(row)
        on_round()
        n_vacant = len(pack.members) - len(pack)
        pack.admit(*itertools.islice(iter(refill, None), n_vacant))
        pack.compact()


def _is_finite(member: Member) -> bool:
    """Whether the figures of a member's last epoch are finite."""
    return all(math.isfinite(member.curve[-1][name]) for name in ("train_loss", "validation_loss", "validation_auc"))


def _judge(pack: Pack, member: Member, on_epoch: Callable[[Member], Answer] | None) -> Outcome | None:
    """Return how a member's training ended with this epoch, or None where it goes on.

    on_epoch: None where the figures are not finite.
    """
    if on_epoch is None:
        return Outcome("failed", f"The loss or the score became not-a-number or infinite in epoch {member.age}.")
    answer = on_epoch(member)
    n_epochs = member.n_epochs or pack.n_epochs
    if member.age >= n_epochs:
        return Outcome("complete", f"All {n_epochs} epochs.")
    if answer == "interrupt":
        return Outcome("interrupted", f"Interrupted after epoch {member.age}.")
    if answer == "prune":
        return Outcome("pruned", f"Pruned after epoch {member.age}: too far behind others of its age.")
    if has_stalled(member):
        patience = member.settings.training.patience
        return Outcome("complete", f"Stopped early: no better validation figure in {patience} epochs.")
    return None
