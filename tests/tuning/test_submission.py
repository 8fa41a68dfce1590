"""A sweep as jobs: what is planned, what is refused before, and a whole one on a real Slurm."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import optuna
import pytest
from samples import make_study
from slow_study import SLOW_STUDY
from slurm_node import begin_again, skip_without_slurm, start_slurm
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.json_forms import SubmitForm
from tuner.errors import SearchError
from tuner.launchers.batch_jobs import Resources
from tuner.run_folder import RunFolder
from tuner.tuning.search import open_search
from tuner.tuning.storage import STORAGE_VARIABLE
from tuner.tuning.study_file import load_study
from tuner.tuning.submission import plan_submission
from tuner.tuning.submitted_jobs import read_jobs


def plan(tmp_path, system="slurm", **options):
    return plan_submission(
        make_study(), tmp_path / "s.py", system, Resources(), workers=3, folder=tmp_path / "runs", **options
    )


def test_jobs_are_told_where_everything_is_and_a_plan_writes_nothing(tmp_path):
    planned = dict(plan(tmp_path, sweep_options=["--seed", "7"]).files)
    assert f"tuner work {tmp_path}/s.py --folder {tmp_path}/runs &" in planned["work.sh"]
    assert f"tuner sweep {tmp_path}/s.py --folder {tmp_path}/runs --seed 7 &" in planned["conclude.sh"]
    assert "--array=0-2" in planned["work.sh"]
    assert "--array" not in planned["conclude.sh"]
    assert f"cd {Path.cwd()} " in planned["work.sh"]
    assert list(dict(plan(tmp_path, "htcondor").files)) == [
        *("work.sh", "work.sub", "conclude.sh", "conclude.sub", "tuner.dag"),
    ]
    assert not list(tmp_path.iterdir())


def test_a_storage_reaches_all_jobs_and_its_password_no_file(tmp_path):
    host = "postgresql://me@db.example.org/trials"
    for system in ("slurm", "htcondor"):
        assert f"export {STORAGE_VARIABLE}={host}\n" in dict(plan(tmp_path, system, storage=host).files)["work.sh"]
    other = dict(plan(tmp_path, storage="other.log").files)
    assert f"export {STORAGE_VARIABLE}={Path.cwd()}/other.log\n" in other["work.sh"]
    secret = "postgresql://me:hush@db.example.org/trials"
    planned = plan(tmp_path, storage=secret)
    assert planned.environment == {STORAGE_VARIABLE: secret}
    assert "hush" not in str(planned.files)
    assert f"${{{STORAGE_VARIABLE}:?" in dict(planned.files)["work.sh"]
    with pytest.raises(SearchError, match="without a password") as caught:
        plan(tmp_path, "htcondor", storage=secret)
    assert "hush" not in str(caught.value)
    with pytest.raises(SearchError, match="but the storage is SQLite"):
        plan(tmp_path, storage="sqlite:///trials.db")


def test_what_other_machines_may_not_see_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.tuning.submission.is_only_node", lambda: False)
    monkeypatch.setattr("tuner.tuning.shared_storage.find_file_system", lambda path: "ext4")
    disk, host = plan(tmp_path, storage="postgresql://me@localhost/trials").remarks
    assert "(ext4). Workers on other machines need it" in disk
    assert host.startswith("The storage is at localhost, which means another machine to each worker")
    monkeypatch.setattr("tuner.tuning.shared_storage.find_file_system", lambda path: "nfs4")
    assert plan(tmp_path).remarks == ()
    monkeypatch.setattr("tuner.tuning.shared_storage.find_file_system", lambda path: "ext4")
    monkeypatch.setattr("tuner.tuning.submission.is_only_node", lambda: True)
    assert plan(tmp_path).remarks == ()


def test_a_dry_run_prints_json_and_writes_nothing(tmp_path):
    file = tmp_path / "slow.py"
    file.write_text(SLOW_STUDY)
    told = run("submit", file, "--htcondor", "--dry-run", "--json", "--folder", tmp_path / "runs")
    answer = json.loads(told)
    SubmitForm.model_validate(answer)
    assert answer["jobs"] == []
    assert "tuner work" in answer["files"]["work.sh"]
    assert list(tmp_path.iterdir()) == [file]


def write_program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_condors_scripts_are_programs_and_jobs_that_may_be_queued_are_not_joined_by_others(tmp_path, monkeypatch):
    """Stand-ins for HTCondor's programs: it is not here."""
    file = tmp_path / "slow.py"
    file.write_text(SLOW_STUDY)
    write_program(tmp_path / "bin" / "condor_submit_dag", 'echo "1 job(s) submitted to cluster 17."')
    queue = tmp_path / "bin" / "condor_q"
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    request = ("submit", file, "--htcondor", "--tracker", "none", "--folder", tmp_path / "runs")
    assert "Submitted HTCondor job 17" in run(*request)
    jobs = RunFolder(tmp_path / "runs" / "slow").jobs
    assert all(os.access(script, os.X_OK) for script in jobs.glob("*.sh"))

    def refuse():
        told = CliRunner().invoke(app, list(map(str, request)))
        assert told.exit_code == 2
        return " ".join(told.output.split())

    write_program(queue, "exit 1")
    assert "HTCondor does not answer whether job 17 has" in refuse()
    write_program(queue, "echo 17 2; echo 18 1; echo 18 1")
    assert "2 pending" in refuse()
    write_program(queue, 'case "$*" in *"ClusterId == 17"*) echo 17 2;; esac')
    assert "condor_rm 17" in refuse()


@pytest.fixture
def slurm(monkeypatch):
    skip_without_slurm()
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, start_slurm(Path(folder)) as conf:
        monkeypatch.setenv("SLURM_CONF", str(conf))
        yield


def run(*words):
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.stdout


def wait_until(holds, folder, seconds=200):
    deadline = time.monotonic() + seconds
    while not holds():
        logs = [log.read_text()[-1000:] for log in folder.logs.glob("slurm-*")]
        assert time.monotonic() < deadline, logs
        time.sleep(0.3)


def test_a_sweep_on_slurm_survives_preemption_and_is_evaluated(slurm, tmp_path, monkeypatch):
    file = tmp_path / "slow.py"
    file.write_text(SLOW_STUDY)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    where, folder = ("--folder", tmp_path / "my runs"), RunFolder(tmp_path / "my runs" / "slow")
    request = ("--slurm", "--workers", "1", "--memory", "500M", "--time", "10m", "--tracker", "none", "--closed-test")
    told = run("submit", file, *request, *where)
    assert told.splitlines()[:2] == [
        "Submitted Slurm job 1 (train): 1 pending",
        "Submitted Slurm job 2 (evaluate): 1 pending",
    ]
    again = CliRunner().invoke(app, list(map(str, ["submit", file, *request, *where])))
    assert again.exit_code == 2
    assert "must have ended" in again.output

    optuna_study = open_search(load_study(file), tmp_path / "my runs").optuna_study

    def is_training():
        trials = optuna_study.get_trials(deepcopy=False)
        return any(t.state.name == "RUNNING" and len(t.intermediate_values) > 2 for t in trials)

    wait_until(is_training, folder)
    subprocess.run(["scancel", "--batch", "--signal=USR1", "1"], check=True)

    begin_again("1")

    def is_over():
        return folder.report.exists() and not any(job.states for job in read_jobs(folder))

    wait_until(is_over, folder)
    states = [trial.state for trial in optuna_study.get_trials()]
    assert states.count(optuna.trial.TrialState.COMPLETE) + states.count(optuna.trial.TrialState.PRUNED) == 3
    assert states.count(optuna.trial.TrialState.FAIL) == 1  # the one that was given back
    assert folder.evaluation.exists()
    assert not folder.openings.exists()
    assert (folder.logs / "slurm-work-1.log").read_text().count("Stopping within seconds (SIGUSR1)") == 1
    shown = run("status", file, *where)
    assert "Slurm job 1 (train): has ended\nSlurm job 2 (evaluate): has ended\n" in shown
