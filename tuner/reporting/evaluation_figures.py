"""The page's figures of the judgement: all candidates on the last part that is open, the winner's network in depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tuner.checked_files import read_table
from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.systematics import Survival
from tuner.figures import (
    Drawing,
    draw_calibration,
    draw_candidates,
    draw_confusion,
    draw_permutation_importance,
    draw_roc,
    draw_scores,
    draw_sculpting,
    draw_significance,
    draw_survival,
)
from tuner.metrics.figures_of_merit import CutFigure
from tuner.prediction.predict import score_part
from tuner.reporting.page import Picture
from tuner.reporting.search_figures import keep_drawing
from tuner.reporting.summary import HANDED_ON
from tuner.tuning.search import Search

MAX_TRAIN_EVENTS = 200_000
"""Events of the training part whose scores are drawn."""
MAX_OBSERVERS = 6
"""Observers whose sculpting is drawn."""
SCORES_ADVICE = (
    "Restore it from a copy; or delete evaluation.json and run `tuner evaluate`, which opens the test part again."
)
"""What to do about a `scores.parquet` that is damaged."""


NETWORK = HANDED_ON.removeprefix("the ")
NOTES = {
    "candidates": "Means over trainings with 68 % intervals over events and trainings; grey dots are single trainings, "
    "the dashed line is the winner's mean.",
    "roc": "One set of curves in three conventions; the bands are 68 % intervals over events, the circle is the cut.",
    "scores": "Filled is this part, points are the training part, both with their statistical errors: within these "
    "they differ by chance. The gap in AUC says what the network gains on events that it has been trained on.",
    "confusion": "Shares of each class at the cut. Precision is the share of signal in what is selected here; it is "
    "not the purity that an analysis expects, which has other numbers of signal and background.",
    "calibration": "On the diagonal a score is the probability of signal, were there as much signal as background. The "
    "expected calibration error (ECE) is the mean distance from it; beside it stands what a perfectly calibrated "
    "network would have by chance alone. A pull is a bin's distance in standard deviations.",
    "permutation_importance": "What the figure loses when one feature is shuffled among the events. Features that go "
    "together stand in for one another.",
    "survival": "Above the line the network handed on is ahead. Bars are 68 % intervals; a point is coloured where "
    "the difference is significant at 5 % after Holm's correction for all of them and the AUC, which is what counts for "
    "the verdict. The cut is chosen on one half of the events "
    "and tested on the other.",
}
"""How to read a figure, by its name; the others say it themselves."""


def draw_judgement_pictures(search: Search, evaluation: Evaluation) -> dict[str, Picture]:
    """Return all figures of step 7 by name, on test where it was opened, else on validation."""
    drawings = _Pictures(search, evaluation).draw()
    return {name: keep_drawing(search, drawing, name, NOTES.get(name, "")) for name, drawing in drawings.items()}


@dataclass
class _Pictures:
    """Draws one judgement."""

    search: Search
    evaluation: Evaluation

    def draw(self) -> dict[str, Drawing]:
        """Return the drawings by name."""
        of_part = (self.labels, self.scores, self.weights)
        part, winner = self.evaluation.last_part, self.winner
        drawings = {
            "candidates": self._draw_candidates(),
            "roc": draw_roc(
                *of_part,
                part=part,
                name=NETWORK,
                others=self.others,
                optimum=self.observers.get(self.search.study.problem.optimum or ""),
                threshold=winner.threshold,
                **self.replicas,
            ),
            "scores": draw_scores(
                *of_part, part=part, threshold=winner.threshold, train=self._score_train(), **self.replicas
            ),
        }
        if isinstance(figure := self.search.study.problem.figure_of_merit, CutFigure):
            drawings["significance"] = self._draw_significance(figure)
        if np.isfinite(winner.threshold):
            drawings["confusion"] = draw_confusion(*of_part, threshold=winner.threshold, part=part)
        drawings["calibration"] = draw_calibration(*of_part, part=part, name=NETWORK, **self.replicas)
        if self.evaluation.importances:
            rows = [
                {"feature": i.feature, "value": i.drop.value, "low": i.drop.low, "high": i.drop.high}
                for i in self.evaluation.importances
            ]
            drawings["permutation_importance"] = draw_permutation_importance(
                pd.DataFrame(rows), part=part, figure_name=self.evaluation.figure_of_merit
            )
        if self.evaluation.survival is not None:
            drawings["survival"] = self._draw_survival(self.evaluation.survival)
        return drawings | self._draw_sculpting()

    @property
    def winner(self) -> PartEvaluation:
        """The figures of the network that is handed on."""
        part = self.evaluation.part(self.evaluation.last_part)
        assert part is not None
        return part

    @cached_property
    def table(self) -> pd.DataFrame:
        """Scores, labels and weights of the part, with its observers."""
        if self.evaluation.opening is not None:
            return read_table(self.search.folder.scores, advice=SCORES_ADVICE)
        part = self.search.splits.validation
        return pd.DataFrame(
            {
                "label": np.asarray(part.labels),
                "weight": np.asarray(part.weights),
                "score": score_part(self.search, "validation"),
            }
        )

    @property
    def labels(self) -> np.ndarray:
        """Labels [n] in {0, 1}."""
        return self.table["label"].to_numpy()

    @property
    def scores(self) -> np.ndarray:
        """Scores [n] of the network that is handed on."""
        return self.table["score"].to_numpy()

    @property
    def weights(self) -> np.ndarray | None:
        """Event weights [n]; None where the problem has none."""
        return self.table["weight"].to_numpy() if self.search.study.problem.weight is not None else None

    @property
    def others(self) -> dict[str, np.ndarray]:
        """Scores [n] of the ensemble and the baselines by name, where the part's scores are kept."""
        names = [standing.candidate for standing in self.evaluation.standings if standing.kind != "finalist"]
        return {
            name: self.table[f"score: {name}"].to_numpy()
            for name in dict.fromkeys(names)
            if f"score: {name}" in self.table
        }

    @property
    def observers(self) -> dict[str, np.ndarray]:
        """Observers [n] by name, where the part's scores are kept."""
        named = {name: f"observer {name}" for name in self.search.study.problem.all_observers}
        columns = {name: longer if longer in self.table else name for name, longer in named.items()}
        return {name: self.table[column].to_numpy() for name, column in columns.items() if column in self.table}

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

    def _draw_survival(self, survival: Survival) -> Drawing:
        baseline = find_baseline(self.evaluation.standings_on(self.evaluation.last_part))
        name = baseline.candidate if baseline is not None else "baseline"
        return draw_survival(survival.frame(), names=(HANDED_ON, name), d_auc=survival.d_auc)

    def _draw_significance(self, figure: CutFigure) -> Drawing:
        """Return the scan of cuts on validation, where the cut was chosen."""
        part, cut = self.search.splits.validation, self.winner.figure_cut
        weights = np.asarray(part.weights) if self.search.study.problem.weight is not None else None
        return draw_significance(
            np.asarray(part.labels),
            score_part(self.search, "validation"),
            weights,
            figure=figure,
            threshold=None if cut is None else cut.threshold,
            part="validation",
            seed=self.search.study.seed,
        )

    def _draw_sculpting(self) -> dict[str, Drawing]:
        """Return a figure for each observer but the optimum, which a good score must follow."""
        if not np.isfinite(self.winner.threshold):
            return {}
        names = [name for name in self.observers if name != self.search.study.problem.optimum]
        return {
            f"sculpting_{name}": draw_sculpting(
                self.observers[name],
                self.labels,
                self.scores,
                self.weights,
                threshold=self.winner.threshold,
                name=name,
                part=self.evaluation.last_part,
                seed=self.search.study.seed,
            )
            for name in names[:MAX_OBSERVERS]
        }

    def _score_train(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return labels, scores and weights of the first events of the training part, which are in random order."""
        part = self.search.splits.train
        few = slice(0, MAX_TRAIN_EVENTS)
        weights = np.asarray(part.weights[few]) if self.search.study.problem.weight is not None else None
        return np.asarray(part.labels[few]), score_part(self.search, "train")[few], weights
