"""Scores of events that what gave them was not trained on: what a calibration and a cut may be fitted on."""

from __future__ import annotations

import numpy as np
from torch import nn

from tuner.checked_files import expect_form, read_table
from tuner.errors import SearchError
from tuner.prediction.judged_predictors import ADVICE, is_handed_on
from tuner.prediction.network import score_events, take_folds
from tuner.prediction.networks import Predictor
from tuner.tuning.search import Search


def take_unseen_scores(
    search: Search, predictor: Predictor, network: nn.Module
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Return labels, scores and weights [n] of events that what gave the scores was not trained on, and their name.

    Args:
        search: The search.
        predictor: What scores.
        network: What `load_network` returned for it.

    Raises:
        SearchError: There are no such events.
    """
    folds = take_folds(predictor, network)
    if folds:
        return _score_out_of_fold(search, folds)
    if all(trained.training in ("search", "seed") for trained in predictor.networks):
        part = search.splits.validation
        return np.asarray(part.labels), score_events(network, part.x), np.asarray(part.weights), "validation"
    path = search.folder.cut_scores
    if path.exists() and is_handed_on(search, predictor):
        table = read_table(path, advice=ADVICE)
        with expect_form(path, advice=ADVICE):
            labels, scores, weights = (table[name].to_numpy() for name in ("label", "score", "weight"))
        return labels, scores, weights, "scores out of fold"
    raise SearchError(
        f"Calibrations and cuts must be fitted on events that were not trained on, but the {predictor.name} has seen "
        "train and validation. Use another candidate, such as the bag, whose networks have a fold each that they have "
        "not seen. For a cut you can also delete evaluation.json and run `tuner evaluate`, which keeps one for each "
        "candidate."
    )


def _score_out_of_fold(
    search: Search, networks: dict[int, nn.Module]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Return labels, scores and weights of train + validation, each scored by what did not train on its fold."""
    path = search.folder.bag_out_of_fold
    table = read_table(path, advice=ADVICE)
    with expect_form(path, advice=ADVICE):
        fold_of_row = dict(zip(table["row"].tolist(), table["fold"].tolist(), strict=True))
    labels, scores, weights = [], [], []
    for part in (search.splits.train, search.splits.validation):
        folds = np.array([fold_of_row.get(row, -1) for row in part.rows.tolist()])
        for fold, network in networks.items():
            chosen = np.flatnonzero(folds == fold)
            labels.append(np.asarray(part.labels)[chosen])
            weights.append(np.asarray(part.weights)[chosen])
            scores.append(score_events(network, part.x[chosen]))
    return np.concatenate(labels), np.concatenate(scores), np.concatenate(weights), "train + validation, out of fold"
