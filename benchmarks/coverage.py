"""Coverage of the intervals: how often they hold the truth, where it is known.

    python -m benchmarks.coverage [--experiments 3000] [--events 400]

Experiments of two Gaussians one standard deviation apart, event weights exponential; the truths are closed forms, such
as AUC = Phi(1 / sqrt 2). Prints the share of experiments whose interval holds the truth: of `measure_figures` for
figures of the curve, of a frozen cut and of a declared significance, with weights and (DeLong) without; of the paired
bootstrap of a difference of AUCs. `tests/metrics/test_coverage.py` holds the same to within 2 %, as far as its
experiments can tell. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping

import numpy as np
from scipy.stats import norm

from tuner.metrics import asimov_significance, auc, bootstrap_auc, delong_variance
from tuner.metrics.figures_of_merit import Significance
from tuner.metrics.measured_figures import measure_figures
from tuner.metrics.measurement import ONE_SIGMA, Measurement, measure

COVERAGES = {"68 %": ONE_SIGMA, "95 %": 0.95}
BLUR = 0.5
"""Standard deviation of what the second score of a pair adds to the first."""
TRUTH = float(norm.cdf(1 / np.sqrt(2)))
BLURRED = float(norm.cdf(1 / np.sqrt(2 * (1 + BLUR**2))))
CUT = 1.0
"""A cut that half of the signal passes."""
EPS_S, EPS_B = 0.5, float(norm.sf(CUT))
FIGURE = Significance(s=50, b=500, relative_systematic=0.1)
TRUTHS: Mapping[str, float] = {
    "sensitivity": EPS_S,
    "specificity": 1 - EPS_B,
    "1/eps_B at eps_S=0.5": 1 / EPS_B,
    FIGURE.name: float(asimov_significance(50 * EPS_S, 500 * EPS_B, 0.1 * 500 * EPS_B)),
}

Intervals = dict[tuple[str, str], tuple[Measurement, float]]
"""Each interval and the truth that it is to hold, by figure and coverage."""


def main() -> None:
    """Simulate, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=3000)
    parser.add_argument("--events", type=int, default=400)
    parser.add_argument("--replicas", type=int, default=100)
    options = parser.parse_args()
    shares = count_held(range(options.experiments), n_events=options.events, n_replicas=options.replicas)
    print(tabulate(shares, options.experiments))
    print(json.dumps({" ".join(name): round(share, 4) for name, share in shares.items()}))


def count_held(seeds: Iterable[int], *, n_events: int, n_replicas: int) -> dict[tuple[str, str], float]:
    """Return the share of experiments in which each interval holds its truth."""
    held: dict[tuple[str, str], list[bool]] = {}
    for seed in seeds:
        for name, (interval, truth) in simulate(n_events, n_replicas, seed).items():
            held.setdefault(name, []).append(interval.low <= truth <= interval.high)
    return {name: float(np.mean(one)) for name, one in held.items()}


def simulate(n_events: int, n_replicas: int, seed: int) -> Intervals:
    """Return the intervals of one experiment."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n_events // 2)
    scores, weights = generator.normal(labels, 1.0), generator.exponential(1.0, len(labels))
    blurred = scores + generator.normal(0, BLUR, len(labels))
    measured = measure_figures(
        labels,
        norm.cdf(scores),
        weights,
        threshold=float(norm.cdf(CUT)),
        figure_of_merit=FIGURE,
        figure_cut=float(norm.cdf(CUT)),
        n_bootstrap=n_replicas,
        seed=seed,
    )
    found: Intervals = {(name, "68 %"): (measured[name], truth) for name, truth in TRUTHS.items()}
    values = [auc(labels, one, weights) for one in (scores, blurred)]
    replicas = [bootstrap_auc(labels, one, weights, n_replicas=n_replicas, seed=seed) for one in (scores, blurred)]
    plain, error = auc(labels, scores), np.sqrt(delong_variance(labels, scores))
    for name, coverage in COVERAGES.items():
        reach = norm.ppf((1 + coverage) / 2) * error
        found["AUC", name] = measure(values[0], replicas[0], coverage=coverage), TRUTH
        difference = measure(values[0] - values[1], replicas[0] - replicas[1], coverage=coverage)
        found["paired difference of AUCs", name] = difference, TRUTH - BLURRED
        found["AUC by DeLong, unweighted", name] = Measurement(plain, plain - reach, plain + reach), TRUTH
    return found


def tabulate(shares: Mapping[tuple[str, str], float], n_experiments: int) -> str:
    """Return a line for each interval: what it is called, what it covers, with the error of that."""
    lines = [f"{'interval':<44}{'covers':>9}"]
    for (figure, name), share in sorted(shares.items()):
        error = np.sqrt(share * (1 - share) / n_experiments)
        lines.append(f"{f'{figure}, {name}':<44}{share:9.1%} +- {error:.1%}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
