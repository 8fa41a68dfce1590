"""Baselines: what one has without a network, tuned with a small and fair budget on the same events."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from tuner.errors import SplitsError
from tuner.evaluation.baselines.scikit_learn import (
    FittingData,
    ScoreFunction,
    TreeSettings,
    fit_boosted_trees,
    predict_signal,
)
from tuner.progress.logs import quiet_optuna

if TYPE_CHECKING:
    import optuna

    from tuner.metrics.figures_of_merit import FigureOfMerit
    from tuner.preparation.splits import Part, Splits

INVERSE_PENALTIES = (1.0, 0.1, 10.0, 0.01, 100.0)
"""scikit-learn's C of logistic regression, in the order in which they are tried."""
MIN_L2 = 1e-3
N_RANDOM = 5
"""Trials before the sampler learns from them."""

FitTrees = Callable[[TreeSettings, FittingData, int], tuple[ScoreFunction, int]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """A candidate without a network, chosen on validation by the problem's figure of merit."""

    name: str
    """"boosted trees" (scikit-learn's), "logistic regression", "XGBoost" or "LightGBM"."""
    params: Mapping[str, float]
    """The settings that were chosen."""
    validation_scores: np.ndarray
    """Float64 [n_validation] in [0, 1]."""
    score: ScoreFunction = field(repr=False)
    """Function of prepared inputs [n, d_in] that returns scores [n]: the test part is scored when it is opened."""
    n_trials: int
    """Settings that were tried."""
    seconds: float
    """How long that took."""
    note: str = ""
    """What a person should know and that is not an error."""


def fit_baselines(
    splits: Splits,
    figure: FigureOfMerit,
    *,
    trials: int = 12,
    seconds: float | None = None,
    seed: int = 0,
    on_trial: Callable[[int, int], object] | None = None,
) -> tuple[Baseline, ...]:
    """Fit boosted trees and logistic regression (XGBoost and LightGBM where they are installed), tuned on validation.

    Fitted with the training weights of the train part; trees stop when the loss on validation, weighted alike, no
    longer falls; settings are chosen by `figure` on validation with the event weights as read. Events of weight 0 are
    left out. Negative weights are left out of the fit, too, because trees cannot use them, and the rest of their class
    is scaled up to the class's total; `note` says so. The test part is not touched.

    trials: settings to try for each baseline, the defaults first, at least 1. seconds: for each baseline; no trial
    begins after that but the first. The same seed gives the same baselines. on_trial: is called
    first and after each setting with how many of how many are done; those that there is no time for count as done.
    Raise `SplitsError` where a class has no event of positive weight.
    """
    data, note = _take_fitting_data(splits)
    contenders = [
        _Contender(name, _start_trees(), trials, partial(_fit_trees, fit, data, seed))
        for name, fit in _find_tree_packages().items()
    ]
    penalties = tuple({"C": penalty} for penalty in INVERSE_PENALTIES[:trials])
    contenders.append(_Contender("logistic regression", penalties, len(penalties), partial(_fit_logistic, data)))
    total, done, fitted = sum(contender.trials for contender in contenders), 0, []
    tell = on_trial or (lambda *_: None)
    tell(0, total)
    for contender in contenders:
        progress = partial(lambda before, n: tell(before + n, total), done)
        found = _tune(contender, splits.validation, figure, seconds, seed=seed, on_trial=progress)
        fitted.append(replace(found, note=note))
        done += contender.trials
        tell(done, total)
    return tuple(fitted)


@dataclass(frozen=True)
class _Contender:
    """A kind of baseline, and how its settings are looked for."""

    name: str
    first: tuple[Mapping[str, float], ...]
    """Settings that are tried first."""
    trials: int
    fit: Callable[[optuna.Trial], tuple[Mapping[str, float], ScoreFunction]]
    """Fit what a trial suggests; return settings as they are to be told, and the scores."""


def _take_fitting_data(splits: Splits) -> tuple[FittingData, str]:
    """Return the events of positive training weight, and a note where some have a negative one."""
    parts, notes = [], []
    for name in ("train", "validation"):
        part: Part = getattr(splits, name)
        used, weights = _make_positive(part, name)
        parts += [part.x[used], part.labels[used], weights]
        if n_negative := int((part.training_weights < 0).sum()):
            notes.append(f"{n_negative:,} {name} events of negative weight were left out of the fit")
    note = f"{' and '.join(notes)}; the rest of their class was scaled up to its total." if notes else ""
    return FittingData(*parts), note


def _make_positive(part: Part, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which events have a positive training weight, bool [n], and their weights, class totals as they were."""
    weights = np.asarray(part.training_weights, np.float64)
    used = weights > 0
    kept = np.where(used, weights, 0.0)
    for label, kind in ((1, "signal"), (0, "background")):
        chosen = part.labels == label
        if not used[chosen].any():
            raise SplitsError(
                f"Baselines need {kind} events of positive weight in the {name} part, but there are none."
            )
        if (total := weights[chosen].sum()) > 0:
            kept[chosen] *= total / kept[chosen].sum()
    return used, kept[used]


def _find_tree_packages() -> dict[str, FitTrees]:
    """Return what fits trees, by the baseline's name: scikit-learn, and the optional packages that are installed."""
    packages: dict[str, FitTrees] = {"boosted trees": fit_boosted_trees}
    if find_spec("xgboost"):
        from tuner.evaluation.baselines.xgboost_trees import fit_xgboost

        packages["XGBoost"] = fit_xgboost
    if find_spec("lightgbm"):
        from tuner.evaluation.baselines.lightgbm_trees import fit_lightgbm

        packages["LightGBM"] = fit_lightgbm
    return packages


def _start_trees() -> tuple[Mapping[str, float], ...]:
    """Return the defaults, as near as the space comes to them."""
    return (asdict(TreeSettings(l2_regularization=MIN_L2)),)


def _fit_trees(
    fit: FitTrees, data: FittingData, seed: int, trial: optuna.Trial
) -> tuple[Mapping[str, float], ScoreFunction]:
    settings = TreeSettings(
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 200, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", MIN_L2, 10.0, log=True),
        max_features=trial.suggest_float("max_features", 0.5, 1.0),
    )
    score, n_trees = fit(settings, data, seed)
    return asdict(settings) | {"n_trees": n_trees}, score


def _fit_logistic(data: FittingData, trial: optuna.Trial) -> tuple[Mapping[str, float], ScoreFunction]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    penalty = trial.suggest_categorical("C", INVERSE_PENALTIES)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1_000))
    model.fit(
        data.x, data.labels, standardscaler__sample_weight=data.weights, logisticregression__sample_weight=data.weights
    )
    return {"C": penalty}, partial(predict_signal, model)


def _tune(
    contender: _Contender,
    validation: Part,
    figure: FigureOfMerit,
    seconds: float | None,
    *,
    seed: int,
    on_trial: Callable[[int], object],
) -> Baseline:
    """Return the best of a contender's trials on validation; a figure that is no number loses to all others."""
    start = time.monotonic()
    study = _create_study(contender, seed)
    best, best_value, n_trials = None, -np.inf, 0
    while n_trials < contender.trials:
        if n_trials and seconds is not None and time.monotonic() - start >= seconds:
            break
        n_trials += 1
        trial = study.ask()
        with warnings.catch_warnings(action="ignore"):
            params, score = contender.fit(trial)
        scores = score(validation.x)
        value = figure(validation.labels, scores, validation.weights)
        value = -np.inf if np.isnan(value) else float(value)
        study.tell(trial, value)
        if best is None or value > best_value:
            best, best_value = (params, score, scores), value
        on_trial(n_trials)
    assert best is not None
    return Baseline(
        name=contender.name,
        params=best[0],
        score=best[1],
        validation_scores=best[2],
        n_trials=n_trials,
        seconds=time.monotonic() - start,
    )


def _create_study(contender: _Contender, seed: int) -> optuna.Study:
    import optuna

    with quiet_optuna():
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_RANDOM)
        )
    for settings in contender.first:
        study.enqueue_trial(dict(settings))
    return study
