"""What a comparison of searches says, and what it does not, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tuner.progress.wording import join_words, write_count, write_duration, write_number

if TYPE_CHECKING:
    from tuner.evaluation.search_comparison import Versus
    from tuner.metrics.measurement import Measurement
    from tuner.reporting.search_comparison import ComparedSearch, SearchComparison

GROUNDS = {
    "other split": "each on a test part of its own, as the splits differ: the difference is that of two independent "
    "figures and less sharp than one on the same events",
    "other events": "each on a test part of its own, as the events differ: the difference may be that of the events",
}


def answer_comparison(comparison: SearchComparison) -> list[str]:
    """Return the verdicts, who was ahead, and what a reader must know of them."""
    return [
        *(_tell_verdict(comparison, search) for search in comparison.others),
        *_tell_ahead(comparison),
        *_tell_limits(comparison),
        *_tell_unfinished(comparison),
    ]


def _tell_verdict(comparison: SearchComparison, search: ComparedSearch) -> str:
    first, versus = comparison.first, search.versus
    if versus is None:
        return _tell_validation(comparison, search)
    standing = versus.standing
    difference, figure = standing.difference, comparison.figure_of_merit
    where = f"{_tell_ground(versus)}, {_tell_trainings(search, first)}"
    several = len([s for s in comparison.others if s.versus is not None])
    chance = f" (p = {write_number(standing.p_holm, 2)}" + (
        f" after Holm's correction for {several} comparisons)" if several > 1 else ")"
    )
    if standing.verdict == "not distinguishable":
        return (
            f"The winner of {search.name} cannot be told from that of {first.name}: its {figure} is "
            f"{_tell_difference(difference)}, {where}{chance}."
        )
    return (
        f"The winner of {search.name} is {standing.verdict} than that of {first.name}: its {figure} is "
        f"{_tell_difference(difference)}, {where}{chance}."
    )


def _tell_difference(difference: Measurement) -> str:
    if difference.value == 0:
        return "the same"
    way, size = ("higher", difference) if difference.value > 0 else ("lower", -difference)
    return f"{way} by {size}"


def _tell_ground(versus: Versus) -> str:
    if versus.ground == "same test events":
        return f"event by event on the same {versus.n_events:,} test events"
    return GROUNDS[versus.ground]


def _tell_trainings(search: ComparedSearch, first: ComparedSearch) -> str:
    numbers = [len(s.versus.standing.singles) for s in (search, first) if s.versus is not None]
    if set(numbers) == {1}:
        return "one training each"
    if len(set(numbers)) == 1:
        return f"means over {numbers[0]} trainings each"
    return f"means over {numbers[0]} and {write_count(numbers[1], 'training')}"


def _tell_validation(comparison: SearchComparison, search: ComparedSearch) -> str:
    """Return why there is no verdict, and what validation promises."""
    first = comparison.first
    unjudged = [s.name for s in (search, first) if s.evaluation is None or s.evaluation.opening is None]
    why = f"{join_words(unjudged)} {'has' if len(unjudged) == 1 else 'have'} no evaluation on test as of now"
    start = f"There is no verdict on {search.name} against {first.name}: {why}."
    if search.figure_of_merit != first.figure_of_merit:
        return f"{start} On validation their figures of merit differ, too, and cannot be compared."
    told = " and ".join(
        f"{write_number(s.best.figure)} in {s.name} (trial {s.best.number} of "
        f"{write_count(s.states['complete'], 'complete trial')})"
        for s in (first, search)
    )
    return (
        f"{start} The best {first.figure_of_merit} on validation is {told}, but the best of many trials is partly the "
        f"luckiest: run `tuner evaluate` on {join_words(unjudged)} before you choose."
    )


def _tell_ahead(comparison: SearchComparison) -> Iterator[str]:
    """Yield which search was ahead after what all had spent: a fact of these runs."""
    trials, time = comparison.n_common, write_duration(comparison.common_seconds)
    for spent, best in (
        (f"{write_count(trials, 'trial')}", comparison.after_same_trials),
        (f"{time} in which trials ran", comparison.after_same_time),
    ):
        yield f"After the first {spent}: {_tell_leader(best)} ({_list_best(best)}; {comparison.progress_name})."


def _tell_leader(best: Mapping[str, float]) -> str:
    top = max(best.values())
    if top == -math.inf:
        return "no search held a complete trial"
    leaders = [name for name, value in best.items() if value == top]
    return (
        f"{join_words(leaders)} {'was' if len(leaders) == 1 else 'were'} ahead"
        if len(leaders) < len(best)
        else ("none was ahead")
    )


def _list_best(best: Mapping[str, float]) -> str:
    return ", ".join(
        f"{name} {write_number(value) if value > -math.inf else 'none complete'}" for name, value in best.items()
    )


def _tell_limits(comparison: SearchComparison) -> Iterator[str]:
    """Yield what the verdicts do not hold."""
    if not comparison.same_figure:
        own = join_words([f"{search.name} by {search.figure_of_merit}" for search in comparison.searches])
        yield (
            f"The figures of merit differ: winners were chosen in {own}, and all verdicts are by "
            f"{comparison.figure_of_merit}, which favours those that were chosen by it."
        )
    if any(search.versus is not None for search in comparison.others):
        yield (
            "Errors are 68 % intervals over events and trainings. They do not hold the luck of the searches: the same "
            "study with another seed may end elsewhere, so one search each says little about samplers or settings."
        )
    if any(difference.name in ("workers", "device", "platform") for difference in comparison.differences):
        yield "They ran on other workers, devices or machines: times compare these as well."


def _tell_unfinished(comparison: SearchComparison) -> Iterator[str]:
    for search in comparison.searches:
        if search.n_running:
            yield (
                f"{search.name} is running ({write_count(search.n_running, 'trial')} at this moment): "
                "its figures may change."
            )
        elif search.n_left:
            verb = "is" if search.n_left == 1 else "are"
            yield f"{search.name} is not over: {write_count(search.n_left, 'trial')} of its budget {verb} left."


def write_short(difference: Measurement) -> str:
    """Return a difference with sign and error for a cell of a table: +0.0034 ± 0.0011."""
    if difference.decimals is None:
        return write_number(difference.value)
    return difference.signed
