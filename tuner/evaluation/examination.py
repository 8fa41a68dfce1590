"""One scorer from all sides: figures, importances, nuisances, folds, what its gain is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tuner.checked_files import write_table
from tuner.evaluation.candidates import Candidate, CutEvents, Field
from tuner.evaluation.folds import OutOfFold
from tuner.evaluation.statistics.metrics_table import WORKING_POINT, HandedOnCut, PartEvaluation, evaluate_scores
from tuner.evaluation.statistics.nuisances import NuisanceEffects, measure_nuisances
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver, measure_observers
from tuner.evaluation.statistics.systematics import Survival, measure_survival
from tuner.events.variants import Direction
from tuner.metrics.arrays import effective_number
from tuner.metrics.bootstrap import measure_train_gap
from tuner.metrics.cut_scan import MIN_BACKGROUND
from tuner.metrics.figures_of_merit import CutFigure, Significance
from tuner.metrics.measurement import Measurement
from tuner.metrics.working_points import choose_cut
from tuner.preparation.kept_events import KeptEvents
from tuner.preparation.splits import Part
from tuner.preparation.yields import find_yields
from tuner.problem import Nuisance
from tuner.tuning.search import Search

MAX_TRAIN_EVENTS = 200_000
"""Events of the training part that are scored at the most; they are in random order."""


@dataclass(frozen=True)
class Examination:
    """A candidate of one scorer, its cuts chosen on events that it did not train on, and frozen."""

    search: Search
    field: Field
    candidate: Candidate
    kept: KeptEvents
    """The events as they were read."""

    @cached_property
    def threshold(self) -> float:
        """The working point."""
        chosen_on = self.chosen_on
        rule = self.search.study.problem.working_point
        return choose_cut(rule, chosen_on.labels, chosen_on.scores[0], chosen_on.weights)

    @cached_property
    def chosen_on(self) -> CutEvents:
        """What the cuts are chosen on."""
        return self.candidate.choose_on(self.search.splits.validation)

    @cached_property
    def figure_cut(self) -> float | None:
        """The cut of a figure that is one of a cut; None where it is not."""
        cuts = self.field.cuts(self.candidate)
        return None if cuts is None else cuts[0]

    @cached_property
    def handed_on_cut(self) -> HandedOnCut:
        """The cut that makes a decision of a score: the figure's own where it has one, else the working point."""
        problem, chosen_on = self.search.study.problem, self.chosen_on.part
        figure = self.field.figure
        if isinstance(figure, CutFigure) and self.figure_cut is not None:
            rule = f"largest {figure.name}"
            return HandedOnCut(name=figure.cut_name, threshold=self.figure_cut, rule=rule, chosen_on=chosen_on)
        rule = problem.working_point.name
        return HandedOnCut(name=WORKING_POINT, threshold=self.threshold, rule=rule, chosen_on=chosen_on)

    def part(self, name: str) -> Part:
        """Return a part of the search's events."""
        part: Part = getattr(self.search.splits, name)
        return part

    def scores(self, part: str) -> np.ndarray:
        """Return the scores [n] of a part."""
        return self.candidate.scores(part, self.part(part))[0]

    def evaluate(self, part: str) -> PartEvaluation:
        """Return all figures on a part, or on the events that the cuts are chosen on."""
        events, chosen_on = self.chosen_on, self.chosen_on.part
        if part != chosen_on:
            of_part = self.part(part)
            events = CutEvents(part, of_part.rows, of_part.labels, of_part.weights, (self.scores(part),))
        return evaluate_scores(
            events.labels,
            events.scores[0],
            events.weights,
            candidate=self.candidate.name,
            part=part,
            threshold_rule=f"{self.search.study.problem.working_point.name}, chosen on {chosen_on}",
            optimum=self._take_optimum(events.rows),
            chosen_on=chosen_on,
            figure_cut=None if part == chosen_on else self.figure_cut,
            **self._common,
        )

    def evaluate_folds(self, found: OutOfFold, *, name: str) -> PartEvaluation:
        """Return all figures of a configuration on all events, each scored out of fold, at the cuts of this candidate.

        Writes `out_of_fold.parquet`.
        """
        write_table(self.search.folder.out_of_fold, found.tabulate())
        found = found.take_scored()
        return evaluate_scores(
            found.labels,
            found.scores,
            found.weights,
            candidate=name,
            part="all events",
            threshold_rule=f"{self.search.study.problem.working_point.name}, that of what is handed on",
            optimum=self._take_optimum(found.rows),
            figure_cut=self.figure_cut,
            chosen_on=self.chosen_on.part,
            **self._common,
        )

    @property
    def _common(self) -> dict[str, Any]:
        problem = self.search.study.problem
        return {
            "figure_of_merit": problem.figure_of_merit,
            "threshold": self.threshold,
            "yields": self._yields,
            "gamma_telescope": problem.gamma_telescope,
            "n_bootstrap": self.field.n_replicas,
            "seed": self.field.seed,
        }

    @cached_property
    def _yields(self) -> tuple[float, float] | None:
        """Signal and background events that are expected before the cut; None where the problem does not say."""
        return find_yields(self.search.study.problem, self.search.splits)

    def _take_optimum(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the observer that no network can beat for some rows of the events; None where there is none."""
        optimum = self.search.study.problem.optimum
        return None if optimum is None else self.kept.events.observers[optimum].to_numpy()[rows]

    def measure_train_gap(self, part: str) -> Measurement:
        """Return AUC on the training part minus AUC on another, with its 68 % interval."""
        train, other = self.part("train"), self.part(part)
        few = slice(0, MAX_TRAIN_EVENTS)
        (scores,) = (scorer(np.asarray(train.x[few])) for scorer in self.candidate.scorers)
        return measure_train_gap(
            (train.labels[few], scores, train.weights[few]),
            (other.labels, self.scores(part), other.weights),
            n_replicas=self.field.n_replicas,
            seed=self.field.seed,
        )

    def measure_survival(self, baseline: Candidate | None, part: str) -> Survival | None:
        """Return what is left of the gain on a baseline in significance.

        None without a baseline, without expected yields, or with too few events.
        """
        events, figure, yields = self.part(part), self.field.figure, self._yields
        floor = figure.min_background if isinstance(figure, CutFigure) else MIN_BACKGROUND
        background = effective_number(events.weights[events.labels == 0])
        if baseline is None or yields is None or background < floor:
            return None
        return measure_survival(
            events.labels,
            self.scores(part),
            baseline.scores(part, events)[0],
            events.weights,
            s=yields[0],
            b=yields[1],
            declared=figure.relative_systematic if isinstance(figure, Significance) else None,
            min_background=floor,
            n_replicas=self.field.n_replicas,
            seed=self.field.seed,
        )

    def measure_observers(self, baseline: Examination | None, part: str) -> tuple[SculptedObserver, ...]:
        """Return what the frozen cut does to each observer in background, but to the optimum.

        baseline: the best one, of which the same is told at its own cut.
        """
        optimum, events = self.search.study.problem.optimum, self.part(part)
        observers = self.kept.events.observers
        names = [str(name) for name in observers.columns if name != optimum]
        if not names:
            return ()
        table = observers.iloc[events.rows]
        return measure_observers(
            {name: table[name].to_numpy() for name in names},
            np.asarray(events.labels),
            self.scores(part),
            np.asarray(events.weights),
            threshold=self.handed_on_cut.threshold,
            baseline=None if baseline is None else (baseline.scores(part), baseline.handed_on_cut.threshold),
            part=part,
            seed=self.field.seed,
        )

    def measure_nuisances(self, part: str) -> NuisanceEffects | None:
        """Return what the problem's nuisances do at the frozen cut; None where it names none."""
        events = self.part(part)
        if not self.search.study.problem.nuisances:
            return None
        return measure_nuisances(
            events.labels,
            self.scores(part),
            events.weights,
            variants=self.score_variants(events.rows),
            threshold=self.threshold,
            figure=self.field.figure,
            figure_cut=self.figure_cut,
        )

    def score_variants(self, rows: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Return scores [n] of some rows of the events with each nuisance moved up, and down where that is known."""
        return {
            nuisance.name: (
                self._score_variant(nuisance, "up", rows),
                None if nuisance.down is None else self._score_variant(nuisance, "down", rows),
            )
            for nuisance in self.search.study.problem.nuisances
        }

    def _score_variant(self, nuisance: Nuisance, direction: Direction, rows: np.ndarray) -> np.ndarray:
        table = self.kept.take_variant(nuisance.name, direction, rows)
        return self.candidate.scorers[0](self.search.splits.preprocessing.transform(table))
