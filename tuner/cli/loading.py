"""From what was typed to a study, or to its search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.events.sources import find_source
from tuner.problem import EventSource

if TYPE_CHECKING:
    from tuner.tuning.search import Search
    from tuner.tuning.study import Study


def open_study(path: Path, events: str | None = None) -> Study:
    """Return the study of a file, its events read from `events` where that is given. Raise `StudyError`.

    Events of validation and test that are elsewhere are read from there, too, where it is a folder.
    """
    from tuner.tuning.study_file import load_study

    study = load_study(path)
    if events is None:
        return study
    source, place = study.problem.events, Path(events)
    moved: dict[str, Any] = {"events": source.at(place) if isinstance(source, EventSource) else events}
    if place.is_dir():
        others = {name: getattr(study.problem, name) for name in ("validation_events", "test_events")}
        moved |= {name: find_source(other).at(place) for name, other in others.items() if other is not None}
    return replace(study, problem=replace(study.problem, **moved))


def open_study_search(path: Path, *, folder: Path, storage: str | None, events: str | None = None) -> Search:
    """Return the search that was started of a study file. Raise `SearchError` where it was not."""
    from tuner.tuning.search import open_search

    return open_search(open_study(path, events), folder, storage, study_file=path)
