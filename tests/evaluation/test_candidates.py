"""Which candidate is chosen: the winner, the best baseline, the members of an ensemble of bags."""

from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_auc_score

from tuner.evaluation.bagging import BAG_PARTS, Bag
from tuner.evaluation.candidates import (
    BEFORE_REFIT,
    Candidate,
    CutEvents,
    Field,
    choose_baseline,
    choose_winner,
    enter_bag_ensemble,
)
from tuner.evaluation.folds import OUT_OF_FOLD, OutOfFold
from tuner.evaluation.kept_trainings import KeptTraining
from tuner.metrics.figures_of_merit import Ams, Auc
from tuner.metrics.replicas import Replicas
from tuner.prediction.networks import TrainedNetwork
from tuner.preparation.splits import Part


def make_part(labels):
    """Events of weight 1, of which nothing but the label is looked at."""
    labels = np.asarray(labels)
    return Part(np.zeros((len(labels), 1)), labels, np.ones(len(labels)), np.ones(len(labels)), np.arange(len(labels)))


def test_the_best_baseline_is_that_of_the_validation_events_scored_by_fits_that_did_not_see_them():
    """The bag is best on all its events together, but not on those of validation; of equals the refit is taken."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 900)
    weights, rows = rng.exponential(1, 900), rng.permutation(900)
    validation, best, worse = slice(0, 300), labels + rng.normal(0, 1.0, 900), labels + rng.normal(0, 1.5, 900)
    bagged = np.where(np.arange(900) < 300, worse, 10 * labels)
    part = Part(np.zeros((300, 1)), labels[validation], weights[validation], weights[validation], rows[validation])
    tuned = Candidate("tuned", "baseline", (), known={"validation": (best[validation],)})
    events = CutEvents(BEFORE_REFIT, part.rows, part.labels, part.weights, (best[validation],))
    refit = Candidate("refit", "baseline", (), trained_on=BAG_PARTS, cut_events=events)
    mixed = rng.permutation(900)
    events = CutEvents(OUT_OF_FOLD, rows[mixed], labels[mixed], weights[mixed], (bagged[mixed],))
    bag = Candidate("bag", "baseline", (), trained_on=BAG_PARTS, cut_events=events)
    assert roc_auc_score(labels, bagged) > roc_auc_score(part.labels, best[validation])
    assert choose_baseline([tuned, bag, refit], Auc(), part) is refit
    assert choose_baseline([tuned, bag], Auc(), part) is tuned
    assert choose_baseline([bag], Auc(), part) is bag
    assert choose_baseline([], Auc(), part) is None


def test_the_winner_has_the_best_mean_and_of_equals_the_smallest_network():
    sizes = {"large": 90, "small": 30, "best": 95, "no number": 1}
    finalists = [Candidate(name, "finalist", (), n_parameters=size) for name, size in sizes.items()]
    values = {"large": 0.8, "small": 0.8, "best": 0.9, "no number": np.nan}
    replicas = {name: Replicas(np.array([value]), np.zeros((1, 1))) for name, value in values.items()}
    field = Field(tuple(finalists), Auc(), make_part([0, 1]), 1, 0)
    assert choose_winner(field, replicas).name == "best"
    rest = tuple(each for each in finalists if each.name != "best")
    for ordered in (rest, rest[::-1]):
        assert choose_winner(replace(field, candidates=ordered), replicas).name == "small"


def test_auc_decides_among_finalists_that_a_figure_of_one_cut_cannot_tell_apart():
    rng = np.random.default_rng(3)
    part = make_part(rng.permutation(np.repeat([0, 1], 600)))

    def finalist(name, separation):
        scores = tuple(separation * part.labels + rng.normal(0, 1, 1200) for _ in range(3))
        return Candidate(name, "finalist", (), known={"validation": scores}, n_parameters=10)

    good, better, bad = finalist("good", 1.4), finalist("better", 1.7), finalist("bad", 0.3)
    field = Field((good, better, bad), Ams(s=100.0, b=1000.0), part, 100, 0)
    replicas = field.replicate_all("validation", part)
    lucky = replace(replicas["good"], values=replicas["better"].values + 1e-6)
    assert choose_winner(field, replicas | {"good": lucky}) is better, "by AUC"
    assert choose_winner(replace(field, figure=Auc()), replicas | {"good": lucky}) is good, "AUC decides itself"
    clear = replace(replicas["bad"], values=replicas["better"].values + 50)
    assert choose_winner(field, replicas | {"bad": clear}) is bad, "the figure tells it from the others"


def test_a_bag_without_a_share_is_no_member_of_the_ensemble_of_bags():
    rng, bags = np.random.default_rng(0), []
    labels, rows = rng.integers(0, 2, 600), np.arange(600)
    truth = labels + rng.normal(0, 1, 600)
    for trial, noise in enumerate((0.0, 30.0, 0.0)):
        training = KeptTraining(
            network=TrainedNetwork(trial, "fold", 0), value=0.9, best_epoch=1, epochs=1, n_parameters=10
        )
        bag = Bag(None, None, None, (training,))
        scores = 1 / (1 + np.exp(-truth - noise * rng.normal(size=600)))
        scores[0] = np.nan if trial == 2 else scores[0]
        bag.__dict__["out_of_fold"] = OutOfFold(rows, labels, np.ones(600), rows % 2, scores)
        bags.append(bag)
    alone = enter_bag_ensemble(bags[:2], ("bag", "bag of trial 1"), Auc())
    assert (alone.same_as, [network.trial for network in alone.networks], alone.n_parameters) == ("bag", [0], 10)
    assert len(alone.cut_events.rows) == 600
    scored = enter_bag_ensemble(bags, ("bag", "bag of trial 1", "bag of trial 2"), Auc())
    assert scored.cut_events.rows.tolist() == list(range(1, 600))
    assert sum(network.weight for network in scored.networks) == 1
