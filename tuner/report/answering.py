"""What the page leads with: the answer in a few sentences, and the figures read from across the room."""

from __future__ import annotations

from collections import Counter
from math import inf

from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.metrics.measurement import Measurement
from tuner.problem import Ballpark
from tuner.report.page import Highlight
from tuner.report.searching import name_network
from tuner.report.writing import DASH, write_count, write_duration, write_measurement, write_number, write_share
from tuner.tune.search import Search, TrialRecord

AUC, SHARE, EPS_S, SPECIFICITY = "AUC", "share of the optimum", "sensitivity", "specificity"
OPTIMUM_AUC = "optimum AUC"
SHARE_FORMULA = "(AUC - 1/2)/(AUC of the optimum - 1/2)"
SHOWN_BALLPARKS = 3


def answer(search: Search, winner: TrialRecord | None, evaluation: Evaluation | None) -> list[str]:
    """Return what won, how well, how it was picked, what others reached, and what the cut keeps."""
    if winner is None:
        return [_answer_without_winner(search)]
    part = find_part(evaluation, "test") or find_part(evaluation, "validation")
    if part is None:
        figure = search.study.problem.figure_of_merit.name
        return [
            f"Of {write_count(len(search.trials), 'trial')}, number {winner.number} is the best so far: "
            f"{figure} {write_number(winner.figure)} on validation, by which it was chosen.",
            "The test part is still closed.",
        ]
    told = [_tell_winner(search, winner, part, find_part(evaluation, "validation"))]
    problem = search.study.problem
    if problem.figure_of_merit.name != AUC:
        told.append(
            f"Sampling, pruning and the best epoch of each trial went by AUC; the pick among the complete trials went "
            f"by {problem.figure_of_merit.name}."
        )
    if others := _compare(part, problem.ballparks):
        told.append(others)
    if (cut := _tell_cut(part)) is not None:
        told.append(cut)
    return told


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the declared figure and AUC on test and validation, the share of the optimum, the cut, trials and time."""
    shown = []
    for figure in dict.fromkeys((search.study.problem.figure_of_merit.name, AUC)):
        for name in ("test", "validation"):
            part = find_part(evaluation, name)
            if part is not None and figure in part.measurements:
                value, interval = write_measurement(part.measurements[figure])
                shown.append(Highlight(value, f"{figure} on {name}", f"68 %: {interval}"))
    part = find_part(evaluation, "test") or find_part(evaluation, "validation")
    if part is not None and SHARE in part.measurements:
        share = part.measurements[SHARE]
        interval = f"68 %: {100 * share.low:.1f} {DASH} {100 * share.high:.1f} %"
        shown.append(
            Highlight(write_share(share.value), f"of the optimum, {part.part}", f"{SHARE_FORMULA}; {interval}")
        )
    if part is not None and {EPS_S, SPECIFICITY} <= part.measurements.keys():
        eps_s, eps_b = part.measurements[EPS_S].value, 1 - part.measurements[SPECIFICITY].value
        shown.append(
            Highlight(write_share(eps_s), f"signal kept, {part.part}", f"with {write_share(eps_b)} background")
        )
    states = Counter(trial.state for trial in search.trials if trial.state != "interrupted")
    counted = ", ".join(f"{states[s]:,} {s}" for s in ("complete", "pruned", "failed") if states[s])
    shown.append(Highlight(f"{states.total():,}", "trial" if states.total() == 1 else "trials", counted))
    if seconds is not None:
        epochs = sum(trial.epochs for trial in search.trials)
        shown.append(Highlight(write_duration(seconds), "of training", write_count(epochs, "epoch")))
    return shown


def find_part(evaluation: Evaluation | None, name: str) -> PartEvaluation | None:
    """Return the winner's evaluation on a part; None where there is none."""
    return None if evaluation is None else evaluation.part(name)


def _answer_without_winner(search: Search) -> str:
    trials = search.trials
    if not trials:
        return "No trial has begun."
    failed = sum(trial.state == "failed" for trial in trials)
    why = " All of them failed: their reasons are below." if failed == len(trials) else ""
    return f"Of {write_count(len(trials), 'trial')}, none is complete yet, so there is no winner to judge.{why}"


def _tell_winner(search: Search, winner: TrialRecord, part: PartEvaluation, validation: PartEvaluation | None) -> str:
    """Return who won, the declared figure of merit first, then AUC where that is another one."""
    declared = search.study.problem.figure_of_merit.name
    told = []
    for figure in dict.fromkeys((declared, AUC)):
        if figure not in part.measurements:
            continue
        value, interval = write_measurement(part.measurements[figure])
        told.append(f"{figure} {value} on {part.part} (68 % interval {interval})")
        if figure == AUC and SHARE in part.measurements:
            share = write_share(part.measurements[SHARE].value)
            told[-1] += f", which is {share} of the optimum in terms of {SHARE_FORMULA}"
        if part.part == "test" and validation is not None and figure in validation.measurements:
            how = ", by which it was chosen," if figure == declared else ""
            told.append(f"on validation{how} {write_measurement(validation.measurements[figure])[0]}")
    n_finished = sum(trial.state in ("complete", "pruned") for trial in search.trials)
    network = f"Trial {winner.number} has won among {n_finished:,}: {name_network(search, winner)}"
    return f"{network}, with {'; '.join(told)}." if told else f"{network}."


def _compare(part: PartEvaluation, ballparks: tuple[Ballpark, ...]) -> str:
    """Return what others reached beside the AUC's interval, best first, at most three; empty where there are none.

    What reaches the optimum's AUC within three of its errors is no network's result, and left out.
    """
    if AUC not in part.measurements:
        return ""
    auc, optimum = part.measurements[AUC], part.measurements.get(OPTIMUM_AUC)
    least = inf if optimum is None else optimum.value - 3 * optimum.error
    others = sorted((b for b in ballparks if b.auc < least), key=lambda b: -b.auc)
    told = [f"{b.name} {b.auc:.4g}{_place(auc, b.auc)} ({b.source})" for b in others[:SHOWN_BALLPARKS]]
    return f"AUC of others, for comparison: {'; '.join(told)}." if told else ""


def _place(measured: Measurement, other: float) -> str:
    """Return on which side of a 68 % interval another value lies; empty within."""
    if measured.low <= other <= measured.high:
        return ""
    return f", {'below' if other < measured.low else 'above'} the interval"


def _tell_cut(part: PartEvaluation) -> str | None:
    if not {EPS_S, SPECIFICITY} <= part.measurements.keys():
        return None
    eps_s, specificity = part.measurements[EPS_S], part.measurements[SPECIFICITY]
    return (
        f"The cut chosen on validation keeps {write_share(eps_s.value)} (± {100 * eps_s.error:.1f}) of the signal and "
        f"{write_share(1 - specificity.value)} (± {100 * specificity.error:.1f}) of the background on {part.part}."
    )
