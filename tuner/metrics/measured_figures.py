"""All figures of scores on one part of the events, each with its 68 % interval, from arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import Arrays, balance_classes, check_arrays, effective_number
from tuner.metrics.at_threshold import Confusion
from tuner.metrics.bootstrap import FigureFunction, bootstrap_figure, draw_counts
from tuner.metrics.calibration import Bins
from tuner.metrics.curves import Ranking, RocCurve, background_rejection, rank, roc, smooth_rejection
from tuner.metrics.few_events import FEW, are_few, measure_share, widen_rejection
from tuner.metrics.figures_of_merit import BackgroundRejection, CutFigure, FigureOfMerit
from tuner.metrics.measurement import Measurement, measure, measure_distance
from tuner.metrics.probabilities import event_losses

REJECTIONS: Mapping[str, float] = {"1/eps_B at eps_S=0.3": 0.3, "1/eps_B at eps_S=0.5": 0.5}
OF_THE_CUT: Mapping[str, Callable[[Confusion], float]] = {
    "sensitivity": lambda confusion: confusion.sensitivity,
    "specificity": lambda confusion: confusion.specificity,
    "accuracy": lambda confusion: confusion.accuracy,
    "balanced accuracy": lambda confusion: confusion.balanced_accuracy,
    "precision": lambda confusion: confusion.precision,
}
LOG_LOSS = "log loss (classes balanced)"
BRIER = "Brier score (classes balanced)"
AVERAGE_PRECISION = "average precision"
CALIBRATION_ERROR = "calibration error (classes balanced)"
N_CALIBRATION_BINS = 10
OPTIMUM_AUC = "optimum AUC"
SHARE_OF_OPTIMUM = "share of the optimum"


def measure_figures(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float,
    optimum: ArrayLike | None = None,
    figure_of_merit: FigureOfMerit | None = None,
    figure_cut: float | None = None,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Measurement]:
    """Return every figure of scores [n] in [0, 1] for labels [n] in {0, 1} and event weights [n] (None: ones), by name.

    Args:
        labels: [n], 1 for signal, 0 for background.
        scores: [n], in [0, 1]; higher is more signal-like.
        weights: [n] event weights; None: ones.
        threshold: The frozen cut; events with score >= threshold are selected.
        optimum: Observer [n] that no network can beat; adds its AUC and the share of it that is reached.
        figure_of_merit: The problem's own, where it is not among the others.
        figure_cut: Frozen cut of a significance, so that it is not looked for again here; None: it is.
        n_bootstrap: Replicas for the intervals; both classes are drawn anew, the cut stays. The interval of a share of
            few events is Clopper and Pearson's.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does, and where a score is no probability.
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
    error = np.array([replica[CALIBRATION_ERROR] for replica in replicas])
    measurements[CALIBRATION_ERROR] = measure_distance(measurements[CALIBRATION_ERROR].value, error)
    measurements |= _measure_few(measurements, arrays, threshold)
    if figure_of_merit is not None and figure_of_merit.name not in measurements:
        frozen = _freeze(figure_of_merit, figure_cut)
        measurements[figure_of_merit.name] = measure_declared(frozen, arrays, n_bootstrap=n_bootstrap, seed=seed)
    return measurements


def measure_declared(figure: FigureFunction, arrays: Arrays, *, n_bootstrap: int, seed: int) -> Measurement:
    """Return a figure of the problem's own with its 68 % interval, by bootstrap over the events."""
    if isinstance(figure, CutFigure):
        halves = figure.halves(*arrays)
        drawn = [halves.cross(counts)[0] for counts in draw_counts(arrays.is_signal, n_bootstrap, seed)]
        return measure(float(halves.cross()[0]), np.array(drawn))
    labels = arrays.is_signal.astype(np.int8)
    estimator = figure.smooth if isinstance(figure, BackgroundRejection) else figure
    replicas = bootstrap_figure(estimator, labels, arrays.scores, arrays.weights, n_replicas=n_bootstrap, seed=seed)
    value, centre = (each(labels, arrays.scores, arrays.weights) for each in (figure, estimator))
    measured = measure(value, replicas, centre=centre)
    if not isinstance(figure, BackgroundRejection):
        return measured
    told = replace(measured, value=background_rejection(roc(*arrays), figure.eps_s))
    n_background = effective_number(arrays.weights[~arrays.is_signal])
    return replace(widen_rejection(told, n_background), value=value)


@dataclass(frozen=True)
class _Sums:
    """What does not change from replica to replica: ranks, who is selected, each event's loss."""

    weights: np.ndarray
    ranking: Ranking
    rows: np.ndarray
    """[8, n]: which events are selected signal, selected background, rejected background, rejected signal; the losses
    of the signal, of the background; the squared distances likewise. One product with the weights gives all sums."""
    bins: Bins
    best: Ranking | None

    @classmethod
    def of(cls, arrays: Arrays, threshold: float, optimum: np.ndarray | None) -> _Sums:
        signal, selected = arrays.is_signal, arrays.scores >= threshold
        losses, squares = event_losses(signal, arrays.scores), (arrays.scores - signal) ** 2
        rows = [signal & selected, ~signal & selected, ~signal & ~selected, signal & ~selected]
        return cls(
            arrays.weights,
            rank(signal, arrays.scores),
            np.array([*rows, losses * signal, losses * ~signal, squares * signal, squares * ~signal], dtype=np.float64),
            Bins.of(signal, arrays.scores, balance_classes(signal, arrays.weights), N_CALIBRATION_BINS),
            None if optimum is None else rank(signal, optimum),
        )

    def figures(self, counts: np.ndarray, reject: Callable[[RocCurve, float], float]) -> dict[str, float]:
        """Return each figure where event i comes counts[i] times, 1/eps_B by `reject`."""
        weights = self.weights * counts
        curve = self.ranking.curve(weights)
        *cells, loss_of_signal, loss_of_background, square_of_signal, square_of_background = (
            self.rows @ weights
        ).tolist()
        confusion = Confusion(*cells)
        found = {"AUC": curve.area} | {name: reject(curve, eps_s) for name, eps_s in REJECTIONS.items()}
        found |= {name: figure(confusion) for name, figure in OF_THE_CUT.items()}
        signal = confusion.true_positive + confusion.false_negative
        background = confusion.false_positive + confusion.true_negative
        found[LOG_LOSS] = (_divide(loss_of_signal, signal) + _divide(loss_of_background, background)) / 2
        found[BRIER] = (_divide(square_of_signal, signal) + _divide(square_of_background, background)) / 2
        found[AVERAGE_PRECISION] = _average_precision(curve, signal, background)
        found[CALIBRATION_ERROR] = self.bins.sum(weights, balanced=True).calibration.expected_error
        if self.best is not None:
            found[OPTIMUM_AUC] = self.best.curve(weights).area
            found[SHARE_OF_OPTIMUM] = _divide(found["AUC"] - 0.5, found[OPTIMUM_AUC] - 0.5)
        return found


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")


def _average_precision(curve: RocCurve, signal: float, background: float) -> float:
    """Return the mean purity over the signal efficiency, as scikit-learn's `average_precision_score`."""
    passed = signal * curve.eps_s[1:]
    total = passed + background * curve.eps_b[1:]
    purity = np.divide(passed, total, out=np.zeros(len(total)), where=total > 0)
    return float((np.diff(curve.eps_s) * purity).sum())


def _measure_few(measurements: Mapping[str, Measurement], arrays: Arrays, threshold: float) -> dict[str, Measurement]:
    """Return the measurements whose bootstrap has nothing to draw, with intervals of Clopper and Pearson.

    A share of which fewer than 10 effective events lie on one side of the cut; and an area or a mean of efficiencies
    that is the same in each replica, as if it were one share of the class with fewer effective events.
    """
    signal, selected = arrays.is_signal, arrays.scores >= threshold
    n_signal, n_background = (effective_number(arrays.weights[chosen]) for chosen in (signal, ~signal))
    shares = {
        "sensitivity": n_signal,
        "specificity": n_background,
        "accuracy": effective_number(arrays.weights),
    }
    found = {
        name: measure_share(measurements[name].value, n)
        for name, n in shares.items()
        if are_few(measurements[name].value, n)
    }
    # Of the precision either class may be few; their effective numbers together say nothing where weights differ.
    passed = [effective_number(arrays.weights[selected & chosen]) for chosen in (signal, ~signal)]
    if min(passed) < FEW:
        found["precision"] = measure_share(measurements["precision"].value, effective_number(arrays.weights[selected]))
    found |= {name: widen_rejection(measurements[name], n_background) for name in REJECTIONS}
    for name in ("AUC", "balanced accuracy", AVERAGE_PRECISION, OPTIMUM_AUC):
        measured = measurements.get(name)
        if measured is not None and measured.low == measured.high:
            found[name] = measure_share(measured.value, min(n_signal, n_background))
    return found


def _freeze(figure: FigureOfMerit, cut: float | None) -> FigureFunction:
    """Return the figure as a function; that of the frozen cut where it is one of a cut."""
    return partial(figure.at, cut) if isinstance(figure, CutFigure) and cut is not None else figure
