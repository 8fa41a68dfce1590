"""The step on a real, small search: the cut is frozen, the test part is opened once, the log says so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from samples import make_study

import tuner
from search_spaces import mlp
from tuner.errors import EventsError, SearchError
from tuner.evaluation.results import Evaluation
from tuner.evaluation.test_set_log import read_openings
from tuner.events.resonance import Resonance
from tuner.metrics import FixedSignalEfficiency, Significance, auc, choose_cut, count_confusion
from tuner.metrics.sculpting import measure_sculpting
from tuner.prediction.frozen_cut import find_cut
from tuner.prediction.network import load_network, score_events
from tuner.prediction.predict import score_part
from tuner.problem import Nuisance
from tuner.trackers.memory import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuner.Search:
    from studies.resonance import study

    small = dataclasses.replace(
        study,
        problem=dataclasses.replace(study.problem, events=Resonance(3_000, seed=1), nuisances=()),
        search_space=mlp.suggest,
        budget=tuner.Budget(trials=2, epochs=2),
        evaluation=EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20),
    )
    return tuner.sweep(small, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())


@pytest.fixture
def search(swept) -> tuner.Search:
    """The search with its test part closed."""
    for path in (swept.folder.evaluation, swept.folder.openings, swept.folder.scores):
        path.unlink(missing_ok=True)
    return swept


def test_the_cut_is_chosen_on_validation_and_frozen_for_test(search):
    found = tuner.evaluate(search)
    validation = search.splits.validation
    scores = score_part(search, "validation")
    rule = search.study.problem.working_point
    threshold = choose_cut(rule, validation.labels, scores, validation.weights)
    own = {part.part: part.threshold for part in found.own_parts}
    assert own == {"validation": threshold, "test": threshold}
    assert found.part("test").threshold_rule == f"{rule.name}, chosen on validation"
    assert found.winner == search.best_trial.number


def test_anyone_can_compute_the_figures_again_from_the_scores_that_were_written(search):
    found = tuner.evaluate(search).part("test")
    table = pd.read_parquet(search.folder.scores)
    assert auc(table["label"], table["score"], table["weight"]) == pytest.approx(found["AUC"].value)
    assert len(table) == found.n_signal + found.n_background
    assert table["row"].is_unique
    optimum = table[search.study.problem.optimum]
    assert auc(table["label"], optimum, table["weight"]) == pytest.approx(found["optimum AUC"].value)
    assert found["share of the optimum"].value < 1
    assert found["optimum AUC"].value == pytest.approx(0.961, abs=0.02)


def test_the_test_part_is_opened_once_for_a_winner(search):
    first = tuner.evaluate(search)
    again = tuner.evaluate(search)
    assert again == first == Evaluation.from_json(search.folder.evaluation.read_text())
    (opening,) = read_openings(search)
    assert (opening.number, opening.trial, opening.reason) == (1, search.best_trial.number, "first evaluation")
    assert opening.events_digest == search.splits.events_digest
    assert json.loads(search.folder.openings.read_text())["study"] == search.study.name


def test_the_opening_is_logged_before_anything_of_the_test_part_is_scored(search, monkeypatch):
    """All scores of the judgement come through here; the events tell which part they are of."""
    test, scored = search.splits.test.x, []

    def fail(network, x, *more):
        scored.append(len(x))
        if len(x) == len(test) and np.array_equal(x, test):
            raise RuntimeError(f"{len(read_openings(search))} opening logged")
        return score_events(network, x, *more)

    monkeypatch.setattr("tuner.evaluation.candidates.score_events", fail)
    with pytest.raises(RuntimeError, match="1 opening logged"):
        tuner.evaluate(search)
    assert len(search.splits.validation.x) in scored
    assert not search.folder.evaluation.exists()


def test_a_closed_test_part_stays_closed_and_is_not_mistaken_for_an_opened_one(search):
    closed = tuner.evaluate(search, open_test=False)
    assert closed.opening is None
    assert {part.part for part in closed.parts} == {standing.part for standing in closed.standings} == {"validation"}
    assert {importance.part for importance in closed.importances} == {"validation"}
    assert closed.selection.test is None
    assert read_openings(search) == ()
    assert not search.folder.scores.exists()
    assert tuner.evaluate(search).opening == 1
    assert tuner.evaluate(search, open_test=False).opening == 1


def test_another_rule_for_the_cut_opens_the_test_part_again_and_says_so(search):
    first = tuner.evaluate(search)
    problem = dataclasses.replace(search.study.problem, working_point=FixedSignalEfficiency(eps_s=0.5))
    other = tuner.Search(dataclasses.replace(search.study, problem=problem), search.folder)
    found = tuner.evaluate(other)
    assert found.part("validation")["sensitivity"].value == pytest.approx(0.5, abs=0.01)
    assert (found.opening, found.openings) == (2, 2)
    assert read_openings(search)[1].reason == "other working point"
    assert found.part("test")["AUC"] == first.part("test")["AUC"]


def test_a_significance_is_judged_on_test_at_the_cut_that_validation_chose(search):
    figure = Significance(s=300.0, b=3_000.0)
    problem = dataclasses.replace(search.study.problem, figure_of_merit=figure)
    other = tuner.Search(dataclasses.replace(search.study, problem=problem), search.folder)
    found = tuner.evaluate(other)
    validation, test = search.splits.validation, search.splits.test
    scores = score_part(search, "validation")
    assert found.part("validation")[figure.name].value == figure(validation.labels, scores, validation.weights)
    cut = choose_cut(figure, validation.labels, scores, validation.weights)
    test_scores = score_part(search, "test")
    expected = figure.at(cut, test.labels, test_scores, test.weights)
    assert found.part("test")[figure.name].value == pytest.approx(expected)
    kept = found.part("test").figure_cut
    assert kept.threshold == found.part("validation").figure_cut.threshold == cut
    above = (test_scores >= cut) & (np.asarray(test.labels) == 0)
    assert kept.n_background == above.sum()
    of_background = test.weights[above].sum() / test.weights[np.asarray(test.labels) == 0].sum()
    assert kept.b == pytest.approx(3_000 * of_background)
    assert figure.expect(np.array([kept.s]), np.array([kept.b]))[0] == pytest.approx(expected)
    assert (kept.estimator, kept.chosen_on) == ("at the frozen cut", "validation")
    handed_on = found.handed_on_cut
    assert (handed_on.name, handed_on.threshold, handed_on.chosen_on) == ("significance cut", cut, "validation")
    assert found.part("test").threshold != cut
    network = load_network(other, found.handed_on)
    for predictor in (found.handed_on, dataclasses.replace(found.handed_on, name="not judged")):
        frozen = find_cut(other, predictor, network)
        assert frozen.threshold == pytest.approx(cut, abs=1e-6)
        assert frozen.rule == f"{handed_on.name}: {handed_on.rule}, chosen on {handed_on.chosen_on}"
    observers = pd.read_parquet(search.folder.scores)
    background = observers[(observers["label"] == 0) & (observers["score"] >= cut)]
    assert len(background) == kept.n_background
    (mass,) = found.sculpting  # at the cut that is handed on
    assert mass.divergence.value == pytest.approx(measure_divergence(observers, cut))
    assert Evaluation.from_json(found.to_json()) == found


def measure_divergence(table, cut):
    return measure_sculpting(
        table["mass"], table["label"], table["score"], table["weight"], threshold=cut
    ).divergence.value


def test_figures_at_the_working_point_are_the_same_where_events_are_scored_again_with_other_rounding(search):
    """An event whose score is the cut itself would be lost by half of all roundings."""
    found = tuner.evaluate(search)
    kept = pd.read_parquet(search.folder.cut_scores)
    cut, on_validation = found.handed_on_cut.threshold, found.part("validation")
    assert np.abs(kept["score"] - cut).min() > 1e-6
    for seed in range(20):
        rescored = kept["score"] + np.random.default_rng(seed).uniform(-1e-6, 1e-6, len(kept))
        again = count_confusion(kept["label"], rescored, cut, kept["weight"])
        assert again.sensitivity == pytest.approx(on_validation["sensitivity"].value, rel=1e-12)
        assert again.specificity == pytest.approx(on_validation["specificity"].value, rel=1e-12)


def test_lost_results_are_measured_again_and_the_second_opening_is_told(search):
    first = tuner.evaluate(search)
    search.folder.evaluation.unlink()
    again = tuner.evaluate(search)
    assert again.parts == first.parts
    assert [opening.reason for opening in read_openings(search)][
        1
    ] == "evaluation.json is not there: deleted, or never finished"


def test_a_log_of_openings_that_was_lost_does_not_begin_at_one_again(search):
    tuner.evaluate(search)
    search.folder.openings.unlink()
    problem = dataclasses.replace(search.study.problem, working_point=FixedSignalEfficiency(eps_s=0.5))
    found = tuner.evaluate(tuner.Search(dataclasses.replace(search.study, problem=problem), search.folder))
    assert (found.opening, found.openings) == (2, 2)
    assert read_openings(search)[0].reason == "other working point"


@dataclasses.dataclass(frozen=True)
class CountedEvents:
    """Simulated events, with a shifted column and an id; each reading leaves a line in a file."""

    tally: Path

    def read(self):
        with self.tally.open("a") as file:
            file.write("read\n")
        table = Resonance(800, seed=1).read()
        return table.assign(up=table["lepton1_pt"] * 1.1, down=table["lepton1_pt"] * 0.9, number=np.arange(800) // 2)

    def describe(self):
        return "counted"

    def at(self, path):
        return self


def test_a_source_is_read_once_for_sweep_evaluation_and_report(tmp_path, monkeypatch):
    nuisance = Nuisance(name="scale", up={"lepton1_pt": "up"}, down={"lepton1_pt": "down"})
    study = make_study(
        trials=1, epochs=1, evaluation=EvaluationSettings(finalists=1, seeds=1, folds=3, baseline_trials=0, replicas=20)
    )
    problem = dataclasses.replace(
        study.problem, events=CountedEvents(tmp_path / "tally"), event_id="number", nuisances=(nuisance,)
    )
    search = tuner.sweep(dataclasses.replace(study, problem=problem), folder=tmp_path, tracker=NoTracker())
    evaluation = tuner.evaluate(search)
    read_trials, n_times = optuna.Study.get_trials, []
    monkeypatch.setattr(optuna.Study, "get_trials", lambda *a, **b: n_times.append(1) or read_trials(*a, **b))
    tuner.report(search)
    assert len(n_times) == 2, "one for the page, one for how the search went"
    assert (tmp_path / "tally").read_text() == "read\n"
    assert [effect.name for effect in evaluation.nuisances.effects] == ["scale"]
    assert evaluation.part("test")["share of the optimum"].value < 1
    again = tuner.open_search(search.study, tmp_path)
    assert tuner.evaluate(again) == evaluation
    assert (tmp_path / "tally").read_text() == "read\n"


def test_events_that_have_changed_are_not_judged(search):
    problem = dataclasses.replace(search.study.problem, events=Resonance(3_000, seed=2))
    other = tuner.Search(dataclasses.replace(search.study, problem=problem), search.folder)
    with pytest.raises(EventsError, match="has changed since"):
        tuner.evaluate(other)
    assert read_openings(search) == ()


def test_a_variant_that_does_not_fit_is_told_before_the_test_part_is_opened(search):
    nuisance = Nuisance(name="momentum scale", up=Resonance(2_000, seed=1, variant="scale_up"))
    problem = dataclasses.replace(search.study.problem, nuisances=(nuisance,))
    with pytest.raises(EventsError, match="2,000 events instead of 3,000"):
        tuner.evaluate(tuner.Search(dataclasses.replace(search.study, problem=problem), search.folder))
    assert read_openings(search) == ()


def test_a_search_without_a_complete_trial_says_so(search, tmp_path):
    empty = tuner.Search(search.study, tuner.run_folder.RunFolder(tmp_path))
    with pytest.raises(SearchError, match="tuner sweep"):
        tuner.evaluate(empty)


def test_test_figures_are_those_of_the_test_events_only(search):
    evaluation = tuner.evaluate(search)
    assert evaluation.part_fingerprints == search.splits.fingerprints
    rows = pd.read_parquet(search.folder.scores)["row"].to_numpy()
    np.testing.assert_array_equal(rows, search.splits.test.rows)
    assert not set(rows) & (set(search.splits.train.rows) | set(search.splits.validation.rows))
