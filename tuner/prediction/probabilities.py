"""Calibrated probabilities: what share of the events with a score are signal, for a share of signal that is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from tuner.errors import SearchError
from tuner.metrics.arrays import balance_classes, effective_number
from tuner.metrics.calibration import assign_bins
from tuner.prediction.networks import Predictor
from tuner.prediction.unseen_events import take_unseen_scores
from tuner.tuning.search import Search

Kind = Literal["isotonic", "platt"]
KINDS: tuple[Kind, ...] = ("isotonic", "platt")

EVENTS_PER_BIN, MIN_BINS, MAX_BINS = 100, 5, 50
"""Effective events of a bin of the isotonic fit, and the least and most bins: finer steps would be those of chance."""
LARGEST_LOGIT = 30.0
"""Scores are taken no nearer to 0 and 1 than 1e-13, where a logit is known in float64."""


@dataclass(frozen=True, eq=False)
class ScoreCalibration:
    """From scores to probabilities of signal.

    The score's logit is mapped by straight lines between knots, constant beyond them where there are any, else by
    `slope * logit + offset`. What comes out holds where signal and background are as likely; the prior shifts it.
    """

    kind: Kind | None
    """None: scores are taken for probabilities, at the share of signal that the networks were trained at."""
    prior: float
    """Share of signal, in (0, 1), that the probabilities hold for."""
    knots: np.ndarray
    """Logits of scores, float64 [k], rising."""
    values: np.ndarray
    """Logits of the probability at each knot, float64 [k], not falling."""
    slope: float = 1.0
    offset: float = 0.0
    fitted_on: str = ""
    """Events that it was fitted on: of these what gave the scores was not trained."""
    n_events: int = 0

    @property
    def shift(self) -> float:
        """What the prior adds to a logit."""
        return float(np.log(self.prior) - np.log1p(-self.prior))

    def apply(self, scores: ArrayLike) -> np.ndarray:
        """Return probabilities of signal, float64 [n], of scores [n] in [0, 1]; not-a-number stays."""
        from scipy.special import expit

        logits = take_logits(scores)
        mapped = np.interp(logits, self.knots, self.values) if len(self.knots) else self.slope * logits + self.offset
        return np.asarray(expit(mapped + self.shift), np.float64)

    def describe(self) -> str:
        """Return in a few words what the probabilities are."""
        how = (
            "Scores as probabilities"
            if self.kind is None
            else f"Probabilities ({self.kind}, fitted on {self.fitted_on})"
        )
        return f"{how}, for {self.prior:.3g} of signal among the events"


def take_logits(scores: ArrayLike) -> np.ndarray:
    """Return the logits of scores [n], float64, no farther from 0 than `LARGEST_LOGIT`."""
    from scipy.special import logit

    return np.asarray(np.clip(logit(np.asarray(scores, np.float64)), -LARGEST_LOGIT, LARGEST_LOGIT))


def make_calibration(
    search: Search,
    predictor: Predictor,
    network: nn.Module,
    *,
    kind: Kind | None = None,
    prior: float | Literal["events"] | None = None,
) -> ScoreCalibration | None:
    """Return how scores become probabilities; None where neither a calibration nor a prior is asked for.

    Args:
        search: The search.
        predictor: What scores.
        network: What `load_network` returned for it.
        kind: "isotonic" (Zadrozny and Elkan 2002, doi:10.1145/775047.775151) or "platt" (Platt 1999), fitted on scores
            of events that what gave them was not trained on; None for the scores as they are.
        prior: Share of signal among the events to come, in (0, 1); "events": that of the study, by weight. None:
            1/2 with a calibration. Without one, scores are taken for probabilities at signal's share of the training
            weights, and shifted from there.

    Raises:
        SearchError: There is no such kind or prior, no events that were not trained on, or no share of signal in the
            training weights.
    """
    if kind is None and prior is None:
        return None
    if kind is not None and kind not in KINDS:
        raise SearchError(f'`calibration` must be "isotonic" or "platt", but is "{kind}".')
    share = _find_prior(search, prior)
    nothing = np.zeros(0)
    if kind is None:
        return ScoreCalibration(None, share, nothing, nothing, offset=-_find_trained_logit(search))
    labels, scores, weights, fitted_on = take_unseen_scores(search, predictor, network)
    return fit_calibration(labels, scores, weights, kind=kind, prior=share, fitted_on=fitted_on)


def fit_calibration(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    kind: Kind,
    prior: float = 0.5,
    fitted_on: str = "",
) -> ScoreCalibration:
    """Return the calibration of scores [n] in [0, 1] by labels [n] in {0, 1}.

    Args:
        labels: 1 for signal.
        scores: By networks that were not trained on these events.
        weights: Event weights [n], None for ones; each class is scaled to the same total. Events of negative weight
            count in the bins of "isotonic", and are left out by "platt".
        kind: "isotonic" or "platt".
        prior: Share of signal that the probabilities are to hold for, in (0, 1).
        fitted_on: Name of the events.
    """
    is_signal, balanced = np.asarray(labels) == 1, balance_classes(labels, weights)
    logits = take_logits(scores)
    known = {"prior": prior, "fitted_on": fitted_on, "n_events": len(logits)}
    if kind == "platt":
        return _fit_line(is_signal, logits, balanced, known)
    effective = min(effective_number(balanced[is_signal]), effective_number(balanced[~is_signal]))
    n_bins = int(np.clip(2 * effective // EVENTS_PER_BIN, MIN_BINS, MAX_BINS))
    return _fit_steps(is_signal, logits, balanced, n_bins, known)


def _fit_line(
    is_signal: np.ndarray, logits: np.ndarray, weights: np.ndarray, known: Mapping[str, Any]
) -> ScoreCalibration:
    from sklearn.linear_model import LogisticRegression

    fit = LogisticRegression(C=np.inf).fit(logits[:, None], is_signal, np.maximum(weights, 0))
    nothing = np.zeros(0)
    return ScoreCalibration(
        "platt", knots=nothing, values=nothing, slope=float(fit.coef_[0, 0]), offset=float(fit.intercept_[0]), **known
    )


def _fit_steps(
    is_signal: np.ndarray, logits: np.ndarray, weights: np.ndarray, n_bins: int, known: Mapping[str, Any]
) -> ScoreCalibration:
    """Fit a function that does not fall to the share of signal in quantile bins of the score.

    Knots are at the mean logit of each bin, as steps between single events would magnify the last digits of a score.
    """
    from sklearn.isotonic import IsotonicRegression

    bins = assign_bins(logits, weights, n_bins)
    sizes = np.abs(weights)
    total, middle = np.bincount(bins, sizes), np.bincount(bins, sizes * logits)
    of_signal, of_all = np.bincount(bins, weights * is_signal), np.bincount(bins, weights)
    kept = (of_all > 0) & (total > 0)
    # Half an event of each class: no share is 0 or 1 for certain.
    least = total[kept] / np.bincount(bins)[kept] / 2
    share = (np.clip(of_signal[kept], 0, of_all[kept]) + least) / (of_all[kept] + 2 * least)
    rising = IsotonicRegression().fit(middle[kept] / total[kept], share, sample_weight=of_all[kept])
    knots = np.unique(middle[kept] / total[kept])
    values = rising.predict(knots)
    return ScoreCalibration("isotonic", knots=knots, values=np.log(values) - np.log1p(-values), **known)


def _find_prior(search: Search, prior: float | Literal["events"] | None) -> float:
    """Return the share of signal. Raise `SearchError` where it is none."""
    if prior is None:
        return 0.5
    if prior == "events":
        parts = (search.splits.train, search.splits.validation)
        totals = [sum(float(part.weights[part.labels == label].sum()) for part in parts) for label in (0, 1)]
        if min(totals) <= 0:
            raise SearchError(
                "The events' weights must add up to more than 0 for each class to tell the share of signal, but signal "
                f"has {totals[1]:.4g} and background {totals[0]:.4g}. Give `prior` as a number."
            )
        return totals[1] / sum(totals)
    if isinstance(prior, str) or not 0 < prior < 1:
        raise SearchError(f'`prior` must be a share of signal between 0 and 1, or "events", but is {prior!r}.')
    return float(prior)


def _find_trained_logit(search: Search) -> float:
    """Return the logit of signal's share of the training weights, at which a well trained score is a probability."""
    train = search.splits.train
    weights = np.asarray(train.training_weights, np.float64)
    signal, background = (float(weights[train.labels == label].sum()) for label in (1, 0))
    if min(signal, background) <= 0:
        raise SearchError(
            "The training weights of each class must add up to more than 0 to take scores for probabilities, but "
            f'signal has {signal:.4g} and background {background:.4g}. Ask for a calibration, "platt" or "isotonic".'
        )
    return float(np.log(signal) - np.log(background))
