"""What a judgement takes, and what of it fits into less time, by the time and by what trainings cost alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from samples import make_study

from tuner.checked_files import write_json
from tuner.preparation.settings import Preparation
from tuner.run_folder import RunFolder
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.judgement_time import (
    JudgementCosts,
    estimate_trainings,
    find_growth,
    limit_baselines,
    measure_costs,
    shorten,
)
from tuner.tuning.search import Search, TrialRecord

COSTS = JudgementCosts(training=2.0, joined=3.0, n_candidates=20)
FULL = EvaluationSettings(bags=2, folds=4)
START = datetime(2026, 11, 27, 12)


def list_changes(settings: EvaluationSettings, before: EvaluationSettings = FULL) -> dict[str, Any]:
    old = asdict(before)
    return {name: value for name, value in asdict(settings).items() if value != old[name]}


def test_networks_take_what_their_number_and_events_say() -> None:
    assert estimate_trainings(FULL, COSTS) == (25 + 4) * 2.0 + (2 * 7 + 1) * 3.0
    assert estimate_trainings(FULL, COSTS, are_retrained=True) == 4 * 2.0 + (2 * 7 + 1) * 3.0
    few = JudgementCosts(training=2.0, joined=3.0, n_candidates=1)
    assert estimate_trainings(FULL, few) == (5 + 4) * 2.0 + (7 + 1) * 3.0


@pytest.mark.parametrize(
    ("seconds", "changes"),
    [
        (103 / 0.8, {}),
        (102 / 0.8, {"seeds": 3}),
        (82 / 0.8, {"seeds": 3, "bags": 1}),
        (61 / 0.8, {"seeds": 3, "bags": 1, "refit": False}),
        (58 / 0.8, {"seeds": 3, "bags": 1, "refit": False, "folds": None}),
        (39 / 0.8, {"seeds": 3, "bags": 1, "refit": False, "folds": None, "finalists": 3}),
        (30 / 0.8, {"seeds": 3, "bags": 1, "refit": False, "folds": None, "finalists": 3, "bag": 5}),
        (24 / 0.8, {"seeds": 3, "bags": 1, "refit": False, "folds": None, "finalists": 2, "bag": 5}),
        (8 / 0.8, {"seeds": 1, "bags": 1, "refit": False, "folds": None, "finalists": 1, "bag": 3}),
        (2 / 0.8, {"seeds": 1, "bags": 1, "refit": False, "folds": None, "finalists": 1, "bag": None}),
        (0.0, {"seeds": 1, "bags": 1, "refit": False, "folds": None, "finalists": 1, "bag": None}),
    ],
)
def test_what_does_not_fit_is_given_up_step_by_step(seconds: float, changes: dict[str, Any]) -> None:
    assert list_changes(shorten(FULL, COSTS, seconds + 1e-9)) == changes


def test_the_finalists_stay_what_they_are_once_they_are_trained() -> None:
    changes = {"bags": 1, "refit": False, "folds": None, "bag": None}
    assert list_changes(shorten(FULL, COSTS, 0.0, are_retrained=True)) == changes


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"hand_on": "bag"}, {"bag": 2, "bags": 1, "refit": False, "finalists": 1}),
        ({"hand_on": "blend"}, {"bag": 2, "bags": 1, "refit": False, "finalists": 1}),
        ({"hand_on": "ensemble of bags"}, {"bag": 2, "bags": 2, "refit": False, "finalists": 2}),
        ({"hand_on": "ensemble"}, {"bag": None, "bags": 1, "finalists": 2, "seeds": 2}),
        ({"hand_on": "ensemble", "finalists": 1}, {"finalists": 1, "seeds": 2}),
        ({"hand_on": "refit"}, {"bag": None, "bags": 1, "refit": True, "finalists": 1}),
    ],
)
def test_what_is_to_be_handed_on_is_never_given_up(wanted: dict[str, Any], kept: dict[str, Any]) -> None:
    least = asdict(shorten(EvaluationSettings(bags=2, **wanted), COSTS, 0.0))
    assert {name: least[name] for name in kept} == kept


def test_without_baselines_networks_have_all_of_the_time() -> None:
    settings = EvaluationSettings(baseline_trials=0)
    assert shorten(settings, COSTS, estimate_trainings(settings, COSTS)) == settings


def test_baselines_have_what_the_networks_leave_of_a_process() -> None:
    """Networks take 103 s of both processes: of 200 s 97 are left of each, and one has 160 s at the most."""
    assert limit_baselines(FULL, COSTS, 200.0, n_processes=2, n_kinds=2) == pytest.approx(160 / 2 / 2 / 60)
    assert limit_baselines(FULL, COSTS, 200.0, n_processes=1, n_kinds=2) == pytest.approx(97 / 2 / 2 / 60)
    assert limit_baselines(FULL, COSTS, 50.0, n_processes=2, n_kinds=2) == pytest.approx(0.2 * 50 * 2 / 2 / 2 / 60)
    assert limit_baselines(FULL, COSTS, 1e9, n_processes=2, n_kinds=2) == FULL.baseline_minutes


def make_trial(number: int, state: str, figure: float | None, begun: float, seconds: float | None) -> TrialRecord:
    started = START + timedelta(seconds=begun)
    return TrialRecord(
        number=number,
        state=state,
        params={},
        distributions={},
        value=figure,
        figure=figure,
        best_epoch=1,
        epochs=1,
        reason=None,
        n_parameters=1,
        started=started,
        finished=None if seconds is None else started + timedelta(seconds=seconds),
        warm_start=False,
    )


def test_the_best_trials_own_pace_is_that_of_the_finalists() -> None:
    """Over 40 s, 60 s of ended trials and 20 s of a running one: two at a time."""
    trials = [
        make_trial(0, "complete", 0.9, 0, 30),
        make_trial(1, "complete", 0.6, 0, 10),
        make_trial(2, "pruned", None, 10, 20),
        make_trial(3, "running", None, 20, None),
    ]
    now = START + timedelta(seconds=40)
    costs = measure_costs(trials, EvaluationSettings(finalists=1), growth=4 / 3, now=now)
    assert costs == JudgementCosts(training=15.0, joined=pytest.approx(20.0), n_candidates=2)
    both = measure_costs(trials, EvaluationSettings(finalists=2), growth=4 / 3, now=now)
    assert both is not None
    assert both.training == 10.0
    assert measure_costs(trials[2:], EvaluationSettings(), growth=4 / 3, now=now) is None


def test_the_sizes_of_the_parts_count_and_not_the_fractions(tmp_path: Path) -> None:
    study = replace(make_study(n_events=400), preparation=Preparation(counts=(100, 300, None)))
    search = Search(study, RunFolder(tmp_path))
    assert find_growth(search) == pytest.approx(0.8 / 0.6)
    write_json(search.folder.provenance, {"parts": {"train": {"events": 100}, "validation": {"events": 300}}})
    assert find_growth(search) == 4.0
