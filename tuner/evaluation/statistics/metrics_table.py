"""All figures of one candidate on one part, with their intervals, from arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from tuner.metrics.arrays import Arrays, check_arrays, effective_number, negative_fraction
from tuner.metrics.at_threshold import set_between_scores, sum_confusion
from tuner.metrics.expected_significance import measure_cut_significances
from tuner.metrics.figures_of_merit import CutFigure, FigureOfMerit
from tuner.metrics.gamma_telescopes import measure_gamma_telescope
from tuner.metrics.measured_figures import measure_figures
from tuner.metrics.measurement import Measurement
from tuner.metrics.working_point_table import WorkingPointRow, tabulate_working_points

CROSSED = "of the cut that one half of the events chooses, measured on the other half"
FROZEN = "at the frozen cut"
SCARCE = 50.0
"""Effective events of a class below which a part's figures come with a warning."""


@dataclass(frozen=True, kw_only=True)
class FigureCut:
    """The cut of a figure of merit that is one of a cut, and what lies above it on one part."""

    name: str = ""
    """What it is called, beside the working point: "AMS cut"; empty where it is not known."""
    threshold: float
    """Events with score >= threshold are selected; chosen on `chosen_on`, frozen for test."""
    estimator: str
    """What the figure's value on this part is."""
    s: float
    """Signal above the cut, rescaled to what is expected."""
    b: float
    """Background above the cut, rescaled to what is expected."""
    n_signal: int
    """Signal events above the cut, counted."""
    n_background: int
    """Background events above the cut, counted."""
    effective_background: float
    """(sum w)^2 / sum w^2 of the background above the cut."""
    is_at_floor: bool = False
    """Whether the events that chose the cut leave hardly more background than it must: a tighter cut may be better."""
    chosen_on: str = ""
    """Name of the events that chose the cut: "validation", or those out of fold; empty where it is not known."""


WORKING_POINT = "cut of the working point"


@dataclass(frozen=True, kw_only=True)
class HandedOnCut:
    """The cut that makes a decision of a score: the figure of merit's where it has one, else the working point."""

    name: str
    """"AMS cut", or `WORKING_POINT`."""
    threshold: float
    """Events with score >= threshold are selected."""
    rule: str
    """How it was chosen."""
    chosen_on: str
    """Name of the events that it was chosen on: "validation", or those out of fold."""


@dataclass(frozen=True, kw_only=True)
class PartEvaluation:
    """One candidate's figures on one part of the events."""

    candidate: str
    """Whose scores: "single network", "ensemble", a baseline."""
    part: str
    """"validation" or "test"."""
    n_signal: int
    """Signal events, counted."""
    n_background: int
    """Background events, counted."""
    effective_signal: float
    """(sum w)^2 / sum w^2 of the signal."""
    effective_background: float
    """(sum w)^2 / sum w^2 of the background."""
    negative_fraction: float
    """Share of the absolute weight that events of negative weight carry."""
    threshold: float
    """The working point: events with score >= threshold are selected. Sensitivity, specificity, accuracies, precision
    and the gamma telescope's Q are of this cut."""
    threshold_rule: str
    """How the working point was chosen, and on which events."""
    selected_signal: int
    """Signal events above the working point, counted."""
    selected_background: int
    """Background events above the working point, counted."""
    measurements: Mapping[str, Measurement]
    """Figure by name, each with its 68 % interval: stratified weighted bootstrap over the events of the part."""
    figure_cut: FigureCut | None = None
    """The declared figure's own cut, another than the working point: its value, s/sqrt(b) and the Asimov significance
    are of this one. None where the figure is not one of a cut."""
    working_points: tuple[WorkingPointRow, ...] = ()
    """What is lost at fixed efficiencies, and how many events that rests on."""

    def __getitem__(self, name: str) -> Measurement:
        """Return a measurement by name."""
        return self.measurements[name]


def evaluate_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    candidate: str,
    part: str,
    threshold: float,
    threshold_rule: str,
    optimum: ArrayLike | None = None,
    figure_of_merit: FigureOfMerit | None = None,
    figure_cut: float | None = None,
    chosen_on: str = "validation",
    yields: tuple[float, float] | None = None,
    gamma_telescope: bool = False,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> PartEvaluation:
    """Return every figure of scores [n] in [0, 1] for labels [n] in {0, 1} and event weights [n] (None: ones).

    Args:
        labels: [n] in {0, 1}.
        scores: [n] in [0, 1]; higher is more signal-like.
        weights: Event weights [n]; None: ones.
        candidate: Whose scores.
        part: Of which events.
        threshold: The frozen cut; events with score >= threshold are selected.
        threshold_rule: How it was chosen.
        optimum: Observer [n] that no network can beat, such as the exact likelihood ratio; any monotone function of it.
            It adds its AUC and the share of it that is reached, (AUC - 0.5) / (AUC of the optimum - 0.5).
        figure_of_merit: The problem's own, where it is not among the others.
        figure_cut: Frozen cut of a significance, so that it is not looked for again here; None: it is.
        chosen_on: Name of the events that the frozen cut was chosen on; without one it is `part`.
        yields: Signal and background events that are expected before the cut. They add s/sqrt(b) and the Asimov
            significance at the figure's cut, or at the threshold where the figure is not one of a cut. None: no
            significance but the declared figure is told, as event weights alone promise no yields.
        gamma_telescope: Whether to add the figures of `measure_gamma_telescope`.
        n_bootstrap: Replicas for the 68 % intervals; both classes are drawn anew, the cut stays. The interval of a
            share of few events is Clopper and Pearson's.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does, and where a score is no probability.
    """
    arrays = check_arrays(labels, scores, weights)
    figures: dict[str, Any] = {"optimum": optimum, "figure_of_merit": figure_of_merit, "figure_cut": figure_cut}
    measurements = measure_figures(*arrays, threshold=threshold, n_bootstrap=n_bootstrap, seed=seed, **figures)
    cut, replicas = None, {"n_replicas": n_bootstrap, "seed": seed}
    if isinstance(figure_of_merit, CutFigure):
        cut = _describe_cut(figure_of_merit, figure_cut, arrays, part if figure_cut is None else chosen_on)
    if yields is not None:
        at = threshold if cut is None else cut.threshold
        measurements |= measure_cut_significances(*arrays, cut=at, s=yields[0], b=yields[1], **replicas)
    if gamma_telescope:
        measurements |= measure_gamma_telescope(*arrays, threshold=threshold, **replicas)
    return PartEvaluation(
        candidate=candidate,
        part=part,
        **_count_events(arrays, threshold),
        threshold=float(threshold),
        threshold_rule=threshold_rule,
        measurements=measurements,
        figure_cut=cut,
        working_points=tabulate_working_points(*arrays, **replicas),
    )


def _count_events(arrays: Arrays, threshold: float) -> dict[str, Any]:
    """Return what figures rest on: events by class, effective ones, those selected, the share of negative weights."""
    signal, selected, weights = arrays.is_signal, arrays.scores >= threshold, arrays.weights
    return {
        "n_signal": int(signal.sum()),
        "n_background": int((~signal).sum()),
        "effective_signal": effective_number(weights[signal]),
        "effective_background": effective_number(weights[~signal]),
        "negative_fraction": negative_fraction(weights),
        "selected_signal": int((signal & selected).sum()),
        "selected_background": int((~signal & selected).sum()),
    }


def find_scarce_classes(parts: Iterable[PartEvaluation]) -> tuple[tuple[str, str, float], ...]:
    """Return part, class and effective number of events wherever a class has fewer than `SCARCE` of them.

    What is measured there is known to 14 % at best, and many intervals rest on single events.
    """
    found = {
        (part.part, name): effective
        for part in parts
        for name, effective in (("signal", part.effective_signal), ("background", part.effective_background))
        if effective < SCARCE
    }
    return tuple((part, name, effective) for (part, name), effective in found.items())


def _describe_cut(figure: CutFigure, frozen: float | None, arrays: Arrays, chosen_on: str) -> FigureCut:
    """Return the figure's cut, the frozen one where there is one, with what lies above it."""
    signal, scores, weights = arrays
    threshold, is_at_floor = frozen, False
    if threshold is None:
        scan = figure.scan(signal, scores, weights)
        threshold = set_between_scores(float(scan.thresholds[scan.best]), scores)
        is_at_floor = scan.is_at_floor
    selected = scores >= threshold
    confusion = sum_confusion(signal, selected, weights)
    return FigureCut(
        name=figure.cut_name,
        threshold=float(threshold),
        estimator=CROSSED if frozen is None else FROZEN,
        s=float(figure.s * confusion.sensitivity),
        b=float(figure.b * (1 - confusion.specificity)),
        n_signal=int((signal & selected).sum()),
        n_background=int((~signal & selected).sum()),
        effective_background=effective_number(weights[~signal & selected]),
        is_at_floor=is_at_floor,
        chosen_on=chosen_on,
    )
