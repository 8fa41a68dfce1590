"""Kinds of failure: how often each happened, what is done about it, and where that ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tuner.launchers.signals import REQUEUE_CODE
from tuner.launchers.watchdog_process import TIMES
from tuner.tuning.heartbeats import MAX_KILLS, MAX_KILLS_AT_ALL, MAX_TRIES
from tuner.tuning.search import TrialRecord
from tuner.tuning.trial_attributes import Failure

MAX_SAME = 3
"""Trials that fail by the same error, with none that came to anything, before a search ends."""

POLICIES: Mapping[Failure, str] = MappingProxyType(
    {
        Failure.MEMORY: "A pack continues in smaller ones. Alone, a trial is tried again with its batches in parts, "
        f"{MAX_TRIES} times in all; then it fails, and the sampler leaves such settings.",
        Failure.NOT_FINITE: "The trial fails; the reason names an input where one is at fault.",
        Failure.CODE: "A pack continues one by one. The trial that raised the error fails. Where the first "
        f"{MAX_SAME} trials fail by the same error, the search stops.",
        Failure.HANG: "A worker that makes no progress for the study's `hang_minutes` (10 unless it says otherwise), "
        f"or {TIMES:.0f} times its longest step if that is more, is ended and replaced. Its trials continue alone; one "
        "that hangs alone fails.",
        Failure.CRASH: "The worker is replaced. Its trials continue alone; one whose worker crashes "
        f"{MAX_TRIES - 1} times alone fails.",
        Failure.KILLED: "The worker is replaced, and its trials resume from their last checkpoint. A trial fails whose "
        f"worker is killed {MAX_KILLS} times while it trains alone and no other worker is killed, or "
        f"{MAX_KILLS_AT_ALL} times where others are, too.",
        Failure.PREEMPTED: "Trials are given back within seconds and resume from their last checkpoint; the exit code "
        f"is {REQUEUE_CODE}.",
    }
)
"""What is done about a failure of each kind, and how often."""


@dataclass(frozen=True)
class FailureCount:
    """How often one kind of failure happened."""

    kind: Failure
    failed: int
    """Trials that ended by it."""
    resumed: int
    """Trials that it interrupted, and whose settings were put back into the queue."""


def count_failures(trials: Iterable[TrialRecord]) -> tuple[FailureCount, ...]:
    """Return how often each kind of failure happened that did, in the order of `Failure`."""
    seen = [(trial.failure, trial.state) for trial in trials if trial.failure is not None]
    counts = (FailureCount(k, seen.count((k, "failed")), seen.count((k, "interrupted"))) for k in Failure)
    return tuple(count for count in counts if count.failed or count.resumed)
