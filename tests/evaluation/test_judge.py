"""The judgement of a real, small search: what is told, what is written and what is handed on are the same networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
from samples import Shown, make_study
from sklearn.metrics import recall_score, roc_auc_score

import tuner
from tuner.errors import SearchError
from tuner.evaluation.statistics.comparison import correct_by_holm, find_baseline
from tuner.evaluation.statistics.metrics_table import evaluate_scores
from tuner.evaluation.statistics.selection_bias import expect_maximum
from tuner.evaluation.test_set_log import read_openings
from tuner.events.reading import read_events
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics.sculpting import measure_sculpting
from tuner.prediction.networks import Predictor, TrainedNetwork, choose_predictor
from tuner.prediction.predict import score_part
from tuner.preparation import save_splits
from tuner.trackers import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search

JUDGEMENT = EvaluationSettings(bag=None, refit=False, finalists=3, seeds=2, baseline_trials=1, replicas=20)


def sweep(folder, trials=4):
    study = make_study(
        trials=trials, n_events=1200, evaluation=JUDGEMENT, pruner=lambda n_epochs: optuna.pruners.NopPruner()
    )
    return tuner.sweep(study, folder=folder, tracker=NoTracker())


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return sweep(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def evaluation(search):
    return tuner.evaluate(search)


@pytest.fixture(scope="module")
def table(search, evaluation):
    return pd.read_parquet(search.folder.scores)


def columns_of(table, candidate):
    """Return the names of the columns that hold a candidate's scores, one for each training."""
    return [c for c in table if c == f"score: {candidate}" or c.startswith(f"score: {candidate}, seed")]


def area(table, column):
    return roc_auc_score(table["label"], table[column], sample_weight=table["weight"])


def test_all_candidates_stand_side_by_side_on_both_parts(evaluation, table):
    assert [standing.kind for standing in evaluation.standings].count("finalist") == 2 * JUDGEMENT.finalists
    on_test = {standing.candidate for standing in evaluation.standings_on("test")}
    refitted = {record.name for record in evaluation.baselines if record.fitted_on == "train and validation"}
    assert on_test - refitted == {standing.candidate for standing in evaluation.standings_on("validation")}
    assert {"ensemble", "boosted trees", "logistic regression"} < on_test
    assert (
        {"boosted trees (defaults)", "boosted trees (refitted)", "logistic regression (refitted)"} <= refitted < on_test
    )
    named = {column.removeprefix("score: ").partition(", seed")[0] for column in table if column.startswith("score: ")}
    assert named == on_test


def test_the_winner_is_the_best_mean_on_validation(search, evaluation):
    part = search.splits.validation
    means = {}
    for standing in evaluation.standings_on("validation"):
        if standing.kind == "finalist":
            number = int(standing.candidate.removeprefix("trial "))
            scores = [
                score_part(search, "validation", predictor=Predictor("", (TrainedNetwork(number, "seed", seed),)))
                for seed in range(JUDGEMENT.seeds)
            ]
            areas = [roc_auc_score(part.labels, one, sample_weight=part.weights) for one in scores]
            assert standing.singles == pytest.approx(areas)
            means[number] = np.mean(areas), int(np.argmax(areas))
    assert len(means) == JUDGEMENT.finalists
    assert evaluation.winner == max(means, key=lambda number: means[number][0])
    assert evaluation.seed == means[evaluation.winner][1]
    assert [s.candidate for s in evaluation.standings if s.verdict == "winner"] == [f"trial {evaluation.winner}"] * 2


def test_nothing_of_the_test_part_chooses(search, evaluation, tmp_path):
    """With the labels of test turned round, all that is chosen stays what it was."""
    for path in search.folder.path.iterdir():
        if path.name not in {"evaluation.json", "test_openings.jsonl", "scores.parquet", ".evaluation.lock", "splits"}:
            (tmp_path / search.study.name).mkdir(exist_ok=True)
            (tmp_path / search.study.name / path.name).symlink_to(path)
    turned = Search(search.study, tuner.run_folder.RunFolder(tmp_path / search.study.name))
    test = replace(search.splits.test, labels=1 - np.asarray(search.splits.test.labels))
    save_splits(replace(search.splits, test=test), turned.folder.splits)
    found = tuner.evaluate(turned)
    for of_turned, plain in zip(found.standings_on("test"), reversed(evaluation.standings_on("test")), strict=True):
        assert of_turned.figure.value == pytest.approx(1 - plain.figure.value)
    chosen = ("winner", "seed", "ensemble")
    assert [getattr(found, name) for name in chosen] == [getattr(evaluation, name) for name in chosen]
    assert found.standings_on("validation") == evaluation.standings_on("validation")
    thresholds = {part.candidate: part.threshold for part in evaluation.parts}
    assert [part.threshold for part in found.parts] == [thresholds[part.candidate] for part in found.parts]
    assert [record.params for record in found.baselines] == [record.params for record in evaluation.baselines]
    assert found.over_baseline.candidate == evaluation.over_baseline.candidate
    best = [s.candidate for s in found.standings_on("test") if s.is_best_baseline]
    assert best == [s.candidate for s in evaluation.standings_on("test") if s.is_best_baseline]
    assert best == [find_baseline(found.standings_on("test")).candidate]


def test_every_standing_is_computed_again_from_the_written_scores(evaluation, table):
    winner = np.mean([area(table, column) for column in columns_of(table, f"trial {evaluation.winner}")])
    standings = evaluation.standings_on("test")
    for standing in standings:
        columns = columns_of(table, standing.candidate)
        assert len(columns) == (JUDGEMENT.seeds if standing.kind == "finalist" else 1)
        assert standing.singles == pytest.approx([area(table, column) for column in columns])
        assert standing.figure.value == pytest.approx(np.mean(standing.singles))
        assert standing.difference.value == pytest.approx(standing.figure.value - winner, abs=1e-12)
        assert standing.figure.low < standing.figure.value < standing.figure.high
    values = [standing.figure.value for standing in standings]
    assert values == sorted(values, reverse=True)
    rivals = [standing for standing in standings if standing.verdict != "winner"]
    corrected = correct_by_holm([standing.p_value for standing in rivals])
    assert [standing.p_holm for standing in rivals] == pytest.approx(corrected)


def test_a_number_has_one_error_wherever_it_is_told(evaluation):
    names = {standing.candidate for standing in evaluation.standings if standing.kind != "finalist"}
    assert {"ensemble", "boosted trees", "boosted trees (refitted)"} < names
    for standing in evaluation.standings:
        if standing.kind != "finalist":
            assert standing.figure == evaluation.part(standing.part, standing.candidate)["AUC"]


def test_the_gap_to_the_training_part_is_that_of_the_network_handed_on(search, evaluation):
    areas = [
        roc_auc_score(part.labels, score_part(search, name), sample_weight=part.weights)
        for name, part in (("train", search.splits.train), ("test", search.splits.test))
    ]
    assert evaluation.train_gap.value == pytest.approx(areas[0] - areas[1], abs=1e-6)
    assert evaluation.train_gap.low < evaluation.train_gap.value < evaluation.train_gap.high


def test_every_figure_of_every_part_is_computed_again_from_the_written_scores(search, evaluation, table):
    own = {"single network": "score", "ensemble": "score: ensemble"}
    on_test = [part for part in evaluation.parts if part.part == "test"]
    assert [part.candidate for part in on_test][:2] == ["single network", "ensemble"]
    for part in on_test:
        scores = table[own.get(part.candidate, f"score: {part.candidate}")]
        again = evaluate_scores(
            table["label"],
            scores,
            table["weight"],
            candidate=part.candidate,
            part="test",
            threshold=part.threshold,
            threshold_rule=part.threshold_rule,
            optimum=table[search.study.problem.optimum],
            n_bootstrap=20,
            seed=search.study.seed,
        )
        assert set(again.measurements) == set(part.measurements)
        for name, measurement in part.measurements.items():
            np.testing.assert_allclose(tuple(vars(measurement).values()), tuple(vars(again[name]).values()))
        assert part["AUC"].value == pytest.approx(roc_auc_score(table["label"], scores, sample_weight=table["weight"]))
        selected = scores >= part.threshold
        recall = recall_score(table["label"], selected, sample_weight=table["weight"])
        assert part["sensitivity"].value == pytest.approx(recall)


def test_the_network_that_is_handed_on_is_the_one_that_was_judged(search, evaluation, table):
    np.testing.assert_array_equal(table["score"], table[f"score: trial {evaluation.winner}, seed {evaluation.seed}"])
    assert choose_predictor(search).networks == (TrainedNetwork(evaluation.winner, "seed", evaluation.seed),)
    events = read_events(search.study.problem)
    scores = tuner.predict(search, events)
    assert scores.by == evaluation.handed_on.description
    np.testing.assert_allclose(scores.frame()["score"].to_numpy()[table["row"]], table["score"], atol=1e-6)


def test_the_ensemble_is_the_mean_of_its_networks_by_their_shares(search, evaluation, table):
    assert sum(network.weight for network in evaluation.ensemble) == pytest.approx(1)
    finalists = {standing.candidate for standing in evaluation.standings if standing.kind == "finalist"}
    assert {f"trial {network.trial}" for network in evaluation.ensemble} <= finalists
    mean = sum(n.weight * table[f"score: {n.name}"] for n in evaluation.ensemble)
    np.testing.assert_allclose(table["score: ensemble"], mean, atol=1e-12)
    scores = tuner.predict(search, read_events(search.study.problem), candidate="ensemble")
    np.testing.assert_allclose(scores.frame()["score"].to_numpy()[table["row"]], mean, atol=1e-6)
    best = max(single for s in evaluation.standings_on("validation") if s.kind == "finalist" for single in s.singles)
    (own,) = (s for s in evaluation.standings_on("validation") if s.kind == "ensemble")
    assert own.figure.value >= best


def test_the_selection_bias_meter_is_of_the_best_trial(search, evaluation):
    complete = [trial for trial in search.trials if trial.state == "complete"]
    meter, best = evaluation.selection, search.best_trial
    assert (meter.n_trials, meter.best) == (len(complete), best.figure)
    retrained = [s for s in evaluation.standings if s.candidate == f"trial {best.number}"]
    assert [meter.retrained.value, meter.test.value] == [
        s.figure.value for part in ("validation", "test") for s in retrained if s.part == part
    ]
    assert meter.expected_excess == pytest.approx(meter.noise * expect_maximum(len(complete)))


def test_sculpted_observers_are_those_of_the_scores_that_were_kept(evaluation, table):
    best = find_baseline(evaluation.standings_on("test")).candidate
    own, other = (evaluation.part("test", name) for name in ("single network", best))
    background = [table[name].to_numpy() for name in ("label", "score", "weight")]
    found = measure_sculpting(table["mass"], *background, threshold=own.threshold)
    expected = ["mass"] if found.beyond_chance else []
    assert [sculpted.observer for sculpted in evaluation.sculpted] == expected
    assert [sculpted.observer for sculpted in evaluation.sculpting] == ["mass"], "told whether beyond chance or not"
    for sculpted in evaluation.sculpting:
        assert sculpted.divergence.value == pytest.approx(found.divergence.value)
        scores = table[f"score: {best}"].to_numpy()
        of_it = measure_sculpting(table["mass"], table["label"], scores, table["weight"], threshold=other.threshold)
        assert sculpted.baseline == pytest.approx(of_it.divergence.value)


def test_every_feature_has_its_importance_on_test(search, evaluation):
    assert {importance.feature for importance in evaluation.importances} == set(
        search.splits.preprocessing.list_columns()
    )
    assert {importance.part for importance in evaluation.importances} == {"test"}


def test_where_every_training_fails_the_test_part_stays_closed(search, evaluation, monkeypatch):
    monkeypatch.setattr("tuner.evaluation.judge.retrain_finalists", lambda *_, **__: ())
    before = read_openings(search)
    with pytest.raises(SearchError, match="all 2 failed"):
        tuner.evaluate(search, settings=replace(JUDGEMENT, finalists=2))
    assert read_openings(search) == before


def test_trials_that_end_while_finalists_train_are_judged_before_the_test_part_is_opened(tmp_path, monkeypatch):
    """And where no baselines are asked for, none are begun."""
    submit, begun = ProcessPool.submit, []
    monkeypatch.setattr(
        ProcessPool, "submit", lambda self, what, *a, **k: (begun.append(what.__name__), submit(self, what, *a, **k))[1]
    )
    quick = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
    study = make_study(trials=1, epochs=1, n_events=800, evaluation=quick)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    more = replace(study, budget=replace(study.budget, trials=2))
    told = []

    def tell(text):
        if not told:  # the finalist is about to be trained: another sweep of the study comes and goes
            tuner.sweep(more, folder=tmp_path, tracker=NoTracker())
        told.append(text)

    evaluation = tuner.evaluate(search, display=Shown(tell))
    assert told.count("Opening the test part") == 1
    assert "More trials ended meanwhile: they are judged, too" in told
    assert begun
    assert "fit_search_baselines" not in begun
    assert len(read_openings(search)) == 1
    assert tuner.evaluate(search) == evaluation


def test_more_trials_are_judged_anew_and_nothing_old_is_handed_on_meanwhile(tmp_path):
    quick = replace(JUDGEMENT, finalists=2, seeds=1, baseline_trials=0)
    first = tuner.evaluate(sweep(tmp_path, trials=2), settings=quick)
    more = sweep(tmp_path, trials=4)
    assert choose_predictor(more).networks == (TrainedNetwork(more.best_trial.number),)
    with pytest.raises(SearchError, match="tuner evaluate"):
        choose_predictor(more, name="ensemble")
    again = tuner.evaluate(more, settings=quick)
    assert (first.opening, again.opening, again.openings) == (1, 2, 2)
    assert again.selection.n_trials == 4
    assert choose_predictor(more).networks == (TrainedNetwork(again.winner, "seed", again.seed),)
    assert choose_predictor(more, name="ensemble").networks == again.ensemble
