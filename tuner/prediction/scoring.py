"""Scores of events that come at once or in several tables, and what a person should know of all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from tuner.checked_files import warn_once
from tuner.errors import EventsError
from tuner.events.categories import recode
from tuner.events.checks.finding import Finding
from tuner.events.reading import read_features
from tuner.events.table import NewEvents
from tuner.prediction.frozen_cut import find_cut
from tuner.prediction.known_events import UNKNOWN, open_known_events
from tuner.prediction.network import load_network, score_events, take_folds
from tuner.prediction.networks import choose_predictor
from tuner.prediction.probabilities import Kind, make_calibration
from tuner.prediction.scores import Scores
from tuner.prediction.unusual_events import N_MEASURED, TrainingRange, UnusualCounts, measure_ranges
from tuner.preparation.splitting import PARTS
from tuner.progress.wording import write_count
from tuner.tuning.figure_checks import describe_edited_figure
from tuner.tuning.search import Search

_NUMBERS = re.compile(r"""("[^"]*"|`[^`]*`)|\d[\d,.]*""")
"""Numbers in a note, and names, in which a number tells which column is meant."""


class EventScorer:
    """Scores events, table by table, with one predictor; counts what is to be told of all of them."""

    def __init__(
        self,
        search: Search,
        *,
        trial: int | Literal["best"] | None = None,
        candidate: str | None = None,
        calibration: Kind | None = None,
        prior: float | Literal["events"] | None = None,
        out_of_fold: bool = True,
        device: str | None = None,
    ) -> None:
        """Take what `tuner.predict` takes. Raise `SearchError`, `DeviceError`."""
        if told := describe_edited_figure(search):
            warn_once(f"What is handed on was chosen by the figure of merit as it was then. {told}")
        self.search, self.device = search, device
        self.predictor = choose_predictor(search, trial=trial, name=candidate)
        self.network = load_network(search, self.predictor)
        self.cut = find_cut(search, self.predictor, self.network)
        self.calibration = make_calibration(search, self.predictor, self.network, kind=calibration, prior=prior)
        self.folds = take_folds(self.predictor, self.network) if out_of_fold else {}
        self.known = open_known_events(search)
        self.lost = ""
        """Why events cannot be compared with those of training; empty where they can."""
        self.notes: Counter[str] = Counter()
        self.n_events = self.n_out_of_fold = self.n_of_other_features = 0
        self.n_in_parts: Counter[str] = Counter()
        self.unusual = UnusualCounts(self._measure_ranges(), tuple(search.splits.preprocessing.codes))

    def _measure_ranges(self) -> dict[str, TrainingRange]:
        try:
            known = self.search.open_events().events.table
        except EventsError as error:
            self.lost = f"New events cannot be compared with those of training, which are not kept whole. {error}"
            return {}
        rows = self.search.splits.train.rows[:N_MEASURED]
        return measure_ranges(known.to_numpy()[rows], tuple(map(str, known.columns)))

    def read(self, events: Any, *, keep: Sequence[str] = ()) -> NewEvents:
        """Return events with the features of training, as `read_features` does. Raise `EventsError`."""
        preprocessing = self.search.splits.preprocessing
        names, codes = preprocessing.features, preprocessing.codes
        return read_features(self.search.study.problem, events, features=names, codes=codes, keep=keep)

    def score(self, new: NewEvents) -> Scores:
        """Return the scores of events, without findings and notes: those are of all events, see `list_notes`."""
        table = recode(new.table, new.codes, self.search.splits.preprocessing.codes)
        selected = np.ones(len(table), bool) if new.selected is None else new.selected
        inputs = self.search.splits.preprocessing.transform(table[selected])
        folds = self._find_folds(new, table, selected)
        scores = np.full(len(selected), np.nan)
        scores[selected] = self._score(inputs, folds)
        self.unusual.add(table[selected])
        self.n_events += len(table)
        self.notes.update(new.notes)
        return Scores(
            scores,
            new.labels,
            new.weights,
            None if new.event_id is None else pd.Series(new.event_id, name=self.search.study.problem.event_id),
            new.observers if len(new.observers.columns) else None,
            self.predictor.name,
            self.predictor.description,
            selected=new.selected,
            cut=self.cut.threshold,
            probabilities=None if self.calibration is None else self.calibration.apply(scores),
            kept=new.kept,
        )

    def _find_folds(self, new: NewEvents, table: pd.DataFrame, selected: np.ndarray) -> np.ndarray:
        """Return the fold of each selected event [n], `UNKNOWN` where it is to be scored by all networks; count."""
        unknown = np.full(int(selected.sum()), UNKNOWN)
        if self.known is None or new.event_id is None:
            return unknown
        found = self.known.find(np.asarray(new.event_id)[selected], table[selected])
        self.n_of_other_features += found.n_other
        for number, name in enumerate(PARTS):
            self.n_in_parts[name] += int((found.parts == number).sum())
        if not self.folds:
            return unknown
        folds = np.where(np.isin(found.folds, [*self.folds]), found.folds, UNKNOWN)
        self.n_out_of_fold += int((folds != UNKNOWN).sum())
        return folds

    def _score(self, inputs: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Return scores [n] of prepared inputs [n, d_in], those of a fold by what was not trained on it."""
        if (folds == UNKNOWN).all():
            return score_events(self.network, inputs, self.device)
        scores = np.empty(len(inputs))
        for fold in np.unique(folds).tolist():
            chosen = folds == fold
            scores[chosen] = score_events(self.folds.get(fold, self.network), inputs[chosen], self.device)
        return scores

    def list_findings(self) -> tuple[Finding, ...]:
        """Return in what all events that were scored are unlike those of training, with counts."""
        return self.unusual.list_findings()

    def list_notes(self) -> tuple[str, ...]:
        """Return what a person should know of all events that were scored; what tables told alike once."""
        alike: dict[str, list[str]] = {}
        for note in self.notes:
            alike.setdefault(_NUMBERS.sub(lambda found: found[1] or "#", note), []).append(note)
        told = [
            notes[0]
            if len(notes) == 1
            else f"{notes[0]} (Likewise in {write_count(len(notes) - 1, 'other part')} of the events.)"
            for notes in alike.values()
        ]
        return (*told, *([self.lost] if self.lost else []), *self._tell_others(), *self._tell_known())

    def _tell_others(self) -> list[str]:
        """Return how many events only have the id of an event of the search."""
        if not (n := self.n_of_other_features):
            return []
        return [
            f"{write_count(n, 'event')} of {self.n_events:,} {'has' if n == 1 else 'have'} the id of an event of the "
            "study, but other features: taken for new. Where they are the same events, changed as by a nuisance, the "
            "scores of those in train or validation are too good for a figure of merit."
        ]

    def _tell_known(self) -> list[str]:
        """Return how many events were trained on, and by what these were scored."""
        n_trained = self.n_in_parts["train"] + self.n_in_parts["validation"]
        if not n_trained:
            return []
        were = f"{write_count(n_trained, 'event')} of {self.n_events:,} {'was' if n_trained == 1 else 'were'}"
        if self.n_out_of_fold == n_trained:
            return [f"{were} in train or validation, by id: each was scored by what did not train on it."]
        of_these = f" ({self.n_out_of_fold:,} of these were scored by what did not train on them)" * bool(
            self.n_out_of_fold
        )
        return [f"{were} in train or validation, by id{of_these}: their scores are too good for a figure of merit."]
