"""What the page leads with: the answer in three sentences, and the figures read from across the room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tuner.evaluate.comparing import Standing, find_baseline
from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.metrics.measurement import Measurement
from tuner.report.page import Highlight
from tuner.report.searching import name_network
from tuner.report.writing import (
    DASH,
    join_words,
    write_count,
    write_duration,
    write_measurement,
    write_number,
    write_share,
)
from tuner.tune.search import Search, TrialRecord

AUC, SHARE, EPS_S, SPECIFICITY = "AUC", "share of the optimum", "sensitivity", "specificity"
SHARE_FORMULA = "(AUC - 1/2)/(AUC of the optimum - 1/2)"


def answer(search: Search, winner: TrialRecord | None, evaluation: Evaluation | None) -> list[str]:
    """Return what won, against what, and whether it can be trusted."""
    if winner is None:
        return [_answer_without_winner(search)]
    if evaluation is None:
        figure = search.study.problem.figure_of_merit.name
        return [
            f"Of {write_count(len(search.trials), 'trial')}, number {winner.number} is the best so far: "
            f"{figure} {write_number(winner.figure)} on validation, by which it was chosen.",
            "No finalist was trained anew and the test part is still closed: `tuner evaluate` does both.",
        ]
    standings = evaluation.standings_on(evaluation.last_part)
    return [
        _tell_winner(search, evaluation, standings),
        _tell_rivals(evaluation, standings),
        _tell_trust(evaluation),
    ]


def _tell_winner(search: Search, evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return who won and how well; that the trees won, where they did, comes first."""
    mine = next(standing for standing in standings if standing.verdict == "winner")
    part, figure = evaluation.last_part, evaluation.figure_of_merit
    trial = next(trial for trial in search.trials if trial.number == evaluation.winner)
    n_finalists = sum(standing.kind == "finalist" for standing in standings)
    among = f"of {write_count(n_finalists, 'finalist')}, each trained {write_count(len(mine.singles), 'time')}"
    who = f"Trial {evaluation.winner} ({name_network(search, trial)})"
    value, interval = write_measurement(mine.figure)
    how = f"{figure} {value} on {part} (68 % interval {interval}, over events and seeds)"
    baseline = find_baseline(standings)
    if baseline is not None and baseline.verdict == "better":
        theirs, own = write_measurement(baseline.figure)
        first = f"The {baseline.candidate} have won: {figure} {theirs} on {part} (68 % interval {own})."
        return f"{first} The best network, {who[0].lower()}{who[1:]}, {among}, has {how}{_tell_share(evaluation)}."
    return f"{who} has won, the best mean {among}: {how}{_tell_share(evaluation)}."


def _tell_share(evaluation: Evaluation) -> str:
    part = evaluation.part(evaluation.last_part)
    if part is None or SHARE not in part.measurements:
        return ""
    return f"; the network handed on reaches {write_share(part[SHARE].value)} of the optimum, {SHARE_FORMULA}"


def _tell_rivals(evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return whom the winner beats, whom it cannot be told from, who beats it, and who of its equals is cheapest."""
    rivals = {
        verdict: [standing for standing in standings if standing.verdict == verdict]
        for verdict in ("worse", "better", "not distinguishable")
    }
    told = []
    if rivals["worse"]:
        told.append(f"is better than {join_words([_name_difference(rival) for rival in rivals['worse']])}")
    if rivals["better"]:
        told.append(f"is worse than {join_words([_name_difference(rival) for rival in rivals['better']])}")
    if rivals["not distinguishable"]:
        told.append(f"cannot be told from {join_words([rival.candidate for rival in rivals['not distinguishable']])}")
    if not told:
        return "It had no rival."
    sentence = f"It {'; it '.join(told)}"
    if evaluation.cheapest and evaluation.cheapest != f"trial {evaluation.winner}":
        cheapest = next(standing for standing in standings if standing.candidate == evaluation.cheapest)
        size = write_count(cheapest.n_parameters, "parameter") if cheapest.n_parameters else "unknown size"
        sentence += f", of which {cheapest.candidate} is the cheapest ({size})"
    if evaluation.survival is None:
        return f"{sentence}."
    return f"{sentence}. {name_survival(evaluation)}"


def name_survival(evaluation: Evaluation) -> str:
    """Return in a sentence whether the winner's gain on the best baseline survives the next stage."""
    baseline = find_baseline(evaluation.standings_on(evaluation.last_part))
    assert evaluation.survival is not None
    assert baseline is not None
    return evaluation.survival.sentence(("the winner", baseline.candidate))


def _name_difference(rival: Standing) -> str:
    value, interval = write_measurement(rival.difference)
    value, interval = (text.replace("-", "\N{MINUS SIGN}") for text in (value, interval))
    return f"{rival.candidate} ({value}, {interval})"


def _tell_trust(evaluation: Evaluation) -> str:
    """Return what validation promised, how much of it may be luck, what test said, and how often it was opened."""
    told, selection = [], evaluation.selection
    if selection is not None:
        luck = f"up to {write_number(selection.expected_excess, 2)} of it may be the luck of the best of"
        told.append(
            f"The search's best {evaluation.figure_of_merit} on validation was {write_number(selection.best)}; "
            f"{luck} {selection.n_trials:,}"
        )
        for part, measured in (("validation", selection.retrained), ("test", selection.test)):
            if measured is not None:
                told.append(f"trained anew it has {write_measurement(measured)[0]} on {part}")
    if evaluation.opening is None:
        told.append("the test part is still closed")
    else:
        times = "once" if evaluation.openings == 1 else f"{evaluation.openings} times"
        told.append(f"the test part has been opened {times}")
    sentence = "; ".join(told)
    return f"{sentence[0].upper()}{sentence[1:]}."


def highlight(search: Search, evaluation: Evaluation | None, seconds: float | None) -> list[Highlight]:
    """Return the declared figure and AUC on test and validation, the share of the optimum, the cut, trials and time."""
    shown = []
    if evaluation is not None:
        shown += _highlight_winner(evaluation)
    part = None if evaluation is None else evaluation.part(evaluation.last_part)
    if part is not None:
        shown += _highlight_network(part, evaluation.figure_of_merit if evaluation else AUC)
    states = Counter(trial.state for trial in search.trials if trial.state != "interrupted")
    counted = ", ".join(f"{states[s]:,} {s}" for s in ("complete", "pruned", "failed") if states[s])
    shown.append(Highlight(f"{states.total():,}", "trial" if states.total() == 1 else "trials", counted))
    if seconds is not None:
        epochs = sum(trial.epochs for trial in search.trials)
        shown.append(Highlight(write_duration(seconds), "of searching", write_count(epochs, "epoch")))
    return shown


def _highlight_winner(evaluation: Evaluation) -> list[Highlight]:
    """Return the winner's mean over trainings, and what it gains on the best baseline."""
    shown, figure = [], evaluation.figure_of_merit
    for part in dict.fromkeys((evaluation.last_part, "validation")):
        standing = next(s for s in evaluation.standings_on(part) if s.verdict == "winner")
        value, interval = write_measurement(standing.figure)
        shown.append(Highlight(value, f"{figure} on {part}, mean of {len(standing.singles)}", f"68 %: {interval}"))
    baseline = find_baseline(evaluation.standings_on(evaluation.last_part))
    if baseline is not None:
        value, interval = write_measurement(_turn(baseline))
        signed = value if value.startswith("-") else f"+{value}"
        shown.append(Highlight(signed, f"{figure} over {baseline.candidate}", f"68 %: {interval}"))
    return shown


def _turn(standing: Standing) -> Measurement:
    """Return the winner minus a rival."""
    difference = standing.difference
    return Measurement(-difference.value, -difference.high, -difference.low)


def _highlight_network(part: PartEvaluation, figure: str) -> list[Highlight]:
    """Return what the network that is handed on reaches."""
    shown = []
    if figure != AUC and AUC in part.measurements:
        value, interval = write_measurement(part[AUC])
        shown.append(Highlight(value, f"AUC on {part.part}, network handed on", f"68 %: {interval}"))
    if SHARE in part.measurements:
        share = part[SHARE]
        interval = f"68 %: {100 * share.low:.1f} {DASH} {100 * share.high:.1f} %"
        shown.append(
            Highlight(write_share(share.value), f"of the optimum, {part.part}", f"{SHARE_FORMULA}; {interval}")
        )
    if {EPS_S, SPECIFICITY} <= part.measurements.keys():
        eps_s, eps_b = part[EPS_S].value, 1 - part[SPECIFICITY].value
        shown.append(
            Highlight(write_share(eps_s), f"signal kept, {part.part}", f"with {write_share(eps_b)} background")
        )
    return shown


def _answer_without_winner(search: Search) -> str:
    trials = search.trials
    if not trials:
        return "No trial has begun."
    failed = sum(trial.state == "failed" for trial in trials)
    why = " All of them failed: their reasons are below." if failed == len(trials) else ""
    return f"Of {write_count(len(trials), 'trial')}, none is complete yet, so there is no winner to judge.{why}"
