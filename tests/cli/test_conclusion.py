"""The end of a sweep: the judgement is left until the last trial of the budget is told, whoever trains it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from samples import Shown, make_study

import tuner
from tuner.cli.conclusion import conclude_sweep
from tuner.evaluation.evaluate import read_evaluation
from tuner.evaluation.shortening import describe_shortening
from tuner.evaluation.test_set_log import read_openings
from tuner.evaluation.validity import still_holds
from tuner.trackers import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings

ROOT = Path(__file__).parents[2]
LAST_TRIAL = """
import sys
import optuna
from optuna.trial import TrialState
from tuner.tuning.heartbeats import Lease
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import claim
from pathlib import Path

study = optuna.load_study(study_name="small", storage=open_storage(Path(sys.argv[1]) / "journal.log"))
with Lease(study) as lease:
    trial = study.ask()
    claim(trial, lease.worker)
    print("trains")
    sys.stdin.read()
    trial.report(0.6, 1)
    study.tell(trial, state=TrialState.PRUNED)
"""


def conclude(search: tuner.Search, display: Shown) -> None:
    conclude_sweep(search, display, open_test=True, device="cpu")


def test_the_last_trial_of_another_worker_is_waited_for_and_then_all_are_judged(tmp_path: Path) -> None:
    quick = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
    small = make_study(trials=1, epochs=1, n_events=800, evaluation=quick)
    begun = tuner.sweep(small, folder=tmp_path, tracker=NoTracker(), workers=1)
    search = tuner.Search(replace(small, budget=tuner.Budget(trials=2, epochs=1)), begun.folder)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", LAST_TRIAL, str(search.folder.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "trains\n"
            display = Shown()
            thread = threading.Thread(target=conclude, args=(search, display))
            thread.start()
            while not display.told:
                time.sleep(0.05)
            assert "1 worker still trains this study" in display.told[0]
            assert not search.folder.openings.exists()
            worker.communicate(timeout=60)
        finally:
            worker.kill()
    thread.join(timeout=120)
    assert [trial.state for trial in search.trials] == ["complete", "pruned"]
    assert len(read_openings(search)) == 1
    assert not any("budget is not spent" in line for line in display.told)
    assert search.folder.report.exists()


def test_a_call_of_some_seconds_is_judged_within_them_and_says_what_it_was_spared(tmp_path: Path) -> None:
    """The judgement that is wanted would take hours."""
    wanted = EvaluationSettings(finalists=4000, seeds=50, bag=8, baseline_trials=1, replicas=20)
    study = make_study(trials=2, epochs=2, n_events=800, evaluation=wanted)
    began, display = time.time(), Shown()
    tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)
    seconds = max(5.0, 3 * (time.time() - began))
    more = replace(study, budget=replace(study.budget, trials=9999))
    search = tuner.sweep(more, folder=tmp_path, tracker=NoTracker(), workers=1, minutes=seconds / 60)
    evaluation, page = conclude_sweep(search, display, open_test=True, device="cpu")
    assert evaluation is not None
    assert (evaluation.opening, evaluation.wanted) == (None, wanted)
    assert evaluation.settings.finalists <= 3
    told = describe_shortening(evaluation.settings, evaluation.shortening)
    assert "instead of 4000" in told
    assert told in " ".join(page.read_text().split())
    assert any("the test part stays closed" in line for line in display.told)
    kept = read_evaluation(search)
    assert kept is not None
    assert (kept.settings, kept.shortening) == (evaluation.settings, evaluation.shortening)
    assert still_holds(kept, search)
