"""Whether a search found better settings than the warm starts that it began with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from tuner.errors import DamagedFileError, SearchError, TrainingError
from tuner.metrics.replicas import replicate
from tuner.training.building import compute_logits
from tuner.training.checkpoints import read_checkpoint, restore_network
from tuner.tuning.ranking import count_sampled, rank_trials
from tuner.tuning.search import Search, TrialRecord

CLEAR = 2.0
"""Differences of so many standard deviations count. The best of 200 settings that are all worth as much as the warm
start is ahead of it by 1.9 on average, by luck alone."""

CHUNK = 2**14
"""Events that are scored at a time."""

N_REPLICAS = 200

Verdict = Literal["better", "as good", "worse"]
"""What the settings that were sampled are beside the warm starts."""


@dataclass(frozen=True, kw_only=True)
class WarmStartGain:
    """The best warm start beside the best setting that was sampled, on validation."""

    figure_of_merit: str
    """Name of the figure that both are ranked by."""
    warm_start: int
    """Number of the best warm start's trial."""
    warm_figure: float
    n_sampled: int
    """Sampled trials that completed or were pruned."""
    sampled: int | None
    """Number of the best sampled trial; None where none is complete."""
    sampled_figure: float | None
    noise: float | None
    """Standard deviation of the difference over the validation events, paired; None where it could not be measured."""

    @property
    def difference(self) -> float | None:
        """The sampled trial's figure minus the warm start's."""
        return None if self.sampled_figure is None else self.sampled_figure - self.warm_figure

    @property
    def verdict(self) -> Verdict:
        """What was sampled is better or worse by more than chance explains, or as good."""
        if self.difference is None:
            return "worse"
        if self.noise is not None and abs(self.difference) <= CLEAR * self.noise:
            return "as good"
        return "better" if self.difference > 0 else "as good" if self.difference == 0 else "worse"


def measure_gain(search: Search) -> WarmStartGain | None:
    """Compare the best setting that was sampled with the best warm start, on the validation events.

    The noise is that of the events alone, from a paired bootstrap: another seed would move both figures, too.

    Args:
        search: With its kept parameters; where those of the two trials are gone or damaged, there is no noise.

    Returns:
        The comparison; None where no warm start is complete, or where nothing was sampled yet.
    """
    trials = search.trials
    ranked = rank_trials(trials)
    warm = next((trial for trial in ranked if trial.warm_start), None)
    n_sampled = count_sampled(trials)
    if warm is None or not n_sampled:
        return None
    assert warm.figure is not None
    sampled = next((trial for trial in ranked if not trial.warm_start), None)
    return WarmStartGain(
        figure_of_merit=search.study.problem.figure_of_merit.name,
        warm_start=warm.number,
        warm_figure=warm.figure,
        n_sampled=n_sampled,
        sampled=None if sampled is None else sampled.number,
        sampled_figure=None if sampled is None else sampled.figure,
        noise=None if sampled is None else measure_noise(search, sampled, warm),
    )


def describe_gain(gain: WarmStartGain) -> str:
    """Return the comparison in words, as whole sentences."""
    n, figure = gain.n_sampled, gain.figure_of_merit
    warm = f"trial {gain.warm_start} ({figure} {gain.warm_figure:.4f} on validation)"
    if gain.sampled_figure is None or gain.difference is None:
        pruned = "The only sampled trial was pruned" if n == 1 else f"All {n:,} sampled trials were pruned"
        return f"{pruned}: the best warm start, {warm}, is the best of this search."
    among = "the only sampled trial" if n == 1 else f"the best of {n:,} sampled trials"
    error = "" if gain.noise is None else f" ± {gain.noise:.4f}"
    by = f"{gain.difference:+.4f}{error}"
    told = f"Trial {gain.sampled}, {among}, has {gain.sampled_figure:.4f}, {by} from the best warm start, {warm}."
    said = {
        "better": "The search found a better setting than its warm starts.",
        "as good": "The warm starts were as good as what the search found.",
        "worse": "The warm starts were better than what the search found.",
    }
    return f"{said[gain.verdict]} {told}"


def measure_noise(search: Search, *pair: TrialRecord) -> float | None:
    """Return the standard deviation of the difference of two trials' figures over the validation events."""
    part, figure = search.splits.validation, search.study.problem.figure_of_merit
    try:
        scores = [_score_validation(search, trial) for trial in pair]
    except (DamagedFileError, SearchError, TrainingError):
        return None
    first, second = replicate(
        figure, part.labels, scores, part.weights, n_replicas=N_REPLICAS, seed=search.study.seed
    ).replicas
    noise = float(np.std(first - second, ddof=1))
    return noise if np.isfinite(noise) else None


def _score_validation(search: Search, trial: TrialRecord) -> np.ndarray:
    """Return a trial's probabilities of the validation events, float64 [n], by its kept parameters."""
    checkpoint = read_checkpoint(search.checkpoint_path(trial.number))
    network = restore_network(checkpoint, search.settings(trial).network)
    x = torch.from_numpy(np.array(search.splits.validation.x)).to(checkpoint.x.dtype)
    with torch.no_grad():
        logits = torch.cat([compute_logits(network, chunk) for chunk in torch.split(x, CHUNK)])
    return logits.double().sigmoid().numpy()
