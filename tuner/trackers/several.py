"""Several trackers at once, which take the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tuner.trackers.base import NO_PICTURES, StudyRecord, Tracker, TrialLog


class Several:
    """Hands everything on to each of its `trackers`."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self.trackers = tuple(trackers)

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> SeveralLogs:
        """Open the trial's log with each of them."""
        return SeveralLogs(
            [
                tracker.start_trial(study=study, trial=trial, config=config, folder=folder, tags=tags, resumes=resumes)
                for tracker in self.trackers
            ]
        )

    def log_study(self, record: StudyRecord) -> None:
        """Give the record to each of them."""
        for tracker in self.trackers:
            tracker.log_study(record)

    def close(self, timeout: float = 10.0) -> None:
        """Close all of them at once: each has `timeout` seconds, so that a slow one costs the others nothing."""
        with ThreadPoolExecutor(max_workers=max(1, len(self.trackers))) as pool:
            for closed in [pool.submit(tracker.close, timeout) for tracker in self.trackers]:
                closed.result()


class SeveralLogs:
    """The logs of one trial."""

    def __init__(self, logs: Sequence[TrialLog]) -> None:
        self.logs = tuple(logs)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the epoch with each of them."""
        for log in self.logs:
            log.log_epoch(epoch, figures)

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """End each of them."""
        for log in self.logs:
            log.finish(state, summary=summary, pictures=pictures, reason=reason, notes=notes)
