"""Rules that choose the cut on the score: on validation, frozen for test. Light to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuner.errors import StudyError, raise_together
from tuner.metrics.figures_of_merit import Significance

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class WorkingPoint(Protocol):
    """A rule that chooses a threshold; events with score >= threshold are selected."""

    @property
    def name(self) -> str:
        """The rule in a few words."""
        ...

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold for labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones)."""
        ...


def choose_cut(rule: WorkingPoint, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the cut that a rule chooses, set halfway to the next lower score, so that scoring again loses no event.

    Args:
        rule: A working point, or a figure of merit that is one of a cut.
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n]; None: ones.

    Raises:
        EventsError: As the rule does.
    """
    from tuner.metrics.at_threshold import set_between_scores

    return set_between_scores(rule.choose(labels, scores, weights), scores)


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


@dataclass(frozen=True, kw_only=True)
class FixedSignalEfficiency:
    """The tightest cut that keeps a share of the signal."""

    eps_s: float
    """Share of the signal, by weight."""

    def __post_init__(self) -> None:
        _check_share("FixedSignalEfficiency", "eps_s", self.eps_s)

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"eps_S >= {self.eps_s:g}, tightest"

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the largest threshold with eps_S of at least `eps_s`."""
        from tuner.metrics.curves import roc

        curve = roc(labels, scores, weights)
        return float(curve.thresholds[(curve.eps_s >= self.eps_s - 1e-12).argmax()])


@dataclass(frozen=True, kw_only=True)
class FixedBackgroundEfficiency:
    """The cut that keeps the most signal while letting at most a share of the background pass."""

    eps_b: float
    """Share of the background, by weight."""

    def __post_init__(self) -> None:
        _check_share("FixedBackgroundEfficiency", "eps_b", self.eps_b)

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"eps_B <= {self.eps_b:g}, largest eps_S"

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold; infinity, which selects nothing, where every cut lets more background pass."""
        import numpy as np

        from tuner.metrics.curves import roc

        curve = roc(labels, scores, weights)
        return float(curve.thresholds[np.where(curve.eps_b <= self.eps_b + 1e-12, curve.eps_s, -np.inf).argmax()])


@dataclass(frozen=True, kw_only=True)
class FixedPurity:
    """The cut that keeps the most signal while a share of what it selects is signal."""

    purity: float
    """Signal weight over all weight selected, with the abundances that the event weights give."""
    min_background: float = 50.0
    """Effective background events, (sum w)^2 / sum w^2, that the cut must leave."""

    def __post_init__(self) -> None:
        _check_share("FixedPurity", "purity", self.purity)
        _check_positive("FixedPurity", "min_background", self.min_background)

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"purity >= {self.purity:g}, largest eps_S"

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold; the purest cut, smoothed, where none is pure enough.

        A cut that leaves fewer than `min_background` events is judged as if it left so many. Raise `EventsError` where
        there are fewer before any cut.
        """
        import numpy as np

        from tuner.metrics.arrays import check_arrays
        from tuner.metrics.cut_scan import scan_cuts

        is_signal, score, weight = check_arrays(labels, scores, weights)
        s, b = weight[is_signal].sum(), weight[~is_signal].sum()
        scan = scan_cuts(
            is_signal,
            score,
            weight,
            s=s,
            b=b,
            significance=lambda s, b: s / (s + b),
            min_background=self.min_background,
        )
        pure = scan.significance >= self.purity
        return float(
            scan.thresholds[np.where(pure, scan.s, -np.inf).argmax() if pure.any() else scan.smoothed.argmax()]
        )


@dataclass(frozen=True, kw_only=True)
class LargestSignificance:
    """The cut with the largest Asimov significance, smoothed over its neighbours."""

    s: float
    """Signal events that are expected before the cut."""
    b: float
    """Background events that are expected before the cut."""
    relative_systematic: float = 0.0
    """Uncertainty of the background above the cut, as a share of it."""
    min_background: float = 50.0
    """Effective background events, (sum w)^2 / sum w^2, that the cut must leave."""

    def __post_init__(self) -> None:
        self._figure()

    @property
    def name(self) -> str:
        """The rule in a few words."""
        return f"largest {self._figure().name}"

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold; raise `EventsError` for fewer than `min_background` background events."""
        return self._figure().choose(labels, scores, weights)

    def _figure(self) -> Significance:
        return Significance(
            s=self.s, b=self.b, relative_systematic=self.relative_systematic, min_background=self.min_background
        )


def _check_share(subject: str, name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise_together([f"`{name}` must be above 0 and at most 1, but is {value!r}."], StudyError, subject)


def _check_positive(subject: str, name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise_together([f"`{name}` must be above 0 and finite, but is {value!r}."], StudyError, subject)
