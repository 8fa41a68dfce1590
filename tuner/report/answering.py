"""What the page leads with: the answer in at most three sentences, and the figures read from across the room."""

from __future__ import annotations

from collections import Counter

from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.metrics.measurement import Measurement
from tuner.problem import Ballpark
from tuner.report.page import Highlight
from tuner.report.searching import name_network
from tuner.report.writing import DASH, write_count, write_duration, write_measurement, write_number, write_share
from tuner.tune.search import Search, TrialRecord

AUC, SHARE, EPS_S, SPECIFICITY = "AUC", "share of the optimum", "sensitivity", "specificity"


def answer(search: Search, winner: TrialRecord | None, evaluation: Evaluation | None) -> list[str]:
    """Return what won, how well, against what others reached, and what the cut keeps."""
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
    auc = part.measurements.get(AUC)
    if auc is not None and search.study.problem.ballparks:
        told.append(_compare(auc, search.study.problem.ballparks))
    if (cut := _tell_cut(part)) is not None:
        told.append(cut)
    return told


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the AUC on test and validation, the share of the optimum, the cut, trials and time."""
    shown = []
    for name in ("test", "validation"):
        part = find_part(evaluation, name)
        if part is not None and AUC in part.measurements:
            value, interval = write_measurement(part.measurements[AUC])
            shown.append(Highlight(value, f"AUC on {name}", f"68 %: {interval}"))
    part = find_part(evaluation, "test") or find_part(evaluation, "validation")
    if part is not None and SHARE in part.measurements:
        share = part.measurements[SHARE]
        interval = f"68 %: {100 * share.low:.1f} {DASH} {100 * share.high:.1f} %"
        shown.append(Highlight(write_share(share.value), f"of the optimum, {part.part}", interval))
    if part is not None and {EPS_S, SPECIFICITY} <= part.measurements.keys():
        eps_s, eps_b = part.measurements[EPS_S].value, 1 - part.measurements[SPECIFICITY].value
        shown.append(
            Highlight(write_share(eps_s), f"signal kept, {part.part}", f"with {write_share(eps_b)} background")
        )
    states = Counter(trial.state for trial in search.trials)
    counted = ", ".join(f"{states[s]} {s}" for s in ("complete", "pruned", "failed") if states[s])
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
    told = f"Trial {winner.number} of {len(search.trials)} has won: {name_network(search, winner)}"
    if AUC in part.measurements:
        value, interval = write_measurement(part.measurements[AUC])
        told += f", with AUC {value} on {part.part} (68 % interval {interval})"
    if part.part == "test" and validation is not None and AUC in validation.measurements:
        told += f"; on validation, by which it was chosen, {write_measurement(validation.measurements[AUC])[0]}"
    if SHARE in part.measurements:
        told += f"; that is {write_share(part.measurements[SHARE].value)} of the optimum, which no network can beat"
    return told + "."


def _compare(auc: Measurement, ballparks: tuple[Ballpark, ...]) -> str:
    """Return how an AUC stands against what others reached, best first; level where its interval holds them."""
    groups: dict[str, list[str]] = {"below": [], "level with": [], "above": []}
    for ballpark in sorted(ballparks, key=lambda b: -b.auc):
        place = "above" if auc.low > ballpark.auc else "below" if auc.high < ballpark.auc else "level with"
        groups[place].append(f"{ballpark.name} ({ballpark.auc:.4g})")
    told = [f"{place} {' and '.join(names[:3])}" for place, names in groups.items() if names]
    return f"That is {', and '.join(told)}."


def _tell_cut(part: PartEvaluation) -> str | None:
    if not {EPS_S, SPECIFICITY} <= part.measurements.keys():
        return None
    eps_s, specificity = part.measurements[EPS_S], part.measurements[SPECIFICITY]
    return (
        f"The cut chosen on validation keeps {write_share(eps_s.value)} (± {100 * eps_s.error:.1f}) of the signal and "
        f"{write_share(1 - specificity.value)} (± {100 * specificity.error:.1f}) of the background on {part.part}."
    )
