"""All figures of one candidate on one part, with their intervals, from arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from tuner.evaluate.evaluation import FigureCut, PartEvaluation
from tuner.metrics.arrays import Arrays, check_arrays, effective_number, negative_fraction
from tuner.metrics.at_threshold import Confusion, sum_confusion
from tuner.metrics.bootstrap import FigureFunction, bootstrap_figure, draw_counts
from tuner.metrics.curves import Ranking, RocCurve, background_rejection, rank, smooth_rejection
from tuner.metrics.figures_of_merit import BackgroundRejection, CutFigure, FigureOfMerit
from tuner.metrics.measurement import Measurement, measure

REJECTIONS: Mapping[str, float] = {"1/eps_B at eps_S=0.3": 0.3, "1/eps_B at eps_S=0.5": 0.5}
OF_THE_CUT: Mapping[str, Callable[[Confusion], float]] = {
    "sensitivity": lambda confusion: confusion.sensitivity,
    "specificity": lambda confusion: confusion.specificity,
    "accuracy": lambda confusion: confusion.accuracy,
    "balanced accuracy": lambda confusion: confusion.balanced_accuracy,
    "precision": lambda confusion: confusion.precision,
}
LOG_LOSS = "log loss (classes balanced)"
OPTIMUM_AUC = "optimum AUC"
SHARE_OF_OPTIMUM = "share of the optimum"
SMOOTHED = "of the best cut, largest after smoothing over neighbouring cuts"
FROZEN = "at the cut that validation chose"


def evaluate_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    candidate: str,
    part: str,
    threshold: float,
    threshold_rule: str,
    optimum: ArrayLike | None = None,
    figure_of_merit: FigureOfMerit | None = None,
    figure_cut: float | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> PartEvaluation:
    """Return every figure of scores [n] in [0, 1] for labels [n] in {0, 1} and event weights [n] (None: ones).

    threshold: the frozen cut; events with score >= threshold are selected.
    optimum: observer [n] that no network can beat, such as the exact likelihood ratio; any monotone function of it.
        It adds its AUC and the share of it that is reached, (AUC - 0.5) / (AUC of the optimum - 0.5).
    figure_of_merit: the problem's own, where it is not among the others.
    figure_cut: frozen cut of a significance, so that it is not looked for again here; None: it is.
    n_bootstrap: replicas for the 68 % intervals; both classes are drawn anew, the cut stays. The interval of the AUC of
        events of equal weight is DeLong's.
    Raise `EventsError` as `check_arrays` does, and where a score is no probability.
    """
    arrays = check_arrays(labels, scores, weights)
    best = None if optimum is None else check_arrays(labels, optimum, weights).scores
    sums = _Sums.of(arrays, threshold, best)
    replicas = [sums.figures(c, smooth_rejection) for c in draw_counts(arrays.is_signal, n_bootstrap, seed)]
    ones = np.ones(len(arrays.weights))
    centres = sums.figures(ones, smooth_rejection)
    measurements = {
        name: measure(value, np.array([replica[name] for replica in replicas]), centre=centres[name])
        for name, value in sums.figures(ones, background_rejection).items()
    }
    if np.ptp(arrays.weights) == 0:
        measurements["AUC"] = _measure_by_delong(arrays, measurements["AUC"].value)
    if figure_of_merit is not None and figure_of_merit.name not in measurements:
        measurements[figure_of_merit.name] = _measure_declared(
            _freeze(figure_of_merit, figure_cut), arrays, n_bootstrap, seed
        )
    cut = _describe_cut(figure_of_merit, figure_cut, arrays) if isinstance(figure_of_merit, CutFigure) else None
    signal, selected = arrays.is_signal, arrays.scores >= threshold
    return PartEvaluation(
        candidate=candidate,
        part=part,
        n_signal=int(signal.sum()),
        n_background=int((~signal).sum()),
        effective_signal=effective_number(arrays.weights[signal]),
        effective_background=effective_number(arrays.weights[~signal]),
        negative_fraction=negative_fraction(arrays.weights),
        threshold=float(threshold),
        threshold_rule=threshold_rule,
        selected_signal=int((signal & selected).sum()),
        selected_background=int((~signal & selected).sum()),
        measurements=measurements,
        figure_cut=cut,
    )


@dataclass(frozen=True)
class _Sums:
    """What does not change from replica to replica: ranks, who is selected, each event's loss."""

    arrays: Arrays
    ranking: Ranking
    selected: np.ndarray
    losses: np.ndarray
    best: Ranking | None

    @classmethod
    def of(cls, arrays: Arrays, threshold: float, optimum: np.ndarray | None) -> _Sums:
        from tuner.metrics.probabilities import event_losses

        return cls(
            arrays,
            rank(arrays.is_signal, arrays.scores),
            arrays.scores >= threshold,
            event_losses(arrays.is_signal, arrays.scores),
            None if optimum is None else rank(arrays.is_signal, optimum),
        )

    def figures(self, counts: np.ndarray, reject: Callable[[RocCurve, float], float]) -> dict[str, float]:
        """Return each figure where event i comes counts[i] times, 1/eps_B by `reject`."""
        weights, signal = self.arrays.weights * counts, self.arrays.is_signal
        curve = self.ranking.curve(weights)
        confusion = sum_confusion(signal, self.selected, weights)
        found = {"AUC": curve.area} | {name: reject(curve, eps_s) for name, eps_s in REJECTIONS.items()}
        found |= {name: figure(confusion) for name, figure in OF_THE_CUT.items()}
        found[LOG_LOSS] = (
            float(
                np.average(self.losses[signal], weights=weights[signal])
                + np.average(self.losses[~signal], weights=weights[~signal])
            )
            / 2
        )
        if self.best is not None:
            found[OPTIMUM_AUC] = self.best.curve(weights).area
            found[SHARE_OF_OPTIMUM] = (found["AUC"] - 0.5) / (found[OPTIMUM_AUC] - 0.5)
        return found


def _measure_by_delong(arrays: Arrays, area: float) -> Measurement:
    """Return the AUC of events of equal weight with its standard deviation on either side, at most up to 1."""
    from tuner.metrics.delong import delong_variance

    if min(arrays.is_signal.sum(), (~arrays.is_signal).sum()) < 2:
        return Measurement(area, float("nan"), float("nan"))
    error = float(np.sqrt(delong_variance(*arrays)))
    return Measurement(area, max(0.0, area - error), min(1.0, area + error))


def _freeze(figure: FigureOfMerit, cut: float | None) -> FigureFunction:
    """Return the figure as a function; that of the frozen cut where it is one of a cut."""
    return partial(figure.at, cut) if isinstance(figure, CutFigure) and cut is not None else figure


def _describe_cut(figure: CutFigure, frozen: float | None, arrays: Arrays) -> FigureCut:
    """Return the figure's cut, the frozen one where there is one, with what lies above it."""
    signal, scores, weights = arrays
    threshold = figure.choose(signal, scores, weights) if frozen is None else frozen
    selected = scores >= threshold
    confusion = sum_confusion(signal, selected, weights)
    return FigureCut(
        threshold=float(threshold),
        estimator=SMOOTHED if frozen is None else FROZEN,
        s=float(figure.s * confusion.sensitivity),
        b=float(figure.b * (1 - confusion.specificity)),
        n_signal=int((signal & selected).sum()),
        n_background=int((~signal & selected).sum()),
        effective_background=effective_number(weights[~signal & selected]),
    )


def _measure_declared(figure: FigureFunction, arrays: Arrays, n_bootstrap: int, seed: int) -> Measurement:
    labels = arrays.is_signal.astype(np.int8)
    estimator = figure.smooth if isinstance(figure, BackgroundRejection) else figure
    replicas = bootstrap_figure(estimator, labels, arrays.scores, arrays.weights, n_replicas=n_bootstrap, seed=seed)
    value, centre = (each(labels, arrays.scores, arrays.weights) for each in (figure, estimator))
    return measure(value, replicas, centre=centre)
