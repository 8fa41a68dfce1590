"""Two searches or more side by side: what differs, how fast each got better, and which winner is better on test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tuner.errors import SearchError
from tuner.evaluation.evaluate import read_valid_evaluation
from tuner.evaluation.results import Evaluation
from tuner.evaluation.search_comparison import Versus, compare_winners
from tuner.evaluation.winner_scores import read_winner_scores
from tuner.metrics.figures_of_merit import Auc
from tuner.notebook_cards import write_card, write_lines, write_table
from tuner.progress.wording import write_duration, write_number
from tuner.reporting.study_differences import Difference, find_differences
from tuner.tuning.best_so_far import BestSoFar, follow_best
from tuner.tuning.contents import describe_contents
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.status import count_left, count_running

if TYPE_CHECKING:
    from tuner.figures.drawing import Drawing


@dataclass(frozen=True, kw_only=True)
class ComparedSearch:
    """One of the searches that are compared."""

    name: str
    """The study's; with its folders where several searches have the same."""
    study: str
    folder: Path
    states: Mapping[str, int]
    """Number of trials by state."""
    n_left: int
    """Trials of the budget that are not spent."""
    n_running: int
    """Trials that are trained at this moment."""
    figure_of_merit: str
    """What its winner was chosen by."""
    best: TrialRecord
    """The complete trial with the best figure of merit on validation."""
    progress: BestSoFar
    """Best value so far on validation, of `SearchComparison.progress_name`."""
    evaluation: Evaluation | None
    """None where it was not evaluated, or not as it is now."""
    versus: Versus | None
    """Its winner on test against that of the first search; None where one of the two has no scores there."""

    @property
    def n_finished(self) -> int:
        """Trials that completed or were pruned."""
        return len(self.progress.best)

    @property
    def seconds(self) -> float:
        """Time in which trials ran, until the last one that finished."""
        return self.progress.seconds[-1]


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchComparison:
    """Searches side by side; each one's verdict is against the first."""

    searches: tuple[ComparedSearch, ...]
    differences: tuple[Difference, ...]
    """Settings that are not the same in all studies."""
    figure_of_merit: str
    """What the verdicts are by: the first study's."""
    progress_name: str
    """What the best value so far is of: the figure of merit, or the AUC where these differ."""
    same_figure: bool
    """Whether all winners were chosen by the same figure of merit."""

    @property
    def first(self) -> ComparedSearch:
        """The search that all others are compared with."""
        return self.searches[0]

    @property
    def others(self) -> tuple[ComparedSearch, ...]:
        """The searches that are compared with the first."""
        return self.searches[1:]

    @property
    def n_common(self) -> int:
        """Trials that every search has finished."""
        return min(search.n_finished for search in self.searches)

    @property
    def common_seconds(self) -> float:
        """Time that every search has run for."""
        return min(search.seconds for search in self.searches)

    @property
    def after_same_trials(self) -> dict[str, float]:
        """Best value of each search after `n_common` trials; -inf where no trial was complete."""
        return {search.name: search.progress.after_trials(self.n_common) for search in self.searches}

    @property
    def after_same_time(self) -> dict[str, float]:
        """Best value of each search after `common_seconds`; -inf where no trial was complete."""
        return {search.name: search.progress.after_seconds(self.common_seconds) for search in self.searches}

    @property
    def sentences(self) -> list[str]:
        """What follows from the comparison and what does not, a sentence each."""
        from tuner.reporting.comparison_answer import answer_comparison

        return answer_comparison(self)

    def __str__(self) -> str:
        """Return what follows from the comparison, a sentence a line."""
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        """Return what was compared and what follows, a sentence a line."""
        return f"SearchComparison of {' and '.join(search.name for search in self.searches)}:\n{self}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what follows, the searches side by side, the settings that differ."""
        names = [search.name for search in self.searches]
        counted = [
            ["trials finished", *(f"{search.n_finished:,}" for search in self.searches)],
            ["time", *(write_duration(search.seconds) for search in self.searches)],
            [f"best {self.progress_name}", *(write_number(search.progress.best[-1]) for search in self.searches)],
        ]
        settings = [[difference.name, *difference.shown] for difference in self.differences]
        return write_card(
            " and ".join(names),
            write_lines(self.sentences),
            write_table(("", *names), counted, caption="Searches side by side"),
            write_table(("setting", *names), settings, caption="Settings that differ", texts=names) if settings else "",
        )

    def frame(self) -> pd.DataFrame:
        """Return the best value so far: search, trials, seconds, best; from the first complete trial of each on."""
        rows = [
            {"search": search.name, "trials": number, "seconds": seconds, "best": best}
            for search in self.searches
            for number, (seconds, best) in enumerate(zip(search.progress.seconds, search.progress.best, strict=True), 1)
            if best > -math.inf
        ]
        return pd.DataFrame(rows)

    def draw(self) -> Drawing:
        """Draw the best value so far against trials and time, and the differences on test."""
        from tuner.figures.search_comparison import draw_search_comparison

        judged = {s.name: s.versus.standing.difference for s in self.others if s.versus is not None}
        return draw_search_comparison(
            self.frame(),
            judged,
            names=[search.name for search in self.searches],
            figure_name=self.progress_name,
            judged_by=self.figure_of_merit,
        )

    def save(self, folder: str | Path) -> tuple[Path, Path]:
        """Write `compare.png` and `compare.pdf` to a folder, which is made; return both paths."""
        return self.draw().save(folder, "compare")

    def to_json(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold, infinities aside."""
        return {
            "figure_of_merit": self.figure_of_merit,
            "progress_of": self.progress_name,
            "searches": [_to_json(search) for search in self.searches],
            "differences": {difference.name: list(difference.shown) for difference in self.differences},
            "after_same_trials": {"trials": self.n_common, "best": self.after_same_trials},
            "after_same_time": {"seconds": self.common_seconds, "best": self.after_same_time},
            "sentences": self.sentences,
        }


def compare(*searches: Search) -> SearchComparison:
    """Return searches side by side: settings that differ, the best so far, and a verdict on the winners.

    The verdict is on the test part, by the figure of merit of the first study: each winner's mean over its trainings
    against the first one's, with a 68 % interval over events and trainings and Holm's correction for several. Searches
    that were judged on the same test events are compared event by event. Nothing is trained, no test part is opened
    and nothing is written: what `tuner.evaluate` found counts. Where a search was not evaluated as it is now, there is
    no verdict on it, and the figures on validation are told with a warning.

    Args:
        searches: Two or more, as `tuner.sweep` or `tuner.open_search` return them. The others are compared with the
            first.

    Raises:
        SearchError: Fewer than two searches, the same one twice, or one without a complete trial.
        DamagedFileError: A file that an evaluation wrote is not as it was written.
    """
    _check_searches(searches)
    names = _name_searches(searches)
    figure = searches[0].study.problem.figure_of_merit
    same_figure = len({describe_contents(s.study.problem.figure_of_merit) for s in searches}) == 1
    evaluations = [read_valid_evaluation(search) for search in searches]
    scores = {
        name: read_winner_scores(search, evaluation, figure)
        for name, search, evaluation in zip(names, searches, evaluations, strict=True)
        if evaluation is not None and evaluation.opening is not None
    }
    replicas = max((e.settings.replicas for e in evaluations if e is not None), default=0)
    versus = (
        compare_winners(scores, figure, n_replicas=replicas, seed=searches[0].study.seed)
        if names[0] in scores and len(scores) > 1
        else {}
    )
    return SearchComparison(
        searches=tuple(
            _describe(search, name, evaluation, versus.get(name), by_figure=same_figure)
            for name, search, evaluation in zip(names, searches, evaluations, strict=True)
        ),
        differences=find_differences(searches),
        figure_of_merit=figure.name,
        progress_name=f"{figure.name if same_figure else Auc().name} on validation",
        same_figure=same_figure,
    )


def _check_searches(searches: Sequence[Search]) -> None:
    """Raise `SearchError` where there is nothing to compare."""
    if len(searches) < 2:
        raise SearchError(
            f"There must be at least two searches to compare, but {len(searches) or 'none'} was given. "
            "Name another study, or another folder of the same one."
        )
    known: dict[tuple[str, str], Search] = {}
    for search in searches:
        identity = (search.study.name, search.storage_url or str(search.folder.journal.resolve()))
        if identity in known:
            raise SearchError(
                f'The searches must be different ones, but "{known[identity].folder.path}" and "{search.folder.path}" '
                "hold the same. Name each once."
            )
        known[identity] = search
        if search.best_trial is None:
            states = Counter(trial.state for trial in search.trials)
            told = ", ".join(f"{number} {state}" for state, number in states.items()) or "no trial at all"
            raise SearchError(
                f'Each search must hold a complete trial, but "{search.folder.path}" holds none yet ({told}). '
                "Wait until it does, or leave it out."
            )


def _name_searches(searches: Sequence[Search]) -> list[str]:
    """Return the name of each study, and as many of its folders as it takes to tell it from the others."""
    paths = [search.folder.path.resolve().parts for search in searches]
    most = max(map(len, paths))
    for n_parts in range(1, most + 1):
        names = ["/".join(part.strip("/") for part in parts[-n_parts:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{search.study.name} {place}" for place, search in enumerate(searches, 1)]  # one folder, other storages


def _describe(
    search: Search, name: str, evaluation: Evaluation | None, versus: Versus | None, *, by_figure: bool
) -> ComparedSearch:
    best = search.best_trial
    assert best is not None
    trials = search.trials
    return ComparedSearch(
        name=name,
        study=search.study.name,
        folder=search.folder.path,
        states=dict(Counter(trial.state for trial in trials)),
        n_left=count_left(search),
        n_running=count_running(search),
        figure_of_merit=search.study.problem.figure_of_merit.name,
        best=best,
        progress=follow_best(trials, (lambda trial: trial.figure) if by_figure else (lambda trial: trial.value)),
        evaluation=evaluation,
        versus=versus,
    )


def _to_json(search: ComparedSearch) -> dict[str, Any]:
    evaluation, versus = search.evaluation, search.versus
    return {
        "name": search.name,
        "study": search.study,
        "folder": str(search.folder),
        "states": dict(search.states),
        "trials_left": search.n_left,
        "trials_running": search.n_running,
        "seconds": search.seconds,
        "figure_of_merit": search.figure_of_merit,
        "best": {"trial": search.best.number, "figure": search.best.figure, "auc": search.best.value},
        "progress": {"seconds": search.progress.seconds, "best": search.progress.best},
        "winner": None if evaluation is None else evaluation.winner,
        "opening": None if evaluation is None else evaluation.opening,
        "verdict": None
        if versus is None
        else {"on": versus.ground, "events": versus.n_events, **asdict(versus.standing)},
    }
