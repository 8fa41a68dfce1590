"""Searches against each other: the winner of each against that of the first, by its scores on the test part.

Where both were judged on the same test events, each replica of the bootstrap draws the same events for both, so what
they share cancels. Where they were not, each has replicas of its own, and the difference has the wider interval of two
independent figures. The trainings of each winner are drawn anew as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.evaluation.statistics.comparison import Standing, compare
from tuner.metrics.figures_of_merit import FigureOfMerit
from tuner.metrics.replicas import Replicas, replicate

Ground = Literal["same test events", "other split", "other events"]
"""What a difference of two searches is measured on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WinnerScores:
    """What the winner of a search says of the test events."""

    rows: np.ndarray
    """Places of the test events among all events, int64 [n]."""
    labels: np.ndarray
    """In {0, 1} [n]."""
    weights: np.ndarray
    """Event weights [n]."""
    trainings: tuple[np.ndarray, ...]
    """Scores [n] of each training of the winner's setting."""
    cuts: tuple[float, ...] | None
    """Of each training, chosen on validation, for a figure that is one of a cut; None for others."""
    digest: str
    """Hash of the features, labels and weights of all events."""
    source: str
    """Where the events come from, in words that tell one source from another."""


@dataclass(frozen=True, kw_only=True)
class Versus:
    """A search against the first one, by the figure of merit of their winners on test."""

    standing: Standing
    """Its `difference` is this search minus the first one, its `verdict` says what this search is."""
    ground: Ground
    n_events: int
    """Events of its test part."""


def compare_winners(
    winners: Mapping[str, WinnerScores], figure: FigureOfMerit, *, n_replicas: int = 200, seed: int = 0
) -> dict[str, Versus]:
    """Return how the winner of each search stands against that of the first, by name and in their order.

    Args:
        winners: Scores by the name of the search; the first is the one that the others are compared with.
        figure: The figure of merit.
        n_replicas: Bootstrap replicas; the same events are drawn for searches that share their test events.
        seed: Of the replicas.

    Returns:
        Standings whose p values are corrected by Holm's method for all comparisons together.
    """
    first, *others = winners
    grounds = {first: find_ground(winners[first], winners[first])}
    grounds |= {name: find_ground(winners[first], winners[name]) for name in others}
    seeds = np.random.default_rng(seed).integers(0, 2**32, len(winners))
    replicas = {
        name: _replicate(scores, figure, n_replicas, seed if grounds[name] == "same test events" else int(seeds[index]))
        for index, (name, scores) in enumerate(winners.items())
    }
    standings = compare(replicas, first, kinds=dict.fromkeys(winners, "finalist"), part="test", seed=seed)
    by_name = {standing.candidate: standing for standing in standings}
    return {
        name: Versus(standing=by_name[name], ground=grounds[name], n_events=len(scores.labels))
        for name, scores in winners.items()
    }


def find_ground(first: WinnerScores, other: WinnerScores) -> Ground:
    """Return whether two searches were judged on the same test events, and if not, what differs.

    Searches with other features of the same events have another hash; their source, rows, labels and weights agree.
    """
    pairs = ((first.rows, other.rows), (first.labels, other.labels), (first.weights, other.weights))
    same_part = all(np.array_equal(a, b) for a, b in pairs)
    if same_part and (first.digest == other.digest or first.source == other.source):
        return "same test events"
    return "other split" if first.digest == other.digest else "other events"


def _replicate(scores: WinnerScores, figure: FigureOfMerit, n_replicas: int, seed: int) -> Replicas:
    return replicate(
        figure, scores.labels, scores.trainings, scores.weights, cuts=scores.cuts, n_replicas=n_replicas, seed=seed
    )
