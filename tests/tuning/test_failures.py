"""Failures by kind: each is counted as it ended, and says what is done about it."""

from pathlib import Path

import optuna
from optuna.trial import TrialState
from samples import make_study

from tuner.run_folder import RunFolder
from tuner.tuning.failures import POLICIES, FailureCount, count_failures
from tuner.tuning.heartbeats import give_back
from tuner.tuning.search import Search
from tuner.tuning.storage import PATIENCE_SECONDS, open_storage
from tuner.tuning.trial_attributes import Failure, write_reason


def test_failures_are_counted_by_kind_and_by_how_they_ended(tmp_path):
    folder = RunFolder(tmp_path).create()
    study = optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    for failure, fails in [(Failure.HANG, False), (Failure.HANG, True), (Failure.PREEMPTED, False), (None, False)]:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        if fails:
            write_reason(study, trial, "It hangs.", failure)
            study.tell(trial, state=TrialState.FAIL)
        else:
            give_back(study, trial, "It goes on.", failure=failure)
    trials = Search(make_study(), folder).trials
    assert count_failures(trials) == (FailureCount(Failure.HANG, 1, 1), FailureCount(Failure.PREEMPTED, 0, 1))
    assert [trial.failure for trial in trials][:4] == ["hang", "hang", "preemption", None]


def test_every_kind_has_its_policy_and_the_documentation_says_the_same():
    assert POLICIES.keys() == set(Failure)
    page = (Path(__file__).parents[2] / "docs/explanation/failures.md").read_text()
    told = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert told[: len(POLICIES)] == [f"| {kind} | {policy} |" for kind, policy in POLICIES.items()]
    assert f"| database away | Calls wait for it up to {PATIENCE_SECONDS / 60:.0f} minutes" in page
