"""A status is what the storage says: counted, timed without pauses, and JSON that a machine can read."""

from __future__ import annotations

import io
import json
import os
import socket
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from tuner import Budget, Problem, Study
from tuner.errors import DamagedFileError, SearchError
from tuner.progress.panels import render_status
from tuner.run_folder import RunFolder
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.heartbeats import Lease
from tuner.tuning.outcome import Outcome, write_outcome
from tuner.tuning.search import Search, open_search
from tuner.tuning.status import Status, read_status
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import (
    EPOCHS,
    FIGURE,
    REASON,
    WORKER,
    write_best_interval,
    write_evaluated,
    write_lease,
)

STUDY = Study(
    name="s",
    problem=Problem(question="Is it?", events="e.csv", label="y", signal=1),
    search_space=lambda trial: None,
    budget=Budget(trials=10),
)
START = datetime(2026, 11, 22, 20, 0, 0)


def make_trial(
    state: TrialState,
    value: float | None = None,
    minutes: tuple[float, float | None] | None = None,
    worker: str | None = None,
    **attributes: object,
) -> FrozenTrial:
    started, finished = minutes or (None, None)
    reported = {} if value is None else {1: value - 0.1, 2: value}
    return FrozenTrial(
        number=0,
        trial_id=0,
        state=state,
        value=value if state not in (TrialState.RUNNING, TrialState.FAIL) else None,
        datetime_start=None if started is None else START + timedelta(minutes=started),
        datetime_complete=None if finished is None else START + timedelta(minutes=finished),
        params={"lr": 0.1} if state is not TrialState.WAITING else {},
        distributions={"lr": FloatDistribution(0, 1)} if state is not TrialState.WAITING else {},
        user_attrs=({FIGURE: value} if state == TrialState.COMPLETE else {}) | attributes,
        system_attrs={} if worker is None else {WORKER: worker},
        intermediate_values=reported,
    )


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """Two trials, an hour's pause, then one complete, one pruned, one failed at the same time."""
    folder = RunFolder(tmp_path / "s").create()
    optuna_study = optuna.create_study(
        study_name="s", storage=open_storage(folder.journal), direction="maximize", sampler=None
    )
    optuna_study.add_trials(
        [
            make_trial(TrialState.COMPLETE, 0.80, (0, 2), **{EPOCHS: 30}),
            make_trial(TrialState.COMPLETE, 0.90, (1, 4), **{EPOCHS: 30}),
            make_trial(TrialState.COMPLETE, 0.85, (64, 66), **{EPOCHS: 30}),
            make_trial(TrialState.PRUNED, 0.70, (64, 65)),
            make_trial(TrialState.FAIL, None, (64, 65)),
            make_trial(TrialState.WAITING),
        ]
    )
    return open_search(STUDY, tmp_path)


def test_trials_are_counted_by_state(search: Search) -> None:
    status = read_status(search)
    assert status.states == {"complete": 3, "pruned": 1, "failed": 1, "waiting": 1}
    assert status.finished == 4
    assert status.trained_epochs == 30 + 30 + 30 + 2


def test_best_and_its_history(search: Search) -> None:
    status = read_status(search)
    assert (status.best_value, status.best_trial, status.best_params) == (0.90, 1, {"lr": 0.1})
    assert status.history == (0.80, 0.90, 0.90, 0.90)


def test_the_interval_is_that_of_the_best_trial_or_none(search: Search) -> None:
    assert (read_status(search).best_low, read_status(search).best_high) == (None, None)
    write_best_interval(search.optuna_study, 1, 0.88, 0.92)
    assert (read_status(search).best_low, read_status(search).best_high) == (0.88, 0.92)
    search.optuna_study.add_trial(make_trial(TrialState.COMPLETE, 0.95, (66, 67)))
    assert (read_status(search).best_trial, read_status(search).best_low) == (6, None)


def test_complete_trials_are_ranked_by_the_figure_of_merit(search: Search) -> None:
    search.optuna_study.add_trial(make_trial(TrialState.COMPLETE, 0.7, (66, 67), **{FIGURE: 29.3}))
    status = read_status(search)
    assert (status.best_trial, status.best_value) == (6, 29.3)
    assert status.history == (0.80, 0.90, 0.90, 0.90, 29.3)


def test_the_time_of_the_evaluation_follows_from_that_of_complete_trials(search: Search) -> None:
    """Complete trials took 140 s on average, 8 minutes of trials ran in 6: 5 finalists, 5 seeds each.

    A bag of 8 trains on 7/8 of train + validation 8 times, and the refit on all of it, a third more than on train.
    Baselines are fitted meanwhile: only where they take longer do they count, with at most their limit.
    """
    assert read_status(search).evaluation_seconds == pytest.approx((25 + 8 * 4 / 3) * 140 / (8 / 6))

    def estimate(**settings: Any) -> float | None:
        study = replace(STUDY, budget=Budget(trials=4), evaluation=EvaluationSettings(**settings))
        return read_status(Search(study, search.folder)).evaluation_seconds

    assert estimate(bags=2, seeds=1) == pytest.approx((3 + 15 * 4 / 3) * 140 / (8 / 6))
    alone = {"bag": None, "refit": False, "seeds": 1}
    assert estimate(**alone) == pytest.approx(600)
    assert estimate(**alone, baseline_trials=2) == pytest.approx(3 * 140 / (8 / 6))
    assert read_status(search, seconds_left=20.0).evaluation_seconds is None
    assert estimate(**alone, baseline_trials=0) == pytest.approx(3 * 140 / (8 / 6))


def test_what_ended_is_told_in_its_order_with_reasons(search: Search) -> None:
    study = search.optuna_study
    study.add_trial(make_trial(TrialState.FAIL, None, (10, 11), **{REASON: "no luck"}))
    status = read_status(search)
    assert [(t.number, t.state) for t in status.ended][:3] == [(0, "complete"), (1, "complete"), (6, "failed")]
    assert status.to_json()["failures"][0] == {"trial": 6, "reason": "no luck"}
    assert "ended" not in status.to_json()


def test_running_trials_tell_how_far_they_are(search: Search) -> None:
    with Lease(search.optuna_study) as lease:
        search.optuna_study.add_trial(make_trial(TrialState.RUNNING, 0.6, (64, None), worker=lease.worker))
        (running,) = read_status(search).running
    assert (running.number, running.epoch, running.values) == (6, 2, (0.5, 0.6))


def test_pauses_do_not_count(search: Search) -> None:
    status = read_status(search)
    assert status.elapsed == pytest.approx(60 * (4 + 2))
    assert status.rate == pytest.approx(4 / 6)
    assert status.seconds_left == pytest.approx(60 * 6 / (4 / 6))


def test_time_left_is_what_is_spent_first(search: Search) -> None:
    assert read_status(search, seconds_left=20.0).seconds_left == 20.0
    spent = Search(Study(**{**STUDY.__dict__, "budget": Budget(trials=4)}), search.folder)
    assert read_status(spent, seconds_left=20.0).seconds_left == 0.0


def test_a_search_that_has_just_begun(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "s").create()
    optuna.create_study(study_name="s", storage=open_storage(folder.journal), direction="maximize")
    status = read_status(open_search(STUDY, tmp_path))
    assert (status.finished, status.best_value, status.elapsed, status.rate, status.seconds_left) == (
        0,
        None,
        None,
        None,
        None,
    )
    json.dumps(status.to_json(), allow_nan=False)


def test_no_search_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="tuner sweep"):
        open_search(STUDY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_workers_and_stale_leases(search: Search) -> None:
    dead = {"host": socket.gethostname(), "pid": os.getpid(), "started": "1", "beat": 0.0}
    study = search.optuna_study
    write_lease(study, "dead", dead)
    study.add_trial(make_trial(TrialState.RUNNING, 0.95, (64, None), worker="dead"))
    with Lease(study) as lease:
        study.add_trial(make_trial(TrialState.RUNNING, 0.6, (64, None), worker=lease.worker))
        status = read_status(search)
    assert status.workers == 1
    assert [trial.number for trial in status.running] == [6, 7]
    assert status.stale_leases == (6,)
    assert (status.best_trial, status.best_value) == (1, 0.90)
    assert status.history[-1] == 0.90


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.PRUNED, TrialState.FAIL])
def test_only_a_complete_trial_is_the_best(search: Search, state: TrialState) -> None:
    finished = None if state is TrialState.RUNNING else 67
    search.optuna_study.add_trial(make_trial(state, 0.99, (66, finished)))
    status = read_status(search)
    assert (status.best_trial, status.best_value) == (1, 0.90)
    assert max(status.history) == 0.90


def test_time_since_a_worker_died_does_not_count(search: Search) -> None:
    study = search.optuna_study
    study.add_trial(make_trial(TrialState.RUNNING, 0.95, (-9000, None), worker="dead"))
    assert read_status(search).elapsed == pytest.approx(60 * (4 + 2))
    with Lease(study) as lease:
        study.add_trial(make_trial(TrialState.RUNNING, 0.95, (-9000, None), worker=lease.worker))
        assert (read_status(search).elapsed or 0) > 60 * 9000 - 86400


def draw(status: Status) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(render_status(status))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def make_outcome(search: Search, **changes: Any) -> Outcome:
    test = {"AUC": (0.94, 0.93, 0.952), "1/eps_B at eps_S=0.3": (None, 90.0, None)}
    known: dict[str, Any] = {"winner": 1, "verdict": "Trial 1 has won.", "test": test, "openings": 1}
    return Outcome(**known | {"fingerprint": search.fingerprint} | changes)


def test_winner_on_test_is_read_from_the_storage_alone(search: Search) -> None:
    assert read_status(search).handed_on_test is None
    write_outcome(search, make_outcome(search))
    for path in search.folder.path.iterdir():
        if path != search.folder.journal:
            path.unlink()
    elsewhere = Search(search.study, RunFolder(search.folder.path / "nowhere"), str(search.folder.journal))
    status = read_status(elsewhere)
    assert status.handed_on_test == {"AUC": 0.94, "1/eps_B at eps_S=0.3": None}
    assert status.handed_on_test_intervals == {"AUC": (0.93, 0.952), "1/eps_B at eps_S=0.3": (90.0, None)}
    assert status.verdict == "Trial 1 has won."
    assert ("AUC 0.940 ± 0.011" in draw(status), "Trial 1 has won." in draw(status)) == (True, True)
    write_outcome(search, make_outcome(search, test=None))
    assert read_status(search).handed_on_test is None


def test_figures_on_test_of_fewer_trials_are_not_shown_as_those_of_now(search: Search) -> None:
    write_outcome(search, make_outcome(search))
    search.optuna_study.add_trial(make_trial(TrialState.COMPLETE, 0.99, (0, 1), **{FIGURE: 0.99}))
    status = read_status(search)
    assert (status.handed_on_test, status.handed_on_test_intervals) == (None, None)
    assert "More trials have completed since" in draw(status)
    assert "test part" not in draw(status)


@pytest.mark.parametrize("content", [{}, {"winner": 1}, {"test": 3}, {"test": {"AUC": 1}}, 3, "?", None])
def test_an_outcome_of_another_version_does_not_stop_the_status(search: Search, content: Any) -> None:
    write_evaluated(search.optuna_study, content)
    assert read_status(search).handed_on_test is None


def test_a_damaged_provenance_is_told_with_its_name(search: Search) -> None:
    for content in (b"", b'{"calls": [{}]}', b'{"calls": 3}'):
        search.folder.provenance.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r'provenance\.json" must be as it was written, but it .*Restore it'):
            open_search(search.study, search.folder.path.parent)


def test_json_round_trip(search: Search) -> None:
    content = json.loads(json.dumps(read_status(search).to_json(), allow_nan=False))
    assert content["states"]["complete"] == 3
    assert content["finished"] == 4
    assert content["best_params"] == {"lr": 0.1}


def test_a_trial_that_has_finished_is_read_once_and_one_that_runs_each_time(search: Search) -> None:
    before = search.trials
    running = search.optuna_study.ask({"lr": FloatDistribution(0, 1)})
    running.report(0.7, 1)
    during = search.trials
    assert during[-1].epochs == 1
    search.optuna_study.tell(running, 0.8)
    after = search.trials
    assert (during[-1].state, after[-1].state, after[-1].value) == ("running", "complete", 0.8)
    ended = [old.number for old in before if old.finished is not None]
    assert len(ended) > 3
    assert all(before[number] is after[number] for number in ended)
    assert [trial.number for trial in after] == list(range(len(before)))
