"""Kinds of baselines: what each is called, which of its settings are tried, and how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.evaluation.baselines.fitting_events import FittingData, FittingEvents
from tuner.evaluation.baselines.scikit_learn_trees import fit_scikit_learn
from tuner.evaluation.baselines.trees import FitTrees, TreeSettings

if TYPE_CHECKING:
    import optuna

TREES, XGBOOST, LIGHTGBM, LOGISTIC = "boosted trees", "XGBoost", "LightGBM", "logistic regression"
INVERSE_PENALTIES = (1.0, 0.1, 10.0, 0.01, 100.0)
"""scikit-learn's C of logistic regression, in the order in which they are tried."""
MIN_L2 = 1e-3

Score = Callable[[np.ndarray], np.ndarray]
"""From prepared inputs [n, d_in] to scores in [0, 1], float64 [n]."""


@dataclass(frozen=True)
class Fitted:
    """What a fit gave."""

    params: Mapping[str, float]
    """The settings as they are to be told; of trees their number, too."""
    score: Score


@dataclass(frozen=True)
class Kind:
    """A kind of baseline."""

    name: str
    n_settings: int
    """Settings to try."""
    first: tuple[Mapping[str, float], ...]
    """Those that are tried first."""
    suggest: Callable[[optuna.Trial], Any]
    """Return the settings of a trial."""
    fit: Callable[[Any], Fitted]
    """Fit settings on train."""
    refit: Callable[[Any, Fitted], Fitted]
    """Fit settings on train and validation, with what the fit on train has found."""


def list_kinds() -> tuple[str, ...]:
    """Return the names of the kinds: scikit-learn's, and those of the optional packages that are installed."""
    packages = {XGBOOST: "xgboost", LIGHTGBM: "lightgbm"}
    return (TREES, *(name for name, package in packages.items() if find_spec(package)), LOGISTIC)


def find_kind(name: str, data: FittingData, *, trials: int, seed: int) -> Kind:
    """Return the kind of a name of `list_kinds`, for these events, with so many settings to try at the most."""
    if name == LOGISTIC:
        penalties = tuple({"C": penalty} for penalty in INVERSE_PENALTIES[:trials])
        return Kind(
            name,
            len(penalties),
            penalties,
            suggest=lambda trial: trial.suggest_categorical("C", INVERSE_PENALTIES),
            fit=lambda penalty: _fit_logistic(penalty, data.train),
            refit=lambda penalty, _: _fit_logistic(penalty, data.both),
        )
    fit = find_package(name)
    return Kind(
        name,
        trials,
        (asdict(TreeSettings(l2_regularization=MIN_L2)),),  # the defaults, as near as the space comes to them
        suggest=_suggest_trees,
        fit=lambda settings: _fit_trees(fit, settings, data.train, data.validation, seed),
        refit=lambda settings, found: _fit_trees(fit, settings, data.both, _count_trees(found, data), seed),
    )


def find_package(name: str) -> FitTrees:
    """Return what fits the boosted trees of a kind."""
    if name == XGBOOST:
        from tuner.evaluation.baselines.xgboost_trees import fit_xgboost

        return fit_xgboost
    if name == LIGHTGBM:
        from tuner.evaluation.baselines.lightgbm_trees import fit_lightgbm

        return fit_lightgbm
    return fit_scikit_learn


def _suggest_trees(trial: optuna.Trial) -> TreeSettings:
    return TreeSettings(
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 200, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", MIN_L2, 10.0, log=True),
        max_features=trial.suggest_float("max_features", 0.5, 1.0),
    )


def _fit_trees(
    fit: FitTrees, settings: TreeSettings, events: FittingEvents, until: FittingEvents | int, seed: int
) -> Fitted:
    trees = fit(settings, events, until, seed)
    return Fitted(asdict(settings) | {"n_trees": trees.n_trees}, trees.score)


def _count_trees(found: Fitted, data: FittingData) -> int:
    """Return how many trees a refit has: as many more as there are more events.

    The more events, the more trees before the loss on others rises; the number is taken to rise in proportion.
    """
    return round(found.params["n_trees"] * len(data.both.labels) / len(data.train.labels))


def _fit_logistic(penalty: float, events: FittingEvents) -> Fitted:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1_000))
    weights = {f"{step}__sample_weight": events.weights for step in ("standardscaler", "logisticregression")}
    model.fit(events.x, events.labels, **weights)
    return Fitted({"C": penalty}, partial(_predict_signal, model))


def _predict_signal(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_proba(x)[:, 1], np.float64)
