"""Whole searches on a few events, in this process: budget, resumption, failures, what is kept."""

import contextlib
import itertools
import json
import math
import re
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
from samples import make_settings, make_study, suggest_small, sweep_until_interrupted
from sklearn.metrics import roc_auc_score
from torch import nn

import tuner
from tuner import Budget, Preparation
from tuner.errors import SearchError, SplitsError, StudyError, TunerError
from tuner.metrics.figures_of_merit import Custom, SignalEfficiency
from tuner.prediction.predict import score_part
from tuner.trackers import Memory, NoTracker
from tuner.training.checkpoints import read_checkpoint
from tuner.training.pack import Pack
from tuner.training.pack_size import PackSize
from tuner.tuning.heartbeats import give_back
from tuner.tuning.picture_process import PictureProcess
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import find_root, is_warm_start
from tuner.tuning.trial_pictures import Drawn


def sweep(study, folder, **options):
    return sweep_until_interrupted(study, folder=folder, **{"tracker": NoTracker(), **options})


def states(search):
    return [trial.state for trial in search.trials]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search that has spent its budget; tests only look at it."""
    return sweep(make_study(trials=8, epochs=9), tmp_path_factory.mktemp("runs"))


def test_the_budget_is_spent_exactly(finished):
    assert len(finished.trials) == 8
    assert set(states(finished)) <= {"complete", "pruned"}
    assert "complete" in states(finished)


def test_the_warm_start_comes_first(finished):
    first = finished.trials[0]
    assert first.warm_start
    assert (first.params["width"], first.params["lr"]) == (16, 0.01)
    assert not any(trial.warm_start for trial in finished.trials[1:])


def test_no_setting_comes_twice(finished):
    assert len({json.dumps(dict(trial.params), sort_keys=True) for trial in finished.trials}) == 8


def test_the_winner_is_the_best_and_its_parameters_give_its_value(finished):
    winner = finished.best_trial
    complete = [trial for trial in finished.trials if trial.state == "complete"]
    assert winner.figure == max(trial.figure for trial in complete)
    part = finished.splits.validation
    scores = score_part(finished, "validation")
    assert roc_auc_score(part.labels, scores, sample_weight=part.weights) == pytest.approx(winner.value, abs=1e-6)
    curve = finished.curve(winner.number)
    assert curve["validation_auc"].max() == pytest.approx(winner.value)
    assert winner.best_epoch == curve["epoch"][curve["validation_auc"].idxmax()]


def test_reports_are_the_running_best(finished):
    for trial in finished.optuna_study.get_trials():
        values = [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)]
        assert values == sorted(values)
        expected = np.maximum.accumulate(finished.curve(trial.number)["validation_auc"])
        np.testing.assert_allclose(values, expected)


def test_every_end_has_its_reason(finished):
    assert all(trial.reason for trial in finished.trials)
    assert all(trial.n_parameters > 0 for trial in finished.trials)


def test_the_same_call_again_does_nothing_and_a_larger_budget_goes_on(tmp_path):
    search = sweep(make_study(trials=3), tmp_path)
    before = search.trials
    again = sweep(make_study(trials=3), tmp_path)
    assert again.trials == before
    more = sweep(make_study(trials=6), tmp_path)
    assert more.trials[:3] == before
    assert len(more.trials) == 6
    assert len({trial.params["lr"] for trial in more.trials}) == 6


def test_an_opened_search_has_the_budget_of_its_last_call(tmp_path):
    sweep(make_study(trials=2, epochs=2), tmp_path)
    opened = tuner.open_search(make_study(trials=50, epochs=9), tmp_path)
    assert (opened.study.budget.trials, opened.study.budget.epochs) == (2, 2)
    with pytest.raises(SearchError, match=r"must be a search.*tuner sweep"):
        tuner.open_search(make_study(name="other"), tmp_path)


def test_one_worker_finds_the_same_each_time(tmp_path):
    one, other = (sweep(make_study(trials=4), tmp_path / name) for name in ("a", "b"))
    assert [t.params for t in one.trials] == [t.params for t in other.trials]
    np.testing.assert_allclose([t.value for t in one.trials], [t.value for t in other.trials], atol=1e-6)
    third = sweep(make_study(trials=4, seed=9), tmp_path / "c")
    assert [t.params for t in third.trials[1:]] != [t.params for t in one.trials[1:]]


def test_a_changed_space_is_refused_and_nothing_is_lost(tmp_path):
    sweep(make_study(trials=2), tmp_path)

    def suggest(trial):
        trial.suggest_categorical("width", [8, 16, 32])
        return make_settings()

    with pytest.raises(SearchError, match='parameter "width" was'):
        sweep(make_study(trials=4, search_space=suggest), tmp_path)
    assert len(sweep(make_study(trials=2), tmp_path).trials) == 2


class Unlucky(nn.Module):
    """Fails in the way that its settings say."""

    def __init__(self, d_in, fails):
        super().__init__()
        self.layer, self.fails = nn.Linear(d_in, 1), fails

    def forward(self, x):
        if self.fails == "raise":
            raise RuntimeError("no luck today")
        logits = self.layer(x).squeeze(-1)
        return logits * math.nan if self.fails == "nan" else logits


class UnluckySettings:
    def __init__(self, fails):
        self.fails = fails

    def build(self, d_in):
        return Unlucky(d_in, self.fails)


def suggest_unlucky(trial):
    fails = trial.suggest_categorical("fails", ["raise", "nan", "no"])
    if trial.suggest_float("odd", 0, 1) > 0.9:
        raise ValueError("an odd one")
    return tuner.Settings(network=UnluckySettings(fails), training=make_settings().training)


def test_trials_fail_with_their_reason_and_the_search_goes_on(tmp_path):
    study = make_study(trials=12, epochs=1, search_space=suggest_unlucky, sampler=optuna_random)
    with contextlib.suppress(SearchError):  # as many failures as the budget has trials are borne
        sweep(study, tmp_path)
    search = tuner.open_search(study, tmp_path)
    reasons = {t.params.get("fails"): t.reason for t in search.trials if t.state == "failed" and t.params["odd"] <= 0.9}
    assert "no luck today" in reasons["raise"]
    assert "not-a-number" in reasons["nan"]
    odd = [t for t in search.trials if t.params["odd"] > 0.9]
    assert odd
    assert all(t.state == "failed" and "an odd one" in t.reason for t in odd)
    assert 0 < sum(s == "complete" for s in states(search)) <= 12


def optuna_random(seed):
    return optuna.samplers.RandomSampler(seed=seed)


def test_a_search_in_which_all_fails_stops_with_the_reason(tmp_path):
    def suggest(trial):
        trial.suggest_float("odd", 0, 1)
        return tuner.Settings(network=UnluckySettings("raise"), training=make_settings().training)

    with pytest.raises(SearchError, match=r"3 trials failed and 0 did not.*no luck today.*rerun the same command"):
        sweep(make_study(trials=40, search_space=suggest), tmp_path)


def test_a_space_without_structure_trains_one_by_one(tmp_path):
    search = sweep(make_study(trials=3, epochs=1, search_space=suggest_small.suggest), tmp_path)
    assert len(search.trials) == 3
    packs = [json.loads(line) for line in search.folder.packs.read_text().splitlines()]
    assert [pack["slots"] for pack in packs] == [1, 1, 1]


class InterruptingTracker(Memory):
    """Presses Ctrl-C after a number of epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.left = itertools.count(epochs, -1)

    def start_trial(self, **about):
        log, press = super().start_trial(**about), self.press

        class Log:
            def log_epoch(self, epoch, figures):
                log.log_epoch(epoch, figures)
                press()

            def finish(self, *args, **kwargs):
                log.finish(*args, **kwargs)

        return Log()

    def press(self):
        if next(self.left) == 1:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_an_interrupted_search_goes_on_where_it_stopped(tmp_path):
    study = make_study(trials=3, epochs=6, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    search = sweep(study, tmp_path, tracker=InterruptingTracker(4))
    assert "interrupted" in states(search)
    assert not {"running"} & set(states(search))
    stopped = [t for t in search.trials if t.state == "interrupted" and t.epochs]
    assert stopped[0].epochs == 4
    search = sweep(study, tmp_path)
    assert sum(s == "complete" for s in states(search)) == 3
    resumed = {
        find_root(t): t.number
        for t in search.optuna_study.get_trials()
        if find_root(t) != t.number and t.state == optuna.trial.TrialState.COMPLETE
    }
    curve = search.curve(resumed[stopped[0].number])
    assert curve["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert search.curve(stopped[0].number)["validation_auc"].tolist() == curve["validation_auc"].tolist()[:4]
    uninterrupted = sweep(study, tmp_path / "other")
    same = next(t for t in uninterrupted.trials if t.params == stopped[0].params)
    np.testing.assert_allclose(curve["validation_auc"], uninterrupted.curve(same.number)["validation_auc"], atol=0.02)


def test_time_that_is_up_ends_a_search_and_more_time_goes_on(tmp_path):
    study = make_study(trials=3, epochs=2, budget=Budget(trials=3, epochs=2, minutes=1e-9))
    assert not any(s in ("complete", "pruned") for s in states(sweep(study, tmp_path)))
    search = sweep(make_study(trials=3, epochs=2), tmp_path)
    assert sum(s in ("complete", "pruned") for s in states(search)) == 3


def test_the_figure_of_merit_chooses_the_winner(tmp_path):
    study = make_study(trials=4, epochs=2)
    problem = tuner.Problem(
        **{f: getattr(study.problem, f) for f in vars(study.problem)} | {"figure_of_merit": SignalEfficiency(eps_b=0.1)}
    )
    search = sweep(make_study(trials=4, epochs=2, problem=problem), tmp_path)
    part, winner = search.splits.validation, search.best_trial
    expected = problem.figure_of_merit(part.labels, score_part(search, "validation"), part.weights)
    assert winner.figure == pytest.approx(expected, abs=1e-6)
    assert winner.figure == max(t.figure for t in search.trials if t.state == "complete")


def test_the_tracker_sees_every_epoch_and_every_end(tmp_path):
    tracker = Memory()
    search = sweep(make_study(trials=4, epochs=9), tmp_path, tracker=tracker)
    assert {log.number for log in tracker.trials.values()} == {t.number for t in search.trials}
    for trial in search.trials:
        log = next(log for log in tracker.trials.values() if log.number == trial.number)
        assert log.state == trial.state
        assert len(log.epochs) == trial.epochs


def test_workers_need_a_file(tmp_path):
    with pytest.raises(SearchError, match="needs a file that each worker can read"):
        sweep(make_study(), tmp_path, workers=2)
    with pytest.raises(SearchError, match="at least 1, but is 0"):
        sweep(make_study(), tmp_path, workers=0)


def test_a_space_with_the_wrong_return_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(StudyError, match="must return"):
        sweep(make_study(search_space=lambda trial: 3), tmp_path)


def test_checkpoints_are_those_of_complete_trials(finished):
    for trial in finished.trials:
        assert finished.checkpoint_path(trial.number).exists() == (trial.state == "complete")
    state = read_checkpoint(finished.checkpoint_path(finished.best_trial.number)).state
    assert sum(tensor.numel() for tensor in state.values() if tensor.ndim > 0) == finished.best_trial.n_parameters


def test_warm_starts_are_told_apart(finished):
    assert [is_warm_start(t) for t in finished.optuna_study.get_trials()].count(True) == 1


def test_every_trial_has_a_picture_that_the_dashboard_finds(finished):
    for trial in finished.optuna_study.get_trials():
        artifacts = optuna.artifacts.get_all_artifact_meta(trial, storage=finished.optuna_study._storage)
        assert len(artifacts) == 1
        for artifact in artifacts:
            assert artifact.mimetype == "image/png"
            content = (finished.folder.artifacts / artifact.artifact_id).read_bytes()
            assert content.startswith(b"\x89PNG")


def test_a_refused_call_leaves_the_prepared_events_as_they_were(tmp_path):
    search = sweep(make_study(trials=2, epochs=1), tmp_path)
    rows = np.array(search.splits.test.rows)
    with pytest.raises(SearchError, match="preparation: was"):
        sweep(make_study(trials=2, epochs=1, preparation=Preparation(seed=7)), tmp_path)
    np.testing.assert_array_equal(tuner.open_search(make_study(), tmp_path).splits.test.rows, rows)


def test_prepared_events_are_used_again_and_other_groups_are_noticed(tmp_path):
    study = make_study(trials=1, epochs=1)
    search = sweep(study, tmp_path)
    written = (search.folder.splits / "key.json").stat().st_mtime_ns
    sweep(study, tmp_path)
    assert (search.folder.splits / "key.json").stat().st_mtime_ns == written
    grouped = replace(study, problem=replace(study.problem, observers=(), event_id="mass"))
    with pytest.raises(SearchError, match="event id: was None, is 'mass'"):
        sweep(grouped, tmp_path)


def test_fewer_events_than_a_batch_are_told_before_anything_is_trained(tmp_path):
    with pytest.raises(SplitsError, match=r"has 60 events where the smallest `batch_size` of the search space is 128"):
        sweep(make_study(n_events=100), tmp_path)


def test_several_problems_are_told_at_once(tmp_path):
    study = make_study(search_space=lambda trial: 3)
    study = replace(study, problem=replace(study.problem, label="lable"))
    with pytest.raises(StudyError, match="must return") as raised:
        sweep(study, tmp_path, device="cuda:99")
    assert 'Did you mean "label"' in str(raised.value)
    assert 'is "cuda:99"' in str(raised.value)
    with pytest.raises(StudyError, match="must return") as raised:
        tuner.check_study(study, folder=tmp_path)
    assert 'Did you mean "label"' in str(raised.value)


def make_picky_study(trials, epochs, figure):
    study = make_study(trials=trials, epochs=epochs, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    return replace(study, problem=replace(study.problem, figure_of_merit=Custom(function=figure, name="mine")))


@pytest.mark.parametrize(
    ("bad", "reason"), [(math.nan, "finite number.*nan"), (ValueError("mine"), "ValueError: mine")]
)
def test_a_figure_of_merit_that_fails_costs_its_own_trial_only(tmp_path, bad, reason):
    calls = itertools.count()

    def figure(labels, scores, weights):
        if next(calls) != 3:  # the first two are those of the check before the search
            return roc_auc_score(labels, scores, sample_weight=weights)
        if isinstance(bad, Exception):
            raise bad
        return bad

    search = sweep(make_picky_study(16, 2, figure), tmp_path)
    failed = [t for t in search.trials if t.state == "failed"]
    assert len(failed) == 1
    assert re.search(reason, failed[0].reason)
    assert states(search).count("complete") == 16
    assert math.isfinite(search.best_trial.figure)


def test_a_trial_that_was_given_to_another_worker_is_let_go(tmp_path):
    class Rival(Memory):
        """Tells a trial as dead from outside, as another host may."""

        def start_trial(self, **about):
            log = super().start_trial(**about)
            if about["trial"] == 1:
                other = optuna.load_study(study_name="small", storage=open_storage(tmp_path / "small" / "journal.log"))
                give_back(other, other.get_trials()[1], "taken for dead")
            return log

    search = sweep(make_study(trials=3, epochs=2), tmp_path, tracker=Rival())
    assert search.trials[1].state == "interrupted"
    assert sum(s in ("complete", "pruned") for s in states(search)) == 3
    assert "running" not in states(search)


def test_a_search_that_stops_as_trials_fail_still_draws_the_pictures_of_those_that_ended(tmp_path, monkeypatch):
    def draw_slowly(*_):
        time.sleep(0.5)
        return Drawn(picture=b"a picture")

    def suggest(trial):
        lr = trial.suggest_float("lr", 1e-3, 1e-2)
        fault = "no" if trial.number < 3 else "raise"
        return replace(make_settings(lr=lr, widths=(4,), batch_size=128), network=UnluckySettings(fault))

    monkeypatch.setattr(PictureProcess, "draw", draw_slowly)
    study = make_study(trials=32, epochs=1, search_space=suggest)
    with pytest.raises(SearchError, match="32 trials failed and 3 did not"):
        sweep(study, tmp_path)
    search = tuner.open_search(study, tmp_path)
    complete = [trial.number for trial in search.trials if trial.state == "complete"]
    assert len(complete) == 3
    for number in complete:
        assert (search.folder.trials / f"trial_{number:05d}.png").read_bytes() == b"a picture"


def test_a_bug_that_is_mended_does_not_block_the_folder(tmp_path):
    def suggest(trial):
        lr = trial.suggest_float("lr", 1e-3, 1e-2)
        settings = make_settings(lr=lr, widths=(4,), batch_size=128)
        return replace(settings, network=UnluckySettings("raise" if broken else "no"))

    broken = True
    study = make_study(trials=12, epochs=1, search_space=suggest)
    with pytest.raises(SearchError, match="3 trials failed"):
        sweep(study, tmp_path)
    assert "running" not in states(tuner.open_search(study, tmp_path))
    broken = False
    assert sum(s in ("complete", "pruned") for s in states(sweep(study, tmp_path))) == 12


def test_a_pack_that_runs_out_of_memory_goes_on_in_smaller_ones(tmp_path, monkeypatch):
    sizes = []
    whole = Pack.begin_epoch

    def begin_epoch(self):
        sizes.append(len(self))
        if len(self) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", begin_epoch)
    monkeypatch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(min(4, most), {}, "test"))
    search = sweep(make_study(trials=32, epochs=1), tmp_path)
    assert max(sizes) == 4
    assert sum(s in ("complete", "pruned") for s in states(search)) == 32
    assert "failed" not in states(search)
    given_back = [t for t in search.trials if t.state == "interrupted"]
    assert len(given_back) == 4
    assert all("out of memory" in t.reason for t in given_back)


@pytest.mark.parametrize("lasting", [True, False])
def test_a_trial_without_memory_though_alone_is_tried_again_but_not_for_ever(tmp_path, monkeypatch, lasting):
    failures, n_parts, whole = [], [], Pack.begin_epoch

    def begin_epoch(self):
        if len(n_parts) < (3 if lasting else 2):
            n_parts.append(self.n_parts)
        if len(failures) < (3 if lasting else 1):
            failures.append(len(self))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", begin_epoch)
    monkeypatch.setattr("tuner.tuning.worker.MEMORY_SECONDS", 0.0)
    monkeypatch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(1, {}, "test"))
    search = sweep(make_study(trials=3, epochs=1), tmp_path)
    first, *others = search.trials
    assert first.state == "interrupted"
    assert first.reason.startswith("OutOfMemoryError: CUDA out of memory.")
    again = [trial for trial in others if trial.params == first.params]
    assert [trial.state for trial in again] == (["interrupted", "failed"] if lasting else ["complete"])
    assert n_parts == [1, 4, 16][: len(n_parts)]
    assert {trial.failure for trial in (first, *again)} - {None} == {"out of memory"}
    assert states(search).count("interrupted") == (2 if lasting else 1)


def test_ctrl_c_stops_a_program_before_it_opens_the_test_part(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="small was interrupted; make the same call again to resume"):
        tuner.sweep(make_study(trials=3, epochs=6), folder=tmp_path, tracker=InterruptingTracker(4))
    search = tuner.open_search(make_study(trials=3, epochs=6), tmp_path)
    assert "running" not in states(search)
    assert not search.folder.openings.exists()


def test_a_refused_sweep_leaves_nothing_behind(tmp_path):
    with pytest.raises(SplitsError):
        sweep(make_study(n_events=100), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_is_no_address_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SearchError, match=r'database URL such as .*or a journal file that ends in "\.log", but is "foo"'
    ):
        sweep(make_study(), tmp_path, storage="foo")
    assert not (tmp_path / "foo").exists()


class Wrong(nn.Module):
    """Gives what no sweep can use."""

    def __init__(self, d_in, kind):
        super().__init__()
        self.layer, self.kind = nn.Linear(d_in, 2 if kind == "two" else 1), kind

    def forward(self, x):
        logits = self.layer(x)
        return logits.squeeze(-1) / 0 * 0 if self.kind == "nan" else logits


class WrongSettings:
    def __init__(self, kind):
        self.kind = kind

    def build(self, d_in):
        return Wrong(d_in, self.kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("one", r"one logit each, \[n\], but gave \[64, 1\].*Flatten\(0\)"),
        ("two", r"one logit each, \[n\], but gave \[64, 2\]"),
        ("nan", r"must give finite logits"),
    ],
)
def test_a_check_finds_networks_that_cannot_work(tmp_path, kind, message):
    study = make_study(search_space=lambda trial: replace(make_settings(), network=WrongSettings(kind)))
    with pytest.raises(TunerError, match=message):
        tuner.check_study(study, folder=tmp_path)


def test_a_space_that_raises_is_told_once_by_a_check(tmp_path):
    def suggest(trial):
        raise ValueError("no such thing")

    with pytest.raises(StudyError, match="ValueError: no such thing") as raised:
        tuner.check_study(make_study(search_space=suggest), folder=tmp_path)
    assert str(raised.value).count("no such thing") == 1
