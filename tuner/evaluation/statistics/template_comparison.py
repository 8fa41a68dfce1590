"""What candidates are worth in a fit of their score with the declared systematics: whether a gain survives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.evaluation.statistics.comparison import find_p_value
from tuner.evaluation.statistics.template_fits import fit_limit, fit_significance, require_pyhf, write_workspace
from tuner.evaluation.statistics.templates import (
    ScoredEvents,
    ScoreTemplates,
    approximate_significance,
    fill_templates,
)
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.measurement import SIGNIFICANT, Measurement, measure
from tuner.metrics.score_bins import MIN_PER_BIN, N_BINS, choose_score_bins
from tuner.progress.wording import join_words, write_count, write_number

MIN_P = 0.001
"""Below this a p value is not told: tails say little there."""
CHOOSING_PART = "validation"
CAVEAT = (
    " The test part is closed: these templates are of validation events, which also chose the bins, the network and "
    "the baseline, so all of this flatters."
)
"""What is told with a fit of events that also chose what is fitted."""


@dataclass(frozen=True, kw_only=True)
class TemplateRules:
    """How templates are made and fitted."""

    s: float
    """Signal events that are expected before any cut."""
    b: float
    """Background events that are expected before any cut."""
    relative_systematic: float = 0.0
    """Uncertainty of the background's total, as a share of it."""
    n_bins: int = N_BINS
    """Bins of the score at the most."""
    least_background: float = MIN_PER_BIN
    """Effective background events that each bin must hold, of the events that the bins are chosen on."""
    n_replicas: int = 200
    """Bootstrap replicas."""
    seed: int = 0


@dataclass(frozen=True)
class CandidateScores:
    """A candidate's scores of the events that bins are chosen on, and of others, of which templates are made."""

    name: str
    chosen_on: ScoredEvents
    """By networks or trees that did not train on them."""
    measured: ScoredEvents


@dataclass(frozen=True)
class TemplateFit:
    """A candidate in a fit of its score."""

    templates: ScoreTemplates
    significance: Measurement
    """Expected discovery significance with the templates' statistical error and all declared systematics; 68 % interval
    over events."""
    of_exact_templates: float
    """The same, were the templates made of endlessly many events: without their statistical error."""
    p_value: float
    """That of the background-only hypothesis, for the median data with a signal."""
    limit: float
    """Expected upper limit on the signal strength at 95 % CLs, for data without a signal."""

    @property
    def candidate(self) -> str:
        """Its name."""
        return self.templates.candidate


@dataclass(frozen=True)
class TemplateComparison:
    """Candidates in fits of their scores: what is handed on, then the best baseline where there is one."""

    part: str
    """The part that the templates are of."""
    rules: TemplateRules
    systematics: tuple[str, ...]
    """What the fit profiles, besides the statistical error of the templates."""
    fits: tuple[TemplateFit, ...]
    difference: Measurement | None = None
    """Significance of the first minus that of the second, paired; 68 % interval over events."""
    p_value: float | None = None
    """Of no difference, two-sided."""

    @property
    def is_of_choosing_events(self) -> bool:
        """Whether the templates are of events that also chose bins, network and baseline: the test part is closed."""
        return self.part == CHOOSING_PART

    @property
    def scope(self) -> str:
        """What the fit profiles, in a few words: all systematics, or none but the templates' statistical error."""
        if self.systematics:
            return "all systematics"
        return "the templates' statistical error alone (no systematics are declared)"

    @property
    def verdict(self) -> str:
        """Whether the first is "ahead" of the second, "behind", or the two "cannot be told apart"; "alone"; "open".

        It is open where templates are of validation, whose events chose bins, network and baseline.
        """
        if self.difference is None or self.p_value is None:
            return "alone"
        if self.is_of_choosing_events:
            return "open"
        if self.p_value >= SIGNIFICANT:
            return "cannot be told apart"
        return "ahead" if self.difference.value > 0 else "behind"

    def sentence(self, names: Sequence[str] | None = None) -> str:
        """Return the verdict in plain words; names: what the candidates are called, each with its article."""
        called = list(names or (f"the {fit.candidate}" for fit in self.fits))
        significances = join_words([f"{fit.significance} from {n}" for n, fit in zip(called, self.fits, strict=True)])
        limits = join_words([write_number(fit.limit, 3) for fit in self.fits])
        begin = (
            f"A fit of the score with {self.scope} expects a significance of {significances}, and "
            f"{'an upper limit' if len(self.fits) == 1 else 'upper limits'} of {limits} on the signal strength"
        )
        caveat = CAVEAT if self.is_of_choosing_events else ""
        if self.difference is None or self.p_value is None:
            return f"{begin}.{caveat}"
        verdicts = {
            "ahead": f"the gain of {called[0]} survives",
            "behind": f"the gain of {called[-1]} survives",
            "cannot be told apart": "the two cannot be told apart",
            "open": "there is no verdict",
        }
        p_value = "p < 0.001" if self.p_value < MIN_P else f"p = {self.p_value:#.2g}"
        return f"{begin}: {verdicts[self.verdict]} (difference {self.difference.signed}, {p_value}).{caveat}"


def compare_templates(part: str, candidates: Sequence[CandidateScores], rules: TemplateRules) -> TemplateComparison:
    """Return what one or two candidates are worth in a fit of their scores' histograms, with the rules' systematics.

    Each has bins of its own, chosen on events that it was not trained on. Intervals are a paired bootstrap of the
    events that templates are made of, by `approximate_significance`, scaled to the fit; bins stay as they are.

    Args:
        part: Name of the part that templates are of: there is no verdict on "validation", which chose bins, network
            and baseline.
        candidates: Scores of what is handed on, then of the best baseline, of the same events.
        rules: Yields, bins, systematics.

    Raises:
        MissingPackage: pyhf is not installed.
        EventsError: There are too few background events for one bin, or a fit does not converge.
    """
    require_pyhf()
    edges = [_choose_bins(candidate, rules) for candidate in candidates]
    nominal = [_fill(candidate, bins, rules) for candidate, bins in zip(candidates, edges, strict=True)]
    measured = candidates[0].measured
    drawn = draw_counts(measured.labels == 1, rules.n_replicas, rules.seed)
    replicas = np.array(
        [
            [
                approximate_significance(_fill(candidate, bins, rules, counts), rules.relative_systematic)
                for candidate, bins in zip(candidates, edges, strict=True)
            ]
            for counts in drawn
        ]
    )
    fits, scaled = [], []
    for place, templates in enumerate(nominal):
        systematic = rules.relative_systematic
        workspace = write_workspace(templates, relative_systematic=systematic)
        significance, limit = fit_significance(workspace), fit_limit(workspace)
        exact = fit_significance(write_workspace(templates, relative_systematic=systematic, is_exact=True))
        scaled.append(replicas[:, place] * significance / approximate_significance(templates, systematic))
        measured_z = measure(significance, scaled[-1])
        fits.append(TemplateFit(templates, measured_z, exact, _find_tail(significance), limit))
    known = TemplateComparison(part, rules, _list_systematics(measured.variants, rules), tuple(fits))
    if len(fits) < 2:
        return known
    difference = measure(fits[0].significance.value - fits[1].significance.value, scaled[0] - scaled[1])
    p_value = find_p_value(difference.value, float(np.std(scaled[0] - scaled[1], ddof=1)))
    return TemplateComparison(part, rules, known.systematics, known.fits, difference, p_value)


def describe_bins(comparison: TemplateComparison) -> str:
    """Return how many bins each candidate has, and what was asked of them."""
    told = [f"{write_count(len(fit.templates.edges) - 1, 'bin')} for the {fit.candidate}" for fit in comparison.fits]
    rules = comparison.rules
    return (
        f"{join_words(told)}, chosen for the expected significance: at most {rules.n_bins}, each with at least "
        f"{rules.least_background:g} effective background events"
    )


def _choose_bins(candidate: CandidateScores, rules: TemplateRules) -> np.ndarray:
    events = candidate.chosen_on
    return choose_score_bins(
        events.labels,
        events.scores,
        events.weights,
        s=rules.s,
        b=rules.b,
        relative_systematic=rules.relative_systematic,
        n_bins=rules.n_bins,
        least_background=rules.least_background,
    )


def _fill(
    candidate: CandidateScores, edges: np.ndarray, rules: TemplateRules, counts: np.ndarray | None = None
) -> ScoreTemplates:
    return fill_templates(candidate.name, candidate.measured, edges=edges, s=rules.s, b=rules.b, counts=counts)


def _list_systematics(variants: Mapping[str, object], rules: TemplateRules) -> tuple[str, ...]:
    declared = rules.relative_systematic
    return (*variants, *([f"background normalisation, {100 * declared:g} %"] if declared else []))


def _find_tail(significance: float) -> float:
    """Return the one-sided p value of a significance."""
    from scipy.stats import norm

    return float(norm.sf(significance))
