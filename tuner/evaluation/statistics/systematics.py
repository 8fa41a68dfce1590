"""Does the gain survive? Two candidates at the next stage: a cut on the score, and a background known only so well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.evaluation.statistics.comparison import correct_by_holm, find_p_value
from tuner.metrics.arrays import check_arrays
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.cross_halves import CrossHalves
from tuner.metrics.curves import rank
from tuner.metrics.cut_scan import MIN_BACKGROUND, check_background
from tuner.metrics.measurement import SIGNIFICANT, Measurement, measure
from tuner.metrics.significance import asimov_significance
from tuner.progress.wording import join_words

if TYPE_CHECKING:
    import pandas as pd

SYSTEMATICS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Relative uncertainties of the background that are looked at."""
N_SPLITS = 8
"""Ways to split the events into halves: more than for a figure of merit, as one row is compared with the next."""
SURE = 0.95
"""Coverage of the wider intervals."""

Verdict = Literal["survives", "survives in part", "reversed", "absorbed", "no gain"]


def measure_survival(
    labels: ArrayLike,
    winner_scores: ArrayLike,
    baseline_scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    s: float,
    b: float,
    systematics: Sequence[float] = SYSTEMATICS,
    declared: float | None = None,
    min_background: float = MIN_BACKGROUND,
    n_replicas: int = 200,
    seed: int = 0,
) -> Survival:
    """Return the difference of two candidates in AUC, and what is left of it in Asimov significance.

    The cut is chosen on one half of the events, by the largest significance after smoothing, and measured on the other,
    and the other way round; the mean is taken over eight ways to split them. Both candidates see the same halves.
    Intervals are a paired bootstrap: signal and background are drawn anew, and an event stays in its half.

    Args:
        labels: [n] in {0, 1}.
        winner_scores: [n].
        baseline_scores: [n].
        weights: Event weights [n] (None: ones), rescaled per class to `s` and `b`.
        s: Signal events that are expected before the cut.
        b: Background events that are expected before the cut.
        systematics: Relative uncertainties of the background; sigma_b is that share of the background above the cut.
        declared: The problem's own systematic; a row is added for it, and the verdict looks there.
        min_background: Effective background events that a cut must leave of all events; of a half, half of it.
        n_replicas: Bootstrap replicas.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does, and for fewer than `min_background` effective background or 2 signal
            events.
    """
    is_signal, first, weight = check_arrays(labels, winner_scores, weights)
    second = check_arrays(labels, baseline_scores, weights).scores
    check_background(is_signal, weight, min_background)
    if is_signal.sum() < 2:
        raise EventsError("Halves need at least 2 signal events, but there is 1. Use more events.")
    shares = np.unique([*systematics, *([] if declared is None else [declared])])

    def expect(signal: np.ndarray, background: np.ndarray) -> np.ndarray:
        significance: np.ndarray = asimov_significance(signal, background, shares[:, None] * background)
        return significance

    rules: dict[str, Any] = {"expect": expect, "min_background": min_background, "n_splits": N_SPLITS}
    halves = [CrossHalves.of(is_signal, scores, weight, s=s, b=b, **rules) for scores in (first, second)]
    rankings = [rank(is_signal, scores) for scores in (first, second)]
    replicas, areas = np.empty((n_replicas, 2, len(shares))), np.empty((n_replicas, 2))
    for place, counts in enumerate(draw_counts(is_signal, n_replicas, seed)):
        replicas[place] = [each.cross(counts) for each in halves]
        areas[place] = [each.curve(weight * counts).area for each in rankings]
    rows = _measure_rows(shares, halves, replicas)
    d_auc = rankings[0].curve(weight).area - rankings[1].curve(weight).area
    d_replicas = areas[:, 0] - areas[:, 1]
    return Survival(
        measure(d_auc, d_replicas),
        measure(d_auc, d_replicas, coverage=SURE),
        rows,
        s=s,
        b=b,
        n_replicas=n_replicas,
        declared=declared,
        min_background=min_background,
    )


@dataclass(frozen=True)
class SurvivalRow:
    """Both candidates at one uncertainty of the background; differences are winner minus baseline."""

    relative_systematic: float
    """Uncertainty of the background above the cut, as a share of it."""
    z_winner: Measurement
    """Asimov significance at the cut that the other half of the events chose; 68 % interval."""
    z_baseline: Measurement
    d_z: Measurement
    """Paired: both on the same events and halves; 68 % interval."""
    d_z_95: Measurement
    """The same with its 95 % interval."""
    at_floor: tuple[bool, bool] = (False, False)
    """Whether the cuts of winner and baseline leave as little background as they may: a tighter one may be better."""


@dataclass(frozen=True)
class Survival:
    """What a difference in AUC is worth in significance; differences are winner minus baseline."""

    d_auc: Measurement
    """68 % interval."""
    d_auc_95: Measurement
    """The same with its 95 % interval."""
    rows: tuple[SurvivalRow, ...]
    """By rising systematic."""
    s: float
    """Signal events that are expected before the cut."""
    b: float
    """Background events that are expected before the cut."""
    n_replicas: int
    declared: float | None = None
    """Relative systematic that the problem declares; None: it declares none."""
    min_background: float = MIN_BACKGROUND
    """Effective background events that a cut must leave."""

    @property
    def p_values(self) -> tuple[float, ...]:
        """P value of no difference in AUC, then in each row, after Holm's correction for all of them together."""
        differences = (self.d_auc, *(row.d_z for row in self.rows))
        return tuple(correct_by_holm([find_p_value(each.value, each.error) for each in differences]))

    @property
    def signs(self) -> tuple[int, ...]:
        """Of each row: 1 where the winner is ahead, -1 where the baseline is, 0 where they cannot be told apart."""
        return tuple(_find_sign(row.d_z, p) for row, p in zip(self.rows, self.p_values[1:], strict=True))

    @property
    def leader(self) -> int:
        """1 where the winner leads in AUC, -1 where the baseline does, 0 where nobody does."""
        return _find_sign(self.d_auc, self.p_values[0])

    @property
    def verdict(self) -> Verdict:
        """What becomes of the lead in AUC, whoever has it: differences with a p value below 0.05 after correction.

        With a declared systematic its row alone counts. Without one all rows do, and none is read by itself: they are
        of the same events and change smoothly from one to the next, so a candidate counts as ahead where it is ahead in
        at least two neighbouring rows (in one, where there are no more).

        "no gain": nobody leads in AUC, so there is nothing that could survive.
        "survives": the leader is ahead in every row that counts. "survives in part": in neighbouring rows, not in all.
        "reversed": it is nowhere ahead so, and behind in neighbouring rows. "absorbed": neither. Rows where the other
        is ahead are named in the sentence whatever the verdict.
        """
        lead = self.leader
        if not lead:
            return "no gain"
        ahead = self._find_range(lead)
        if ahead:
            return "survives" if len(ahead) == len(self._counting) else "survives in part"
        return "reversed" if self._find_range(-lead) else "absorbed"

    @property
    def largest_difference(self) -> float:
        """What the difference in significance is below, either way, at 95 %: in the row that matters most."""
        return max(max(abs(row.d_z_95.low), abs(row.d_z_95.high)) for row, _ in self._counting)

    def is_opposite_to(self, difference: float) -> bool:
        """Return whether a figure puts the other candidate ahead than the declared systematic's row, else the first.

        difference: winner minus baseline in that figure.
        """
        return difference * self._row.d_z.value < 0

    @property
    def _counting(self) -> list[tuple[SurvivalRow, int]]:
        """The rows that count, each with its sign: that of the declared systematic, else all."""
        rows = zip(self.rows, self.signs, strict=True)
        return [(row, sign) for row, sign in rows if self.declared in (None, row.relative_systematic)]

    def _find_range(self, sign: int) -> tuple[SurvivalRow, ...]:
        """Return the most neighbouring rows of a sign, of those that count; none for a single one among several."""
        runs = groupby(self._counting, key=lambda pair: pair[1])
        longest = max((tuple(row for row, _ in run) for of, run in runs if of == sign), key=len, default=())
        return longest if len(longest) >= min(2, len(self._counting)) else ()

    @property
    def _row(self) -> SurvivalRow:
        """The declared systematic's row, else the first."""
        return next((row for row in self.rows if row.relative_systematic == self.declared), self.rows[0])

    def sentence(self, names: tuple[str, str] = ("the winner", "the baseline")) -> str:
        """Return the verdict in plain words; names: what the winner and the baseline are called.

        The verdict names whoever leads; the numbers are the winner's minus the baseline's in any case.
        """
        first, second = names if self.leader >= 0 else names[::-1]
        but = self.tell_behind(second)
        gain = f"The gain of {first} over {second}"
        row, sign = self._row, self.leader
        numbers = (
            f"{names[0]} minus {names[1]} is {_write(self.d_auc)} in AUC, {_write(row.d_z)} in significance at "
            f"{100 * row.relative_systematic:g} % of background uncertainty (68 % intervals; verdicts allow for "
            f"{len(self.p_values)} comparisons at once)."
        )
        match self.verdict:
            case "survives":
                return f"{gain} survives at {_name_range(self._find_range(sign))}: {numbers}"
            case "survives in part":
                ahead = _name_range(self._find_range(sign))
                return f"{gain} survives at {ahead}, but not at the others{but}: {numbers}"
            case "reversed":
                return f"{gain} in AUC turns into a loss at {_name_range(self._find_range(-sign))}: {numbers}"
            case "absorbed":
                return f"{gain} in AUC is absorbed at a cut, where they differ by {self.limit}{but}: {numbers}"
        return f"Neither leads in AUC, so there is no gain to survive: {numbers}"

    def tell_behind(self, other: str) -> str:
        """Return in which rows that count the other leads, as the end of a sentence; empty where in none.

        Args:
            other: What the candidate that does not lead in AUC is called.
        """
        behind = [row for row, sign in self._counting if self.leader and sign == -self.leader]
        if not behind:
            return ""
        shares = join_words([f"{100 * row.relative_systematic:g}" for row in behind])
        return f"; at {shares} % {other} is ahead"

    @property
    def limit(self) -> str:
        """The largest difference in words: less than 0.55 either way at 95 %."""
        return f"less than {self.largest_difference:.2g} either way at 95 %"

    def frame(self) -> pd.DataFrame:
        """Return a row for each systematic: d_z as value, low, high (68 %), low_95, high_95; then both candidates.

        Whose cut is at the floor, where it leaves as little background as it may; p_holm, the p value of no difference,
        corrected for all rows and the AUC.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "relative_systematic": row.relative_systematic,
                    **_list_columns("", row.d_z),
                    "low_95": row.d_z_95.low,
                    "high_95": row.d_z_95.high,
                    **_list_columns("z_winner_", row.z_winner),
                    **_list_columns("z_baseline_", row.z_baseline),
                    "winner_at_floor": row.at_floor[0],
                    "baseline_at_floor": row.at_floor[1],
                    "p_holm": p_value,
                }
                for row, p_value in zip(self.rows, self.p_values[1:], strict=True)
            ]
        )


def _name_range(rows: Sequence[SurvivalRow]) -> str:
    """Return in words at which systematics neighbouring rows are."""
    first, last = (f"{100 * row.relative_systematic:g}" for row in (rows[0], rows[-1]))
    return f"a background systematic of {first if first == last else f'{first} to {last}'} %"


def _measure_rows(shares: np.ndarray, halves: Sequence[CrossHalves], replicas: np.ndarray) -> tuple[SurvivalRow, ...]:
    """Return a row for each of k uncertainties; halves: of winner and baseline; replicas: of their Z, [r, 2, k]."""
    values = np.array([each.cross() for each in halves])
    floors = np.array([each.find_floors() for each in halves])
    return tuple(
        _measure_row(float(share), values[:, place], replicas[..., place], floors[:, place])
        for place, share in enumerate(shares)
    )


def _measure_row(share: float, values: np.ndarray, replicas: np.ndarray, floors: np.ndarray) -> SurvivalRow:
    """Return a row from significances [2], their replicas [r, 2] and floors [2]: the winner's, the baseline's."""
    d_z, d_replicas = float(values[0] - values[1]), replicas[:, 0] - replicas[:, 1]
    winner, baseline = (measure(float(value), replicas[:, place]) for place, value in enumerate(values))
    d_z_68, d_z_95 = measure(d_z, d_replicas), measure(d_z, d_replicas, coverage=SURE)
    return SurvivalRow(share, winner, baseline, d_z_68, d_z_95, at_floor=(bool(floors[0]), bool(floors[1])))


def _find_sign(difference: Measurement, p_value: float) -> int:
    """Return the sign of a difference that is significant, else 0."""
    return int(np.sign(difference.value)) if p_value < SIGNIFICANT else 0


def _list_columns(prefix: str, measurement: Measurement) -> dict[str, float]:
    return {f"{prefix}{name}": getattr(measurement, name) for name in ("value", "low", "high")}


def _write(difference: Measurement) -> str:
    """Return a difference with its sign and its interval: `+0.0092 [0.0072, 0.0111]`."""
    return f"{'+' if difference.value > 0 else ''}{difference.bracketed}"
