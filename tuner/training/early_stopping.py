"""Early stopping: which epoch of a member is its best, and when no better one is to be expected."""

from __future__ import annotations

from tuner.training.member import Member


def note_best(member: Member, auc: float) -> bool:
    """Keep a member's validation AUC where it is its best so far, and return whether it is.

    Args:
        member: The member, just validated; its `best` and `best_epoch` are updated.
        auc: Its validation AUC of this epoch; not-a-number is never the best.
    """
    if not auc > member.best:
        return False
    member.best, member.best_epoch = auc, member.age
    return True


def has_stalled(member: Member) -> bool:
    """Return whether the last `patience` epochs of a member brought no better validation AUC."""
    return member.age - member.best_epoch >= member.settings.training.patience
