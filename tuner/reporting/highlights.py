"""The figures on the page that are read from across the room."""

from __future__ import annotations

from collections import Counter

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.metrics.measurement import Measurement
from tuner.progress.wording import write_count, write_duration
from tuner.reporting.formatting import (
    write_change,
    write_measurement,
    write_percent,
    write_percent_with_error,
)
from tuner.reporting.page import Highlight
from tuner.reporting.summary import SHARE
from tuner.tuning.search import Search

AUC, EPS_S, SPECIFICITY = "AUC", "sensitivity", "specificity"


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the declared figure and AUC on test and validation, the share of the optimum, the cut, trials and time."""
    shown = []
    if evaluation is not None:
        shown += _highlight_winner(evaluation)
    part = None if evaluation is None else evaluation.own_part
    if part is not None:
        shown += _highlight_network(part, evaluation.figure_of_merit if evaluation else AUC)
    states = Counter(trial.state for trial in search.trials if trial.state != "interrupted")
    counted = ", ".join(f"{states[s]:,} {s}" for s in ("complete", "pruned", "failed") if states[s])
    total, _, name = write_count(states.total(), "trial").partition(" ")
    if seconds is not None:
        name += f", {write_count(sum(trial.epochs for trial in search.trials), 'epoch')} in {write_duration(seconds)}"
    return [*shown, Highlight(total, name, counted)]


def _highlight_winner(evaluation: Evaluation) -> list[Highlight]:
    """Return the winner's mean over trainings, and what it gains on the best baseline."""
    figure, standings = evaluation.figure_of_merit, evaluation.standings_on(evaluation.last_part)
    mine = next(standing for standing in standings if standing.verdict == "winner")
    trainings = f", mean of {len(mine.singles)}" if len(mine.singles) > 1 else ""
    name = f"{figure} on {evaluation.last_part}{trainings}"
    shown = [Highlight(write_measurement(mine.figure)[0], name, mine.figure.error_text)]
    if (baseline := find_baseline(standings)) is not None:
        note = ", ".join(filter(None, (baseline.lead.error_text, baseline.verdict_on_winner)))
        shown.append(Highlight(write_change(baseline.lead), f"{figure} over {baseline.candidate}{trainings}", note))
    return shown


def _highlight_network(part: PartEvaluation, figure: str) -> list[Highlight]:
    """Return what the network that is handed on reaches."""
    shown = []
    if figure != AUC and AUC in part.measurements:
        name = f"AUC on {part.part}, network handed on"
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
