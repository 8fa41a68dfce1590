"""The blend of the networks' bag and a bag of boosted trees on the same folds: fitted, judged, kept and handed on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import make_study
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score

import tuner
from tuner.errors import DamagedFileError, StudyError
from tuner.evaluation.bagging import BAG_PARTS
from tuner.evaluation.folds import OUT_OF_FOLD, fold_events
from tuner.events import Resonance
from tuner.events.reading import read_events
from tuner.prediction.boosted_trees import load_trees, save_trees
from tuner.prediction.networks import find_trees
from tuner.reporting.evaluation_figures import _Pictures
from tuner.reporting.sections.baselines import write_baselines
from tuner.trackers import NoTracker

SETTINGS = tuner.EvaluationSettings(
    finalists=1, seeds=1, bag=3, refit=False, hand_on="blend", baseline_trials=1, replicas=20
)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=1, epochs=3, n_events=1200, evaluation=SETTINGS)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())


@pytest.fixture(scope="module")
def evaluation(search):
    return tuner.evaluate(search)


@pytest.fixture(scope="module")
def out_of_fold(search, evaluation):
    """Events of train + validation, and their scores by the network and by the kept trees of other folds."""
    events = fold_events(search, folds=SETTINGS.bag, parts=BAG_PARTS)
    table = pd.read_parquet(search.folder.bag_out_of_fold).set_index("row").loc[events.part.rows]
    trees = load_trees(find_trees(search))
    of_folds = np.stack([of_fold.score(events.part.x) for of_fold in trees])
    return events, table["score"].to_numpy(), of_folds[events.folds, np.arange(len(events.folds))]


def test_trees_are_bagged_on_the_folds_of_the_networks_and_judged_out_of_fold(evaluation, out_of_fold):
    events, _, of_trees = out_of_fold
    name = f"{evaluation.blend.trees} (bagged)"
    expected = roc_auc_score(events.part.labels, of_trees, sample_weight=events.part.weights)
    assert evaluation.part(OUT_OF_FOLD, name)["AUC"].value == pytest.approx(expected, abs=1e-9)
    kinds = {standing.candidate: standing.kind for standing in evaluation.standings_on("test")}
    assert (kinds[name], kinds["blend"]) == ("baseline", "blend")
    tuned = [r for r in evaluation.baselines if r.n_planned and r.name != "logistic regression"]
    best = max(tuned, key=lambda record: evaluation.part("validation", record.name)["AUC"].value)
    assert evaluation.blend.trees == best.name


def test_the_share_is_that_of_the_lowest_log_loss_out_of_fold(evaluation, out_of_fold):
    events, of_networks, of_trees = out_of_fold
    part, logits = events.part, (logit(of_networks), logit(of_trees))
    blended = [expit((1 - share) * logits[0] + share * logits[1]) for share in np.linspace(0, 1, 101)]
    losses = [log_loss(part.labels, scores, sample_weight=part.training_weights) for scores in blended]
    assert evaluation.blend.share == pytest.approx(np.argmin(losses) / 100, abs=0.011)
    scores = expit((1 - evaluation.blend.share) * logits[0] + evaluation.blend.share * logits[1])
    expected = roc_auc_score(part.labels, scores, sample_weight=part.weights)
    assert evaluation.part(OUT_OF_FOLD, "blend")["AUC"].value == pytest.approx(expected, abs=1e-9)


def test_the_page_draws_the_blends_own_scores_out_of_fold(search, evaluation):
    table = pd.read_parquet(search.folder.cut_scores)
    assert set(table["row"]) == set(pd.read_parquet(search.folder.bag_out_of_fold)["row"])
    area = roc_auc_score(table["label"], table["score"], sample_weight=table["weight"])
    assert evaluation.part(OUT_OF_FOLD, "blend")["AUC"].value == pytest.approx(area, abs=1e-9)
    closed = replace(evaluation, opening=None, parts=tuple(p for p in evaluation.parts if p.part != "test"))
    np.testing.assert_array_equal(_Pictures(search, closed).scores, table["score"])


def test_what_it_gains_on_the_bag_is_told_on_test(search, evaluation):
    table = pd.read_parquet(search.folder.scores)
    blend, bag = (
        roc_auc_score(table["label"], table[f"score: {name}"], sample_weight=table["weight"])
        for name in ("blend", "bag")
    )
    gain = evaluation.blend.over_bag
    assert (gain.part, gain.candidate) == ("test", "blend")
    assert gain.difference.value == pytest.approx(blend - bag, abs=1e-9)


def test_prediction_and_the_exported_file_give_the_scores_that_were_judged(search, evaluation, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    assert evaluation.handed_on.name == "blend"
    table = pd.read_parquet(search.folder.scores)
    predicted = np.asarray(tuner.predict(search, read_events(search.study.problem)))
    np.testing.assert_allclose(table["score"], predicted[table["row"]], atol=1e-6)
    np.testing.assert_array_equal(table["score"], table["score: blend"])
    many = replace(search.study.problem, events=Resonance(20_000))
    session = onnxruntime.InferenceSession(str(tuner.export(search, tmp_path / "blend.onnx")))
    told = session.get_modelmeta().custom_metadata_map
    assert told["trees"] == f"{evaluation.blend.trees}*{evaluation.blend.share:g}"
    raw = many.events.read()[told["features"].split(",")].to_numpy(np.float32)
    assert (raw == -999).any()
    (scores,) = session.run(["score"], {"features": raw})
    np.testing.assert_allclose(scores, np.asarray(tuner.predict(search, read_events(many))), atol=1e-5)


def test_other_trees_than_those_that_were_judged_are_refused(search, evaluation):
    path = find_trees(search)
    kept = path.read_bytes()
    try:
        save_trees(load_trees(path)[:2], path)
        with pytest.raises(DamagedFileError, match="other boosted trees than those that were judged"):
            tuner.predict(search, read_events(search.study.problem))
    finally:
        path.write_bytes(kept)


def test_how_each_baseline_came_about_stands_in_the_evaluation(search, evaluation):
    records = {record.name: record for record in tuner.evaluation.evaluate.read_evaluation(search).baselines}
    standings = [s.candidate for s in evaluation.standings_on("test") if s.kind == "baseline"]
    assert set(records) == set(standings)
    assert records["boosted trees"].params["n_trees"] > 0
    assert (records["boosted trees"].n_trials, records["boosted trees"].n_planned) == (1, 1)
    assert all(record.seconds > 0 for record in records.values())


def test_a_blend_that_cannot_be_is_refused_before_anything_is_trained():
    with pytest.raises(StudyError, match='`hand_on="blend"` needs a bag'):
        tuner.EvaluationSettings(hand_on="blend", bag=None)
    with pytest.raises(StudyError, match="needs boosted trees, but `baseline_trials` is 0"):
        tuner.EvaluationSettings(hand_on="blend", baseline_trials=0)


@pytest.mark.parametrize(("share", "wanted", "handed_on"), [(0.0, "blend", "bag"), (1.0, "auto", None)])
def test_a_blend_that_is_one_of_its_bags_is_no_rival_of_its_own(search, monkeypatch, share, wanted, handed_on):
    """Last of all: it hands on anew."""
    monkeypatch.setattr("tuner.evaluation.candidates.fit_share", lambda *_: share)
    found = tuner.evaluate(search, replace(SETTINGS, hand_on=wanted, replicas=21), open_test=False)
    told = [standing.candidate for standing in found.standings] + [cost.name for cost in found.costs]
    assert "blend" not in told + [part.candidate for part in found.parts]
    assert told.count("bag") == 1
    assert (found.blend.share, found.blend.over_bag) == (share, None)
    assert handed_on is None or (found.handed_on.name, found.handed_on.trees) == (handed_on, None)
    same = "networks" if share == 0 else found.blend.trees
    assert any(f"So it is the bag of {same}" in getattr(block, "text", "") for block in write_baselines(found))
