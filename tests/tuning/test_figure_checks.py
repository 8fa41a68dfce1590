"""A figure of merit of the user's own: what it does wrong is told once, before anything is trained; so is an edit."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from samples import make_study
from sklearn.metrics import log_loss, roc_auc_score

import tuner
from tuner.errors import SearchError, StudyError
from tuner.evaluation.test_set_log import count_openings
from tuner.events import read_events
from tuner.metrics import Custom
from tuner.trackers import NoTracker

QUICK = tuner.EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)


def make(figure_of_merit):
    study = make_study(trials=1, epochs=1, n_events=800, evaluation=QUICK)
    return replace(study, problem=replace(study.problem, figure_of_merit=figure_of_merit))


def fail(labels, scores, weights):
    raise ZeroDivisionError("no background")


def leave(labels, scores, weights):
    raise SystemExit(1)


@dataclass(frozen=True)
class Writing:
    name: str = "writing"

    def __call__(self, labels, scores, weights=None):
        scores *= 2
        return roc_auc_score(labels, scores)


WRONG = [
    (fail, r'figure of merit "fail" must return a number .* ZeroDivisionError: no background \(.*test_figure_checks'),
    (leave, r'figure of merit "leave" must not end the program'),
    (lambda labels, scores, weights: None, '"custom figure" must return one number, but returned None'),
    (lambda labels, scores, weights: "0.5", "must return one number, but returned '0.5'"),
    (lambda labels, scores, weights: (0.5, 0.7), r"must return one number, but returned \(0\.5, 0\.7\)"),
    (lambda labels, scores, weights: scores, r"must return one number, but returned array"),
    (lambda labels, scores, weights: np.nan, "must return a finite number for the validation events, but returned nan"),
    (Custom(function=log_loss, name="loss"), '"loss" must be higher for better scores, .* Return minus it'),
    (Writing(), '"writing" must leave labels, scores and weights as they are'),
]


@pytest.mark.parametrize(("figure", "told"), WRONG)
def test_what_a_figure_does_wrong_is_told_once_before_anything_is_trained(figure, told, tmp_path):
    study = make(figure)
    for step in (tuner.check_study, tuner.sweep):
        with pytest.raises(StudyError, match=told) as failure:
            step(study, folder=tmp_path)
        assert str(failure.value).count("figure of merit") == 1
        assert "search space" not in str(failure.value)
    assert not list(tmp_path.iterdir())


def spoil(labels, scores, weights):
    area = roc_auc_score(labels, scores, sample_weight=weights)
    for array in (labels, scores, weights):
        array[:] = 0
    return np.float32(area)


def test_a_function_works_on_copies():
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(0, 2, 50), rng.uniform(size=50)
    given = labels, rng.uniform(size=50) + labels, weights
    kept = [array.copy() for array in given]
    value = Custom(function=spoil, name="AUC")(*given)
    assert value == pytest.approx(roc_auc_score(*kept[:2], sample_weight=kept[2]), abs=1e-6)
    np.testing.assert_array_equal(given, kept)


def make_efficiency(cut):
    def efficiency(labels, scores, weights):
        return float((scores[labels == 1] > cut).mean())

    return efficiency


def test_an_edit_is_noticed_by_each_step_and_opens_nothing(tmp_path, caplog):
    study, edited = make(make_efficiency(0.4)), make(make_efficiency(0.6))
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    found = tuner.evaluate(search)
    after = tuner.open_search(edited, tmp_path)
    for step in (tuner.evaluate, tuner.report):
        with pytest.raises(SearchError, match=r'"efficiency" must be the one that ranked .* Put the old code back'):
            step(after)
    with pytest.raises(SearchError, match="figure of merit: its code has changed"):
        tuner.sweep(edited, folder=tmp_path, tracker=NoTracker())
    assert len(tuner.predict(after, read_events(study.problem))) == 800
    assert "its code has changed since" in caplog.text
    assert count_openings(after) == 1
    assert tuner.evaluate(tuner.open_search(make(make_efficiency(0.4)), tmp_path)) == found
