"""Weights & Biases: one run per trial and one for the study, written by another process, offline unless logged in."""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuner.passwords import hide_passwords
from tuner.trackers.background import CAPACITY, BackgroundThread
from tuner.trackers.base import NO_PICTURES, Artifact, StudyRecord
from tuner.trackers.not_recorded import STUDY
from tuner.trackers.plain_values import describe_artifact, make_plain, make_strict
from tuner.trackers.wandb_delivery import NAME, Delivery, Parcel, Request

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["online", "offline", "disabled"]

OF_THE_RUN = frozenset({"epoch", "state", "reason"})
"""Names in a run's summary that a figure of merit cannot have there."""

logger = logging.getLogger("tuner")


class WeightsAndBiases:
    """Tracks each trial as one W&B run under `<run folder>/wandb`; the study is the group, and has a run of its own.

    Logging never blocks, slows or ends a sweep. Where W&B's process dies, another one writes the open runs anew. What
    cannot be written is told in one warning and kept in `not_recorded.jsonl`, and the sweep goes on. Where W&B is
    logged in but not reached, runs are kept offline: send them later with `tuner sync STUDY`.
    """

    def __init__(
        self,
        *,
        project: str | None = None,
        entity: str | None = None,
        mode: Mode | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        """Name where runs go.

        `project`: default `$WANDB_PROJECT`, else "tuner". `mode`: default `$WANDB_MODE`, else online where logged in,
        else offline. `capacity`: how much may wait to be written; trials that begin while more waits are not recorded.
        """
        self.has_defaults = (project, entity, mode, capacity) == (None, None, None, CAPACITY)
        """Whether it was made without arguments: another one that is made so writes to the same place."""
        self._project = project or os.environ.get("WANDB_PROJECT") or "tuner"
        self._entity = entity
        self._is_disabled = _is_disabled(mode)
        self._thread = BackgroundThread(capacity=capacity, on_error=self._warn)
        self._delivery = Delivery(mode)
        self._numbers = itertools.count()
        self._queued: dict[str, Parcel] = {}
        """What the thread has not begun to deliver, by key."""
        self._awaiting: list[tuple[Parcel, Request]] = []
        """Ended trials some of whose pictures are not there yet, and how they ended."""

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> _RunLog:
        """Open the run of a trial, or go on with that of the trial that it resumes. Returns at once, never raises."""
        number = trial if resumes is None else resumes
        about = {"group": study, "job_type": "trial", "name": f"trial {number}"}
        request = self._describe_run("open", folder, f"{study}/{number}", about, config=config, tags=tags)
        parcel = Parcel(request["key"], Path(folder), number, request)
        if not self._is_disabled and not self._submit(parcel, request, droppable=True):
            parcel.why_lost = "Weights & Biases was slower than the trials"
        return _RunLog(self, parcel)

    def log_study(self, record: StudyRecord) -> None:
        """Write the run of the study, in place of what it held before. Returns at once and never raises."""
        if not self._is_disabled:
            about = {"group": record.study, "job_type": "study", "name": record.study, "notes": record.notes}
            slug = f"{record.study}/study"
            request = self._describe_run("study", record.folder, slug, about, config=record.config, tags=record.tags)
            request |= _describe_study(record)
            self._submit(Parcel(request["key"], Path(record.folder), STUDY, request), request)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds; runs still open end as interrupted."""
        if self._is_disabled:
            return
        self._thread.submit(self._end_all)
        if not self._thread.close(timeout):
            logger.warning("%s was not done within %g s: the last runs may be incomplete.", NAME, timeout)
            for parcel in {**self._queued, **self._delivery.open}.values():
                self._delivery.note_loss(parcel, f"not done within {timeout:g} s")
        if self._thread.dropped:
            logger.warning("%s was too slow: %d trials were not recorded.", NAME, self._thread.dropped)
            self._thread.dropped = 0

    def _describe_run(
        self,
        what: str,
        folder: Path,
        slug: str,
        about: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
        tags: Sequence[str],
    ) -> Request:
        """Return the request that opens a run."""
        of_the_user = (os.environ.get("WANDB_TAGS") or "").split(",")
        # W&B keeps its own things in the configuration under this name.
        shown = {"_wandb (parameter)" if name == "_wandb" else name: value for name, value in config.items()}
        return {
            "do": what,
            "key": str(next(self._numbers)),
            "folder": str(Path(folder).absolute()),
            "slug": _make_slug(slug),
            "project": self._project,
            "entity": self._entity,
            "is_secret": any(hide_passwords(word) != word for word in sys.argv),
            "about": {**make_plain(about), "config": _plain_figures(shown), "tags": _tidy_tags([*of_the_user, *tags])},
        }

    def _submit(self, parcel: Parcel, *requests: Request, droppable: bool = False) -> bool:
        self._queued[parcel.key] = parcel
        is_taken = self._thread.submit(partial(self._deliver, parcel, *requests), droppable=droppable)
        if not is_taken:
            del self._queued[parcel.key]
        return is_taken

    def _deliver(self, parcel: Parcel, *requests: Request) -> None:
        self._delivery.send(parcel, *requests)
        self._queued.pop(parcel.key, None)

    def _send_rows(self, parcel: Parcel) -> None:
        self._delivery.send(parcel, *parcel.take_rows())

    def _send_end(self, parcel: Parcel, ending: Request) -> None:
        """Send how a trial ended, once its pictures are there."""
        self._awaiting.append((parcel, ending))
        self._send_awaiting()

    def _send_awaiting(self, *, is_last: bool = False) -> None:
        """Send the ends of the trials whose pictures are there; at last of all, without pictures that never came."""
        waiting = []
        for parcel, ending in self._awaiting:
            if not is_last and not all(Path(path).exists() for path in ending["pictures"].values()):
                waiting.append((parcel, ending))
                continue
            parcel.ending = ending
            if parcel.why_lost is None:
                self._delivery.send(parcel, *parcel.take_rows(), ending)
            else:
                self._delivery.lose(parcel, parcel.why_lost)
        self._awaiting = waiting

    def _end_all(self) -> None:
        self._send_awaiting(is_last=True)
        for parcel in list(self._delivery.open.values()):
            if parcel.ending is None and not parcel.is_study:
                self._send_end(parcel, {"do": "end", "key": parcel.key, "state": "interrupted", "pictures": {}})
        self._delivery.end()

    def _warn(self, error: Exception) -> None:
        logger.warning("%s cannot log (%s). The sweep continues without it.", NAME, error)


class _RunLog:
    """The log of one trial: hands everything on to the tracker's thread."""

    def __init__(self, tracker: WeightsAndBiases, parcel: Parcel) -> None:
        self._tracker = tracker
        self._parcel = parcel
        self._has_ended = False
        self._is_due = False
        """Whether the thread is asked already to send what is there."""

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log one epoch's figures against `epoch`."""
        if self._tracker._is_disabled or self._has_ended:
            return
        self._parcel.rows.append({**_plain_figures(figures), "epoch": int(epoch)})
        if not self._is_due and self._parcel.why_lost is None:
            self._is_due = True
            self._tracker._thread.submit(self._send_rows)

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """Log final figures and pictures, tag the run with its state, and end it; a failed trial is a failed run."""
        if self._tracker._is_disabled or self._has_ended:
            return
        self._has_ended = True
        ending = {
            "do": "end",
            "key": self._parcel.key,
            "state": state,
            "summary": {_avoid_ours(name): value for name, value in make_strict(_plain_figures(summary)).items()},
            "pictures": {name: str(Path(path).absolute()) for name, path in pictures.items()},
            "reason": make_plain(reason),
            "notes": make_plain(notes),
        }
        self._tracker._thread.submit(partial(self._tracker._send_end, self._parcel, ending))

    def _send_rows(self) -> None:
        self._is_due = False
        self._tracker._send_rows(self._parcel)


def _is_disabled(mode: Mode | None) -> bool:
    if (os.environ.get("WANDB_DISABLED") or "").strip().lower() in ("1", "true", "yes", "on", "y", "t"):
        return True
    return (mode or os.environ.get("WANDB_MODE")) == "disabled"


def _describe_study(record: StudyRecord) -> Request:
    """Return the record as JSON can hold it."""
    return {
        "group": record.study,
        "summary": make_strict(_plain_figures(record.summary)),
        "history": [_plain_figures(row) for row in record.history],
        "tables": {name: _describe_table(table) for name, table in record.tables.items()},
        "pictures": {name: str(Path(path).absolute()) for name, path in record.pictures.items()},
        "artifacts": [_describe_artifact(artifact) for artifact in record.artifacts],
    }


def _describe_table(table: pd.DataFrame) -> dict[str, Any]:
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    return {"columns": [str(name) for name in table.columns], "rows": make_plain(rows)}


def _describe_artifact(artifact: Artifact) -> dict[str, Any]:
    described = describe_artifact(artifact, [str(Path(path).absolute()) for path in artifact.files])
    return described | {"metadata": _leave_out_none(described["metadata"])}


def _plain_figures(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON can hold them, without those that are not known."""
    plain: dict[str, Any] = _leave_out_none(make_plain(values))
    return plain


def _leave_out_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _leave_out_none(item) for name, item in value.items() if item is not None}
    return [_leave_out_none(item) for item in value] if isinstance(value, list) else value


def _make_slug(key: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in key)[-64:]


def _tidy_tags(tags: Sequence[str]) -> list[str]:
    """Return tags as W&B takes them: each once, of 1 to 64 characters."""
    return list(dict.fromkeys(make_plain(tag).strip()[:64] for tag in tags if tag.strip()))


def _avoid_ours(name: str) -> str:
    """Return a name for a figure of a summary that neither W&B nor the run's own figures have."""
    return f"{name.lstrip('_')} (figure)" if name in OF_THE_RUN or name.startswith("_") else name
