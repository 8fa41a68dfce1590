"""The figures on the page that are read from across the room."""

from __future__ import annotations

from collections import Counter

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.metrics.measurement import Measurement
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.progress.wording import write_count, write_duration
from tuner.reporting.formatting import (
    write_change,
    write_measurement,
    write_percent,
    write_percent_with_error,
)
from tuner.reporting.page import Highlight
from tuner.reporting.summary import SHARE, name_handed_on, write_candidate
from tuner.tuning.search import Search

AUC, EPS_S, SPECIFICITY = "AUC", "sensitivity", "specificity"


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the declared figure and AUC on test and validation, the share of the optimum, the cut, trials and time."""
    shown = []
    if evaluation is not None:
        shown += _highlight_winner(evaluation)
        shown += _highlight_handed_on(evaluation)
    states = Counter(trial.state for trial in search.trials if trial.state != "interrupted")
    counted = ", ".join(f"{states[s]:,} {s}" for s in ("complete", "pruned", "failed") if states[s])
    total, _, name = write_count(states.total(), "trial").partition(" ")
    if seconds is not None:
        name += f", {write_count(sum(trial.epochs for trial in search.trials), 'epoch')} in {write_duration(seconds)}"
    return [*shown, Highlight(total, name, counted)]


def _highlight_winner(evaluation: Evaluation) -> list[Highlight]:
    """Return the declared figure and what is gained on the best baseline.

    Both are of what is handed on where that is a mean of networks, else of the winner: means over its trainings.
    """
    figure, standings = evaluation.figure_of_merit, evaluation.standings_on(evaluation.last_part)
    if (own := evaluation.own_part) is not None and evaluation.handed_on.name != SINGLE_NETWORK:
        who = f", {name_handed_on(evaluation)}"
        shown = [Highlight(own[figure].value_text, f"{figure} on {own.part}{who}", own[figure].error_text)]
        baseline, who = evaluation.over_baseline, ""
    else:
        mine = next(standing for standing in standings if standing.verdict == "winner")
        who = f", mean of {len(mine.singles)}" if len(mine.singles) > 1 else ""
        name = f"{figure} on {evaluation.last_part}{who}"
        shown = [Highlight(write_measurement(mine.figure)[0], name, mine.figure.error_text)]
        baseline = find_baseline(standings)
    if baseline is not None:
        note = ", ".join(filter(None, (baseline.lead.error_text, baseline.verdict_on_winner)))
        name = f"{figure} over {write_candidate(baseline.candidate)}{who}"
        shown.append(Highlight(write_change(baseline.lead), name, note))
    return shown


def _highlight_handed_on(evaluation: Evaluation) -> list[Highlight]:
    """Return what is reached by what is handed on."""
    shown: list[Highlight] = []
    if (part := evaluation.own_part) is None:
        return shown
    if evaluation.figure_of_merit != AUC and AUC in part.measurements:
        name = f"AUC on {part.part}, {name_handed_on(evaluation)}"
        shown.append(Highlight(write_measurement(part[AUC])[0], name, part[AUC].error_text))
    if SHARE in part.measurements:
        value, error = write_percent(part[SHARE])
        shown.append(Highlight(value, f"of the optimum, {part.part}", error))
    if {EPS_S, SPECIFICITY} <= part.measurements.keys():
        specificity = part[SPECIFICITY]
        eps_b = Measurement(1 - specificity.value, 1 - specificity.high, 1 - specificity.low)
        value, error = write_percent(part[EPS_S])
        note = f"{error}, with {write_percent_with_error(eps_b)} background".removeprefix(", ")
        shown.append(Highlight(value, f"signal kept at the cut, {part.part}", note))
    return shown
