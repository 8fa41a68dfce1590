"""Figures of merit: what a winner is chosen by. Light to import; the arithmetic is imported when called."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuner.errors import StudyError, TunerError, describe_failure, raise_together, refuse_exit
from tuner.fields import show_value

if TYPE_CHECKING:
    import numpy as np

    from tuner.metrics.at_threshold import Confusion
    from tuner.metrics.cross_halves import CrossHalves
    from tuner.metrics.curves import RocCurve
    from tuner.metrics.cut_scan import CutScan


@runtime_checkable
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


@dataclass(frozen=True, kw_only=True)
class PartialAuc:
    """Area under the ROC curve up to a background efficiency, standardised: 0.5 by chance, 1 at best."""

    largest_eps_b: float
    """Where the area ends."""

    def __post_init__(self) -> None:
        _check("PartialAuc", _share("largest_eps_b", self.largest_eps_b))

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return f"partial AUC, eps_B<={self.largest_eps_b:g}"

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the weighted, standardised partial area."""
        from tuner.metrics.curves import partial_auc

        return partial_auc(labels, scores, weights, largest_eps_b=self.largest_eps_b)


@dataclass(frozen=True, kw_only=True)
class BackgroundRejection:
    """1/eps_B at a fixed signal efficiency."""

    eps_s: float
    """Share of the signal that is kept."""

    def __post_init__(self) -> None:
        _check("BackgroundRejection", _share("eps_s", self.eps_s))

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return f"1/eps_B at eps_S={self.eps_s:g}"

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return 1/eps_B of the tightest cut that keeps `eps_s` of the signal.

        At most the effective number of background events: with none above the cut, more cannot be told.
        """
        from tuner.metrics.curves import background_rejection

        return self._reject(background_rejection, labels, scores, weights)

    def smooth(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the same, averaged over neighbouring cuts: for the replicas of a bootstrap."""
        from tuner.metrics.curves import smooth_rejection

        return self._reject(smooth_rejection, labels, scores, weights)

    def _reject(
        self,
        reject: Callable[[RocCurve, float], float],
        labels: np.ndarray,
        scores: np.ndarray,
        weights: np.ndarray | None,
    ) -> float:
        from tuner.metrics.arrays import check_arrays, effective_number
        from tuner.metrics.curves import roc

        is_signal, _, weight = check_arrays(labels, scores, weights)
        most = effective_number(weight[~is_signal])
        return min(reject(roc(labels, scores, weights), self.eps_s), most)


@dataclass(frozen=True, kw_only=True)
class SignalEfficiency:
    """eps_S at a fixed background efficiency."""

    eps_b: float
    """Share of the background that may pass."""

    def __post_init__(self) -> None:
        _check("SignalEfficiency", _share("eps_b", self.eps_b))

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return f"eps_S at eps_B={self.eps_b:g}"

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the largest weighted eps_S of the cuts that let at most `eps_b` of the background pass."""
        from tuner.metrics.curves import roc, signal_efficiency

        return signal_efficiency(roc(labels, scores, weights), self.eps_b)


@dataclass(frozen=True, kw_only=True)
class CutFigure(ABC):
    """A figure of one cut on the score. The best cut is looked for on validation and frozen for test."""

    s: float
    """Signal events that are expected before the cut; the signal's weights are scaled to it."""
    b: float
    """Background events that are expected before the cut; the background's weights are scaled to it."""
    min_background: float = 50.0
    """Effective background events, (sum w)^2 / sum w^2, that a cut must leave; of 50 the background is known to 14 %.
    A tighter cut is judged as if it left so many."""

    def __post_init__(self) -> None:
        _check(type(self).__name__, *self._find_problems())

    def _find_problems(self) -> list[str]:
        return [_positive(name, getattr(self, name)) for name in ("s", "b", "min_background")]

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name for tables and axes."""

    @property
    def cut_name(self) -> str:
        """What its cut is called, beside the working point: "AMS cut"."""
        return f"{shorten_figure(self.name)} cut"

    @abstractmethod
    def expect(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the figure for s signal and b background events above the cut, both [k]."""

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the figure of a cut that one half of the events chose, measured on the other; see `halves`."""
        from tuner.metrics.arrays import check_arrays

        return float(self.halves(*check_arrays(labels, scores, weights)).cross()[0])

    def halves(self, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> CrossHalves:
        """Return what the figure is measured by: cuts that one half of the events chooses, measured on the other.

        The best of many cuts, measured on the events that chose it, is partly the luckiest, and so is the trial that
        has it. The halves are the same for all scores of the same events; four ways to split them are averaged.

        Args:
            is_signal: Bool [n].
            scores: [n].
            weights: Event weights [n].

        Raises:
            EventsError: Where there are fewer than `min_background` effective background events.
        """
        import numpy as np

        from tuner.metrics.cross_halves import CrossHalves
        from tuner.metrics.cut_scan import check_background

        def expect(s: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.asarray(self.expect(s.ravel(), b.ravel())).reshape(s.shape)

        check_background(is_signal, weights, self.min_background)
        return CrossHalves.of(
            is_signal, scores, weights, s=self.s, b=self.b, expect=expect, min_background=self.min_background
        )

    def scan(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> CutScan:
        """Return the figure of every cut; raise `EventsError` for fewer than `min_background` background events."""
        from tuner.metrics.cut_scan import scan_cuts

        return scan_cuts(
            labels,
            scores,
            weights,
            s=self.s,
            b=self.b,
            significance=self.expect,
            min_background=self.min_background,
        )

    def choose(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the threshold of the best cut, smoothed over its neighbours; raise as `scan` does."""
        scan = self.scan(labels, scores, weights)
        return float(scan.thresholds[scan.best])

    def at(self, threshold: float, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the figure of the cut "score >= threshold", whatever lies above it."""
        from tuner.metrics.at_threshold import count_confusion

        return self.of_confusion(count_confusion(labels, scores, threshold, weights))

    def of_confusion(self, confusion: Confusion) -> float:
        """Return the figure of a cut from the sums of weights that it selects and rejects."""
        import numpy as np

        s, b = np.array([self.s * confusion.sensitivity]), np.array([self.b * (1 - confusion.specificity)])
        return float(self.expect(s, b)[0])

    def _add_floor(self, name: str) -> str:
        """Return a name that tells the floor where that is not the default."""
        default = type(self).__dataclass_fields__["min_background"].default
        return name if self.min_background == default else f"{name}, floor {self.min_background:g}"


@dataclass(frozen=True, kw_only=True)
class Significance(CutFigure):
    """Asimov significance of the best cut (arXiv:1007.1727), chosen on one half, measured on the other."""

    relative_systematic: float = 0.0
    """Uncertainty of the background above the cut, as a share of it."""

    def _find_problems(self) -> list[str]:
        systematic = _positive("relative_systematic", self.relative_systematic, or_zero=True)
        return [*super()._find_problems(), systematic]

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        systematic = f", sigma_b/b={self.relative_systematic:g}" if self.relative_systematic else ""
        return self._add_floor(f"significance, s={self.s:g}, b={self.b:g}{systematic}")

    def expect(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the Asimov significance of s over b, both [k]."""
        from tuner.metrics.significance import asimov_significance

        return asimov_significance(s, b, self.relative_systematic * b)


def find_systematic(figure: FigureOfMerit) -> float:
    """Return the relative uncertainty of the background that a figure of merit declares; 0 where it declares none."""
    return figure.relative_systematic if isinstance(figure, Significance) else 0.0


@dataclass(frozen=True, kw_only=True)
class Ams(CutFigure):
    """AMS of the HiggsML challenge at the best cut, chosen on one half of the events, measured on the other."""

    b_reg: float = 10.0
    """Added to the background, so that hardly any is no advantage."""

    def _find_problems(self) -> list[str]:
        return [*super()._find_problems(), _positive("b_reg", self.b_reg, or_zero=True)]

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return self._add_floor(f"AMS, s={self.s:g}, b={self.b:g}")

    def expect(self, s: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the approximate median significance of s over b, both [k]."""
        from tuner.metrics.significance import approximate_median_significance

        return approximate_median_significance(s, b, self.b_reg)


@dataclass(frozen=True, kw_only=True)
class LogLoss:
    """Minus the log loss with both classes' weights scaled to the same total: higher is better."""

    @property
    def name(self) -> str:
        """Short name for tables and axes."""
        return "minus log loss (classes balanced)"

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return minus the class-balanced log loss, in nats; scores must lie in [0, 1]."""
        from tuner.metrics.probabilities import log_loss_classes_balanced

        return -log_loss_classes_balanced(labels, scores, weights)


@dataclass(frozen=True, kw_only=True)
class Custom:
    """A figure of the user's own."""

    function: Callable[..., float]
    """Takes labels [n] in {0, 1}, scores [n] and event weights [n] or None, copies of its own; higher must be better.
    Weights come third, or by the name `sample_weight`, as in `sklearn.metrics`."""
    name: str
    """Short name for tables and axes."""

    def __post_init__(self) -> None:
        _check("Custom", _takes_three(self.function))

    def __call__(self, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Return the user's figure. Raise `StudyError`, which names it, where the function fails or gives no number."""
        import numpy as np

        arguments = [None if one is None else np.array(one) for one in (labels, scores, weights)]
        by_name = _accepts(self.function, None, None, None) is False
        subject = f'The figure of merit "{self.name}"'
        try:
            with refuse_exit(subject):
                value = (
                    self.function(*arguments[:2], sample_weight=arguments[2]) if by_name else self.function(*arguments)
                )
        except TunerError:
            raise
        except Exception as error:  # a user's code may raise anything
            raise StudyError(
                f"{subject} must return a number for labels, scores and weights, but raised {describe_failure(error)}."
            ) from error
        if not is_number(value):
            raise StudyError(f"{subject} must return one number, but returned {show_value(value)}.")
        return float(value)


def shorten_figure(name: str) -> str:
    """Return the name of a figure of merit as it stands in a sentence, without the yields that it expects: AMS."""
    return name.partition(", s=")[0]


def is_number(value: object) -> bool:
    """Return whether what a figure of merit gave is one number, also as an array or tensor of no dimension."""
    plain = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    return isinstance(plain, Real) and not isinstance(plain, bool)


def _check(subject: str, *problems: str) -> None:
    raise_together([problem for problem in problems if problem], StudyError, subject)


def _takes_three(function: object) -> str:
    if not callable(function):
        return f"`function` must be one, but is {function!r}."
    if _accepts(function, None, None, None) is False and not _accepts(function, None, None, sample_weight=None):
        taken = inspect.signature(function)
        return f"`function` must take labels, scores and weights, in this order, but takes {taken}."
    return ""


def _accepts(function: Callable[..., object], *arguments: object, **named: object) -> bool | None:
    """Return whether a function may be called so; None for one that is built in, which says nothing of itself."""
    try:
        taken = inspect.signature(function)
    except ValueError:
        return None
    try:
        taken.bind(*arguments, **named)
    except TypeError:
        return False
    return True


def _share(name: str, value: float) -> str:
    return "" if 0 < value <= 1 else f"`{name}` must be above 0 and at most 1, but is {value!r}."


def _positive(name: str, value: float, *, or_zero: bool = False) -> str:
    holds = 0 <= value < float("inf") if or_zero else 0 < value < float("inf")
    return "" if holds else f"`{name}` must be {'at least' if or_zero else 'above'} 0 and finite, but is {value!r}."
