"""Early stopping: which epoch's parameters a member keeps, and when no better ones are to be expected."""

from __future__ import annotations

from tuner.training.member import Member


def note_epoch(member: Member, auc: float) -> bool:
    """Note a member's epoch where its parameters are those to keep, and return whether they are.

    Args:
        member: The member, just validated; its `best` and `best_epoch` are updated. One with a fixed number of epochs
            keeps its last.
        auc: Its validation AUC of this epoch; not-a-number is never the best.
    """
    is_kept = auc > member.best if member.n_epochs is None else member.age == member.n_epochs
    if is_kept:
        member.best, member.best_epoch = auc, member.age
    return is_kept


def has_stalled(member: Member) -> bool:
    """Return whether a member's last `patience` epochs brought no better AUC; never with a fixed number of epochs."""
    return member.n_epochs is None and member.age - member.best_epoch >= member.settings.training.patience
