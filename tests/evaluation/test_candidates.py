"""Which of the candidates is the best baseline."""

import numpy as np
from sklearn.metrics import roc_auc_score

from tuner.evaluation.bagging import BAG_PARTS
from tuner.evaluation.candidates import BEFORE_REFIT, Candidate, CutEvents, choose_baseline
from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.metrics.figures_of_merit import Auc
from tuner.preparation.splits import Part


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
