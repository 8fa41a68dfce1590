"""The selection-bias meter: how often the luck of a search's best trial is larger than what is called typical.

    python -m benchmarks.luck [--searches 200] [--trials 100] [--events 2000]

Searches of settings whose networks give each event a Gaussian score, shifted for signal by the setting's worth; part of
the score's spread is the event's, the same for all networks, part is the setting's, part the training's, and each
training has a worth of its own. The best of all trials by AUC on validation is picked, and five finalists are trained
five times anew, as an evaluation does. The luck of the best is what its AUC exceeds the mean AUC of networks of its
worth by, on the same events of which all see the same. Prints, for settings that differ by nothing and by one and three
times what trainings do, the share of searches whose luck is above the meter's, and the mean of their ratio. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tuner.evaluation.statistics.selection_bias import estimate_noise, expect_excess
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.replicas import replicate

WORTH, OF_TRAININGS = 2.0, 0.03
"""Distance of the classes' means, in standard deviations: of all settings, and its spread over trainings of one."""
OF_EVENTS, OF_SETTING, OF_TRAINING = np.sqrt((0.90, 0.06, 0.04))
"""What a score's spread is made of."""
SPREADS = (0.0, 1.0, 3.0)
"""Of settings' worth, in units of that of trainings."""
N_FINALISTS, N_SEEDS, N_REPLICAS, N_FRESH = 5, 5, 100, 100


@dataclass(frozen=True)
class Luck:
    """Of one search."""

    true: float
    """What the best trial's AUC exceeds its worth by."""
    typical: float
    """What the meter says."""


def main() -> None:
    """Simulate, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--events", type=int, default=2000)
    options = parser.parse_args()
    print(f"{'spread of settings':>18}{'above':>16}{'luck / typical':>16}")
    told = {}
    for spread in SPREADS:
        found = [search(options.trials, options.events, spread, seed) for seed in range(options.searches)]
        above = float(np.mean([luck.true > luck.typical for luck in found]))
        ratio = float(np.mean([luck.true for luck in found]) / np.mean([luck.typical for luck in found]))
        error = np.sqrt(above * (1 - above) / len(found))
        print(f"{spread:18g}{above:10.1%} +- {error:.1%}{ratio:14.2f}", flush=True)
        told[f"{spread:g}"] = {"above": round(above, 4), "ratio": round(ratio, 3)}
    print(json.dumps(told))


def search(n_trials: int, n_events: int, spread: float, seed: int) -> Luck:
    """Return the luck of the best of n trials, and what the meter says of it."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n_events // 2)
    shared = OF_EVENTS * rng.normal(size=n_events)
    worths = WORTH + spread * OF_TRAININGS * rng.normal(size=n_trials)
    own = OF_SETTING * rng.normal(size=(n_trials, n_events))

    def train(worth: float, of_setting: np.ndarray) -> np.ndarray:
        distance = worth + OF_TRAININGS * rng.normal()
        scores: np.ndarray = distance * labels + shared + of_setting + OF_TRAINING * rng.normal(size=n_events)
        return scores

    areas = np.array([measure_area(labels, train(worth, of)) for worth, of in zip(worths, own, strict=True)])
    ranked = np.argsort(-areas)
    best = int(ranked[0])
    fresh = [train(worths[best], OF_SETTING * rng.normal(size=n_events)) for _ in range(N_FRESH)]
    finalists = [
        replicate(
            Auc(),
            labels,
            [train(worths[number], own[number]) for _ in range(N_SEEDS)],
            n_replicas=N_REPLICAS,
            seed=seed,
        )
        for number in ranked[:N_FINALISTS]
    ]
    typical = expect_excess(estimate_noise(finalists), n_trials)
    assert typical is not None
    return Luck(areas[best] - float(np.mean([measure_area(labels, scores) for scores in fresh])), typical)


def measure_area(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve of scores [n] without ties (Mann and Whitney)."""
    is_signal = labels == 1
    n_signal = int(is_signal.sum())
    ranks = rankdata(scores)[is_signal].sum() - n_signal * (n_signal + 1) / 2
    return float(ranks / (n_signal * (len(labels) - n_signal)))


if __name__ == "__main__":
    main()
