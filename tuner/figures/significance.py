"""Significance against the cut on the score, by part and by uncertainty of the background, and what the cut costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    FAINT,
    GOOD,
    INK,
    OTHERS,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    frame_values,
    headline,
    start_figure,
    write_formulas,
    write_name,
)
from tuner.metrics.arrays import Arrays, check_arrays, effective_number
from tuner.metrics.at_threshold import set_between_scores, sum_confusion
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import rank
from tuner.metrics.cut_scan import CutScan
from tuner.metrics.figures_of_merit import Ams, CutFigure, Significance
from tuner.metrics.measurement import Measurement, measure
from tuner.progress.wording import write_number

N_CUTS = 300
"""Cuts that are drawn, evenly spaced in the score, and as many evenly spaced in the number of events."""
ASIMOV = r"$Z=\sqrt{2\,[(s+b)\,\ln(1+s/b)-s\,]}$"
"""Cowan et al., arXiv:1007.1727; written for a background that is known."""
AMS = r"AMS: the same with $b+b_\mathrm{reg}$ for $b$"
COLOURS = (SIGNAL, *OTHERS)

Part = tuple[ArrayLike, ArrayLike, ArrayLike | None]
"""Labels [n] in {0, 1}, scores [n], event weights [n] (None: ones)."""


def draw_significance(
    parts: Mapping[str, Part],
    figures: Sequence[CutFigure],
    *,
    threshold: float | None = None,
    cut_name: str = "",
    n_replicas: int = 100,
    seed: int = 0,
) -> Drawing:
    """Draw figures of one cut against the cut, each with its 68 % band, part by part; below them what the cut costs.

    Thick lines are smoothed over neighbouring cuts, the thin one is the first figure of each cut itself. Cuts that
    leave too little background have no figure: they are greyed. A part on which that is every cut is left out. The
    bands are a bootstrap of the events.

    Args:
        parts: Labels, scores and event weights by part. The weights are rescaled, class by class, to the `s` and `b`
            that a figure expects before the cut.
        figures: What is drawn; the cut belongs to the first. All expect the same `s` and `b`.
        threshold: The frozen cut; None: the best of the first part by the smoothed curve of the first figure.
        cut_name: What it is called beside other cuts: "AMS cut", "working point". Empty: by the first figure.
        n_replicas: Bootstrap replicas; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does, and where every cut of every part leaves too little background.
    """
    scans = _scan(parts, figures[0])
    first = next(iter(scans.values()))
    best = set_between_scores(float(first.scan.thresholds[first.scan.best]), first.arrays.scores)
    chosen, named = best if threshold is None else float(threshold), cut_name or figures[0].cut_name
    tables = {part: scanned.tabulate(figures, (chosen, best), n_replicas, seed) for part, scanned in scans.items()}
    frame = pd.concat(tables.values(), ignore_index=True)
    canvas = start_figure(COLUMN if len(scans) == 1 else 6.2 * len(scans), 6.0)
    panels = canvas.subplots(2, len(scans), sharex=True, sharey="row", squeeze=False, height_ratios=(1.6, 1.0))
    told = []
    for (part, scanned), (upper, lower) in zip(scans.items(), panels.T, strict=True):
        found = scanned.describe(figures[0], (named, chosen), n_replicas, seed)
        told.append(f"{part}: {found}")
        _draw_figures(upper, tables[part], figures)
        _draw_costs(lower, tables[part])
        for axes in (upper, lower):
            _mark_cuts(axes, (named, chosen), best, scanned, is_told=axes is upper)
        dress(upper, x="", y="", title=write_formulas(f"{part}: {found}"))
        dress(lower, x="cut: selected is what scores at least this", y="")
    counted = "weighted events" if any(weights is not None for _, _, weights in parts.values()) else "events"
    panels[0, 0].set_ylabel(_write_formula(figures))
    panels[1, 0].set_ylabel(f"share\n({counted})")
    panels[0, 0].set_ylim(*_limit(frame))
    handles, names = (
        [*above, *below]
        for above, below in zip(*(axes.get_legend_handles_labels() for axes in panels[:, 0]), strict=True)
    )
    add_legend(canvas, "outside lower center", handles=handles, labels=names, ncols=5, columnspacing=1.4)
    title = f"Significance against the cut, s = {figures[0].s:,.6g} and b = {figures[0].b:,.6g} expected before it"
    headline(canvas, title)
    rule = "the largest of the smoothed curve" if threshold is None else "frozen"
    alt = (
        f"{title}. The {named} is {chosen:.3f} ({rule}). {'; '.join(told)}. On {next(iter(scans))} the smoothed first "
        f"curve is largest at {best:.3f}. Greyed cuts leave fewer than {first.scan.min_background:g} effective "
        "background events."
    )
    return Drawing(canvas, frame, title, alt)


@dataclass(frozen=True, eq=False)
class _Scanned:
    """One part, and the first figure of its cuts."""

    part: str
    arrays: Arrays
    scan: CutScan

    @property
    def tightest(self) -> float:
        """The tightest cut that leaves as much background as it must."""
        return float(self.scan.thresholds[self.scan.effective_background >= self.scan.min_background].max())

    def tabulate(
        self, figures: Sequence[CutFigure], needed: Sequence[float], n_replicas: int, seed: int
    ) -> pd.DataFrame:
        """Return a row for each figure and cut.

        part, figure, threshold, eps_s, eps_b, purity, s, b, significance with its band low and high, smoothed; the last
        four are not-a-number where too little background is left.
        """
        ranking = rank(self.arrays.is_signal, self.arrays.scores)
        kept = _choose_cuts(ranking.thresholds, [*self.scan.thresholds[[0, self.scan.best]], *needed])
        curve = ranking.curve(self.arrays.weights)
        replicas = [
            ranking.curve(self.arrays.weights * counts)
            for counts in draw_counts(self.arrays.is_signal, n_replicas, seed)
        ]
        passed = np.array([(replica.eps_s[kept], replica.eps_b[kept]) for replica in replicas])
        thresholds, eps_s, eps_b = curve.thresholds[kept], curve.eps_s[kept], curve.eps_b[kept]
        tables = []
        for figure in figures:
            scan = figure.scan(self.arrays.is_signal, self.arrays.scores, self.arrays.weights)
            value = pd.Series(scan.significance, scan.thresholds).reindex(thresholds).to_numpy()
            band = _measure_band(figure, value, passed)
            s, b = figure.s * eps_s, figure.b * eps_b
            tables.append(
                pd.DataFrame(
                    {
                        "part": self.part,
                        "figure": figure.name,
                        "threshold": thresholds,
                        "eps_s": eps_s,
                        "eps_b": eps_b,
                        "purity": np.divide(s, s + b, out=np.full(len(kept), np.nan), where=s + b > 0),
                        "s": s,
                        "b": b,
                        "significance": value,
                        "low": [measured.low for measured in band],
                        "high": [measured.high for measured in band],
                        "smoothed": pd.Series(scan.smoothed, scan.thresholds).reindex(thresholds).to_numpy(),
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def describe(self, figure: CutFigure, cut: tuple[str, float], n_replicas: int, seed: int) -> str:
        """Return a figure of a cut, by its name, with its interval, what it expects, and what this rests on."""
        is_signal, scores, weights = self.arrays
        named, chosen = cut
        passes = scores >= chosen
        at = [
            _expect(figure, sums.sensitivity, 1 - sums.specificity)
            for sums in (
                sum_confusion(is_signal, passes, weights * counts)
                for counts in draw_counts(is_signal, n_replicas, seed)
            )
        ]
        found = measure(figure.at(chosen, is_signal, scores, weights), np.array(at))
        sums = sum_confusion(is_signal, passes, weights)
        effective = effective_number(weights[passes & ~is_signal])
        s, b = figure.s * sums.sensitivity, figure.b * (1 - sums.specificity)
        short = "Z" if isinstance(figure, Significance) else figure.name.partition(", ")[0]
        rests_on = f"{write_number(effective, 3)} effective background events"
        return f"{short} = {found} at the {named}; s = {write_number(s)}, b = {write_number(b)} ({rests_on})"


def _scan(parts: Mapping[str, Part], figure: CutFigure) -> dict[str, _Scanned]:
    """Return the parts that have enough background, scanned. Raise `EventsError` where none has."""
    scans: dict[str, _Scanned] = {}
    refused: EventsError | None = None
    for name, part in parts.items():
        arrays = check_arrays(*part)
        try:
            scans[name] = _Scanned(name, arrays, figure.scan(arrays.is_signal, arrays.scores, arrays.weights))
        except EventsError as error:
            refused = error
    if not scans and refused is not None:
        raise refused
    return scans


def _choose_cuts(thresholds: np.ndarray, needed: Sequence[float]) -> np.ndarray:
    """Return places of the cuts to be drawn in falling thresholds [k + 1], the first of which is infinity."""
    last = len(thresholds) - 1
    by_score = np.searchsorted(-thresholds, -np.linspace(thresholds[1], thresholds[-1], N_CUTS))
    by_rank = np.linspace(1, last, N_CUTS).astype(int)
    marked = np.searchsorted(-thresholds, -np.asarray(needed), side="right") - 1
    return np.unique(np.concatenate([by_score, by_rank, marked]).clip(1, last))


def _expect(figure: CutFigure, eps_s: float, eps_b: float) -> float:
    """Return the figure at efficiencies; not-a-number without positive background."""
    if not eps_b > 0:
        return float("nan")
    return float(figure.expect(np.array([figure.s * eps_s]), np.array([figure.b * eps_b]))[0])


def _measure_band(figure: CutFigure, values: np.ndarray, passed: np.ndarray) -> list[Measurement]:
    """Return each cut's value [k] with its interval; passed: efficiencies of signal and background, [r, 2, k]."""
    eps_s, eps_b = passed[:, 0], passed[:, 1]
    with np.errstate(invalid="ignore"):
        replicas = figure.expect(figure.s * eps_s, figure.b * np.where(eps_b > 0, eps_b, np.nan))
    return [
        measure(float(value), column if np.isfinite(value) else np.empty(0))
        for value, column in zip(values, np.transpose(replicas), strict=True)
    ]


def _name(figure: CutFigure) -> str:
    """Return a figure's name for the legend."""
    if isinstance(figure, Significance):
        return rf"$Z$, $\sigma_b/b$ = {100 * figure.relative_systematic:g} %"
    if isinstance(figure, Ams):
        return rf"AMS, $b_\mathrm{{reg}}$ = {figure.b_reg:g}"
    return write_formulas(figure.name.partition(", ")[0])


def _write_formula(figures: Sequence[CutFigure]) -> str:
    """Return the formulas of what is drawn, one a line."""
    lines = [ASIMOV] if any(isinstance(figure, Significance) for figure in figures) else []
    if any(isinstance(figure, Ams) for figure in figures):
        lines.append(AMS if lines else r"AMS $=\sqrt{2\,[(s+b+b_\mathrm{reg})\,\ln(1+s/(b+b_\mathrm{reg}))-s\,]}$")
    return "\n".join(lines) or _name(figures[0])


def _draw_figures(axes: Axes, table: pd.DataFrame, figures: Sequence[CutFigure]) -> None:
    for place, figure in enumerate(figures):
        colour = COLOURS[place % len(COLOURS)]
        judged = table[(table["figure"] == figure.name) & table["significance"].notna()]
        x = judged["threshold"]
        axes.fill_between(x, judged["low"], judged["high"], color=colour, alpha=0.18, linewidth=0)
        if not place:
            axes.plot(x, judged["significance"], color=colour, linewidth=0.8, alpha=0.8)
        look: dict[str, Any] = {"linewidth": 1.8, "linestyle": "--"} if place else {"linewidth": 2.2}
        axes.plot(x, judged["smoothed"], color=colour, label=_name(figure), **look)


def _draw_costs(axes: Axes, table: pd.DataFrame) -> None:
    first = table[table["figure"] == table["figure"].iloc[0]]
    style: dict[str, Any] = {"linewidth": 1.8}
    axes.plot(first["threshold"], first["eps_s"], color=SIGNAL, label=r"signal $\epsilon_S$", **style)
    axes.plot(
        first["threshold"], first["eps_b"], color=BACKGROUND, linestyle="--", label=r"background $\epsilon_B$", **style
    )
    pure = first[first["significance"].notna()]
    axes.plot(pure["threshold"], pure["purity"], color=GOOD, linestyle="-.", label="expected purity $s/(s+b)$", **style)


def _mark_cuts(axes: Axes, cut: tuple[str, float], best: float, scanned: _Scanned, *, is_told: bool) -> None:
    """Draw the chosen cut and the best one, and grey what lies above the tightest cut that is judged."""
    named, chosen = cut
    scores, tightest = scanned.arrays.scores, scanned.tightest
    low, high = frame_values(scores, share=0.01)
    grey = f"fewer than {scanned.scan.min_background:g} effective background events" if is_told else None
    if float(scores.max()) > tightest:
        axes.axvspan(tightest, high, color=FAINT, alpha=0.28, linewidth=0, label=grey)
    if np.isfinite(chosen):
        axes.axvline(
            chosen,
            color=INK,
            linewidth=1.2,
            linestyle="--",
            label=f"{write_name(named, 40)}, {chosen:.3f}" if is_told else None,
        )
    if not np.isclose(best, chosen):
        label = f"largest of the first curve, {best:.3f}" if is_told else None
        axes.axvline(best, color=INK, linewidth=1.2, linestyle=":", label=label)
    axes.set_xlim(low, high)


def _limit(frame: pd.DataFrame) -> tuple[float, float]:
    """Return limits from 0, with the bands inside and room for the legend above."""
    shown = frame[["significance", "high", "smoothed"]].to_numpy()
    finite = shown[np.isfinite(shown)]
    low = frame[["significance", "low"]].to_numpy()
    bottom = min(0.0, *low[np.isfinite(low)]) if np.isfinite(low).any() else 0.0
    return bottom, 1.08 * (float(finite.max()) if len(finite) and finite.max() > 0 else 1.0)
