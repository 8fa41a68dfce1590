"""What is handed on as a classifier of scikit-learn: features as they were read in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from tuner.errors import EventsError, SearchError, raise_together
from tuner.events.categories import recode
from tuner.events.columns import take_features
from tuner.events.diagnostics import Findings
from tuner.events.reading import read_features
from tuner.prediction.frozen_cut import find_cut
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import choose_predictor
from tuner.prediction.probabilities import Kind, ScoreCalibration, make_calibration, take_logits
from tuner.preparation.preprocessing import Preprocessing
from tuner.problem import Problem

if TYPE_CHECKING:
    from tuner.tuning.search import Search


class SignalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A trained network, or several, with their preprocessing, as scikit-learn knows classifiers.

    It is fitted: `sklearn.metrics`, `permutation_importance`, `Pipeline`, and `CalibratedClassifierCV` around a
    `FrozenEstimator` work with it. Classes are 0, background, and 1, signal. Events come as a table with the columns
    of the study, in any order, or as an array [n, d] of `feature_names_in_`, in which a category of texts is told by
    its codes; undefined values come as they were read.

    Args:
        network: Gives logits [n] of prepared features [n, d_in].
        preprocessing: From features to inputs.
        problem: What stands for undefined, and how new columns are made; its selection is not applied.
        cut: The frozen cut: events with a score of at least it are predicted to be signal.
        calibration: From scores to probabilities; None where scores are what is wanted.
        card: What is known of it, as the model card of an exported network.
        device: "cpu", "cuda", ...; None for a GPU where there is one.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        problem: Problem,
        *,
        cut: float = 0.5,
        calibration: ScoreCalibration | None = None,
        card: Mapping[str, Any] | None = None,
        device: str | None = None,
    ) -> None:
        self.network = network
        self.preprocessing = preprocessing
        self.problem = problem
        self.cut = cut
        self.calibration = calibration
        self.card = card
        self.device = device

    @property
    def classes_(self) -> np.ndarray:
        """Background and signal: [0, 1]."""
        return np.array([0, 1])

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of the features, in the order in which an array has them."""
        return np.array(self.preprocessing.features, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        return len(self.preprocessing.features)

    def fit(self, X: Any, y: Any = None, **_: Any) -> SignalClassifier:  # noqa: ARG002, N803 - scikit-learn's names
        """Raise `SearchError`: the network is trained, and stays what was judged."""
        raise SearchError(
            "The network is trained, and stays what was judged. Wrap it in sklearn.frozen.FrozenEstimator(...) where "
            "scikit-learn wants to fit it; tune and train anew with `tuner.sweep`."
        )

    def score_events(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return scores in (0, 1), float64 [n], as `tuner.predict` gives them.

        Raises:
            EventsError: A feature is missing, or an array has another number of them.
        """
        return score_events(self.network, self._prepare(X), self.device)

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probabilities of background and signal, float64 [n, 2]; scores where there is no calibration."""
        scores = self.score_events(X)
        signal = scores if self.calibration is None else self.calibration.apply(scores)
        return np.stack([1 - signal, signal], axis=1)

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the logits of the scores, float64 [n]: above 0 is more like signal than like background."""
        return take_logits(self.score_events(X))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return 1 for events at or above the frozen cut, else 0, int64 [n]."""
        return (self.score_events(X) >= self.cut).astype(np.int64)

    def __sklearn_is_fitted__(self) -> bool:
        """Return that it is."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may expect: two classes, undefined values, texts in tables."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = bool(self.preprocessing.codes)
        return tags

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:  # noqa: N803 - scikit-learn's signature
        """Return what it takes, and its cut."""
        return f"SignalClassifier({self.n_features_in_} features, cut {self.cut:.4g})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from tuner.notebook_cards import write_card, write_lines

        names = ", ".join(self.preprocessing.features)
        return write_card(repr(self), write_lines([f"Features: {names}", "`.predict_proba(table)`"], faint=True))

    def _prepare(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return inputs [n, d_in]. Raise `EventsError`."""
        names, codes = self.preprocessing.features, self.preprocessing.codes
        if hasattr(X, "columns") or hasattr(X, "to_pandas") or isinstance(X, Mapping):
            problem = replace(self.problem, selection=None)
            new = read_features(problem, X, features=names, codes=codes)
            return self.preprocessing.transform(recode(new.table, new.codes, codes))
        values = np.asarray(X, np.float64)
        if values.ndim != 2 or values.shape[1] != len(names):
            raise EventsError(
                f"Events must be a table, or an array [n, {len(names)}] of the features {', '.join(names[:6])}"
                f"{', ...' if len(names) > 6 else ''}, but the array has shape {values.shape}."
            )
        found, table = Findings(), pd.DataFrame(values, columns=list(names))
        marks = lambda name: () if name in codes else self.problem.list_undefined(name)  # noqa: E731
        prepared = take_features(table, names, marks, found)
        raise_together(found.problems, EventsError, "Events")
        return self.preprocessing.transform(prepared)


def open_classifier(
    search: Search,
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    calibration: Kind | None = None,
    prior: float | Literal["events"] | None = None,
    device: str | None = None,
) -> SignalClassifier:
    """Return what the evaluation handed on as a classifier of scikit-learn.

    Args:
        search: The search that trained it.
        trial: Number of a trial whose own network is to be used instead; "best" for the best complete one.
        candidate: Name of another candidate that the evaluation kept: "single", "refit", "bag", "ensemble", "blend".
        calibration: "isotonic" or "platt" lets `predict_proba` give calibrated probabilities.
        prior: Share of signal that these hold for, in (0, 1), or "events": that of the study. None: 1/2.
        device: "cpu", "cuda", ...; None for a GPU where there is one.

    Raises:
        SearchError: No trial is complete, or what was asked for is not there.
    """
    predictor = choose_predictor(search, trial=trial, name=candidate)
    network = load_network(search, predictor)
    return SignalClassifier(
        network,
        search.splits.preprocessing,
        search.study.problem,
        cut=find_cut(search, predictor, network).threshold,
        calibration=make_calibration(search, predictor, network, kind=calibration, prior=prior),
        device=device,
    )
