"""Coverage of the intervals: how often they hold the truth, where it is known.

    python -m benchmarks.coverage [--experiments 2500] [--events 600]

Experiments of two Gaussians one standard deviation apart, event weights exponential; the truth is the closed form
AUC = Phi(1 / sqrt 2). Prints the share of experiments in which the 68 % and the 95 % interval hold it, for the weighted
bootstrap of the AUC, for that of a paired difference, and for DeLong without weights. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy.stats import norm

from tuner.metrics import auc, bootstrap_auc, delong_variance
from tuner.metrics.measurement import ONE_SIGMA, Measurement, measure

TRUTH = float(norm.cdf(1 / np.sqrt(2)))
COVERAGES = {"68 %": ONE_SIGMA, "95 %": 0.95}
BLUR = 0.5
"""Standard deviation of what the second score of a pair adds to the first."""
BLURRED = float(norm.cdf(1 / np.sqrt(2 * (1 + BLUR**2))))


def main() -> None:
    """Simulate, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2500)
    parser.add_argument("--events", type=int, default=600)
    parser.add_argument("--replicas", type=int, default=200)
    options = parser.parse_args()
    held: dict[str, list[bool]] = {}
    for seed in range(options.experiments):
        for name, (interval, truth) in simulate(options.events, options.replicas, seed).items():
            held.setdefault(name, []).append(interval.low <= truth <= interval.high)
    shares = {name: float(np.mean(one)) for name, one in held.items()}
    for name, share in shares.items():
        error = np.sqrt(share * (1 - share) / options.experiments)
        print(f"{name:<32} {share:.3f} +- {error:.3f}")
    print(json.dumps({name: round(share, 4) for name, share in shares.items()}))


def simulate(n_events: int, n_replicas: int, seed: int) -> dict[str, tuple[Measurement, float]]:
    """Return each interval of one experiment, and the truth it is to hold."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n_events // 2)
    scores, weights = generator.normal(labels, 1.0), generator.exponential(1.0, len(labels))
    blurred = scores + generator.normal(0, BLUR, len(labels))
    values = [auc(labels, one, weights) for one in (scores, blurred)]
    replicas = [bootstrap_auc(labels, one, weights, n_replicas=n_replicas, seed=seed) for one in (scores, blurred)]
    plain, error = auc(labels, scores), np.sqrt(delong_variance(labels, scores))
    found = {}
    for name, coverage in COVERAGES.items():
        reach = norm.ppf((1 + coverage) / 2) * error
        found[f"weighted AUC, {name}"] = measure(values[0], replicas[0], coverage=coverage), TRUTH
        difference = measure(values[0] - values[1], replicas[0] - replicas[1], coverage=coverage)
        found[f"paired difference, {name}"] = difference, TRUTH - BLURRED
        found[f"DeLong, {name}"] = Measurement(plain, plain - reach, plain + reach), TRUTH
    return found


if __name__ == "__main__":
    main()
