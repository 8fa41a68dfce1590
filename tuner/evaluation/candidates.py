"""The candidates of an evaluation, with their scores: finalists trained anew, means of networks, baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuner.checked_files import hash_file
from tuner.evaluation.bagging import BAG_PARTS, Bag
from tuner.evaluation.folds import OUT_OF_FOLD, FoldedEvents
from tuner.evaluation.kept_trainings import KeptTraining
from tuner.evaluation.statistics.blend import blend_scores, fit_share
from tuner.evaluation.statistics.comparison import Kind, compare
from tuner.evaluation.statistics.ensemble import pick_ensemble
from tuner.metrics.figures_of_merit import Auc, CutFigure, FigureOfMerit
from tuner.metrics.measurement import rank_value
from tuner.metrics.replicas import Replicas, replicate
from tuner.metrics.working_points import choose_cut
from tuner.prediction.boosted_trees import save_trees
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import SINGLE_NETWORK, BlendedTrees, Predictor, TrainedNetwork, find_trees
from tuner.preparation.splits import Part
from tuner.tuning.search import Search

if TYPE_CHECKING:
    from torch import nn

    from tuner.evaluation.baselines.search_baselines import SearchBaselines
    from tuner.evaluation.baselines.tree_bag import TreeBag

BEFORE_REFIT = "validation, before the refit"
"""Name of the validation events as what was fitted on train alone scores them."""

BAG_ENSEMBLE = "ensemble of bags"
"""Name of the candidate that is a mean of several configurations' bags."""

Score = Callable[[np.ndarray], np.ndarray]
"""From prepared inputs [n, d_in] to scores [n] in [0, 1]."""


@dataclass(frozen=True, eq=False)
class CutEvents:
    """Events with scores that a candidate's cuts are chosen on: by networks that did not train on them."""

    part: str
    """ "validation", or `OUT_OF_FOLD`."""
    rows: np.ndarray
    """Places in the events as read, int64 [n]."""
    labels: np.ndarray
    """In {0, 1}, [n]."""
    weights: np.ndarray
    """Event weights as they were read, [n]."""
    scores: tuple[np.ndarray, ...]
    """[n] by each scorer."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of those that are judged side by side: a finalist with its several trainings, or one scorer."""

    name: str
    kind: Kind
    scorers: tuple[Score, ...]
    """One for each training of a finalist; a single one for all others."""
    networks: tuple[TrainedNetwork, ...] = ()
    """The trainings of a finalist, in the order of `scorers`; for others the networks that are averaged."""
    n_parameters: int | None = None
    """Parameters of one training of a finalist, of all averaged networks together; None for what has none."""
    known: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    """Scores by part, as each scorer gave them; filled in when they are first asked for."""
    trained_on: tuple[str, ...] = ("train",)
    """Parts whose events it was trained on: no figure is taken on them."""
    cut_events: CutEvents | None = None
    """What its cuts are chosen on; None for validation."""
    trees: BlendedTrees | None = None
    """What a blend has beside the networks."""
    same_as: str = ""
    """Name of another candidate that gives the same scores: this one is no rival of its own. Empty where there is none.

    An ensemble may have picked one network alone, and a blend may leave all to one of its two bags."""

    def scores(self, name: str, part: Part) -> tuple[np.ndarray, ...]:
        """Return the scores [n] by each scorer of the part of that name."""
        if name not in self.known:
            self.known[name] = tuple(score(np.asarray(part.x)) for score in self.scorers)
        return self.known[name]

    def choose_on(self, validation: Part) -> CutEvents:
        """Return the events that its cuts are chosen on, with a score by each scorer."""
        if self.cut_events is not None:
            return self.cut_events
        scores = self.scores("validation", validation)
        return CutEvents("validation", validation.rows, validation.labels, validation.weights, scores)

    def take(self, training: int) -> Candidate:
        """Return one training of a finalist as a candidate of its own, the "single network"."""
        return Candidate(
            SINGLE_NETWORK,
            self.kind,
            (self.scorers[training],),
            (self.networks[training],),
            n_parameters=self.n_parameters,
            known={part: (scores[training],) for part, scores in self.known.items()},
        )

    @property
    def predictor(self) -> Predictor | None:
        """What `tuner predict` needs to give the same scores; None for a baseline, which is no network."""
        return Predictor(self.name, self.networks, self.trees) if self.networks else None


@dataclass(frozen=True, eq=False)
class Field:
    """All candidates, and the rules by which they are held against each other."""

    candidates: tuple[Candidate, ...]
    figure: FigureOfMerit
    validation: Part
    n_replicas: int
    seed: int

    def cuts(self, candidate: Candidate) -> list[float] | None:
        """Return the figure's cut of each training, on `Candidate.choose_on`; None where it is not one of a cut."""
        if not isinstance(self.figure, CutFigure):
            return None
        events = candidate.choose_on(self.validation)
        return [choose_cut(self.figure, events.labels, one, events.weights) for one in events.scores]

    def replicate(self, candidate: Candidate, name: str, part: Part) -> Replicas:
        """Return a candidate's figure on a part and its replicas; on another part than validation at frozen cuts."""
        return replicate(
            self.figure,
            part.labels,
            candidate.scores(name, part),
            part.weights,
            cuts=None if name == "validation" else self.cuts(candidate),
            n_replicas=self.n_replicas,
            seed=self.seed,
        )

    def replicate_all(self, name: str, part: Part) -> dict[str, Replicas]:
        """Return the replicas of all candidates by name, of the same events; without those that trained on the part."""
        judged = [candidate for candidate in self.candidates if name not in candidate.trained_on]
        return {candidate.name: self.replicate(candidate, name, part) for candidate in judged}

    def replicate_cut_events(self, candidate: Candidate) -> Replicas:
        """Return a candidate's figure on the events that its cuts are chosen on, and its replicas."""
        events = candidate.choose_on(self.validation)
        return replicate(
            self.figure, events.labels, events.scores, events.weights, n_replicas=self.n_replicas, seed=self.seed
        )

    def of_kind(self, *kinds: Kind) -> list[Candidate]:
        """Return the candidates of some kinds, in their order."""
        return [candidate for candidate in self.candidates if candidate.kind in kinds]

    def __getitem__(self, name: str) -> Candidate:
        """Return a candidate by name."""
        return next(candidate for candidate in self.candidates if candidate.name == name)


def enter_finalists(
    search: Search, retrainings: Sequence[KeptTraining], *, device: str | None = None
) -> tuple[Candidate, ...]:
    """Return a candidate for each trial whose configuration was trained anew."""
    by_trial: dict[int, list[KeptTraining]] = {}
    for retraining in retrainings:
        by_trial.setdefault(retraining.network.trial, []).append(retraining)
    candidates = []
    for trial, trainings in by_trial.items():
        networks = tuple(training.network for training in trainings)
        scorers = tuple(
            NetworkScore(search, Predictor(network.name, (network,)), device=device) for network in networks
        )
        candidates.append(
            Candidate(f"trial {trial}", "finalist", scorers, networks, n_parameters=trainings[0].n_parameters)
        )
    return tuple(candidates)


def enter_ensemble(
    finalists: Sequence[Candidate], single: Candidate, figure: FigureOfMerit, validation: Part
) -> Candidate:
    """Return the greedy ensemble of all trainings of all finalists, picked on validation.

    single: the single network, which the ensemble may consist of alone.
    """
    networks = [network for finalist in finalists for network in finalist.networks]
    scorers = [scorer for finalist in finalists for scorer in finalist.scorers]
    scores = [one for finalist in finalists for one in finalist.scores("validation", validation)]
    sizes = [finalist.n_parameters or 0 for finalist in finalists for _ in finalist.networks]
    shares = pick_ensemble(figure, validation.labels, scores, validation.weights)
    picked = [index for index, share in enumerate(shares) if share > 0]

    def mix(of_members: Mapping[int, np.ndarray] | Sequence[np.ndarray]) -> np.ndarray:
        total: np.ndarray = sum(shares[index] * of_members[index] for index in picked)
        return total

    members = tuple(TrainedNetwork(networks[i].trial, "seed", networks[i].number, float(shares[i])) for i in picked)
    return Candidate(
        "ensemble",
        "ensemble",
        (lambda x: mix({index: scorers[index](x) for index in picked}),),
        members,
        n_parameters=sum(sizes[index] for index in picked),
        known={"validation": (mix(scores),)},
        same_as=SINGLE_NETWORK if members == single.networks else "",
    )


def enter_bag(bag: Bag, name: str = "bag") -> Candidate:
    """Return the mean of a bag's networks; its cuts are chosen on its out-of-fold scores."""
    found = bag.out_of_fold.take_scored()
    return Candidate(
        name,
        "bag",
        (NetworkScore(bag.search, Predictor(name, bag.networks), device=bag.device),),
        bag.networks,
        n_parameters=bag.n_parameters,
        trained_on=BAG_PARTS,
        cut_events=CutEvents(OUT_OF_FOLD, found.rows, found.labels, found.weights, (found.scores,)),
    )


def enter_bag_ensemble(bags: Sequence[Bag], names: Sequence[str], figure: FigureOfMerit) -> Candidate:
    """Return the greedy ensemble of bags of several configurations, picked on their out-of-fold scores.

    Args:
        bags: Of the same folds. Events that a failed training left without a score do not count.
        names: Those of the bags as candidates.
        figure: What it is picked by.
    """
    out_of_fold = [bag.out_of_fold for bag in bags]
    scored = np.all([each.is_scored for each in out_of_fold], axis=0)
    labels, weights = out_of_fold[0].labels[scored], out_of_fold[0].weights[scored]
    scores = [each.scores[scored] for each in out_of_fold]
    shares = pick_ensemble(figure, labels, scores, weights)
    networks = tuple(
        replace(network, weight=float(share * network.weight))
        for bag, share in zip(bags, shares, strict=True)
        for network in bag.networks
        if share > 0
    )
    mixed: np.ndarray = sum(share * one for share, one in zip(shares, scores, strict=True))
    picked = [name for name, share in zip(names, shares, strict=True) if share > 0]
    return Candidate(
        BAG_ENSEMBLE,
        "ensemble",
        (NetworkScore(bags[0].search, Predictor(BAG_ENSEMBLE, networks), device=bags[0].device),),
        networks,
        n_parameters=sum(bag.n_parameters for bag, share in zip(bags, shares, strict=True) if share > 0),
        trained_on=BAG_PARTS,
        cut_events=CutEvents(OUT_OF_FOLD, out_of_fold[0].rows[scored], labels, weights, (mixed,)),
        same_as=picked[0] if len(picked) == 1 else "",
    )


def enter_refit(
    search: Search, training: KeptTraining, cut_events: CutEvents, *, device: str | None = None
) -> Candidate:
    """Return the one network that was trained on all of train + validation.

    cut_events: scored by networks of the same configuration: nothing of train + validation is new to this one.
    """
    return Candidate(
        "refit",
        "refit",
        (NetworkScore(search, Predictor("refit", (training.network,)), device=device),),
        (training.network,),
        n_parameters=training.n_parameters,
        trained_on=BAG_PARTS,
        cut_events=cut_events,
    )


def enter_baselines(found: SearchBaselines, validation: Part) -> tuple[Candidate, ...]:
    """Return a candidate for each baseline.

    A refit has seen the validation events: its cuts are chosen on the scores of its settings fitted on train alone.
    """
    candidates = []
    for baseline in found.baselines:
        scores = (baseline.validation_scores,)
        if baseline.record.fitted_on == "train":
            candidates.append(Candidate(baseline.name, "baseline", (baseline.score,), known={"validation": scores}))
        else:
            cut_events = CutEvents(BEFORE_REFIT, validation.rows, validation.labels, validation.weights, scores)
            candidates.append(
                Candidate(baseline.name, "baseline", (baseline.score,), trained_on=BAG_PARTS, cut_events=cut_events)
            )
    return tuple(candidates)


def enter_tree_bag(trees: TreeBag, events: FoldedEvents) -> Candidate:
    """Return the mean of a bag of boosted trees; its cuts are chosen on its out-of-fold scores.

    events: those that it was grown on.
    """
    part, scores = events.part, (trees.out_of_fold,)
    return Candidate(
        trees.record.name,
        "baseline",
        (trees.score,),
        trained_on=BAG_PARTS,
        cut_events=CutEvents(OUT_OF_FOLD, part.rows, part.labels, part.weights, scores),
    )


def enter_blend(bag: Bag, trees: TreeBag) -> Candidate:
    """Return the blend of the networks' bag and the trees' bag of the same folds; the trees are kept in the run folder.

    The trees' share is fitted on the out-of-fold scores of both, with training weights; its cuts are chosen on them.
    With a share of 0 it is the networks' bag, and of 1 the trees'.
    """
    part, of_networks = bag.events.part, bag.out_of_fold
    scored = of_networks.is_scored
    networks, of_trees = of_networks.scores[scored], trees.out_of_fold[scored]
    share = fit_share(part.labels[scored], networks, of_trees, part.training_weights[scored])
    path = find_trees(bag.search)
    save_trees(trees.trees, path)
    blended = BlendedTrees(trees.kind, share, hash_file(path))
    twins = {0.0: "bag", 1.0: trees.record.name}
    scores = (blend_scores(networks, of_trees, share),)
    return Candidate(
        "blend",
        "blend",
        (NetworkScore(bag.search, Predictor("blend", bag.networks, blended), device=bag.device),),
        bag.networks,
        n_parameters=bag.n_parameters,
        trained_on=BAG_PARTS,
        cut_events=CutEvents(OUT_OF_FOLD, part.rows[scored], part.labels[scored], part.weights[scored], scores),
        trees=blended,
        same_as=twins.get(share, ""),
    )


def choose_baseline(baselines: Sequence[Candidate], figure: FigureOfMerit, validation: Part) -> Candidate | None:
    """Return the best baseline by its figure on the validation events; None of none.

    Where one was fitted on them, they are scored by fits of the same settings that were not: before the refit, or out
    of fold. Of equals, that which was fitted on more events.
    """

    def rank(baseline: Candidate) -> tuple[float, int]:
        events = baseline.choose_on(validation)
        order = np.argsort(events.rows)
        scores = events.scores[0][order[np.searchsorted(events.rows, validation.rows, sorter=order)]]
        value = float(figure(validation.labels, scores, validation.weights))
        return rank_value(value), len(baseline.trained_on)

    return max(baselines, key=rank, default=None)


def choose_winner(field: Field, replicas: Mapping[str, Replicas]) -> Candidate:
    """Return the finalist with the best mean over its trainings, on validation; of equals the smallest network.

    A figure of one cut is told by few events: among those that it cannot tell from the best the AUC decides, as it
    does for what is handed on.

    Args:
        field: With the finalists alone.
        replicas: Of the figure, by name.
    """
    best = _choose_best(field.candidates, replicas)
    if not isinstance(field.figure, CutFigure):
        return best
    kinds = {finalist.name: finalist.kind for finalist in field.candidates}
    standings = compare(replicas, best.name, kinds=kinds, part="validation", seed=field.seed)
    equals = tuple(field[standing.candidate] for standing in standings if standing.verdict != "worse")
    by_auc = replace(field, candidates=equals, figure=Auc())
    return _choose_best(equals, by_auc.replicate_all("validation", field.validation))


def _choose_best(finalists: Sequence[Candidate], replicas: Mapping[str, Replicas]) -> Candidate:
    return max(
        finalists, key=lambda finalist: (rank_value(replicas[finalist.name].mean), -(finalist.n_parameters or 0))
    )


@dataclass(frozen=True, eq=False)
class NetworkScore:
    """Scores by networks that are loaded once, when the first scores are asked for."""

    search: Search
    predictor: Predictor
    device: str | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return scores [n] of prepared inputs [n, d_in]."""
        return score_events(self._network, x, self.device)

    @cached_property
    def _network(self) -> nn.Module:
        return load_network(self.search, self.predictor)
