"""The page's figures of the evaluation: all candidates on the last part that is open, what is handed on in depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tuner.checked_files import read_table
from tuner.errors import EventsError
from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.systematics import Survival
from tuner.events.name_patterns import fits
from tuner.figures import (
    Drawing,
    draw_calibration,
    draw_candidates,
    draw_confusion,
    draw_permutation_importance,
    draw_roc,
    draw_score_templates,
    draw_scores,
    draw_sculpting,
    draw_significance,
    draw_survival,
)
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics.figures_of_merit import CutFigure, Significance, find_systematic
from tuner.metrics.measurement import Measurement
from tuner.metrics.score_bins import choose_score_bins
from tuner.prediction.predict import score_part
from tuner.preparation.yields import find_yields
from tuner.reporting.page import Picture
from tuner.reporting.pictures import keep_drawings
from tuner.reporting.summary import is_handed_on_examined, name_examined, name_handed_on
from tuner.tuning.search import Search

MAX_TRAIN_EVENTS = 200_000
"""Events of the training part whose scores are drawn."""
MAX_OBSERVERS = 6
"""Observers whose sculpting is drawn."""
MAX_BASELINES = 3
"""Baselines whose ROC curve is drawn, the best ones."""
SYSTEMATICS = (0.0, 0.1, 0.3)
"""Relative uncertainties of the background for which significances are drawn."""
SCORES_ADVICE = (
    "Restore it from a copy; or delete evaluation.json and run `tuner evaluate`, which opens the test part again."
)
"""What to do about a `scores.parquet` that is damaged."""
CUT_SCORES_ADVICE = "Restore it from a copy; or delete evaluation.json and run `tuner evaluate`."
"""What to do about a `cut_scores.parquet` that is damaged or missing."""


NOTES = {
    "candidates": "68 % intervals over events, and over trainings where there are several; grey dots are single "
    "trainings, the dashed line is the winner's mean.",
    "roc": "One set of curves in three conventions; the bands are 68 % intervals over events, the circle is the "
    "working point.",
    "scores": "Filled is this part, points are the training part, both with their statistical errors: within these "
    "they differ by chance. The gap in AUC says what the network gains on events that it has been trained on.",
    "significance": "Lines are smoothed over neighbouring cuts, so that a lucky one does not win; the thin line is the "
    "first figure of each cut by itself. s and b are rescaled, class by class, to what is expected before the cut. The "
    "formula is for a background that is known; with an uncertainty it is the profile likelihood of a counting "
    "experiment whose background was measured elsewhere. Greyed cuts leave too few background events to be believed.",
    "score_templates": "The bins were chosen on the events that the cuts were chosen on. Below is the significance of "
    "each bin; the legend tells that of all bins together, their backgrounds uncertain independently of each other.",
    "confusion": "Shares of each class at the working point. Precision is the share of signal in what is selected "
    "here; it is not the purity that an analysis expects, which has other numbers of signal and background.",
    "calibration": "On the diagonal a score is the probability of signal, were there as much signal as background. The "
    "expected calibration error (ECE) is the mean distance from it; beside it stands what a perfectly calibrated "
    "network would have by chance alone. Chance makes a distance larger, so its interval leans to smaller values. A "
    "pull is a bin's distance in standard deviations.",
    "permutation_importance": "What the figure loses when one feature is shuffled among the events. Features that go "
    "together stand in for one another.",
    "survival": "Bars are 68 % intervals; a point is coloured where "
    "the difference is significant at 5 % after Holm's correction for all of them and the AUC, which is what counts "
    "for the verdict: with at least two neighbours, or with the problem's own systematic alone. The cut is chosen "
    "on one half of the events and tested on the other; a point is open where a cut leaves as little background "
    "as it may.",
}
"""How to read a figure, by its name; the others say it themselves."""


def draw_judgement_pictures(search: Search, evaluation: Evaluation, pool: ProcessPool) -> dict[str, Picture]:
    """Return all figures of step 7 by name, on test where it was opened, else on events that it did not train on.

    Args:
        search: The search.
        evaluation: Its evaluation.
        pool: Processes that write the pictures.
    """
    return keep_drawings(search, _Pictures(search, evaluation).draw(), pool, _write_notes(search, evaluation))


def _write_notes(search: Search, evaluation: Evaluation) -> dict[str, str]:
    """Return `NOTES`, with whom a comparison favours, what was examined, and what the training weights mean."""
    of_examined = "" if is_handed_on_examined(evaluation) else f" All this is of the {evaluation.examined}{INSTEAD}"
    of_weights = "" if search.study.preparation.training_weights == "balanced" else UNBALANCED
    return NOTES | {
        "calibration": f"{NOTES['calibration']}{of_weights}",
        "survival": f"Above the line the {name_examined(evaluation)} is ahead. {NOTES['survival']}{of_examined}",
        "permutation_importance": f"{NOTES['permutation_importance']}{of_examined}",
    }


UNBALANCED = (
    " Training weights were not balanced: these scores are no probabilities at equal classes. "
    "The ECE here and the log loss, both with classes balanced, are large for that reason alone; `--calibrate` makes "
    "probabilities."
)
INSTEAD = ", as what is handed on was trained on these events."


@dataclass
class _Pictures:
    """Draws one evaluation."""

    search: Search
    evaluation: Evaluation

    def draw(self) -> Iterator[tuple[str, Drawing]]:
        """Yield names and drawings in the page's order."""
        of_part = (self.labels, self.scores, self.weights)
        winner, network = self.winner, name_handed_on(self.evaluation)
        part, threshold = winner.part, winner.threshold
        yield "candidates", self._draw_candidates()
        yield (
            "roc",
            draw_roc(
                *of_part,
                part=part,
                name=network,
                others=self.others,
                optimum=self.observers.get(self.search.study.problem.optimum or ""),
                threshold=threshold,
                known=self._list_known(network),
                **self.replicas,
            ),
        )
        train = self._score_train()
        yield (
            "scores",
            draw_scores(
                *of_part,
                part=part,
                threshold=threshold,
                figure_cut=None if winner.figure_cut is None else (winner.figure_cut.name, winner.figure_cut.threshold),
                train=train,
                gap=self._known("train_gap"),
                **self.replicas,
            ),
        )
        yield from self._draw_yields()
        if np.isfinite(threshold):
            yield "confusion", draw_confusion(*of_part, threshold=threshold, part=part)
        error = next((m for name, m in winner.measurements.items() if name.startswith("calibration error")), None)
        yield (
            "calibration",
            draw_calibration(*of_part, part=part, name=f"the {network}", error=error, **self.replicas),
        )
        if self.evaluation.importances:
            yield "permutation_importance", self._draw_importances()
        if self.evaluation.survival is not None:
            yield "survival", self._draw_survival(self.evaluation.survival)
        yield from self._draw_sculpting()

    def _known(self, name: str) -> Any:
        """Return a field of the evaluation; None where it is not of what is drawn: other scores, or another part."""
        drawn = is_handed_on_examined(self.evaluation) and self.winner.part == self.evaluation.last_part
        return getattr(self.evaluation, name) if drawn else None

    @property
    def winner(self) -> PartEvaluation:
        """The figures of what is handed on."""
        part = self.evaluation.own_part
        assert part is not None
        return part

    @cached_property
    def table(self) -> pd.DataFrame:
        """Scores, labels and weights of the part, with its observers."""
        if self.evaluation.opening is not None:
            return read_table(self.search.folder.scores, advice=SCORES_ADVICE)
        return self._tabulate_cut_events()

    def _tabulate_cut_events(self) -> pd.DataFrame:
        """Return label, weight and score of the events that the cut was chosen on: validation, or out of fold."""
        return read_table(self.search.folder.cut_scores, advice=CUT_SCORES_ADVICE)

    @property
    def labels(self) -> np.ndarray:
        """Labels [n] in {0, 1}."""
        return self.table["label"].to_numpy()

    @property
    def scores(self) -> np.ndarray:
        """Scores [n] of what is handed on."""
        return self.table["score"].to_numpy()

    @property
    def weights(self) -> np.ndarray | None:
        """Event weights [n]; None where the problem has none."""
        return self.table["weight"].to_numpy() if self.search.study.problem.weight is not None else None

    @property
    def others(self) -> dict[str, np.ndarray]:
        """Scores [n] of the other candidates by name, where the part's scores are kept: the best of the baselines."""
        standings = self.evaluation.standings_on(self.evaluation.last_part)
        baselines = [standing.candidate for standing in standings if standing.kind == "baseline"]
        means = [standing.candidate for standing in standings if standing.kind not in ("finalist", "baseline")]
        return {
            name: self.table[f"score: {name}"].to_numpy()
            for name in (*means, *baselines[:MAX_BASELINES])
            if f"score: {name}" in self.table and name != self.evaluation.handed_on.name
        }

    def _list_known(self, network: str) -> dict[str, Mapping[str, Measurement]]:
        """Return the figures of the candidates on the part, as the evaluation has them."""
        of_part = {part.candidate: part.measurements for part in self.evaluation.parts if part.part == self.winner.part}
        return of_part | {network: self.winner.measurements}

    @property
    def observers(self) -> dict[str, np.ndarray]:
        """Observers [n] by name, where the part's scores are kept."""
        named = {}
        for column in self.table.columns:
            name = column.removeprefix("observer ")
            named[name if name in self.table else column] = column
        own = {"row", "label", "weight", "score", *(name for name in named if name.startswith("score: "))}
        observers = self.search.study.problem.all_observers
        kept = {name: column for name, column in named.items() if column not in own and fits(name, observers)}
        return {name: self.table[column].to_numpy() for name, column in kept.items()}

    @property
    def replicas(self) -> dict[str, Any]:
        """The evaluation's number of replicas and their seed: the same errors."""
        return {"n_replicas": self.evaluation.settings.replicas, "seed": self.search.study.seed}

    def _draw_candidates(self) -> Drawing:
        standings = self.evaluation.standings_on(self.evaluation.last_part)
        rows = [
            {
                "candidate": s.candidate,
                "value": s.figure.value,
                "low": s.figure.low,
                "high": s.figure.high,
                "seeds": list(s.singles) if len(s.singles) > 1 else [],
            }
            for s in standings
        ]
        return draw_candidates(
            pd.DataFrame(rows),
            figure_name=self.evaluation.figure_of_merit,
            part=self.evaluation.last_part,
            best=f"trial {self.evaluation.winner}",
        )

    def _draw_importances(self) -> Drawing:
        rows = [
            {"feature": i.feature, "value": i.drop.value, "low": i.drop.low, "high": i.drop.high}
            for i in self.evaluation.importances
        ]
        return draw_permutation_importance(
            pd.DataFrame(rows), part=self.evaluation.last_part, figure_name=self.evaluation.figure_of_merit
        )

    def _draw_survival(self, survival: Survival) -> Drawing:
        baseline = find_baseline(self.evaluation.standings_on(self.evaluation.last_part))
        name = baseline.candidate if baseline is not None else "baseline"
        return draw_survival(
            survival.frame(), names=(f"the {name_examined(self.evaluation)}", name), d_auc=survival.d_auc
        )

    def _draw_yields(self) -> Iterator[tuple[str, Drawing]]:
        """Yield what declared yields allow: significance against the cut, templates of the score; else nothing."""
        problem, cut = self.search.study.problem, self.winner.figure_cut
        yields = find_yields(problem, self.search.splits)
        cut_name = "working point" if cut is None else self.evaluation.cut_name
        if yields is None:
            return
        s, b = yields
        chosen_on = self._tabulate_cut_events()
        parts = {self.evaluation.own_parts[0].part: self._take(chosen_on)}
        if self.evaluation.opening is not None:
            parts[self.winner.part] = self._take(self.table)
        declared = problem.figure_of_merit
        figures: list[CutFigure] = [declared] if isinstance(declared, CutFigure) else []
        figures += [Significance(s=s, b=b, relative_systematic=share) for share in SYSTEMATICS]
        threshold = self.winner.threshold if cut is None else cut.threshold
        with suppress(EventsError):  # too few background events: a cut on them promises nothing
            drawing = draw_significance(
                parts, list(dict.fromkeys(figures)), threshold=threshold, cut_name=cut_name, **self.replicas
            )
            yield "significance", drawing
        with suppress(EventsError):
            systematic = find_systematic(declared)
            edges = choose_score_bins(*self._take(chosen_on), s=s, b=b, relative_systematic=systematic)
            drawing = draw_score_templates(
                *self._take(self.table), edges=edges, s=s, b=b, part=self.winner.part, **self.replicas
            )
            yield "score_templates", drawing

    def _take(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return labels, scores and event weights of a table of them."""
        weights = table["weight"].to_numpy() if self.search.study.problem.weight is not None else None
        return table["label"].to_numpy(), table["score"].to_numpy(), weights

    def _draw_sculpting(self) -> Iterator[tuple[str, Drawing]]:
        """Yield a figure for each observer but the optimum, which a good score must follow."""
        cut = self.evaluation.handed_on_cut
        threshold = self.winner.threshold if cut is None else cut.threshold
        if not np.isfinite(threshold):
            return
        sculpted = {each.observer: each for each in self._known("sculpting") or ()}
        names = [name for name in self.observers if name != self.search.study.problem.optimum]
        for name in names[:MAX_OBSERVERS]:
            drawing = draw_sculpting(
                self.observers[name],
                self.labels,
                self.scores,
                self.weights,
                threshold=threshold,
                cut_name=self.evaluation.cut_name,
                name=name,
                known=sculpted.get(name),
                unit=self.search.study.problem.units.get(name, ""),
                part=self.winner.part,
                seed=self.search.study.seed,
            )
            yield f"sculpting_{name}", drawing

    def _score_train(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return labels, scores and weights of the first events of the training part, which are in random order."""
        part = self.search.splits.train
        few = slice(0, MAX_TRAIN_EVENTS)
        weights = np.asarray(part.weights[few]) if self.search.study.problem.weight is not None else None
        return np.asarray(part.labels[few]), score_part(self.search, "train")[few], weights
