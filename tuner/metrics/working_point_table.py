"""The table of working points: what is lost at fixed efficiencies, and how many events that rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import Arrays, check_arrays, effective_number
from tuner.metrics.at_threshold import set_between_scores
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import RocCurve, rank, signal_efficiency, smooth_eps_b
from tuner.metrics.few_events import are_few, measure_share
from tuner.metrics.measurement import Measurement, measure

EPS_S = (0.3, 0.5, 0.7, 0.9)
EPS_B = (0.1, 0.01, 0.001)


@dataclass(frozen=True, kw_only=True)
class WorkingPointRow:
    """One working point, read off the curve of the same events."""

    fixed: Literal["eps_S", "eps_B"]
    """The efficiency that is fixed."""
    at: float
    """Where."""
    threshold: float
    """Events with score >= threshold are selected; infinity selects none."""
    efficiency: Measurement
    """The other efficiency with its 68 % interval: bootstrap; Clopper and Pearson's where fewer than 10 effective
    events pass, or fail."""
    n_signal: int
    """Signal events that pass, counted."""
    n_background: int
    """Background events that pass, counted."""
    effective_signal: float
    """(sum w)^2 / sum w^2 of the signal that passes."""
    effective_background: float
    """(sum w)^2 / sum w^2 of the background that passes."""

    @property
    def name(self) -> str:
        """Such as `eps_B at eps_S=0.3`."""
        return f"{'eps_B' if self.fixed == 'eps_S' else 'eps_S'} at {self.fixed}={self.at:g}"


def tabulate_working_points(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_replicas: int = 200,
    seed: int = 0,
) -> tuple[WorkingPointRow, ...]:
    """Return eps_B at eps_S = .3 .5 .7 .9, then eps_S at eps_B = .1 .01 .001.

    At a fixed eps_S the tightest cut that keeps at least so much signal is taken, at a fixed eps_B the one that keeps
    most signal while no more background passes: 1 / eps_B is `background_rejection`.

    Args:
        labels: [n] in {0, 1}.
        scores: [n]; higher is more signal-like.
        weights: Event weights [n]; None: ones.
        n_replicas: Bootstrap replicas for the intervals; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    arrays = check_arrays(labels, scores, weights)
    is_signal, _, weight = arrays
    ranking = rank(is_signal, arrays.scores)
    curve = ranking.curve(weight)
    replicas = [ranking.curve(weight * counts) for counts in draw_counts(is_signal, n_replicas, seed)]
    return (
        *(_fix_signal(curve, replicas, arrays, at) for at in EPS_S),
        *(_fix_background(curve, replicas, arrays, at) for at in EPS_B),
    )


def _fix_signal(curve: RocCurve, replicas: list[RocCurve], arrays: Arrays, at: float) -> WorkingPointRow:
    place = int((curve.eps_s >= at - 1e-12).argmax())
    drawn = np.array([smooth_eps_b(replica, at) for replica in replicas])
    value = float(curve.eps_b[place])
    n = effective_number(arrays.weights[~arrays.is_signal])
    measured = measure_share(value, n) if are_few(value, n) else measure(value, drawn, centre=smooth_eps_b(curve, at))
    return _describe("eps_S", at, float(curve.thresholds[place]), measured, arrays)


def _fix_background(curve: RocCurve, replicas: list[RocCurve], arrays: Arrays, at: float) -> WorkingPointRow:
    place = int(np.where(curve.eps_b <= at + 1e-12, curve.eps_s, -np.inf).argmax())
    drawn = np.array([signal_efficiency(replica, at) for replica in replicas])
    value = float(curve.eps_s[place])
    n = effective_number(arrays.weights[arrays.is_signal])
    measured = measure_share(value, n) if are_few(value, n) else measure(value, drawn)
    return _describe("eps_B", at, float(curve.thresholds[place]), measured, arrays)


def _describe(
    fixed: Literal["eps_S", "eps_B"], at: float, threshold: float, measured: Measurement, arrays: Arrays
) -> WorkingPointRow:
    threshold = set_between_scores(threshold, arrays.scores)
    passes = arrays.scores >= threshold
    signal, background = passes & arrays.is_signal, passes & ~arrays.is_signal
    return WorkingPointRow(
        fixed=fixed,
        at=at,
        threshold=threshold,
        efficiency=measured,
        n_signal=int(signal.sum()),
        n_background=int(background.sum()),
        effective_signal=effective_number(arrays.weights[signal]),
        effective_background=effective_number(arrays.weights[background]),
    )
