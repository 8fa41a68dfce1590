"""Whether a search found something better than its warm starts: the words, their noise, and the early end."""

import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from samples import make_settings, make_study
from sklearn.metrics import roc_auc_score

import tuner
from tuner import Budget, search_space
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.figures_of_merit import Custom, Significance
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.prediction.predict import score_part
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.tuning.heartbeats import Lease
from tuner.tuning.samplers import SeededSampler
from tuner.tuning.search import Search
from tuner.tuning.status import count_left
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import enqueue_warm_start, write_result
from tuner.tuning.trial_queue import MIN_SAMPLED, Asker
from tuner.tuning.warm_starts import N_REPLICAS, WarmStartGain, describe_gain, measure_gain


@search_space(warm_starts=[{"lr": 0.01}])
def suggest(trial):
    return make_settings(lr=trial.suggest_float("lr", 1e-6, 1e-1, log=True), batch_size=128)


def never_prune(n_epochs):
    return optuna.pruners.NopPruner()


class Worker:
    """Asks for trials and tells them with figures of our own: nothing is trained."""

    def __init__(self, folder, halfway=None, **budget):
        study = replace(make_study(search_space=suggest), budget=Budget(epochs=1, **budget))
        self.search = Search(study, folder)
        sampler = SeededSampler(lambda seed: optuna.samplers.RandomSampler(seed=seed), 0)
        self.asker = Asker(self.search, sampler, "worker", halfway=halfway)

    def run(self, figure, most=1000):
        """Tell each trial the figure of its number, pruned where that is None; return how many were given."""
        for n in range(most):
            asked = self.asker.ask()
            if asked is None:
                return n
            self.tell(asked, figure(asked.trial.number))
        return most

    def tell(self, asked, value):
        write_result(asked.trial, best_epoch=1, epochs=1, n_parameters=1, pack_size=1, reason="told", figure=value)
        state = TrialState.PRUNED if value is None else None
        self.search.optuna_study.tell(asked.trial, value, state=state)


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "small").create()
    study = optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    enqueue_warm_start(study, {"lr": 0.01})
    return folder


def fall(number):
    """The warm start, trial 0, stays the best; every third trial is pruned."""
    return None if number % 3 == 1 else 0.9 - 0.001 * number


@pytest.fixture
def few(monkeypatch):
    """Six sampled settings are enough to judge by, so that the tests are quick."""
    monkeypatch.setattr("tuner.tuning.trial_queue.MIN_SAMPLED", 6)


def test_a_search_ends_early_where_half_of_its_trials_found_nothing_better(folder, few):
    worker = Worker(folder, trials=20)
    assert worker.run(fall) == 10
    assert (worker.search.has_stopped_in_vain, count_left(worker.search)) == (True, 0)
    assert Worker(folder, trials=20).run(fall) == 0
    assert count_left(Worker(folder, trials=16).search) == 0
    assert Worker(folder, trials=20, stop_in_vain=False).run(fall, most=1) == 1
    more = Worker(folder, trials=26)
    assert count_left(more.search) == 15
    assert more.run(fall) == 2


def test_it_goes_on_where_anything_is_better_or_too_little_was_tried(folder, few):
    assert Worker(folder, trials=6).run(fall) == 6
    assert Worker(folder, trials=9).run(fall) == 1  # the warm start is not one of the six
    assert Worker(folder, trials=20).run(lambda number: 0.91, most=1) == 1
    assert Worker(folder, trials=20).run(fall) == 12


def test_a_trial_that_still_ran_and_is_better_lets_it_go_on(folder, few):
    worker = Worker(folder, trials=16)
    with Lease(worker.search.optuna_study) as lease:
        worker.asker.worker = lease.worker
        worker.run(fall, most=4)
        late = worker.asker.ask()
        assert worker.run(fall) == 4
        assert worker.search.has_stopped_in_vain
        worker.tell(late, 0.95)
        assert not worker.search.has_stopped_in_vain
        assert worker.run(fall) == 7


def test_half_of_the_time_counts_as_half_of_the_trials(folder, few):
    assert Worker(folder, trials=1000, halfway=time.time() + 1000).run(fall, most=9) == 9
    assert Worker(folder, trials=1000, halfway=time.time() - 1).run(fall) == 0


def test_thirty_settings_are_tried_at_the_least():
    assert MIN_SAMPLED == 30


def make_gain(**changes):
    known = {"figure_of_merit": "AUC", "warm_start": 2, "warm_figure": 0.939, "n_sampled": 40, "sampled": 17}
    return WarmStartGain(**known | {"sampled_figure": 0.9392, "noise": 0.0008} | changes)


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, "as good", "The warm starts were as good as what the search found. Trial 17, the best of 40 sampled "),
        ({"sampled_figure": 0.9422}, "better", "The search found a better setting than its warm starts."),
        ({"sampled_figure": 0.9362}, "worse", "has 0.9362, -0.0028 ± 0.0008 from the best warm start, trial 2 (AUC "),
        ({"noise": None}, "better", "has 0.9392, +0.0002 from the best warm start"),
        (
            {"sampled": None, "sampled_figure": None},
            "worse",
            "All 40 sampled trials were pruned: the best warm start, trial 2",
        ),
        ({"n_sampled": 1}, "as good", "Trial 17, the only sampled trial, has 0.9392, +0.0002 ± 0.0008 from the best"),
    ],
)
def test_the_verdict_follows_from_the_noise(changes, verdict, said):
    gain = make_gain(**changes)
    assert gain.verdict == verdict
    assert said in describe_gain(gain)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    study = make_study(trials=3, epochs=2, n_events=1500, search_space=suggest, pruner=never_prune)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), workers=1, tracker=NoTracker())


def test_the_noise_is_that_of_the_difference_over_the_events(swept):
    gain = measure_gain(swept)
    assert (gain.warm_start, gain.n_sampled) == (0, 2)
    assert gain.sampled in (1, 2)
    assert gain.difference == swept.trials[gain.sampled].figure - swept.trials[0].figure
    part = swept.splits.validation
    labels, weights = np.asarray(part.labels), np.asarray(part.weights)
    scores = [
        score_part(swept, "validation", predictor=Predictor("", (TrainedNetwork(number),)))
        for number in (gain.sampled, 0)
    ]
    generator, found = np.random.default_rng(1), []
    for _ in range(150):
        rows = np.concatenate([generator.choice(np.flatnonzero(labels == c), (labels == c).sum()) for c in (0, 1)])
        first, second = (roc_auc_score(labels[rows], s[rows], sample_weight=weights[rows]) for s in scores)
        found.append(first - second)
    assert gain.noise == pytest.approx(np.std(found), rel=0.3)


def test_the_noise_of_a_figure_at_a_cut_leaves_an_event_in_its_half_however_often_it_is_drawn(swept):
    figure = Significance(s=100, b=1_000, min_background=20)
    other = Search(replace(swept.study, problem=replace(swept.study.problem, figure_of_merit=figure)), swept.folder)
    gain, part = measure_gain(other), swept.splits.validation
    labels, weights = np.asarray(part.labels), np.asarray(part.weights)
    halves = [
        figure.halves(
            labels == 1, score_part(swept, "validation", predictor=Predictor("", (TrainedNetwork(number),))), weights
        )
        for number in (gain.sampled, 0)
    ]
    drawn = draw_counts(labels == 1, N_REPLICAS, swept.study.seed)
    found = [float((halves[0].cross(counts) - halves[1].cross(counts))[0]) for counts in drawn]
    assert gain.noise == pytest.approx(np.std(found, ddof=1), rel=1e-6)


def count_pairs(labels, scores, weights):
    return roc_auc_score(labels, scores)


def test_any_figure_of_merit_has_a_noise_and_lost_parameters_have_none(swept):
    problem = replace(swept.study.problem, figure_of_merit=Custom(function=count_pairs, name="plain AUC"))
    other = Search(replace(swept.study, problem=problem), swept.folder)
    assert 0.5 < measure_gain(other).noise / measure_gain(swept).noise < 2
    path = swept.checkpoint_path(0)
    kept = path.read_bytes()
    try:
        path.write_bytes(kept[:200])
        assert measure_gain(swept).noise is None
        path.unlink()
        assert measure_gain(swept).noise is None
    finally:
        path.write_bytes(kept)


def test_without_warm_starts_or_without_samples_there_is_nothing_to_compare(folder):
    worker = Worker(folder, trials=10)
    assert measure_gain(worker.search) is None
    worker.run(fall, most=1)
    assert measure_gain(worker.search) is None
    worker.run(fall, most=1)
    assert measure_gain(worker.search).sampled is None
