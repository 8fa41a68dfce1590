"""The judgement itself, in order: finalists, winner, ensemble, baselines on validation; then, once, the test part."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tuner.checked_files import write_json, write_table
from tuner.errors import SearchError
from tuner.evaluation.candidates import (
    Candidate,
    Field,
    choose_winner,
    enter_baselines,
    enter_ensemble,
    enter_finalists,
)
from tuner.evaluation.cross_validation import train_folds
from tuner.evaluation.examination import Examination
from tuner.evaluation.finalists import choose_finalists
from tuner.evaluation.folds import assign_search_folds
from tuner.evaluation.results import Evaluation
from tuner.evaluation.retraining_processes import retrain_finalists
from tuner.evaluation.score_table import add_observers, tabulate_scores
from tuner.evaluation.statistics.comparison import (
    Replicas,
    Standing,
    compare,
    find_baseline,
    find_cheapest,
    measure_mean,
)
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.selection_bias import SelectionBias, estimate_noise, expect_excess
from tuner.evaluation.test_set_log import count_openings, explain_opening, log_opening
from tuner.evaluation.validity import TRIALS
from tuner.evaluation.waiting import wait_for_workers
from tuner.events.table import Events
from tuner.prediction.networks import are_kept, hand_on
from tuner.progress.display import Display
from tuner.progress.stages import Stage
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search

logger = logging.getLogger("tuner")

PartReplicas = dict[str, dict[str, Replicas]]
"""Replicas by part, then by candidate."""


@dataclass
class Judge:
    """Judges one search."""

    search: Search
    settings: EvaluationSettings
    rests_on: Mapping[str, str]
    """Contents of all that the judgement rests on, by name."""
    stored: Evaluation | None
    """What was found the last time."""
    events: Events | None
    """The events as read, where observers, nuisances or ids are needed of them."""
    device: str | None
    display: Display

    def judge(self, *, open_test: bool) -> Evaluation | None:
        """Return the judgement, and write it; None where more trials ended before the test part was to be opened."""
        if open_test and self.settings.folds is not None:
            assign_search_folds(self.search, folds=self.settings.folds, event_id=self._event_id)
        is_kept = self.stored is None or are_kept(self.search, self.stored.handed_on)
        field = self._enter()
        replicas: PartReplicas = {"validation": field.replicate_all("validation", self.search.splits.validation)}
        finalists = field.of_kind("finalist")
        winner = choose_winner(finalists, replicas["validation"])
        single = winner.take(int(replicas["validation"][winner.name].values.argmax()))  # noqa: PD011 - no pandas
        (network,) = single.networks
        others = [candidate for candidate in field.candidates if candidate.kind != "finalist"]
        opening, known = None, 0 if self.stored is None else self.stored.openings
        if open_test:
            wait_for_workers(self.search, self.display.tell)  # again, as finalists take their time
            if self.rests_on[TRIALS] != self.search.fingerprint:
                return None
            self.display.advance(Stage(name="test", text="Opening the test part"))
            reason = explain_opening(self.search, self.rests_on, self.stored, network.trial, is_kept=is_kept)
            opening = log_opening(self.search, network.trial, reason=reason, known=known).number
            replicas["test"] = field.replicate_all("test", self.search.splits.test)
        part = list(replicas)[-1]
        standings = self._compare(field, replicas, winner)
        examination = Examination(self.search, field, single, self.events)
        baseline = find_baseline([standing for standing in standings if standing.part == part])
        rival = field[baseline.candidate] if baseline else None
        evaluation = Evaluation(
            study=self.search.study.name,
            winner=network.trial,
            seed=network.number,
            figure_of_merit=field.figure.name,
            opening=opening,
            openings=count_openings(self.search, known=known),
            events_digest=self.search.splits.events_digest,
            settings=self.settings,
            rests_on=self.rests_on,
            predictors=tuple(one.predictor for one in (single, *others) if one.predictor is not None),
            parts=(
                *self._evaluate_parts(examination, [single, *others], list(replicas)),
                *(self._evaluate_folds(examination, network.trial) if open_test else ()),
            ),
            standings=standings,
            cheapest=find_cheapest([standing for standing in standings if standing.part == part]),
            selection=self._measure_selection(replicas, finalists),
            importances=examination.measure_importances(part),
            survival=examination.measure_survival(rival, part),
            nuisances=examination.measure_nuisances(part),
            sculpted=examination.find_sculpted_observers(
                replace(examination, candidate=rival) if rival else None, part
            ),
        )
        if open_test:
            table = tabulate_scores(field.candidates, examination.scores("test"), self.search.splits.test)
            write_table(self.search.folder.scores, add_observers(table, self.observers))
        else:
            self.search.folder.scores.unlink(missing_ok=True)  # of other rules: it would contradict this judgement
        hand_on(self.search, *evaluation.predictors)
        write_json(self.search.folder.evaluation, json.loads(evaluation.to_json()))
        return evaluation

    @property
    def observers(self) -> pd.DataFrame:
        """Observers of all events, in the order of the events as read; no columns where the problem has none."""
        return pd.DataFrame() if self.events is None else self.events.observers

    @property
    def _event_id(self) -> np.ndarray | None:
        """Ids of all events as read; None where the problem names none."""
        return None if self.events is None else self.events.event_id

    def _enter(self) -> Field:
        """Train the finalists anew, pick the ensemble, fit the baselines."""
        search, figure = self.search, self.search.study.problem.figure_of_merit
        chosen = choose_finalists(
            search, most=self.settings.finalists, n_replicas=self.settings.replicas, device=self.device
        )
        trials = [finalist.trial for finalist in chosen]
        retrainings = retrain_finalists(
            search, trials, seeds=self.settings.seeds, device=self.device, display=self.display
        )
        if not retrainings:
            raise SearchError(
                f"A finalist must be trainable anew, but all {len(trials)} failed; the reasons were logged. "
                "Has the network's code changed since the search?"
            )
        finalists = enter_finalists(search, retrainings, device=self.device)
        candidates = [*finalists, enter_ensemble(finalists, figure, search.splits.validation)]
        if self.settings.baseline_trials:
            from tuner.evaluation.baselines.fitting import fit_baselines

            baselines = fit_baselines(
                search.splits,
                figure,
                trials=self.settings.baseline_trials,
                seconds=60 * self.settings.baseline_minutes,
                seed=search.study.seed,
                on_trial=self._advance_baselines,
            )
            candidates += enter_baselines(baselines)
        return Field(tuple(candidates), figure, search.splits.validation, self.settings.replicas, search.study.seed)

    def _advance_baselines(self, done: int, total: int) -> None:
        self.display.advance(Stage(name="baselines", text="Fitting baselines", done=done, total=total, noun="setting"))

    def _compare(self, field: Field, replicas: PartReplicas, winner: Candidate) -> tuple[Standing, ...]:
        """Return all standings, part by part."""
        return tuple(
            standing
            for part, of_part in replicas.items()
            for standing in compare(
                of_part,
                winner.name,
                kinds={candidate.name: candidate.kind for candidate in field.candidates},
                part=part,
                n_parameters={c.name: c.n_parameters for c in field.candidates if c.n_parameters is not None},
                seed=field.seed,
            )
        )

    def _evaluate_parts(
        self, examination: Examination, candidates: list[Candidate], parts: list[str]
    ) -> Iterator[PartEvaluation]:
        """Yield all figures of each candidate, part by part."""
        text = "Measuring all figures, importances, what the gain is worth"
        self.display.advance(Stage(name="figures", text=text))
        for part in parts:
            for candidate in candidates:
                of_it = examination if candidate is examination.candidate else replace(examination, candidate=candidate)
                yield of_it.evaluate(part)

    def _evaluate_folds(self, examination: Examination, number: int) -> Iterator[PartEvaluation]:
        """Yield the figures of the winner's setting on all events, each scored out of fold; none unless asked for."""
        folds = self.settings.folds
        if folds is None:
            return
        trial = next(trial for trial in self.search.trials if trial.number == number)
        stage = Stage(name="folds", text=f"Training the winner's setting on {folds} folds", total=folds)
        self.display.advance(stage)
        done = itertools.count(1)
        found = train_folds(
            self.search,
            trial,
            folds=folds,
            event_id=self._event_id,
            device=self.device,
            on_fold=lambda: self.display.advance(replace(stage, done=next(done))),
        )
        if np.isnan(found.scores).all():
            logger.warning("The training of each of %d folds failed: no event is scored out of fold.", folds)
            return
        yield examination.evaluate_folds(found, name=f"trial {number}, {folds} folds")

    def _measure_selection(self, replicas: PartReplicas, finalists: list[Candidate]) -> SelectionBias:
        """Return the selection-bias meter of the search's best trial."""
        best = self.search.best_trial
        assert best is not None
        assert best.figure is not None
        complete = [trial for trial in self.search.trials if trial.state == "complete"]
        noise = estimate_noise([replicas["validation"][finalist.name] for finalist in finalists])
        name, seed = f"trial {best.number}", self.search.study.seed
        measured: Mapping[str, Replicas | None] = {part: of_part.get(name) for part, of_part in replicas.items()}
        retrained, test = measured["validation"], measured.get("test")
        return SelectionBias(
            n_trials=len(complete),
            best=best.figure,
            noise=noise,
            expected_excess=expect_excess(noise, len(complete)),
            retrained=None if retrained is None else measure_mean(retrained, seed),
            test=None if test is None else measure_mean(test, seed),
        )
