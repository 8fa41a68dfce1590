"""Templates: histograms of the score at expected yields, nominal and with each nuisance moved, for a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays

SIGNAL, BACKGROUND = "signal", "background"


@dataclass(frozen=True, eq=False)
class ScoredEvents:
    """Events with a candidate's scores, nominal and with each nuisance moved by one standard deviation; all [n]."""

    rows: np.ndarray
    """Places in the events as read."""
    labels: np.ndarray
    """In {0, 1}."""
    weights: np.ndarray
    """Event weights."""
    scores: np.ndarray
    variants: Mapping[str, tuple[np.ndarray, np.ndarray | None]] = field(default_factory=dict)
    """Nuisance to the scores of the same events moved up and down; down None: the opposite of up."""


@dataclass(frozen=True)
class Template:
    """Expected events of one class in bins of the score."""

    events: tuple[float, ...]
    """Expected in each bin [k]."""
    errors: tuple[float, ...]
    """Their statistical errors [k], sqrt(sum w^2) at the same scale."""
    variants: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]
    """Nuisance to what is expected [k] with it moved up, and down."""


@dataclass(frozen=True)
class ScoreTemplates:
    """Signal and background of one candidate in bins of its score."""

    candidate: str
    edges: tuple[float, ...]
    """[k + 1], rising, of bins [low, high); the outermost are infinite."""
    signal: Template
    background: Template


def fill_templates(
    candidate: str, events: ScoredEvents, *, edges: ArrayLike, s: float, b: float, counts: ArrayLike | None = None
) -> ScoreTemplates:
    """Return histograms of a candidate's scores, scaled to the expected yields.

    A bin whose sum of weights is not above that of one effective event of its class counts as one such event, with an
    error of 100 %: neither an empty nor a negative bin can be fitted. A variant that would be negative is 0.

    Args:
        candidate: Its name.
        events: Its scores. Events that chose neither it nor the bins give an honest significance; others flatter.
        edges: [k + 1], rising; see `choose_score_bins`.
        s: Signal events that are expected in all bins.
        b: Background events that are expected in all bins.
        counts: How often each event counts [n], as a bootstrap draws it; None: once.

    Raises:
        EventsError: As `check_arrays` does.
    """
    drawn = events.weights if counts is None else events.weights * np.asarray(counts)
    is_signal, scores, weights = check_arrays(events.labels, events.scores, drawn)
    inner = np.asarray(edges, dtype=np.float64)[1:-1]
    filled = {}
    for name, chosen, total in ((SIGNAL, is_signal, s), (BACKGROUND, ~is_signal, b)):
        weight = weights[chosen]
        scale = total / float(weight.sum())
        squares = weight * events.weights[chosen]
        one_event = scale * float(squares.sum()) / float(weight.sum())
        expected, variances = (_sum(inner, scores[chosen], each) for each in (scale * weight, scale**2 * squares))
        is_told = expected >= one_event
        nominal = np.where(is_told, expected, one_event)
        variants = {}
        for nuisance, (up, down) in events.variants.items():
            risen = _sum(inner, up[chosen], scale * weight) - expected
            fallen = -risen if down is None else _sum(inner, down[chosen], scale * weight) - expected
            moved = [np.where(is_told, np.maximum(nominal + change, 0.0), nominal) for change in (risen, fallen)]
            variants[nuisance] = _list(moved[0]), _list(moved[1])
        errors = np.where(is_told, np.sqrt(variances), one_event)
        filled[name] = Template(_list(nominal), _list(errors), variants)
    edges_told = _list(np.asarray(edges, dtype=np.float64))
    return ScoreTemplates(candidate, edges_told, filled[SIGNAL], filled[BACKGROUND])


def approximate_significance(templates: ScoreTemplates, relative_systematic: float = 0.0) -> float:
    """Return what the expected significance of a fit tends to for many events: sqrt(s V^-1 s).

    V is the covariance of the background's bins: Poisson and statistical variance of each, and the nuisances' shifts,
    correlated over the bins, as a Gaussian fit profiles them (arXiv:1007.1727, section 4). It is cheap enough for the
    replicas of a bootstrap.

    Args:
        templates: Signal and background.
        relative_systematic: Uncertainty of the background's total, as a share of it.
    """
    signal, background = np.array(templates.signal.events), np.array(templates.background.events)
    shifts = [(np.array(up) - np.array(down)) / 2 for up, down in templates.background.variants.values()]
    shifts.append(relative_systematic * background)
    correlated = sum(np.outer(shift, shift) for shift in shifts)
    covariance = np.diag(background + np.array(templates.background.errors) ** 2) + correlated
    return float(np.sqrt(signal @ np.linalg.solve(covariance, signal)))


def _sum(inner: np.ndarray, scores: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Return the sum of terms [n] in each bin [k] of scores [n]; inner: edges [k - 1]."""
    sums: np.ndarray = np.bincount(np.searchsorted(inner, scores, side="right"), terms, minlength=len(inner) + 1)
    return sums


def _list(values: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, values))
