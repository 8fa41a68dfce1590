"""Figures of merit: what a winner is chosen by. Light to import; the arithmetic is imported when called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class FigureOfMerit(Protocol):
    """A function of labels, scores and weights; higher is better."""

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        ...

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the figure for labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Auc:
    """Area under the ROC curve: P(score of signal > score of background) + half of the ties, weighted."""

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return "AUC"

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the weighted area under the ROC curve."""
        from tuner.metrics.curves import auc

        return auc(labels, scores, weights)
