"""What a tracker is: it takes the numbers of trials and of a study, and neither slows nor ends a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd

SECONDS_TO_CLOSE = 60.0
"""What the end of a sweep or an evaluation waits, at the longest, until all of it is with the tracker."""

NO_PICTURES: Mapping[str, Path] = MappingProxyType({})


def is_picture(path: Path) -> bool:
    """Return whether there is a whole PNG file: one that is drawn later may be missing, empty or half written."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return content.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in content[-12:]


@runtime_checkable
class TrialLog(Protocol):
    """Takes the numbers of one trial. No method blocks, and none raises."""

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Take one epoch's figures, such as `{"validation_auc": 0.93}`."""
        ...

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """End the trial: its state ("complete", "pruned", "failed", "interrupted"), final figures, and why it ended.

        pictures: PNG files by name, which may be written until `close`. notes: Markdown.
        """
        ...


@runtime_checkable
class Tracker(Protocol):
    """Opens one log per trial and keeps one record of the study. No method but `close` blocks, and none raises.

    Several trials may be open at once; each process has a tracker of its own. After `close`, more may be logged.
    """

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> TrialLog:
        """Open the log of a trial, or go on with the log of the trial that it resumes.

        config: its parameters, and what else is known before it starts. folder: the run folder. resumes: number of the
        first trial of the same setting, where this one resumes it.
        """
        ...

    def log_study(self, record: StudyRecord) -> None:
        """Keep what is known of the whole study, in place of what was kept before."""
        ...

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds. Trials still open count as interrupted."""
        ...


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A versioned product of a study, and what it was made from."""

    name: str
    """Unique within the study: "network", "report", "events", "splits", "scores"."""
    kind: str
    """What it is: "model", "report", "dataset"."""
    files: tuple[Path, ...] = ()
    """None for what is known by its digest only."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    made_from: tuple[str, ...] = ()
    """Names of artifacts of the same record."""


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What is known of a study as a whole: its search, and its evaluation where there is one."""

    study: str
    folder: Path
    """The run folder."""
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""
    """Markdown."""
    tags: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Figures by name; `part/candidate/figure`, and `.../low` and `.../high` for the ends of its 68 % interval."""
    history: Sequence[Mapping[str, float]] = ()
    """One row for each finished trial, in order: `trials`, `minutes`, `best`."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """By name: trials, finalists, figures of the evaluation, importances."""
    pictures: Mapping[str, Path] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    """In an order in which each follows those that it was made from."""
