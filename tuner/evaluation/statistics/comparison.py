"""Candidates side by side: means over trainings, paired differences, and a verdict that allows for how many there are.

Each replica of the bootstrap draws the same events for all candidates, so what they share cancels in a difference. To
that the trainings are drawn anew for each candidate: an interval holds the events and the seeds.

What people read of a comparison, in text, tile, table and figure, has one subject, the winner: a difference is the
winner minus the other (`Standing.lead`), positive where the winner is ahead, with its 68 % interval; a verdict says
what the winner is (`Standing.verdict_on_winner`). Where a verdict rests on more than 68 %, it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.metrics.measurement import SIGNIFICANT, Measurement, measure, rank_value
from tuner.metrics.replicas import Replicas

Kind = Literal["finalist", "ensemble", "bag", "refit", "baseline", "blend"]
"""What a candidate is: a configuration with its trainings, means of networks, or what one has without them."""

Verdict = Literal["winner", "better", "not distinguishable", "worse"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a candidate stands by the declared figure of merit on one part, and against the winner."""

    candidate: str
    kind: Kind
    part: str
    figure: Measurement
    """Mean over the candidate's trainings; the 68 % interval holds the events and the seeds."""
    singles: tuple[float, ...]
    """Figure of each training."""
    difference: Measurement
    """Candidate minus winner, paired; zero for the winner itself."""
    p_value: float
    """Of no difference: two-sided, Student's t of the bootstrap's standard deviation (see `compare`)."""
    p_holm: float
    """The same after Holm's correction for all rivals together (Holm 1979, Scand. J. Statist. 6, 65)."""
    verdict: Verdict
    """What the candidate is, compared with the winner: "better" and "worse" where p_holm is below 0.05."""
    n_parameters: int | None = None
    """Parameters of a network; None for what is none."""
    is_best_baseline: bool = False
    """Whether it is the best baseline: by its figure on the validation events, so that test does not choose it."""

    @property
    def lead(self) -> Measurement:
        """Winner minus candidate, paired: positive where the winner is ahead."""
        return -self.difference

    @property
    def verdict_on_winner(self) -> Verdict:
        """What the winner is, compared with the candidate: the verdict, seen from the winner."""
        turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
        return turned.get(self.verdict, self.verdict)


@np.errstate(invalid="ignore")
def measure_mean(replicas: Replicas, seed: int = 0) -> Measurement:
    """Return the mean over the trainings with its 68 % interval, over events and trainings."""
    return measure(replicas.mean, replicas.draw_means(np.random.default_rng(seed)))


@np.errstate(invalid="ignore")
def compare(
    candidates: Mapping[str, Replicas],
    winner: str,
    *,
    kinds: Mapping[str, Kind],
    part: str,
    n_parameters: Mapping[str, int] | None = None,
    measured: Mapping[str, Measurement] | None = None,
    best_baseline: str | None = None,
    seed: int = 0,
) -> tuple[Standing, ...]:
    """Return each candidate's standing, best mean first; all replicas must be of the same events and seed.

    Args:
        candidates: Replicas by name.
        winner: Name of the one that the others are compared with.
        kinds: Kind by name.
        part: What the events are of.
        n_parameters: Parameters by name, of those that are networks.
        measured: Figures of candidates of one training that were measured elsewhere: they are taken from there, so that
            a number has one error wherever it is told.
        best_baseline: Name of the baseline that is best on the validation events; None where there is none.
        seed: Of the trainings that are drawn anew.

    The p value of a difference is that of Student's t, with the degrees of freedom by Welch and Satterthwaite
    (doi:10.2307/3002019): what a few seeds tell of the spread over seeds is itself uncertain. Taken as normal, four
    rivals of five seeds were told from the winner in 13 % of the cases without any difference, and not in 5 %.
    """
    generator = np.random.default_rng(seed)
    means = {name: replicas.draw_means(generator) for name, replicas in candidates.items()}
    rivals = [name for name in candidates if name != winner]
    differences = {name: candidates[name].mean - candidates[winner].mean for name in candidates}
    errors = {name: float(np.std(means[name] - means[winner], ddof=1)) for name in rivals}
    freedoms = {name: _count_freedom(errors[name], (candidates[name], candidates[winner])) for name in rivals}
    p_values = {name: find_p_value(differences[name], errors[name], freedoms[name]) for name in rivals}
    corrected = dict(zip(rivals, correct_by_holm([p_values[name] for name in rivals]), strict=True))
    standings = [
        Standing(
            candidate=name,
            kind=kinds[name],
            part=part,
            figure=_find_figure(name, replicas, means[name], measured or {}),
            singles=tuple(map(float, replicas.values)),
            difference=measure(differences[name], means[name] - means[winner]),
            p_value=p_values.get(name, 1.0),
            p_holm=corrected.get(name, 1.0),
            verdict="winner" if name == winner else _judge(differences[name], corrected[name]),
            n_parameters=(n_parameters or {}).get(name),
            is_best_baseline=name == best_baseline,
        )
        for name, replicas in candidates.items()
    ]
    return tuple(sorted(standings, key=lambda standing: -rank_value(standing.figure.value)))


def _find_figure(name: str, replicas: Replicas, means: np.ndarray, measured: Mapping[str, Measurement]) -> Measurement:
    """Return a candidate's mean over its trainings with its interval; of one training what was measured already."""
    if len(replicas.values) == 1 and name in measured:
        return measured[name]
    return measure(replicas.mean, means)


def correct_by_holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's step-down method, in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return [float(p) for p in corrected]


def find_cheapest(standings: Sequence[Standing], seconds: Mapping[str, float] | None = None) -> str:
    """Return the finalist with the fewest parameters among the winner and those that are not worse on validation.

    Args:
        standings: Those on other parts have no say.
        seconds: What a training of each finalist took in the search; of equally large networks the quickest counts as
            the cheapest. No figure breaks a tie: that would choose by the part that is judged.
    """
    equals = [s for s in standings if s.part == "validation" and s.kind == "finalist" and s.verdict != "worse"]
    known = seconds or {}
    return min(equals, key=lambda s: (s.n_parameters or 0, known.get(s.candidate, np.inf), s.candidate)).candidate


def find_baseline(standings: Sequence[Standing]) -> Standing | None:
    """Return the baseline that is best on the validation events; None where there is none.

    Where that is not among these standings, the first baseline that is: of standings that are in order, the best.
    """
    baselines = [standing for standing in standings if standing.kind == "baseline"]
    return next((standing for standing in baselines if standing.is_best_baseline), next(iter(baselines), None))


def find_p_value(difference: float, error: float, freedom: float = np.inf) -> float:
    """Return the two-sided p value of no difference, by Student's t.

    Args:
        difference: What was found.
        error: Its standard deviation.
        freedom: Degrees of freedom of that; infinite where it is known, for a Gaussian.
    """
    from scipy.stats import t

    if not np.isfinite([error, difference]).all():
        return 1.0
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * t.sf(abs(difference) / error, freedom))


def _count_freedom(error: float, pair: tuple[Replicas, Replicas]) -> float:
    """Return the degrees of freedom of the error of a difference of a pair, by Welch and Satterthwaite."""
    several = [each.values for each in pair if len(each.values) > 1]
    uncertain = sum((np.var(values, ddof=1) / len(values)) ** 2 / (len(values) - 1) for values in several)
    return float(error**4 / uncertain) if uncertain > 0 else np.inf


def _judge(difference: float, p_holm: float) -> Verdict:
    if p_holm >= SIGNIFICANT:
        return "not distinguishable"
    return "better" if difference > 0 else "worse"
