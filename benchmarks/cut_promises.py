"""What a figure of one cut promises on validation, and what it keeps, where the truth is a closed form.

    python -m benchmarks.cut_promises [--experiments 1000] [--events 10000]

Toy experiments of two Gaussians, event weights exponential. Each has two candidates of a known order: the score
itself, and the score with noise on it. The promise is the figure on the sample; the truth is that of the cut which the
sample chose, in infinitely many events. Told are the promise's mean bias and spread, the bias of the figure at its own
best cut on the same events, the effective background above the cut, and how often the figure and the AUC put the
better candidate first. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tuner.metrics import auc
from tuner.metrics.figures_of_merit import Ams, CutFigure, Significance

DISTANCE = 1.5
"""Of signal and background, in standard deviations."""
BLUR = 0.5
"""Standard deviation of the noise on the second candidate."""
FIGURES: Mapping[str, CutFigure] = {
    "Z, b >> s": Significance(s=100, b=10_000),
    "Z": Significance(s=100, b=1_000),
    "Z, 10 %": Significance(s=50, b=1_000, relative_systematic=0.1),
    "AMS": Ams(s=692, b=411_000),
}


@dataclass(frozen=True)
class Promises:
    """What came of many experiments."""

    bias: float
    """Mean of promise minus truth."""
    spread: float
    """Standard deviation of it."""
    own_bias: float
    """Mean of the figure at the cut that the same events chose, minus truth."""
    effective: float
    """Mean effective background events above the cut."""
    right: float
    """Share of experiments in which the figure puts the better candidate first."""
    right_by_auc: float


def main() -> None:
    """Simulate, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args()
    found = {name: keep_promises(fig, range(options.experiments), n=options.events) for name, fig in FIGURES.items()}
    print(f"{'figure':<12}{'bias/spread':>12}{'spread':>9}{'at own cut':>12}{'N_eff':>7}{'right':>8}{'by AUC':>8}")
    for name, came in found.items():
        relative, own = came.bias / came.spread, came.own_bias / came.spread
        print(
            f"{name:<12}{relative:>12.3f}{came.spread:>9.3f}{own:>12.2f}{came.effective:>7.0f}"
            f"{came.right:>8.1%}{came.right_by_auc:>8.1%}"
        )
    print(json.dumps({name: vars(came) for name, came in found.items()}))


def keep_promises(figure: CutFigure, seeds: Iterable[int], *, n: int) -> Promises:
    """Return what a figure promises and keeps in experiments of n events, half of them signal."""
    rows = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        labels, weights = np.repeat([1, 0], n // 2), generator.exponential(1.0, 2 * (n // 2))
        better = generator.normal(DISTANCE * labels)
        worse = better + generator.normal(0, BLUR, len(labels))
        scan = figure.scan(labels, better, weights)
        cut, effective = float(scan.thresholds[scan.best]), float(scan.effective_background[scan.best])
        truth = figure.expect(np.array([figure.s * norm.sf(cut - DISTANCE)]), np.array([figure.b * norm.sf(cut)]))[0]
        promise, areas = figure(labels, better, weights), [auc(labels, each, weights) for each in (better, worse)]
        own = figure.at(cut, labels, better, weights)
        right = promise > figure(labels, worse, weights)
        rows.append((promise - truth, own - truth, effective, right, areas[0] > areas[1]))
    means = np.mean(rows, axis=0).tolist()
    return Promises(means[0], float(np.std([row[0] for row in rows], ddof=1)), *means[1:])


if __name__ == "__main__":
    main()
