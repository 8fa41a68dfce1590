"""What a notebook shows of a search: trials by state, the best so far as a curve, the best trials as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from markupsafe import Markup

from tuner.errors import SearchError
from tuner.notebook_cards import draw_progress, write_card, write_lines, write_table
from tuner.passwords import hide_passwords
from tuner.progress.wording import say_figure, say_states, say_value, write_count, write_duration
from tuner.tuning.ranking import rank_trials

if TYPE_CHECKING:
    from tuner.tuning.search import Search, TrialRecord

N_SHOWN = 5
"""Best trials that are shown."""


def describe_search(search: Search) -> str:
    """Return a search in a line: its study, its trials by state, the best, its folder. Raise nothing."""
    try:
        told = "; ".join(filter(None, (_count_trials(search.trials), _tell_best(search))))
    except Exception as error:  # whoever looks at a value while hunting an error must not meet another one
        told = hide_passwords(str(error))
    return f'Search("{search.study.name}": {told}; {_locate(search)})'


def write_search_card(search: Search) -> str:
    """Return what a notebook shows of a search."""
    title = f"{search.study.name}: {search.study.problem.question}"
    try:
        trials = search.trials
    except SearchError as error:
        return write_card(title, hide_passwords(str(error)))
    return write_card(
        title,
        write_lines([_count_trials(trials), _tell_best(search)]),
        _draw_curve(search, trials),
        _tabulate_best(search, trials),
        write_lines([f"In {_locate(search)}. Every trial: `.trials_dataframe()`"], faint=True),
    )


def _locate(search: Search) -> str:
    return hide_passwords(f"{search.folder.path}" + (f", {search.storage_url}" if search.storage_url else ""))


def _count_trials(trials: Sequence[TrialRecord]) -> str:
    if not trials:
        return "No trials yet"
    states = ", ".join(text for text, _ in say_states(Counter(trial.state for trial in trials)))
    return f"{write_count(len(trials), 'trial')}: {states}"


def _tell_best(search: Search) -> str:
    best = search.best_trial
    if best is None:
        return ""
    return f"Best: trial {best.number} with {search.study.problem.figure_of_merit.name} {say_figure(best.figure)}"


def _draw_curve(search: Search, trials: Sequence[TrialRecord]) -> Markup:
    """Return the best figure of merit by trial; nothing before two trials have one."""
    figures = {trial.number: trial.figure for trial in rank_trials(trials) if trial.figure is not None}
    points = [(float(number), figure) for number, figure in sorted(figures.items())]
    if len(points) < 2:
        return Markup("")
    reached = accumulate((figures.get(trial.number, -math.inf) for trial in trials), max)
    best = [(float(t.number), value) for t, value in zip(trials, reached, strict=True) if value > -math.inf]
    figure = search.study.problem.figure_of_merit.name
    label = f"{figure} on validation of each complete trial by its number, and the best so far"
    return draw_progress(points, best, label=label) + write_lines([f"{label}."], faint=True)


def _tabulate_best(search: Search, trials: Sequence[TrialRecord]) -> Markup:
    """Return a row for each of the best trials; nothing before there is one."""
    best = rank_trials(trials)[:N_SHOWN]
    if not best:
        return Markup("")
    names = list(dict.fromkeys(name for trial in best for name in trial.params))
    figure = search.study.problem.figure_of_merit.name
    rows = [
        [
            str(trial.number),
            say_figure(trial.figure),
            str(trial.epochs),
            f"{trial.n_parameters:,}" if trial.n_parameters else "",
            write_duration(trial.seconds),
            ", ".join(f"{name} {say_value(trial.params[name])}" for name in names if name in trial.params),
        ]
        for trial in best
    ]
    head = ("trial", figure, "epochs", "parameters", "time", "settings")
    return write_table(head, rows, caption="The best trials, by validation", texts=("settings",))
