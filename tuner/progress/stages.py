"""What follows a search, stage by stage: how far each has come, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuner.progress.logs import NOTES

STAGES = {
    "finalists": "finalists trained anew",
    "bag": "bag and refit",
    "baselines": "baselines",
    "test": "test part",
    "folds": "folds",
    "figures": "figures of merit",
    "report": "report",
}
"""Stages of an evaluation in their order, as they are named on the screen."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How far one stage has come."""

    name: str
    """One of `STAGES`."""
    text: str = ""
    """What is done, in words."""
    done: int = 0
    total: int = 0
    """Of how many; 0 where nothing is counted."""
    noun: str = "training"
    """What is counted."""
    most_seconds: float | None = None
    """Limit on its time."""


@dataclass
class TimedStage:
    """A stage that has begun, on the display's clock."""

    stage: Stage
    began: float
    ended: float | None = None
    first_done: int = 0
    """What was done when it began: that says nothing of the pace."""
    advanced: float = 0.0
    """When the last of those that are done was done."""

    def seconds(self, now: float) -> float:
        """Return how long it has taken."""
        return (now if self.ended is None else self.ended) - self.began

    def seconds_left(self, now: float) -> float | None:
        """Return how long it still takes, at the pace so far and within its limit; None where that is not known."""
        stage, n_here = self.stage, self.stage.done - self.first_done
        known = []
        if stage.total and n_here > 0:
            known.append((self.advanced - self.began) / n_here * (stage.total - stage.done) - (now - self.advanced))
        if stage.most_seconds is not None:
            known.append(stage.most_seconds - self.seconds(now))
        return max(0.0, min(known)) if known else None


class StageClock:
    """Stages that are planned, under way and done, each with its times."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.planned: list[str] = []
        self.begun: dict[str, TimedStage] = {}

    def plan(self, names: Sequence[str]) -> None:
        """Take names of stages that are to come."""
        self.planned += [name for name in names if name not in self.planned]

    def advance(self, stage: Stage) -> bool:
        """Take how far a stage has come; return whether it begins. The one before it ends where another begins."""
        known, now = self.begun.get(stage.name), self.clock()
        if known is not None and known.ended is None:
            if stage.done > known.stage.done:
                known.advanced = now
            known.stage = stage
            return False
        self.end()
        self.plan([stage.name])
        self.begun[stage.name] = TimedStage(stage, now, first_done=stage.done)
        return True

    def end(self) -> None:
        """End the stage that is under way."""
        for timed in self.begun.values():
            if timed.ended is None:
                timed.ended = self.clock()


def note_stage(stage: Stage) -> None:
    """Note in the log that a stage begins."""
    NOTES.info("%s", stage.text)
