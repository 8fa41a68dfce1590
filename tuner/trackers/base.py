"""What a tracker is: it takes a trial's numbers, and neither slows nor ends a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

NO_PICTURES: Mapping[str, Path] = MappingProxyType({})


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
    ) -> None:
        """End the trial: its state ("complete", "pruned", "failed"), final figures, pictures, and why it ended."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Opens one log per trial. No method but `close` blocks, and none raises.

    Several trials may be open at once; each process has a tracker of its own.
    """

    def start_trial(
        self, *, study: str, trial: int, config: Mapping[str, Any], folder: Path, tags: Sequence[str] = ()
    ) -> TrialLog:
        """Open the log of a trial; `config` are its parameters, `folder` is the run folder."""
        ...

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds. Trials still open count as interrupted."""
        ...
