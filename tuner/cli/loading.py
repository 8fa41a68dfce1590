"""From what was typed to a study, or to its search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.problem import EventSource

if TYPE_CHECKING:
    from tuner.tuning.search import Search
    from tuner.tuning.study import Study


def open_study(path: Path, events: str | None = None) -> Study:
    """Return the study of a file, its events read from `events` where that is given. Raise `StudyError`."""
    from tuner.tuning.study_file import load_study

    study = load_study(path)
    if events is None:
        return study
    source = study.problem.events
    moved = source.at(Path(events)) if isinstance(source, EventSource) else events
    return replace(study, problem=replace(study.problem, events=moved))


def open_study_search(path: Path, *, folder: Path, storage: str | None, events: str | None = None) -> Search:
    """Return the search that was started of a study file. Raise `SearchError` where it was not."""
    from tuner.tuning.search import open_search

    return open_search(open_study(path, events), folder, storage, study_file=path)
