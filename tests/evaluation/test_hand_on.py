"""What is handed on: the bag as a candidate, its cuts from out-of-fold scores, and the choice without test."""

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from samples import make_study
from scipy.special import expit
from sklearn.metrics import roc_auc_score

import tuner
from tuner.errors import SearchError, SplitsError, StudyError
from tuner.evaluation.bagging import BAG_PARTS, Bag
from tuner.evaluation.candidates import Candidate, Field
from tuner.evaluation.folds import OUT_OF_FOLD, OutOfFold
from tuner.evaluation.hand_on_choice import choose_handed_on
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.working_points import choose_cut
from tuner.preparation.splits import Part
from tuner.trackers import NoTracker

SETTINGS = tuner.EvaluationSettings(finalists=2, seeds=2, bag=3, bags=2, hand_on="bag", baseline_trials=0, replicas=20)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=2, epochs=3, n_events=1200, evaluation=SETTINGS, seed=1)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())


@pytest.fixture(scope="module")
def evaluation(search):
    return tuner.evaluate(search)


def test_bag_and_refit_have_rows_with_verdicts_on_test_and_none_on_what_they_trained_on(evaluation):
    winner, other = (f"trial {number}" for number in (evaluation.winner, 1 - evaluation.winner))
    on_validation = {standing.candidate for standing in evaluation.standings_on("validation")}
    on_test = {standing.candidate: standing for standing in evaluation.standings_on("test")}
    assert on_validation == {winner, other, "ensemble"}
    assert set(on_test) == on_validation | {"bag", f"bag of {other}", "ensemble of bags", "refit"}
    assert on_test["bag"].n_parameters == 3 * on_test["refit"].n_parameters == 3 * on_test[winner].n_parameters
    parts = {(part.candidate, part.part) for part in evaluation.parts}
    assert {("bag", OUT_OF_FOLD), ("bag", "test"), ("refit", "test")} < parts
    assert not {("bag", "validation"), ("refit", "validation")} & parts


def test_the_figures_out_of_fold_and_the_frozen_cut_are_those_of_the_scores_that_are_kept(search, evaluation):
    table = pd.read_parquet(search.folder.bag_out_of_fold)
    joined = np.concatenate([getattr(search.splits, name).rows for name in BAG_PARTS])
    assert sorted(table["row"]) == sorted(joined)
    own, test = evaluation.part(OUT_OF_FOLD, "bag"), evaluation.part("test", "bag")
    expected = roc_auc_score(table["label"], table["score"], sample_weight=table["weight"])
    assert own["AUC"].value == pytest.approx(expected, abs=1e-9)
    columns = (table[name].to_numpy() for name in ("label", "score", "weight"))
    cut = choose_cut(search.study.problem.working_point, *columns)
    assert own.threshold == test.threshold == evaluation.part("test", "refit").threshold == cut
    assert test.threshold_rule.endswith(f"chosen on {OUT_OF_FOLD}")
    kept = pd.read_parquet(search.folder.cut_scores)  # of the bag, which is handed on
    pd.testing.assert_frame_equal(kept, table[["row", "label", "weight", "score"]])


def test_predict_and_the_written_scores_are_the_bags_unless_another_is_named(search, evaluation):
    assert evaluation.handed_on.name == "bag"
    events = search.study.problem.events.read()
    scores = {
        name: np.asarray(tuner.predict(search, _as_new(search), candidate=name)) for name in (None, "bag", "single")
    }
    np.testing.assert_array_equal(scores[None], scores["bag"])
    assert len(events) == len(scores[None])
    table = pd.read_parquet(search.folder.scores)
    np.testing.assert_allclose(table["score"], scores["bag"][table["row"]], atol=1e-6)
    np.testing.assert_allclose(table["score"], table["score: bag"])
    assert not np.allclose(scores["single"], scores["bag"], atol=1e-3)


def test_the_ensemble_of_bags_is_the_mean_of_bags_by_shares_picked_out_of_fold(search, evaluation):
    table, predictors = pd.read_parquet(search.folder.scores), {one.name: one for one in evaluation.predictors}
    shares = dict.fromkeys(range(2), 0.0)
    for network in predictors["ensemble of bags"].networks:
        shares[network.trial] += network.weight
    assert sum(shares.values()) == pytest.approx(1)
    bags = {evaluation.winner: "bag", 1 - evaluation.winner: f"bag of trial {1 - evaluation.winner}"}
    mixed = sum(share * table[f"score: {bags[trial]}"] for trial, share in shares.items())
    np.testing.assert_allclose(table["score: ensemble of bags"], mixed, atol=1e-6)
    figures = [evaluation.part(OUT_OF_FOLD, name)["AUC"].value for name in ("ensemble of bags", *bags.values())]
    assert figures[0] >= max(figures[1:])


def test_a_bag_is_exported_as_one_graph_that_scores_real_events_as_pytorch_does(search, evaluation, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    path = tuner.export(search, tmp_path / "bag.onnx")
    session = onnxruntime.InferenceSession(str(path))
    told = session.get_modelmeta().custom_metadata_map
    third = f"*{1 / 3:.6g}"
    assert told["candidate"] == "bag"
    assert told["networks"].split() == [f"trial{evaluation.winner}:fold{fold}{third}" for fold in range(3)]
    x = search.study.problem.events.read()[told["features"].split(",")].to_numpy(np.float32)
    (scores,) = session.run(["score"], {"features": x})
    np.testing.assert_allclose(scores, np.asarray(tuner.predict(search, _as_new(search))), atol=2e-5)


def _as_new(search):
    from tuner.events.reading import read_events

    return read_events(search.study.problem)


def test_size_and_time_of_all_that_may_be_handed_on_are_told(evaluation):
    costs = {cost.name: cost for cost in evaluation.costs}
    assert next(iter(costs)) == "bag"
    assert {"single network", "refit", "ensemble", "ensemble of bags"} < set(costs)
    assert costs["bag"].n_parameters == 3 * costs["single network"].n_parameters
    assert costs["bag"].n_bytes > 2.9 * costs["single network"].n_bytes
    assert all(cost.seconds_one > 0 and cost.seconds_many > 0 for cost in costs.values())


def test_with_a_closed_test_part_the_bag_is_read_out_of_fold(search, evaluation, tmp_path):
    closed = tuner.evaluate(search, replace(SETTINGS, replicas=21), open_test=False)
    assert closed.own_part.part == OUT_OF_FOLD
    assert closed.handed_on == evaluation.handed_on
    assert {importance.part for importance in closed.importances} == {"validation"}
    assert (evaluation.examined, closed.examined) == ("bag", "single network")  # the bag has trained on validation


def test_folds_that_cannot_be_are_refused_or_there_is_no_bag(search, caplog):
    with pytest.raises(SplitsError, match="Each of 700 folds"):
        tuner.evaluate(search, replace(SETTINGS, bag=700), open_test=False)
    found = tuner.evaluate(search, replace(SETTINGS, bag=700, hand_on="auto"), open_test=False)
    assert found.handed_on.name == "single network"
    assert "There is no bag: Each of 700 folds" in caplog.text
    assert not search.folder.bag_out_of_fold.exists()
    with pytest.raises(SearchError, match='"bag" must be one of the candidates'):
        tuner.predict(search, _as_new(search), candidate="bag")


def test_what_is_asked_for_must_be_made():
    with pytest.raises(StudyError, match="needs a bag, but `bag` is 0"):
        tuner.EvaluationSettings(bag=0, hand_on="bag")
    with pytest.raises(StudyError, match="at least 2, or 0 for no bag, but is 1"):
        tuner.EvaluationSettings(bag=1)
    with pytest.raises(StudyError, match='"ensemble of bags"` needs several bags, but `bags` is 1'):
        tuner.EvaluationSettings(hand_on="ensemble of bags")
    with pytest.raises(StudyError, match="needs a refit"):
        tuner.EvaluationSettings(refit=False, hand_on="refit")
    with pytest.raises(StudyError, match="hand_on"):
        tuner.EvaluationSettings(hand_on="winner")


def draw_scores(truth, noise, n_scores, seed=0):
    return list(expit(truth + noise * np.random.default_rng(seed).normal(size=(n_scores, len(truth)))))


def choose(
    noise, wanted="auto", n=2_000, n_bags=1, *, bag_noise=None, rival_noise=None, order=None, same_as=None, unscored=()
):
    """Choose between trainings that are a good score with noise of their own, and their mean.

    rival_noise: of a second finalist; the winner's trainings are all the same beside it. order: of the bag's events.
    unscored: events that the bag has no score for.
    """
    labels = np.arange(n) % 2
    truth = labels + np.random.default_rng(0).normal(size=n)
    trainings, rivals = draw_scores(truth, noise, 4, seed=1), []
    if rival_noise is not None:
        trainings, rivals = trainings[:1] * 4, draw_scores(truth, rival_noise, 1, seed=2)
    rows = np.arange(n)
    part = Part(np.zeros((n, 1)), labels, np.ones(n), np.ones(n), rows)
    finalists = [
        Candidate(f"trial {number}", "finalist", (), known={"validation": tuple(scores)})
        for number, scores in enumerate([trainings, rivals])
        if scores
    ]
    bags = [Bag(None, None, None, ()) for _ in range(n_bags)]
    for bag, scores in zip(bags, draw_scores(truth, bag_noise or noise, n_bags, seed=3), strict=True):
        scores[list(unscored)] = np.nan
        found = OutOfFold(rows, labels, np.ones(n), rows % 3, scores)
        columns = {
            field.name: getattr(found, field.name)[slice(None) if order is None else order] for field in fields(found)
        }
        bag.__dict__["out_of_fold"] = OutOfFold(**columns)
    field = Field(tuple(finalists), Auc(), part, 50, 0)
    return choose_handed_on(field, finalists[0], wanted=wanted, bags=bags, same_as=same_as)


def test_a_mean_that_is_better_is_handed_on_and_one_that_is_as_good_is_not():
    better = choose(noise=0.7)
    assert better.candidate == "bag"
    assert next(s for s in better.standings if s.candidate == "bag").difference.value > 0
    assert choose(noise=0.7, n_bags=3).candidate == "ensemble of bags"
    assert choose(noise=0.0, n_bags=3).candidate == "single network"
    assert choose(noise=0.7, wanted="single").candidate == "single network"


def test_an_event_that_the_bag_has_no_score_for_is_scored_by_the_winners_trainings_alone():
    unscored = range(0, 2_000, 3)
    found = next(s for s in choose(noise=0.7, unscored=unscored).standings if s.candidate == "bag")
    truth = np.arange(2_000) % 2 + np.random.default_rng(0).normal(size=2_000)
    trainings, (of_bag,) = draw_scores(truth, 0.7, 4, seed=1), draw_scores(truth, 0.7, 1, seed=3)
    of_bag[unscored] = np.nan
    expected = roc_auc_score(np.arange(2_000) % 2, np.nanmean([*trainings, of_bag], axis=0))
    assert found.figure.value == pytest.approx(expected, abs=1e-12)


def test_the_reason_names_only_what_it_is_better_than():
    """The bag is as good as the single network, and the ensemble is better than that, but not than the bag."""
    found = choose(noise=0.7, bag_noise=1.5, rival_noise=0.9)
    assert {s.candidate: s.verdict for s in found.standings}["bag"] == "not distinguishable"
    assert found.candidate == "ensemble"
    number = r"\(\+0\.0\d+ (± 0\.0\d+|\+0\.0\d+ -0\.0\d+)\)"
    begin = "By validation and out-of-fold scores it is better in AUC than the single network"
    assert re.fullmatch(f"{begin} {number}", found.reason)
    alike = choose(noise=0.0, n_bags=3).reason
    assert alike == "By validation and out-of-fold scores the bag and the ensemble cannot be told from it, or are worse"
    alone = choose(noise=0.0, same_as={"ensemble": "single network"}).reason
    assert alone == "By validation and out-of-fold scores the bag cannot be told from it, or is worse"
    found = choose(noise=0.7, bag_noise=1.5, rival_noise=0.6)
    assert re.fullmatch(f"{begin} {number} and the bag {number}", found.reason)
    gains = [float(gain) for gain in re.findall(r"\((\+[\d.]+) ", found.reason)]
    assert gains[0] == pytest.approx(
        next(s for s in found.standings if s.candidate == "ensemble").difference.value, abs=1e-3
    )
    assert gains[1] != gains[0]
    several = choose(noise=0.7, n_bags=3).reason
    assert re.search(f"the bag of the winner is better in AUC than the single network {number}", several)
    assert re.search(f"; by out-of-fold scores the ensemble of bags is better in AUC than that bag {number}$", several)


def test_what_gives_the_same_scores_as_a_simpler_one_is_not_handed_on():
    labels, twins = np.arange(20) % 2, {"ensemble of bags": "bag", "ensemble": "single network"}
    part = Part(np.zeros((20, 1)), labels, np.ones(20), np.ones(20), np.arange(20))
    field = Field((), Auc(), part, 20, 0)
    found = choose_handed_on(field, None, wanted="ensemble of bags", bags=(), same_as=twins)
    assert found.candidate == "bag"
    assert found.reason == "The study asks for the ensemble of bags, which is the bag here: it gives the same scores"
    assert choose(noise=0.7, n_bags=3, same_as=twins).candidate == "bag"


def test_the_choice_does_not_rest_on_the_order_of_the_events_of_a_bag():
    order = np.random.default_rng(4).permutation(2_000)
    assert choose(noise=0.7, order=order).standings == choose(noise=0.7).standings
