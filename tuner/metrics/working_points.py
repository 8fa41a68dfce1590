"""Rules that choose the cut on the score: on validation, frozen for test. Light to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class WorkingPoint(Protocol):
    """A rule that chooses a threshold; events with score >= threshold are selected."""

    @property
    def name(self) -> str:
        """The rule in a few words."""
        ...

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold for labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Youden:
    """Largest eps_S - eps_B (Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3)."""

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return "largest eps_S - eps_B"

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold with the largest eps_S - eps_B."""
        from tuner.metrics.curves import roc

        curve = roc(labels, scores, weights)
        return float(curve.thresholds[(curve.eps_s - curve.eps_b)[1:].argmax() + 1])
