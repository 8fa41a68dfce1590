"""Which candidate is handed on: the single network, or the bag or the ensemble where that is better. Never by test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tuner.evaluation.bagging import Bag
from tuner.evaluation.candidates import BAG_ENSEMBLE, Candidate, CutEvents, Field
from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.evaluation.statistics.comparison import Kind, Standing, compare
from tuner.evaluation.statistics.ensemble import cross_fit_ensemble
from tuner.metrics.figures_of_merit import Auc, CutFigure, FigureOfMerit
from tuner.metrics.measurement import Measurement
from tuner.metrics.replicas import replicate
from tuner.prediction.networks import SINGLE_NETWORK, name_candidate
from tuner.preparation.splits import Part
from tuner.progress.wording import join_words
from tuner.tuning.evaluation_settings import HandOn

StandIns = dict[str, tuple[Kind, Sequence[np.ndarray]]]
"""Kind and scores of each candidate's trainings, by name, from the simplest on."""


@dataclass(frozen=True, kw_only=True)
class HandOnChoice:
    """What is handed on, and why."""

    candidate: str
    """Name of the candidate."""
    reason: str
    """The reason, as a sentence without its full stop, with a difference for each rival that it is better than."""
    figure_of_merit: str = ""
    """Name of the figure that they were compared by."""
    standings: tuple[Standing, ...] = ()
    """Stand-ins of the candidates on validation against the winner's mean over trainings; none where it was asked for.

    A bag has trained on validation: the mean of those networks of its configuration that did not train on the event
    stands in for it, the winner's trainings and the bag's network of the event's fold. The ensemble is picked on one
    half of validation and judged on the other.
    """


def choose_handed_on(
    field: Field, winner: Candidate, *, wanted: HandOn, bags: Sequence[Bag], same_as: Mapping[str, str] | None = None
) -> HandOnChoice:
    """Return which candidate is handed on.

    Args:
        field: All candidates.
        winner: The finalist that has won.
        wanted: What the settings ask for. "auto" takes the single network, unless the bag is better; then the
            ensemble where it is better than that. Better is what the paired comparison of their stand-ins says. A bag
            gives way to the ensemble of several bags where that is better by out-of-fold scores.
        bags: Those of the winner and of the next best finalists; none where there are none.
        same_as: Names of candidates, none of the field, that give the same scores as another network or mean of
            networks, and its name: that one is handed on in their place.
    """
    twins = same_as or {}
    if wanted != "auto":
        name = name_candidate(wanted)
        if name not in twins:
            return HandOnChoice(candidate=name, reason="The study asks for it")
        reason = f"The study asks for the {name}, which is the {twins[name]} here: it gives the same scores"
        return HandOnChoice(candidate=twins[name], reason=reason)
    figure: FigureOfMerit = Auc() if isinstance(field.figure, CutFigure) else field.figure
    singles = winner.scores("validation", field.validation)
    stand_ins: StandIns = {SINGLE_NETWORK: ("finalist", singles)}
    if bags:
        stand_ins["bag"] = ("bag", [_stand_in(bags[0], field, singles)])
    members = [one for each in field.of_kind("finalist") for one in each.scores("validation", field.validation)]
    if len(members) > 1 and "ensemble" not in twins:
        mixed = cross_fit_ensemble(figure, field.validation.labels, members, field.validation.weights, seed=field.seed)
        stand_ins["ensemble"] = ("ensemble", [mixed])
    compare_on_validation = partial(_compare, field, figure, field.validation, stand_ins)
    against = {name: compare_on_validation(name) for name in stand_ins if name != "ensemble"}
    chosen = SINGLE_NETWORK
    for name in ("bag", "ensemble"):
        if name in stand_ins and _find_gain(name, against[chosen]) is not None:
            chosen = name
    outdone = {name: gain for name in against if (gain := _find_gain(chosen, against[name])) is not None}
    reason = _tell_reason(outdone, [name for name in stand_ins if name != chosen], figure.name)
    if chosen == "bag" and len(bags) > 1 and BAG_ENSEMBLE not in twins:
        gain = _find_gain(BAG_ENSEMBLE, _compare_bags(field, figure, bags))
        if gain is not None:
            told = f"by out-of-fold scores the {BAG_ENSEMBLE} is better in {figure.name} than that bag ({gain.signed})"
            chosen, reason = BAG_ENSEMBLE, f"{reason.replace(' it is ', ' the bag of the winner is ')}; {told}"
    return HandOnChoice(candidate=chosen, reason=reason, figure_of_merit=figure.name, standings=against[SINGLE_NETWORK])


def tell_choice_on_test(choice: HandOnChoice, standings: Sequence[Standing], figure_of_merit: str) -> str:
    """Return in a sentence where test says otherwise of what is handed on than what chose it; empty where it does not.

    Args:
        choice: What is handed on, and why.
        standings: Those on test, against the winner's mean over trainings.
        figure_of_merit: Name of the figure that they are by.
    """
    on_test = {standing.candidate: standing for standing in standings}
    others = [each.candidate for each in choice.standings if each.verdict != "winner" and each.candidate in on_test]
    by, begin = f"by {figure_of_merit} on test", f"By {choice.figure_of_merit} on validation and out of fold"
    if choice.candidate in on_test and others:
        mine = on_test[choice.candidate]
        if mine.verdict == "better":
            return ""
        it = "it is worse" if mine.verdict == "worse" else "the two cannot be told apart"
        chosen = f"the {choice.candidate} is better than the single network, and is handed on"
        return f"{begin} {chosen}; {by} {it} ({mine.difference.signed})."
    if better := [on_test[name] for name in others if on_test[name].verdict == "better"]:
        told = join_words([f"the {each.candidate} is better ({each.difference.signed})" for each in better])
        return f"{begin} nothing is better than the single network, which is handed on; {by} {told}."
    return ""


def _compare_bags(field: Field, figure: FigureOfMerit, bags: Sequence[Bag]) -> tuple[Standing, ...]:
    """Return how the ensemble of bags, picked on one half of the events for the other, stands against the first."""
    first = bags[0].out_of_fold
    scored = np.all([bag.out_of_fold.is_scored for bag in bags], axis=0)
    events = CutEvents(OUT_OF_FOLD, first.rows[scored], first.labels[scored], first.weights[scored], ())
    scores = [bag.out_of_fold.scores[scored] for bag in bags]
    mixed = cross_fit_ensemble(figure, events.labels, scores, events.weights, seed=field.seed)
    return _compare(field, figure, events, {"bag": ("bag", scores[:1]), BAG_ENSEMBLE: ("ensemble", [mixed])}, "bag")


def _stand_in(bag: Bag, field: Field, singles: Sequence[np.ndarray]) -> np.ndarray:
    """Return the bag's configuration's mean score [n] on validation, by networks that did not train on the event."""
    out_of_fold = bag.out_of_fold.take_scores(field.validation.rows)
    total, n_scores = np.sum(singles, axis=0), len(singles)
    mean: np.ndarray = np.where(np.isnan(out_of_fold), total / n_scores, (total + out_of_fold) / (n_scores + 1))
    return mean


def _compare(
    field: Field, figure: FigureOfMerit, events: Part | CutEvents, stand_ins: StandIns, reference: str
) -> tuple[Standing, ...]:
    replicas = {
        name: replicate(figure, events.labels, scores, events.weights, n_replicas=field.n_replicas, seed=field.seed)
        for name, (_, scores) in stand_ins.items()
    }
    kinds = {name: kind for name, (kind, _) in stand_ins.items()}
    part = events.part if isinstance(events, CutEvents) else "validation"
    return compare(replicas, reference, kinds=kinds, part=part, seed=field.seed)


def _find_gain(name: str, standings: Sequence[Standing]) -> Measurement | None:
    """Return by how much a candidate is better than what the standings are against; None where it is not."""
    better = (each.difference for each in standings if each.candidate == name and each.verdict == "better")
    return next(better, None)


def _tell_reason(outdone: Mapping[str, Measurement], rivals: Sequence[str], figure: str) -> str:
    """Return why the one that was chosen is handed on.

    outdone: by how much it is better than those of its rivals that it is better than. figure: what they differ in.
    """
    begin = "By validation and out-of-fold scores"
    if outdone:
        told = join_words([f"the {name} ({gain.signed})" for name, gain in outdone.items()])
        return f"{begin} it is better in {figure} than {told}"
    names = join_words([f"the {name}" for name in rivals])
    if len(rivals) == 1:
        return f"{begin} {names} cannot be told from it, or is worse"
    return f"{begin} {names} cannot be told from it, or are worse" if rivals else "There is nothing beside it"
