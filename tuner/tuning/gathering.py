"""All that does not hold, told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tuner.errors import StudyError, TunerError, raise_together
from tuner.tuning.study import Study

T = TypeVar("T")


def gather(problems: list[TunerError], attempt: Callable[[], T]) -> T | None:
    """Return what an attempt gives; where it raises a `TunerError`, add that to the problems."""
    try:
        return attempt()
    except TunerError as error:
        problems.append(error)
        return None


def raise_gathered(study: Study, problems: list[TunerError]) -> None:
    """Raise the one problem as it is, or several, each once, as one `StudyError`; nothing where there are none."""
    told = {str(problem): problem for problem in problems}
    if len(told) == 1:
        raise problems[0]
    raise_together(list(told), StudyError, f'Study "{study.name}"')
