"""Which candidate is handed on: the single network, or the bag or the ensemble where that is better. Never by test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.evaluation.bagging import Bag
from tuner.evaluation.candidates import Candidate, Field
from tuner.evaluation.statistics.comparison import Kind, Standing, compare, replicate
from tuner.evaluation.statistics.ensemble import cross_fit_ensemble
from tuner.metrics.figures_of_merit import Auc, CutFigure, FigureOfMerit
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.tuning.evaluation_settings import HandOn

NAMES: dict[HandOn, str] = {
    "single": SINGLE_NETWORK,
    "refit": "refit",
    "bag": "bag",
    "ensemble": "ensemble",
    "blend": "blend",
}
"""Names of candidates by the words of `EvaluationSettings.hand_on`."""


@dataclass(frozen=True, kw_only=True)
class HandOnChoice:
    """What is handed on, and why."""

    candidate: str
    """Name of the candidate."""
    reason: str
    """The reason, as the end of a sentence: "it is better than the single network, by ..."."""
    figure_of_merit: str = ""
    """Name of the figure that they were compared by."""
    standings: tuple[Standing, ...] = ()
    """Stand-ins of the candidates on validation against the winner's mean over trainings; none where it was asked for.

    A bag has trained on validation: the mean of those networks of its configuration that did not train on the event
    stands in for it, the winner's trainings and the bag's network of the event's fold. The ensemble is picked on one
    half of validation and judged on the other.
    """


def choose_handed_on(field: Field, winner: Candidate, *, wanted: HandOn, bag: Bag | None) -> HandOnChoice:
    """Return which candidate is handed on.

    Args:
        field: All candidates.
        winner: The finalist that has won.
        wanted: What the settings ask for. "auto" takes the single network, unless the bag is better; then the
            ensemble where it is better than that. Better is what the paired comparison of their stand-ins says.
        bag: The winner's bag; None where there is none.
    """
    if wanted != "auto":
        return HandOnChoice(candidate=NAMES[wanted], reason="the study asks for it")
    figure: FigureOfMerit = Auc() if isinstance(field.figure, CutFigure) else field.figure
    singles = winner.scores("validation", field.validation)
    stand_ins: dict[str, tuple[Kind, Sequence[np.ndarray]]] = {SINGLE_NETWORK: ("finalist", singles)}
    if bag is not None:
        stand_ins["bag"] = ("bag", [_stand_in(bag, field, singles)])
    members = [one for each in field.of_kind("finalist") for one in each.scores("validation", field.validation)]
    if len(members) > 1:
        mixed = cross_fit_ensemble(figure, field.validation.labels, members, field.validation.weights, seed=field.seed)
        stand_ins["ensemble"] = ("ensemble", [mixed])
    chosen, standings = SINGLE_NETWORK, _compare(field, figure, stand_ins, SINGLE_NETWORK)
    for name in ("bag", "ensemble"):
        if name in stand_ins and _is_better(name, _compare(field, figure, stand_ins, chosen)):
            chosen = name
    return HandOnChoice(
        candidate=chosen, reason=_tell_reason(chosen, stand_ins), figure_of_merit=figure.name, standings=standings
    )


def _stand_in(bag: Bag, field: Field, singles: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean score [n] of the bag's configuration on validation, by networks that did not train on the event.

    Validation events come last in the bag's events.
    """
    out_of_fold = bag.out_of_fold.scores[-len(field.validation.labels) :]
    total, n_scores = np.sum(singles, axis=0), len(singles)
    mean: np.ndarray = np.where(np.isnan(out_of_fold), total / n_scores, (total + out_of_fold) / (n_scores + 1))
    return mean


def _compare(
    field: Field,
    figure: FigureOfMerit,
    stand_ins: dict[str, tuple[Kind, Sequence[np.ndarray]]],
    reference: str,
) -> tuple[Standing, ...]:
    validation = field.validation
    replicas = {
        name: replicate(
            figure, validation.labels, scores, validation.weights, n_replicas=field.n_replicas, seed=field.seed
        )
        for name, (_, scores) in stand_ins.items()
    }
    kinds = {name: kind for name, (kind, _) in stand_ins.items()}
    return compare(replicas, reference, kinds=kinds, part="validation", seed=field.seed)


def _is_better(name: str, standings: Sequence[Standing]) -> bool:
    return any(standing.candidate == name and standing.verdict == "better" for standing in standings)


def _tell_reason(chosen: str, stand_ins: dict[str, tuple[Kind, Sequence[np.ndarray]]]) -> str:
    rivals = [name for name in stand_ins if name not in (chosen, SINGLE_NETWORK)]
    if chosen != SINGLE_NETWORK:
        return "by validation and out-of-fold scores it is better than the single network"
    if not rivals:
        return "there is nothing beside it"
    return f"by validation and out-of-fold scores it is as good as the {' and the '.join(rivals)}"
