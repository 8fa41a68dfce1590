"""What a judgement rests on: the same contents give the same judgement, which is then not made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

from tuner.errors import EventsError
from tuner.evaluation.results import Evaluation
from tuner.events.variants import DIRECTIONS
from tuner.preparation.kept_events import KeptEvents
from tuner.tuning.contents import agree, describe_contents
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search

TRIALS, EVENTS, FIGURE, CUT, SEED, JUDGEMENT = (
    "complete trials",
    "events",
    "figure of merit",
    "working point",
    "seed",
    "finalists, seeds or baselines",
)
COLUMNS = "observers or event ids"


def find_grounds(search: Search, settings: EvaluationSettings) -> dict[str, str]:
    """Return what a judgement rests on and what is known without the events' file, by name.

    A setting that has its default is as good as not there. Functions count by what they do, not by their names.
    """
    problem, usual = search.study.problem, asdict(EvaluationSettings())
    return {
        TRIALS: search.fingerprint,
        EVENTS: search.splits.events_digest,
        FIGURE: describe_contents(problem.figure_of_merit),
        CUT: describe_contents(problem.working_point),
        SEED: str(search.study.seed),
        JUDGEMENT: repr({name: value for name, value in asdict(settings).items() if value != usual[name]}),
        "names of observers": repr((*problem.all_observers, problem.optimum)),
        "names of nuisances": repr([(nuisance.name, nuisance.down is not None) for nuisance in problem.nuisances]),
    }


def still_holds(evaluation: Evaluation, search: Search, open_events: Callable[[], KeptEvents] | None = None) -> bool:
    """Return whether an evaluation is of the search's present trials and events, and of its problem's rules.

    Args:
        evaluation: As it was stored.
        search: As it is now. Observers, ids and variants are compared, too, where they are kept or can be read.
        open_events: Opens the events, whose files are all hashed then; None for the search's own.
    """
    before, settings = evaluation.rests_on, evaluation.settings
    now = find_grounds(search, settings)
    if any(name in now for name in name_changes(before, now)):
        return False
    try:
        now |= find_grounds_in_events(search, settings, (open_events or search.open_events)())
    except EventsError:
        return True
    return not any(name_changes(before, now))


def find_grounds_in_events(search: Search, settings: EvaluationSettings, kept: KeptEvents) -> dict[str, str]:
    """Return what a judgement rests on besides: the values of observers, ids, and of each nuisance's variants."""
    problem, grounds = search.study.problem, {}
    by_id = _is_folded(settings) and problem.event_id is not None
    if problem.all_observers or by_id:
        grounds[COLUMNS] = f"{kept.digests['observers']} {kept.digests['event ids'] if by_id else ''}"
    for nuisance in problem.nuisances:
        names = [f"{nuisance.name}, {direction}" for direction in DIRECTIONS]
        grounds[f'nuisance "{nuisance.name}"'] = repr([kept.digests.get(name) for name in names])
    return grounds


def _is_folded(settings: EvaluationSettings) -> bool:
    """Return whether ids keep events together in folds."""
    return settings.folds is not None or settings.bag is not None


def name_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield the grounds that differ, in the order of `now`; then those that are gone."""
    for name in {**now, **before}:
        if name not in before or name not in now or not agree(before[name], now[name]):
            yield name
