"""What nuisances do to a frozen network at its frozen cut: the systematic uncertainty of the figure of merit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays
from tuner.metrics.at_threshold import sum_confusion
from tuner.metrics.figures_of_merit import CutFigure, FigureOfMerit

if TYPE_CHECKING:
    import pandas as pd


def measure_nuisances(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    variants: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
    threshold: float,
    figure: FigureOfMerit,
    figure_cut: float | None = None,
) -> NuisanceEffects:
    """Return how each nuisance moves the figure of merit and the efficiencies; nothing is chosen anew.

    labels [n] in {0, 1}; scores [n] of the nominal events, event weights [n] (None: ones), the same for variants.
    variants: nuisance to the scores [n] of the same events moved up and down; down None: the opposite of up.
    threshold: the frozen working point. figure_cut: the frozen cut of a figure that is one of a cut; then the
    efficiencies are those of it, else those of `threshold`. Events with score >= cut are selected.
    Raise `EventsError` as `check_arrays` does.
    """
    is_signal, nominal, weight = check_arrays(labels, scores, weights)
    frozen = figure_cut if isinstance(figure, CutFigure) and figure_cut is not None else None
    cut = threshold if frozen is None else frozen

    def judge(moved: ArrayLike) -> _State:
        values = check_arrays(labels, moved, weight).scores
        confusion = sum_confusion(is_signal, values >= cut, weight)
        label = is_signal.astype(np.int8)
        if isinstance(figure, CutFigure) and frozen is not None:
            value = figure.at(frozen, label, values, weight)
        else:
            value = figure(label, values, weight)
        return _State(float(value), confusion.sensitivity, 1 - confusion.specificity)

    centre = judge(nominal)
    effects = (
        _compare(name, centre, judge(up), None if down is None else judge(down))
        for name, (up, down) in variants.items()
    )
    return NuisanceEffects(figure.name, centre.figure, float(cut), tuple(effects))


@dataclass(frozen=True)
class Shift:
    """What one variant changes."""

    figure: float
    """Figure of merit with the variant."""
    d_figure: float
    """Figure with the variant minus the nominal one."""
    signal: float
    """Relative change of the signal efficiency, eps_S / nominal eps_S - 1; not-a-number where nominal is 0."""
    background: float
    """Relative change of the background efficiency."""


@dataclass(frozen=True)
class NuisanceEffect:
    """What one nuisance changes, moved by one standard deviation either way."""

    name: str
    up: Shift
    down: Shift
    symmetrised: bool
    """Whether `down` is the opposite of `up` for want of a variant."""


@dataclass(frozen=True)
class NuisanceEffects:
    """The systematic uncertainty of the figure of merit, by nuisance and in total."""

    figure_of_merit: str
    nominal: float
    """The figure without any variant."""
    cut: float
    """The frozen cut that the efficiencies belong to."""
    effects: tuple[NuisanceEffect, ...]

    @property
    def total_up(self) -> float:
        """How far the figure may rise: the larger rise of each nuisance's two variants, added in quadrature."""
        return _add_in_quadrature(max(e.up.d_figure, e.down.d_figure, 0.0) for e in self.effects)

    @property
    def total_down(self) -> float:
        """How far the figure may fall, as a number of at least 0: the larger falls, added in quadrature."""
        return _add_in_quadrature(max(-e.up.d_figure, -e.down.d_figure, 0.0) for e in self.effects)

    def frame(self) -> pd.DataFrame:
        """Return a row for each nuisance and direction: figure, d_figure, and relative changes of efficiencies."""
        import pandas as pd

        names = ("nuisance", "direction", "figure", "d_figure", "signal", "background")
        rows = [
            (effect.name, direction, shift.figure, shift.d_figure, shift.signal, shift.background)
            for effect in self.effects
            for direction, shift in (("up", effect.up), ("down", effect.down))
        ]
        return pd.DataFrame(rows, columns=list(names))


class _State(NamedTuple):
    """What the events are worth, measured one way."""

    figure: float
    eps_s: float
    eps_b: float


def _compare(name: str, nominal: _State, up: _State, down: _State | None) -> NuisanceEffect:
    """Return the effect of a nuisance; without `down`, the opposite of `up`."""
    risen = _shift(nominal, up)
    if down is not None:
        return NuisanceEffect(name, risen, _shift(nominal, down), symmetrised=False)
    fallen = Shift(nominal.figure - risen.d_figure, -risen.d_figure, -risen.signal, -risen.background)
    return NuisanceEffect(name, risen, fallen, symmetrised=True)


def _shift(nominal: _State, moved: _State) -> Shift:
    return Shift(
        moved.figure,
        moved.figure - nominal.figure,
        moved.eps_s / nominal.eps_s - 1 if nominal.eps_s else nan,
        moved.eps_b / nominal.eps_b - 1 if nominal.eps_b else nan,
    )


def _add_in_quadrature(shifts: Iterator[float]) -> float:
    return float(np.sqrt(sum(shift**2 for shift in shifts)))
