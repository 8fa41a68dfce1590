"""The judgement itself, in order: finalists, winner, ensemble, baselines on validation; then, once, the test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tuner.errors import EventsError, SearchError
from tuner.evaluate.comparing import Replicas, Standing, compare, find_baseline, find_cheapest, measure_mean
from tuner.evaluate.contenders import (
    Contender,
    Field,
    choose_winner,
    enter_baselines,
    enter_ensemble,
    enter_finalists,
)
from tuner.evaluate.evaluation import Evaluation, Importance, PartEvaluation
from tuner.evaluate.finalists import choose_finalists
from tuner.evaluate.importance import measure_importances
from tuner.evaluate.nuisances import NuisanceEffects, measure_nuisances
from tuner.evaluate.openings import count_openings, explain_opening, log_opening
from tuner.evaluate.part_evaluation import evaluate_scores
from tuner.evaluate.score_table import add_observers, tabulate_scores
from tuner.evaluate.selection import SelectionBias, estimate_noise, expect_excess
from tuner.evaluate.survival import Survival, measure_survival
from tuner.metrics.figures_of_merit import CutFigure, Significance
from tuner.predict.candidates import Candidate, hand_on
from tuner.prepare.splits import Part
from tuner.problem import Nuisance
from tuner.read.events import Events
from tuner.read.step import read_events
from tuner.read.variants import Direction, read_variant
from tuner.run_folder import write_atomically
from tuner.tune.judgement import Judgement
from tuner.tune.retraining import Tell
from tuner.tune.retraining_processes import retrain_finalists
from tuner.tune.search import Search

LEAST_BACKGROUND = 50
"""Background events without which no cut is tested: 25 in each half."""

PartReplicas = dict[str, dict[str, Replicas]]
"""Replicas by part, then by candidate."""


@dataclass
class Judge:
    """Judges one search."""

    search: Search
    judgement: Judgement
    rests_on: str
    stored: Evaluation | None
    device: str | None
    tell: Tell

    def judge(self, *, open_test: bool) -> Evaluation:
        """Return the judgement, and write it."""
        if self.events is not None:
            self._check_events(self.events)  # before anything is trained
        field = self._enter()
        replicas: PartReplicas = {"validation": field.replicate_all("validation", self.search.splits.validation)}
        finalists = [contender for contender in field.contenders if contender.kind == "finalist"]
        winner = choose_winner(finalists, replicas["validation"])
        place = int(replicas["validation"][winner.name].values.argmax())  # noqa: PD011 - no pandas object
        network = winner.networks[place]
        opening, known = None, 0 if self.stored is None else self.stored.openings
        if open_test:
            self.tell("Opening the test part")
            reason = explain_opening(self.search, self.judgement, self.stored, network.trial)
            opening = log_opening(self.search, network.trial, reason=reason, known=known).number
            replicas["test"] = field.replicate_all("test", self.search.splits.test)
        candidates = {"winner": (winner, place)} | {
            contender.name: (contender, 0) for contender in field.contenders if contender.kind != "finalist"
        }
        standings = self._compare(field, replicas, winner)
        evaluation = Evaluation(
            study=self.search.study.name,
            winner=network.trial,
            seed=network.seed or 0,
            figure_of_merit=field.figure.name,
            opening=opening,
            openings=count_openings(self.search, known=known),
            events_digest=self.search.splits.events_digest,
            judgement=self.judgement,
            rests_on=self.rests_on,
            parts=tuple(
                self._evaluate_part(field, name, part, contender, place)
                for part in replicas
                for name, (contender, place) in candidates.items()
            ),
            standings=standings,
            cheapest=find_cheapest([standing for standing in standings if standing.part == list(replicas)[-1]]),
            ensemble=field["ensemble"].networks,
            selection=self._measure_selection(replicas, finalists),
            importances=self._measure_importances(field, winner, place, list(replicas)[-1]),
            survival=self._measure_survival(field, standings, winner, place, list(replicas)[-1]),
            nuisances=self._measure_nuisances(field, winner, place, list(replicas)[-1]),
        )
        if open_test:
            table = tabulate_scores(
                field.contenders, winner.scores("test", self._part("test"))[place], self._part("test")
            )
            write_atomically(self.search.folder.scores, add_observers(table, self.observers).to_parquet(index=False))
        hand_on(self.search, Candidate("winner", (network,)), Candidate("ensemble", field["ensemble"].networks))
        write_atomically(self.search.folder.evaluation, evaluation.to_json())
        return evaluation

    @cached_property
    def events(self) -> Events | None:
        """The events as read, where observers or nuisances are needed of them; None where neither is."""
        problem = self.search.study.problem
        return read_events(problem) if problem.all_observers or problem.nuisances else None

    @property
    def observers(self) -> pd.DataFrame:
        """Observers of all events, in the order of the events as read; no columns where the problem has none."""
        return pd.DataFrame() if self.events is None else self.events.observers

    def _check_events(self, events: Events) -> None:
        """Raise `EventsError` where the events are others than those that were split."""
        digest = self.search.splits.events_digest
        if events.digest != digest:
            raise EventsError(
                f"The events must be those that were split for the search, but {events.source} has changed since: "
                f"its hash is {events.digest[:12]}, not {digest[:12]}. "
                "Bring the old events back, or start a study of another name."
            )

    def _enter(self) -> Field:
        """Train the finalists anew, pick the ensemble, fit the baselines."""
        search, figure = self.search, self.search.study.problem.figure_of_merit
        chosen = choose_finalists(
            search, most=self.judgement.finalists, n_replicas=self.judgement.replicas, device=self.device
        )
        trials = [finalist.trial for finalist in chosen]
        retrainings = retrain_finalists(search, trials, seeds=self.judgement.seeds, device=self.device, tell=self.tell)
        if not retrainings:
            raise SearchError(
                f"A finalist must be trainable anew, but all {len(trials)} failed; the reasons were logged. "
                "Has the network's code changed since the search?"
            )
        finalists = enter_finalists(search, retrainings, device=self.device)
        contenders = [*finalists, enter_ensemble(finalists, figure, search.splits.validation)]
        if self.judgement.baseline_trials:
            from tuner.evaluate.baselines import fit_baselines

            self.tell("Fitting baselines")
            baselines = fit_baselines(
                search.splits, figure, trials=self.judgement.baseline_trials, seed=search.study.seed
            )
            contenders += enter_baselines(baselines)
        return Field(tuple(contenders), figure, search.splits.validation, self.judgement.replicas, search.study.seed)

    def _compare(self, field: Field, replicas: PartReplicas, winner: Contender) -> tuple[Standing, ...]:
        """Return all standings, part by part."""
        return tuple(
            standing
            for part, of_part in replicas.items()
            for standing in compare(
                of_part,
                winner.name,
                kinds={contender.name: contender.kind for contender in field.contenders},
                part=part,
                n_parameters={c.name: c.n_parameters for c in field.contenders if c.n_parameters is not None},
                seed=field.seed,
            )
        )

    def _evaluate_part(self, field: Field, name: str, part: str, contender: Contender, place: int) -> PartEvaluation:
        """Return all figures of one training of a contender on a part."""
        problem, events = self.search.study.problem, self._part(part)
        validation = self.search.splits.validation
        on_validation = contender.scores("validation", validation)[place]
        cuts = field.cuts(contender)
        return evaluate_scores(
            events.labels,
            contender.scores(part, events)[place],
            events.weights,
            candidate=name,
            part=part,
            threshold=problem.working_point.choose(validation.labels, on_validation, validation.weights),
            threshold_rule=f"{problem.working_point.name}, chosen on validation",
            optimum=None if problem.optimum is None else self.observers[problem.optimum].to_numpy()[events.rows],
            figure_of_merit=problem.figure_of_merit,
            figure_cut=None if cuts is None or part == "validation" else cuts[place],
            n_bootstrap=self.judgement.replicas,
            seed=self.search.study.seed,
        )

    def _measure_selection(self, replicas: PartReplicas, finalists: list[Contender]) -> SelectionBias:
        """Return the selection-bias meter of the search's best trial."""
        best = self.search.winner
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

    def _measure_importances(self, field: Field, winner: Contender, place: int, part: str) -> tuple[Importance, ...]:
        cuts = field.cuts(winner)
        self.tell("Measuring what each feature is worth")
        return measure_importances(
            field.figure,
            self._part(part),
            part,
            self.search.splits.preprocessing,
            winner.scorers[place],
            cut=None if cuts is None else cuts[place],
            seed=self.search.study.seed,
        )

    def _measure_survival(
        self, field: Field, standings: tuple[Standing, ...], winner: Contender, place: int, part: str
    ) -> Survival | None:
        """Return what is left of the network's gain on the best baseline in significance; None without baselines.

        Expected are the problem's s and b where its figure declares them, else the event weights of the part.
        """
        baseline = find_baseline([standing for standing in standings if standing.part == part])
        events, figure = self._part(part), field.figure
        if baseline is None or (events.labels == 0).sum() < LEAST_BACKGROUND:
            return None
        self.tell("Looking whether the gain survives a cut")
        s, b = (float(events.weights[events.labels == label].sum()) for label in (1, 0))
        declared = None
        if isinstance(figure, CutFigure):
            s, b = figure.s, figure.b
            declared = figure.relative_systematic if isinstance(figure, Significance) else None
        return measure_survival(
            events.labels,
            winner.scores(part, events)[place],
            field[baseline.candidate].scores(part, events)[0],
            events.weights,
            s=s,
            b=b,
            declared=declared,
            n_replicas=self.judgement.replicas,
            seed=field.seed,
        )

    def _measure_nuisances(self, field: Field, winner: Contender, place: int, part: str) -> NuisanceEffects | None:
        """Return what the problem's nuisances do to the network at its frozen cut; None where it names none."""
        problem, rows, nominal = self.search.study.problem, self._part(part), self.events
        if nominal is None or not problem.nuisances:
            return None
        self.tell("Scoring nuisance variants")
        score, transform = winner.scorers[place], self.search.splits.preprocessing.transform

        def score_variant(nuisance: Nuisance, direction: Direction) -> np.ndarray:
            table = read_variant(problem, nuisance, direction, nominal)
            return score(transform(table.iloc[rows.rows]))

        variants = {
            nuisance.name: (
                score_variant(nuisance, "up"),
                None if nuisance.down is None else score_variant(nuisance, "down"),
            )
            for nuisance in problem.nuisances
        }
        validation, cuts = self.search.splits.validation, field.cuts(winner)
        on_validation = winner.scores("validation", validation)[place]
        return measure_nuisances(
            rows.labels,
            winner.scores(part, rows)[place],
            rows.weights,
            variants=variants,
            threshold=problem.working_point.choose(validation.labels, on_validation, validation.weights),
            figure=field.figure,
            figure_cut=None if cuts is None else cuts[place],
        )

    def _part(self, name: str) -> Part:
        part: Part = getattr(self.search.splits, name)
        return part
