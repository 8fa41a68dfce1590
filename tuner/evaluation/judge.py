"""The judgement in order: finalists, winner, bag and refit, ensemble, baselines, blend; then, once, the test part."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tuner.checked_files import write_json, write_table
from tuner.errors import SearchError
from tuner.evaluation.bagging import BAG_PARTS, Bag
from tuner.evaluation.baselines.fitting_events import check_fitting_events
from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.baselines.search_baselines import SearchBaselines, fit_search_baselines
from tuner.evaluation.candidates import (
    Candidate,
    Field,
    NetworkScore,
    choose_baseline,
    choose_winner,
    enter_baselines,
    enter_blend,
    enter_ensemble,
    enter_finalists,
    enter_tree_bag,
)
from tuner.evaluation.cross_validation import train_folds
from tuner.evaluation.examination import Examination
from tuner.evaluation.field_comparison import FieldComparison, PartReplicas
from tuner.evaluation.finalists import choose_finalists
from tuner.evaluation.folds import OUT_OF_FOLD, assign_search_folds, fold_events
from tuner.evaluation.hand_on_choice import HandOnChoice, choose_handed_on, tell_choice_on_test
from tuner.evaluation.joined_training import JoinedCandidates, JoinedTraining
from tuner.evaluation.results import Evaluation
from tuner.evaluation.retraining_processes import retrain_finalists
from tuner.evaluation.score_table import add_observers, tabulate_cut_events, tabulate_scores
from tuner.evaluation.statistics.importance import Importance, measure_importances
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.template_comparison import CHOOSING_PART, TemplateComparison
from tuner.evaluation.template_rules import find_rules, try_fits
from tuner.evaluation.template_scores import keep_scores, take_scores
from tuner.evaluation.test_set_log import count_openings, explain_opening, log_opening
from tuner.evaluation.time_table import TimeTable
from tuner.evaluation.validity import find_grounds, find_grounds_in_events
from tuner.evaluation.waiting import wait_for_workers
from tuner.launchers.process_pool import Job, ProcessPool
from tuner.metrics.measurement import rank_value
from tuner.prediction.cost import PredictorCost, measure_cost
from tuner.prediction.networks import SINGLE_NETWORK, Predictor, TrainedNetwork, are_kept, hand_on
from tuner.preparation.kept_events import KeptEvents
from tuner.progress.display import Display
from tuner.progress.stages import Stage
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search

logger = logging.getLogger("tuner")


@dataclass(frozen=True, eq=False)
class _Judged:
    """Who is judged, and what is handed on: all that is decided before the test part is opened."""

    field: Field
    """Finalists, then their rivals."""
    finalists: tuple[Candidate, ...]
    winner: Candidate
    single: Candidate
    """The winner's best training on validation."""
    others: tuple[Candidate, ...]
    """What is made of networks and baselines; those that are the same as another among them."""
    replicas: PartReplicas
    """Of validation, until the test part is opened."""
    choice: HandOnChoice
    baselines: tuple[BaselineRecord, ...]

    @property
    def network(self) -> TrainedNetwork:
        """The single network."""
        (network,) = self.single.networks
        return network

    @property
    def handed_on(self) -> Candidate:
        """What is handed on."""
        return next(each for each in (self.single, *self.others) if each.name == self.choice.candidate)

    @property
    def told(self) -> list[Candidate]:
        """The candidates of one scorer of which all figures are told."""
        rivals = [each for each in self.others if not each.same_as or each is self.handed_on]
        return [self.single, *rivals]

    @property
    def predictors(self) -> list[Predictor]:
        """What may be handed on; first what is."""
        found = [each.predictor for each in self.told if each.predictor is not None]
        return sorted(found, key=lambda predictor: predictor.name != self.choice.candidate)


@dataclass
class Judge:
    """Judges one search."""

    search: Search
    """With its trials as they were when the judgement began."""
    settings: EvaluationSettings
    """What there is time for."""
    time_table: TimeTable
    """What was wanted, and when trainings are to end."""
    rests_on: Mapping[str, str]
    """Contents of all that the judgement rests on, by name."""
    stored: Evaluation | None
    """What was found the last time."""
    kept: KeptEvents
    """The events as they were read: observers, ids, variants."""
    pool: ProcessPool
    """Processes for what can be done side by side."""
    device: str | None
    display: Display
    is_current: Callable[[], bool]
    """Whether no more trials have ended since."""

    def judge(self, *, open_test: bool) -> Evaluation | None:
        """Return the judgement, and write it; None where more trials ended before the test part was to be opened."""
        self._check_events(open_test=open_test)
        is_kept = self.stored is None or are_kept(self.search, self.stored.handed_on)
        judged = self._enter()
        opening = None
        if open_test:
            wait_for_workers(self.search, self.display.tell)  # again, as finalists take their time
            if not self.is_current():
                return None
            opening = self._open_test(judged, is_kept=is_kept)
            judged.replicas["test"] = judged.field.replicate_all("test", self.search.splits.test)
        evaluation = self._measure(judged, opening)
        self._write(evaluation, judged.field, judged.handed_on)
        return evaluation

    def _enter(self) -> _Judged:
        """Train and fit all that is to be judged, and choose on validation what is handed on."""
        job = self._begin_baselines()
        field, best_epochs = self._enter_finalists()
        finalists, validation = field.candidates, self.search.splits.validation
        replicas = field.replicate_all("validation", validation)
        winner = choose_winner(field, replicas)
        single = winner.take(replicas[winner.name].find_best())
        ranked = sorted(finalists, key=lambda each: (each is not winner, -rank_value(replicas[each.name].mean)))
        stretch = 1.0 if job is None else self.pool.stretch
        is_held = job is not None and job.is_running
        held, holds = (stretch, stretch) if is_held else ((1 + stretch) / 2, 1.0)  # baselines ended at some time
        self._take(self.time_table.shorten_rest(self.settings, held=held, holds=holds))
        joined, others, baselines = self._enter_others(
            replace(field, candidates=tuple(ranked)), single, best_epochs, job
        )
        rivals = tuple(candidate for candidate in others if not candidate.same_as)
        replicas |= replace(field, candidates=rivals).replicate_all("validation", validation)
        field = replace(field, candidates=(*finalists, *rivals))
        own_names = {SINGLE_NETWORK, *(candidate.name for candidate in others if candidate.kind != "baseline")}
        twins = {candidate.name: candidate.same_as for candidate in others if candidate.same_as in own_names}
        choice = choose_handed_on(field, winner, wanted=self.settings.hand_on, bags=joined.bags, same_as=twins)
        return _Judged(field, finalists, winner, single, tuple(others), {"validation": replicas}, choice, baselines)

    def _open_test(self, judged: _Judged, *, is_kept: bool) -> int:
        """Log that the test part is opened, before anything of it is scored; return the opening's number."""
        self.display.advance(Stage(name="test", text="Opening the test part"))
        trial = judged.network.trial
        reason = explain_opening(self.search, self.rests_on, self.stored, trial, is_kept=is_kept)
        return log_opening(self.search, trial, reason=reason, known=self._known_openings).number

    @property
    def _known_openings(self) -> int:
        """How often the test part was opened by what was found the last time."""
        return 0 if self.stored is None else self.stored.openings

    def _measure(self, judged: _Judged, opening: int | None) -> Evaluation:
        """Return all that is told of the candidates on the parts that are open."""
        search, field, part = self.search, judged.field, list(judged.replicas)[-1]
        examined = judged.single if part in judged.handed_on.trained_on else judged.handed_on
        examination = Examination(search, field, examined, self.kept)
        importances, costs = self._begin_beside(examination, judged.predictors, part)
        parts = tuple(self._evaluate_parts(examination, judged.told, list(judged.replicas)))
        fitted = [baseline for baseline in field.of_kind("baseline") if part not in baseline.trained_on]
        rival = choose_baseline(fitted, field.figure, search.splits.validation)
        comparison = FieldComparison(search, field, judged.replicas, judged.winner, parts, rival)
        standings = comparison.compare()
        on_test = [standing for standing in standings if standing.part == "test"]
        of_rival = replace(examination, candidate=rival) if rival else None
        fits = self._begin_fits(examination, of_rival, part)
        return Evaluation(
            study=search.study.name,
            winner=judged.network.trial,
            seed=judged.network.number,
            figure_of_merit=field.figure.name,
            opening=opening,
            openings=count_openings(search, known=self._known_openings),
            events_digest=search.splits.events_digest,
            part_fingerprints=dict(search.splits.fingerprints),
            settings=self.settings,
            shortening=self.time_table.tell(self.settings),
            rests_on=self.rests_on,
            predictors=tuple(judged.predictors),
            choice=judged.choice,
            choice_on_test=tell_choice_on_test(judged.choice, on_test, field.figure.name),
            handed_on_cut=replace(examination, candidate=judged.handed_on).handed_on_cut,
            cuts={
                each.name: replace(examination, candidate=each).handed_on_cut
                for each in judged.told
                if each.predictor is not None
            },
            costs=tuple(job.result() for job in costs),
            parts=(*parts, *(self._evaluate_folds(examination, judged.network.trial) if opening is not None else ())),
            standings=standings,
            by_auc=comparison.compare_by_auc(),
            cheapest=comparison.find_cheapest(standings),
            over_baseline=comparison.compare_with_baseline(judged.handed_on),
            baselines=judged.baselines,
            blend=comparison.measure_blend(judged.others),
            selection=comparison.measure_selection(judged.finalists),
            examined=examined.name,
            train_gap=examination.measure_train_gap(part),
            importances=importances.result(),
            survival=examination.measure_survival(rival, part),
            nuisances=examination.measure_nuisances(part),
            sculpting=examination.measure_observers(of_rival, part),
            templates=None if fits is None else fits.result(),
        )

    def _begin_beside(
        self, examination: Examination, predictors: Sequence[Predictor], part: str
    ) -> tuple[Job[tuple[Importance, ...]], list[Job[PredictorCost]]]:
        """Let processes measure the importances on a part, and what each predictor costs, beside all other figures."""
        predictor = examination.candidate.predictor
        assert predictor is not None, "what is examined is a network"
        cut = examination.figure_cut
        importances = self.pool.submit(_measure_importances, self.search, predictor, part, cut, self.device)
        return importances, [self.pool.submit(measure_cost, self.search, each, needs_gpu=False) for each in predictors]

    def _begin_fits(
        self, examination: Examination, of_rival: Examination | None, part: str
    ) -> Job[TemplateComparison | None] | None:
        """Keep the scores that templates are made of, and let a process fit them.

        None without declared yields, and for validation, which chose the bins, the network and the baseline.
        """
        scores = [take_scores(each, part) for each in (examination, of_rival) if each is not None]
        keep_scores(self.search, scores)
        rules = find_rules(self.search, self.settings.replicas)
        if rules is None or part == CHOOSING_PART:
            return None
        return self.pool.submit(try_fits, part, scores, rules, needs_gpu=False)

    def _write(self, evaluation: Evaluation, field: Field, handed_on: Candidate) -> None:
        """Write the judgement, the scores behind it, and what is handed on, into the run folder."""
        folder = self.search.folder
        if evaluation.opening is not None:
            (scores,) = handed_on.scores("test", self.search.splits.test)
            table = tabulate_scores(field.candidates, scores, self.search.splits.test)
            write_table(folder.scores, add_observers(table, self.kept.events.observers))
        else:
            folder.scores.unlink(missing_ok=True)  # of other rules: it would contradict this judgement
        write_table(folder.cut_scores, tabulate_cut_events(handed_on.choose_on(self.search.splits.validation)))
        hand_on(self.search, *evaluation.predictors)
        write_json(folder.evaluation, json.loads(evaluation.to_json()))

    def _check_events(self, *, open_test: bool) -> None:
        """Raise `SplitsError` where folds or baselines that must be there cannot be, before anything is trained."""
        assign = partial(assign_search_folds, self.search)
        if open_test and self.settings.folds is not None:
            assign(folds=self.settings.folds)
        if self.settings.hand_on in ("bag", "blend") and self.settings.bag is not None:
            assign(folds=self.settings.bag, parts=BAG_PARTS)
        if self.settings.baseline_trials:
            check_fitting_events(self.search.splits)

    def _take(self, settings: EvaluationSettings) -> None:
        """Go on with other settings, and rest on these."""
        self.settings = settings
        self.rests_on = find_grounds(self.search, settings) | find_grounds_in_events(self.search, settings, self.kept)

    def _begin_baselines(self) -> Job[SearchBaselines] | None:
        """Let a process fit the baselines while others train networks; None without baselines."""
        if not self.settings.baseline_trials:
            return None
        settings = replace(self.settings, baseline_minutes=self.time_table.baseline_minutes)
        return self.pool.submit(fit_search_baselines, self.search, settings, needs_gpu=False)

    def _enter_finalists(self) -> tuple[Field, dict[str, list[int]]]:
        """Train the finalists anew; return them, and the best epochs of each one's trainings by its name."""
        search = self.search
        chosen = choose_finalists(
            search, most=self.settings.finalists, n_replicas=self.settings.replicas, device=self.device
        )
        trials = [finalist.trial for finalist in chosen]
        retrainings = retrain_finalists(
            search, trials, seeds=self.settings.seeds, pool=self.pool, device=self.device, display=self.display
        )
        if not retrainings:
            raise SearchError(
                f"A finalist must be trainable anew, but all {len(trials)} failed; the reasons were logged. "
                "Has the network's code changed since the search?"
            )
        finalists = enter_finalists(search, retrainings, device=self.device)
        best_epochs = {
            finalist.name: [each.best_epoch for each in retrainings if each.network in finalist.networks]
            for finalist in finalists
        }
        figure, replicas = search.study.problem.figure_of_merit, self.settings.replicas
        return Field(finalists, figure, search.splits.validation, replicas, search.study.seed), best_epochs

    def _enter_others(
        self,
        field: Field,
        single: Candidate,
        best_epochs: Mapping[str, list[int]],
        job: Job[SearchBaselines] | None,
    ) -> tuple[JoinedCandidates, list[Candidate], tuple[BaselineRecord, ...]]:
        """Train bags and refit, pick the ensemble of the finalists, await the baselines, blend networks and trees.

        field: the finalists, the winner first, then from the best to the worst. best_epochs: of their trainings. job:
        fits the baselines.
        """
        ranked = field.candidates
        training = JoinedTraining(self.search, self.settings, self.pool, self.device, self.display)
        joined = training.train(single, ranked, best_epochs[ranked[0].name], field.figure)
        candidates = [*joined.candidates]
        candidates.append(enter_ensemble(field.candidates, single, field.figure, field.validation))
        baselines = self._await_baselines(job)
        return joined, [*candidates, *self._enter_baselines(baselines, joined.bag)], baselines.records

    def _await_baselines(self, job: Job[SearchBaselines] | None) -> SearchBaselines:
        """Return the baselines, which another process has fitted while networks trained; without one, fit them."""
        if job is None:
            return SearchBaselines()
        self._advance_baselines()
        if job.future is None:
            settings = replace(self.settings, baseline_minutes=self.time_table.baseline_minutes)
            found = fit_search_baselines(self.search, settings, self._advance_baselines)
        else:
            self.pool.watch([job], lambda: None)
            found = job.result()
        if any(record.n_trials < record.n_planned for record in found.records):
            self._take(replace(self.settings, baseline_minutes=self.time_table.baseline_minutes))
        return found

    def _enter_baselines(self, found: SearchBaselines, bag: Bag | None) -> Iterator[Candidate]:
        """Yield the baselines, the bag of the best trees, and the blend of that with the networks' bag."""
        yield from enter_baselines(found, self.search.splits.validation)
        if found.problem:
            logger.warning("There is no bag of boosted trees: %s", found.problem)
        if found.tree_bag is not None and self.settings.bag is not None:
            if bag is not None:
                yield enter_tree_bag(found.tree_bag, bag.events)
                yield enter_blend(bag, found.tree_bag)
                return
            events = fold_events(self.search, folds=self.settings.bag, parts=BAG_PARTS)
            yield enter_tree_bag(found.tree_bag, events)
        if self.settings.hand_on == "blend":
            raise SearchError(
                '`hand_on="blend"` needs a bag of networks and one of boosted trees, but there are not both; the '
                'reasons were logged. Set `hand_on` to "auto" or "bag".'
            )

    def _advance_baselines(self, done: int = 0, total: int = 0) -> None:
        self.display.advance(Stage(name="baselines", text="Fitting baselines", done=done, total=total, noun="setting"))

    def _evaluate_parts(
        self, examination: Examination, candidates: list[Candidate], parts: list[str]
    ) -> Iterator[PartEvaluation]:
        """Yield all figures of each candidate, part by part."""
        text = "Measuring all figures, importances, what the gain is worth"
        self.display.advance(Stage(name="figures", text=text))
        for part in [OUT_OF_FOLD, *parts]:
            for candidate in candidates:
                is_new = part != OUT_OF_FOLD and part not in candidate.trained_on
                # Other networks give a refit's scores there: told only where nothing else is known of it.
                is_told = candidate.kind != "refit" or self.settings.hand_on == "refit"
                if is_new or (is_told and part == candidate.choose_on(self.search.splits.validation).part):
                    of_it = replace(examination, candidate=candidate)
                    yield (examination if candidate is examination.candidate else of_it).evaluate(part)

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
            device=self.device,
            on_fold=lambda: self.display.advance(replace(stage, done=next(done))),
        )
        if np.isnan(found.scores).all():
            logger.warning("The training of each of %d folds failed: no event is scored out of fold.", folds)
            return
        yield examination.evaluate_folds(found, name=f"trial {number}, {folds} folds")


def _measure_importances(
    search: Search, predictor: Predictor, part: str, cut: float | None, device: str | None
) -> tuple[Importance, ...]:
    """Return what each feature is worth to networks on a part, largest first, in a process of a pool."""
    return measure_importances(
        search.study.problem.figure_of_merit,
        getattr(search.splits, part),
        part,
        search.splits.preprocessing,
        NetworkScore(search, predictor, device=device),
        cut=cut,
        seed=search.study.seed,
    )
