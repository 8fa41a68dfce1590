"""Step 2 for a study: look at its training events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.exploration.exploration import Exploration
    from tuner.preparation.settings import Preparation
    from tuner.problem import Problem
    from tuner.tuning.study import Study


def explore(study: Study) -> Exploration:
    """Look at the training events of a study before any network does; validation and test stay closed.

    Nothing is written. `tuner.exploration.explore_events` shows all events where there is no study yet.

    Args:
        study: Whose events are read, and split as a sweep would split them.

    Returns:
        Tables of columns, classes and features, correlations, histograms and warnings, all by event weights. It shows
        itself in a notebook and when it is printed.

    Raises:
        EventsError: The events do not hold what the problem says.
        SplitsError: A part would lack a class.
    """
    return explore_problem(study.problem, study.preparation)


def explore_problem(problem: Problem, preparation: Preparation | None = None) -> Exploration:
    """Look at the events of a problem that a split would give to training; arguments of a study, else as `explore`."""
    from tuner.events.reading import read_events
    from tuner.exploration.explore import explore_events
    from tuner.preparation.splits import prepare_splits
    from tuner.preparation.splitting import PARTS
    from tuner.tuning.findings import check_splits

    events = read_events(problem)
    splits = prepare_splits(events, problem, preparation)
    parts = {name: getattr(splits, name).rows for name in PARTS}
    return explore_events(events, parts, check_splits(events, splits, problem))
