"""The figures on the page that are read from across the room."""

from __future__ import annotations

from collections import Counter

from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.evaluation.results import Evaluation
from tuner.metrics.measurement import Measurement
from tuner.progress.wording import write_count, write_duration
from tuner.reporting.formatting import (
    write_change,
    write_percent,
    write_percent_with_error,
)
from tuner.reporting.page import Highlight
from tuner.reporting.summary import SHARE, name_handed_on, write_candidate
from tuner.tuning.search import Search

AUC, EPS_S, SPECIFICITY = "AUC", "sensitivity", "specificity"


def name_subject(evaluation: Evaluation | None) -> str:
    """Return whose figures `highlight` shows, and on which events; empty where there are none."""
    own = None if evaluation is None else evaluation.own_part
    if evaluation is None or own is None:
        return ""
    part = own.part if own.part == OUT_OF_FOLD else f"the {own.part} part"
    return f"The {name_handed_on(evaluation)}, on {part}"


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the figures of what is handed on: declared figure, gain, AUC, optimum, cut; then trials and time."""
    shown = [] if evaluation is None else _highlight_handed_on(evaluation)
    states = Counter(trial.state for trial in search.trials if trial.state != "interrupted")
    counted = ", ".join(f"{states[s]:,} {s}" for s in ("complete", "pruned", "failed") if states[s])
    total, _, name = write_count(states.total(), "trial").partition(" ")
    if seconds is not None:
        name += f", {write_count(sum(trial.epochs for trial in search.trials), 'epoch')} in {write_duration(seconds)}"
    return [*shown, Highlight(total, name, counted)]


def _highlight_handed_on(evaluation: Evaluation) -> list[Highlight]:
    """Return what is reached by what is handed on, which may be a single network."""
    shown: list[Highlight] = []
    if (part := evaluation.own_part) is None:
        return shown
    if (figure := evaluation.figure_of_merit) in part.measurements:
        shown.append(Highlight(part[figure].value_text, figure, part[figure].error_text))
    if (baseline := evaluation.over_baseline) is not None:
        note = ", ".join(filter(None, (baseline.lead.error_text, baseline.verdict_on_winner)))
        name = f"{figure} over {write_candidate(baseline.candidate)}"
        shown.append(Highlight(write_change(baseline.lead), name, note))
    if figure != AUC and AUC in part.measurements:
        shown.append(Highlight(part[AUC].value_text, AUC, part[AUC].error_text))
    if SHARE in part.measurements:
        value, error = write_percent(part[SHARE])
        shown.append(Highlight(value, "of the optimum", error))
    if {EPS_S, SPECIFICITY} <= part.measurements.keys():
        specificity = part[SPECIFICITY]
        eps_b = Measurement(1 - specificity.value, 1 - specificity.high, 1 - specificity.low)
        value, error = write_percent(part[EPS_S])
        note = f"{error}, with {write_percent_with_error(eps_b)} background".removeprefix(", ")
        shown.append(Highlight(value, "signal kept at the working point", note))
    return shown
