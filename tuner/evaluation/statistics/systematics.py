"""Does the gain survive? Two candidates at the next stage: a cut on the score, and a background known only so well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from tuner.evaluation.statistics.cut_on_halves import cross_halves, take_out_splits
from tuner.metrics.arrays import check_arrays
from tuner.metrics.bootstrap import bootstrap_auc
from tuner.metrics.curves import auc
from tuner.metrics.measurement import Measurement, measure

if TYPE_CHECKING:
    import pandas as pd

SYSTEMATICS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Relative uncertainties of the background that are looked at."""
SURE = 0.95
"""Coverage of the intervals that the verdict rests on."""

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
    n_replicas: int = 200,
    seed: int = 0,
) -> Survival:
    """Return the difference of two candidates in AUC, and what is left of it in Asimov significance.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones), rescaled per class to the expected totals `s` and
    `b` before the cut. For each relative systematic, sigma_b is that share of the background above the cut. The events
    are split at random into halves, each class alike; the cut is chosen on one half, by the largest significance after
    smoothing, with at least 25 background events above it; the significance is that of the other half, and the other
    way round, averaged. Both candidates see the same halves.

    Values are means over `n_replicas` splits. Intervals are a paired bootstrap: signal and background are drawn anew,
    and what differs from split to split is taken out of their spread. declared: the problem's own systematic; a row is
    added for it, and the verdict looks there. Raise `EventsError` as `check_arrays` does, and for fewer than 50
    background events.
    """
    is_signal, first, weight = check_arrays(labels, winner_scores, weights)
    second = check_arrays(labels, baseline_scores, weights).scores
    shares = np.unique([*systematics, *([] if declared is None else [declared])])
    values, replicas = cross_halves(
        is_signal, (first, second), weight, s=s, b=b, systematics=shares, n_replicas=n_replicas, seed=seed
    )
    rows = (_measure_row(float(share), values[:, place], replicas[..., place]) for place, share in enumerate(shares))
    bootstrap = [bootstrap_auc(is_signal, each, weight, n_replicas=n_replicas, seed=seed) for each in (first, second)]
    d_auc, d_replicas = auc(is_signal, first, weight) - auc(is_signal, second, weight), bootstrap[0] - bootstrap[1]
    return Survival(
        measure(d_auc, d_replicas),
        measure(d_auc, d_replicas, coverage=SURE),
        tuple(rows),
        s=s,
        b=b,
        n_replicas=n_replicas,
        declared=declared,
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
    """The same with its 95 % interval, for the verdict."""

    @property
    def sign(self) -> int:
        """1 where the winner is ahead, -1 where the baseline is, 0 where the 95 % interval includes 0."""
        return _find_sign(self.d_z_95)


@dataclass(frozen=True)
class Survival:
    """What a difference in AUC is worth in significance; differences are winner minus baseline."""

    d_auc: Measurement
    """68 % interval."""
    d_auc_95: Measurement
    """The same with its 95 % interval, for the verdict."""
    rows: tuple[SurvivalRow, ...]
    """By rising systematic."""
    s: float
    """Signal events that are expected before the cut."""
    b: float
    """Background events that are expected before the cut."""
    n_replicas: int
    declared: float | None = None
    """Relative systematic that the problem declares; None: it declares none."""

    @property
    def leader(self) -> int:
        """1 where the winner leads, -1 where the baseline does, 0 where nobody does: by AUC, else by most rows."""
        total = sum(row.sign for row in self.rows)
        return _find_sign(self.d_auc_95) or (total > 0) - (total < 0)

    @property
    def verdict(self) -> Verdict:
        """What becomes of the lead, whoever has it; all intervals are those of 95 %.

        The rows that matter: the declared systematic, else all of them.
        "no gain": the interval of d_auc includes 0, and those of d_z do, too (or they contradict one another).
        "survives": d_z is on the leader's side of 0 in each row that matters.
        "survives in part": in some row only. "reversed": in none, and on the other side in one that matters.
        "absorbed": d_auc excludes 0, but no d_z of a row that matters does.
        """
        lead = self.leader
        if not lead:
            return "no gain"
        matter = [row.sign * lead for row in self.rows if self.declared in (None, row.relative_systematic)]
        if min(matter) > 0:
            return "survives"
        if any(row.sign == lead for row in self.rows):
            return "survives in part"
        return "reversed" if min(matter) < 0 else "absorbed"

    def sentence(self, names: tuple[str, str] = ("the winner", "the baseline")) -> str:
        """Return the verdict in plain words; names: what the winner and the baseline are called.

        The verdict names whoever leads; the numbers are the winner's minus the baseline's in any case.
        """
        first, second = names if self.leader >= 0 else names[::-1]
        gain = f"The gain of {first} over {second}"
        row = next((row for row in self.rows if row.relative_systematic == self.declared), self.rows[0])
        sign = self.leader or 1
        numbers = (
            f"{names[0]} minus {names[1]} is {_write(self.d_auc, 4)} in AUC, {_write(row.d_z, 2)} in significance at "
            f"{100 * row.relative_systematic:g} % of background uncertainty (68 % intervals; the verdict rests on "
            "those of 95 %)."
        )
        match self.verdict:
            case "survives":
                return f"{gain} survives at {self._name_rows({sign})}: {numbers}"
            case "survives in part":
                return f"{gain} survives at {self._name_rows({sign})}, not at {self._name_rows({0, -sign})}: {numbers}"
            case "reversed":
                return f"{gain} in AUC turns into a loss at {self._name_rows({-sign})}: {numbers}"
            case "absorbed":
                return f"{gain} is absorbed at the next stage: {numbers}"
        return f"There is no gain to speak of between {first} and {second}: {numbers}"

    def frame(self) -> pd.DataFrame:
        """Return a row for each systematic: d_z as value, low, high (68 %), low_95, high_95; then both candidates."""
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
                }
                for row in self.rows
            ]
        )

    def _name_rows(self, signs: Iterable[int]) -> str:
        """Return in words at which systematics the rows have one of these signs."""
        named = [f"{100 * row.relative_systematic:g}" for row in self.rows if row.sign in signs]
        if len(named) == len(self.rows) > 1:
            return f"every background systematic from {named[0]} to {named[-1]} %"
        return f"a background systematic of {' and '.join(filter(None, [', '.join(named[:-1]), named[-1]]))} %"


def _measure_row(share: float, values: np.ndarray, replicas: np.ndarray) -> SurvivalRow:
    """Return a row from significances [2] and their replicas [r, m, 2] in m splits: the winner's, the baseline's."""
    d_z = float(values[0] - values[1])
    d_replicas = take_out_splits(d_z, replicas[..., 0] - replicas[..., 1])
    winner, baseline = (
        measure(float(value), take_out_splits(value, replicas[..., place])) for place, value in enumerate(values)
    )
    return SurvivalRow(share, winner, baseline, measure(d_z, d_replicas), measure(d_z, d_replicas, coverage=SURE))


def _find_sign(difference: Measurement) -> int:
    """Return the sign of a difference whose interval excludes 0, else 0."""
    return int(difference.low > 0) - int(difference.high < 0)


def _list_columns(prefix: str, measurement: Measurement) -> dict[str, float]:
    return {f"{prefix}{name}": getattr(measurement, name) for name in ("value", "low", "high")}


def _write(difference: Measurement, digits: int) -> str:
    """Return a difference with its interval: `+0.0092 [+0.0072, +0.0111]`."""
    return f"{difference.value:+.{digits}f} [{difference.low:+.{digits}f}, {difference.high:+.{digits}f}]"
