"""Trackers without a service: numbers kept in Python, or not kept."""

# ruff: noqa: ARG002 - methods take what every tracker takes

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.trackers.base import NO_PICTURES, StudyRecord

if TYPE_CHECKING:
    import pandas as pd


class NoTracker:
    """Keeps nothing. It is its own trial log."""

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> NoTracker:
        """Return a log that keeps nothing."""
        return self

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """Do nothing."""

    def log_study(self, record: StudyRecord) -> None:
        """Do nothing."""

    def close(self, timeout: float = 10.0) -> None:
        """Do nothing."""


@dataclass
class MemoryTrial:
    """What was logged of one trial. A trial that is started again continues it."""

    study: str
    number: int
    config: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    """Epoch to its figures."""
    state: str = "running"
    reason: str | None = None
    notes: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Keep one epoch's figures."""
        self.epochs[epoch] = dict(figures)

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """Keep how the trial ended."""
        self.state, self.reason, self.notes = state, reason, notes
        self.summary, self.pictures = dict(summary), dict(pictures)

    @property
    def curve(self) -> pd.DataFrame:
        """One row per epoch: `epoch` and the figures that were logged."""
        import pandas as pd

        return pd.DataFrame([{"epoch": epoch, **figures} for epoch, figures in sorted(self.epochs.items())])


class Memory:
    """Keeps all numbers of this process: `trials` by (study name, trial number), `studies` by name."""

    def __init__(self) -> None:
        self.trials: dict[tuple[str, int], MemoryTrial] = {}
        self.studies: dict[str, StudyRecord] = {}

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> MemoryTrial:
        """Return the record of a trial, which stays in `trials`; one that is resumed goes on as its first trial's."""
        number = trial if resumes is None else resumes
        record = self.trials.setdefault((study, number), MemoryTrial(study, number))
        record.config, record.tags, record.state = dict(config), tuple(tags), "running"
        return record

    def log_study(self, record: StudyRecord) -> None:
        """Keep the record of a study in `studies`."""
        self.studies[record.study] = record

    def close(self, timeout: float = 10.0) -> None:
        """Mark trials that are still open as interrupted."""
        for record in self.trials.values():
            if record.state == "running":
                record.state = "interrupted"
