"""Who has won, against whom and by how much: a sentence, and a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.evaluation.statistics.comparison import Standing, Verdict, find_baseline
from tuner.markdown import escape_markdown, write_table
from tuner.metrics.figures_of_merit import shorten_figure
from tuner.metrics.measurement import SIGNIFICANT
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.progress.wording import join_words, write_count

if TYPE_CHECKING:
    from tuner.evaluation.results import Evaluation


def summarize_verdict(evaluation: Evaluation) -> str:
    """Return who has won, how the best baseline compares, what is handed on, who else is better or as good.

    The winner is a configuration, its figure the mean of its trainings, on the last part that is open; what is handed
    on is one of these networks, or a mean of several.
    """
    standings = evaluation.standings_on(evaluation.last_part)
    mine = next((standing for standing in standings if standing.verdict == "winner"), None)
    if mine is None:
        return f"Trial {evaluation.winner} has won."
    baseline = find_baseline(standings)
    others = [standing for standing in standings if standing.kind != "baseline"]
    better = [f"{_name(s)}, by {-s.lead}" for s in others if s.verdict == "better"]
    better += _count_baselines(standings, baseline, "better")
    equal = [_name(s) for s in others if s.verdict == "not distinguishable"]
    equal += _count_baselines(standings, baseline, "not distinguishable")
    told = [
        _compare_with_baseline(evaluation, mine, baseline),
        f"Better than it: {'; '.join(better)}." if better else "",
        f"Cannot be told from it: {', '.join(equal)}." if equal else "",
        tell_by_auc(evaluation),
        _tell_handed_on(evaluation),
        evaluation.choice_on_test,
    ]
    return " ".join(filter(None, told))


def _tell_handed_on(evaluation: Evaluation) -> str:
    """Return what is handed on and its figure, where that is a mean of networks or was trained on more events."""
    part, figure = evaluation.own_part, evaluation.figure_of_merit
    named = shorten_figure(figure)
    if evaluation.handed_on.name == SINGLE_NETWORK or part is None or figure not in part.measurements:
        return ""
    return f"Handed on is the {evaluation.handed_on.description}: {named} {part[figure]} on {part.part}."


def tell_by_auc(evaluation: Evaluation) -> str:
    """Return in a sentence where AUC gives another verdict than the declared figure; nothing where it gives the same.

    Of the baselines only the best by the declared figure is told of.
    """
    standings = evaluation.standings_on(evaluation.last_part)
    best = find_baseline(standings)
    mine = {s.candidate: s.verdict for s in standings if s.kind != "baseline" or s is best}
    unlike = [s for s in evaluation.by_auc if s.verdict != mine.get(s.candidate, s.verdict)]
    ahead = [f"{_name(s)} by {s.lead}" for s in unlike if s.verdict == "worse"]
    behind = [f"{_name(s)} by {-s.lead}" for s in unlike if s.verdict == "better"]
    equal = [_name(s) for s in unlike if s.verdict == "not distinguishable"]
    told = [
        f"leads {join_words(ahead)}" if ahead else "",
        f"is behind {join_words(behind)}" if behind else "",
        f"cannot be told from {join_words(equal)}" if equal else "",
    ]
    said = "; it ".join(filter(None, told))
    return f"By AUC, trial {evaluation.winner} {said}." if said else ""


def explain_intervals(evaluation: Evaluation) -> str:
    """Return what the intervals of standings hold, by which method, and what few trainings leave of verdicts."""
    standings = evaluation.standings_on(evaluation.last_part)
    several = any(len(standing.singles) > 1 for standing in standings)
    told = (
        f"Intervals: 68 %, by a bootstrap of the events, {evaluation.settings.replicas} replicas that draw each class "
        f"anew{', with trainings drawn anew where there are several' if several else ''}."
    )
    return " ".join(filter(None, (told, _tell_few_trainings(standings))))


FAR = 5.0
"""Errors beyond which a difference must be for a verdict where it is said that there are too few trainings."""


def _tell_few_trainings(standings: Sequence[Standing]) -> str:
    """Return what too few trainings of each configuration leave of the verdicts; nothing where there are enough."""
    from scipy.stats import t

    n_trainings = min((len(s.singles) for s in standings if s.kind == "finalist"), default=0)
    n_rivals = len(standings) - 1
    if not n_trainings or not n_rivals:
        return ""
    if n_trainings == 1:
        return "Each configuration was trained once: verdicts do not allow for what another training would give."
    # Welch's degrees of freedom where trainings differ by more than events, and Holm's first step; see `compare`.
    errors = float(t.isf(SIGNIFICANT / 2 / n_rivals, 2 * (n_trainings - 1)))
    if errors <= FAR:
        return ""
    return (
        f"With {n_trainings} trainings of each configuration hardly anything can be told apart: a difference between "
        f"two may have to be {errors:.0f} times its error. More `seeds` tell more."
    )


def _compare_with_baseline(evaluation: Evaluation, mine: Standing, baseline: Standing | None) -> str:
    part, figure = evaluation.last_part, shorten_figure(evaluation.figure_of_merit)
    own = f"{figure} {mine.figure} on {part}"
    if baseline is None:
        return f"Trial {evaluation.winner} has won: {own}."
    name, rival, lead = f"trial {evaluation.winner}", baseline.candidate, baseline.lead.signed
    match baseline.verdict:
        case "better":
            behind = f"{rival} by {-baseline.lead}: {own}, against {baseline.figure}"
            return f"The winner among the networks, {name}, is behind {behind}."
        case "worse":
            return f"Trial {evaluation.winner} has won: {own}; it leads {rival} by {lead}."
    return f"Trial {evaluation.winner} is the best network: {own}; it cannot be told from {rival} ({lead})."


def _count_baselines(standings: Sequence[Standing], best: Standing | None, verdict: Verdict) -> list[str]:
    """Return how many baselines but the best have a verdict, in words; nothing for none."""
    count = sum(s.kind == "baseline" and s is not best and s.verdict == verdict for s in standings)
    return [write_count(count, "other baseline")] if count else []


def _name(standing: Standing) -> str:
    return standing.candidate if standing.kind in ("finalist", "baseline") else f"the {standing.candidate}"


def tabulate_verdicts(evaluation: Evaluation) -> str:
    """Return the verdict in Markdown: the sentence, a row for each candidate, how often the test part was opened."""
    part, figure = evaluation.last_part, escape_markdown(evaluation.figure_of_merit)
    head = ("Candidate", f"{figure} on {part}", "Lead of the winner", "The winner is")
    rows = [_write_row(standing) for standing in evaluation.standings_on(part)]
    return "\n".join(
        [
            escape_markdown(summarize_verdict(evaluation)),
            "",
            write_table([head, *rows]),
            "",
            f"{explain_intervals(evaluation)} Leads are paired; verdicts allow for the number of candidates.",
            "",
            _tell_openings(evaluation),
        ]
    )


def _write_row(standing: Standing) -> tuple[str, str, str, str]:
    trainings = f" (mean of {len(standing.singles)} trainings)" if len(standing.singles) > 1 else ""
    name, figure = f"{escape_markdown(standing.candidate)}{trainings}", str(standing.figure)
    if standing.verdict == "winner":
        return f"**{name}**", figure, "", "this one"
    return name, figure, standing.lead.signed, standing.verdict_on_winner


def _tell_openings(evaluation: Evaluation) -> str:
    if evaluation.opening is None:
        before = f"; it was opened {_count_times(evaluation.openings)} before" if evaluation.openings else ""
        return f"This evaluation left the test part closed{before}."
    return f"The test part has been opened {_count_times(evaluation.openings)}."


def _count_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
