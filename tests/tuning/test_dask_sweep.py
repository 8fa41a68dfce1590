"""A sweep on a real Dask scheduler: one of its machines is killed, another joins, the budget is spent all the same."""

import json
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest
from dask_cluster import start_dask
from slow_study import SLOW_STUDY
from slurm_node import show_job, skip_without_slurm, start_slurm
from typer.testing import CliRunner

import tuner
from tuner.cli.app import app
from tuner.errors import SearchError
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker
from tuner.tuning.search import Search
from tuner.tuning.study_file import load_study

pytest.importorskip("distributed", reason='needs the extra "dask"')


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text(SLOW_STUDY)
    return path


def test_the_budget_is_spent_whatever_becomes_of_a_machine(tmp_path, file):
    (tmp_path / "dask").mkdir()
    study, folder = load_study(file), RunFolder(tmp_path / "runs" / "slow")
    told = []
    with start_dask(tmp_path / "dask", workers=2) as processes:
        killer = threading.Thread(target=lambda: told.append(kill_one_that_trains(processes, study, folder)))
        killer.start()
        search = tuner.sweep(study, folder=folder.path.parent, tracker=NoTracker(), dask=str(processes.scheduler_file))
        killer.join()
    assert told == [True]
    states = [trial.state for trial in search.trials]
    assert states.count("complete") + states.count("pruned") == study.budget.trials
    assert set(states) <= {"complete", "pruned", "interrupted"}
    assert "interrupted" in states
    assert not any(search.workers.values())


def kill_one_that_trains(processes, study, folder):
    """Kill a machine while its worker trains, and let another join."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if (folder.path / "search.json").exists():
            trials = Search(study, folder, None).optuna_study.get_trials(deepcopy=False)
            if sum(t.state.name == "RUNNING" and len(t.intermediate_values) > 2 for t in trials) >= 1:
                processes.workers[0].send_signal(signal.SIGKILL)
                processes.join()
                return True
    return False


CLUSTER = """
kind = "slurm"
minimum = 1
maximum = 1

[options]
cores = 1
memory = "2GB"
walltime = "00:10:00"
interface = "lo"
log_directory = "{folder}"
scheduler_options = {{ dashboard_address = ":0" }}
worker_extra_args = ["--no-dashboard"]
"""


def test_one_cluster_of_slurm_jobs_trains_and_judges(tmp_path, monkeypatch):
    """A whole `tuner sweep --dask cluster.toml` on a real Slurm: search and evaluation share one job."""
    pytest.importorskip("dask_jobqueue", reason='needs the extra "dask"')
    skip_without_slurm()
    file, cluster = tmp_path / "slow.py", tmp_path / "cluster.toml"
    file.write_text(SLOW_STUDY.replace("trials=3, epochs=20", "trials=2, epochs=2"))
    cluster.write_text(CLUSTER.format(folder=tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, start_slurm(Path(folder)) as conf:
        monkeypatch.setenv("SLURM_CONF", str(conf))
        words = ["sweep", str(file), "--dask", str(cluster), "--folder", str(tmp_path / "runs"), "--tracker", "none"]
        swept = CliRunner().invoke(app, [*words, "--quiet", "--json"])
        jobs = show_job()
    assert swept.exit_code == 0, swept.output
    assert json.loads(swept.stdout)["end"] == "spent"
    assert (tmp_path / "runs" / "slow" / "evaluation.json").exists()
    assert jobs.count("JobId=") == 1
    assert (tmp_path / "runs" / "slow" / "logs" / "dask-0.log").exists()


def test_what_dask_workers_could_not_use_is_refused_first(tmp_path, file):
    study = load_study(file)
    with pytest.raises(SearchError, match=r"`dask` needs a tracker .* or call without `dask`"):
        tuner.sweep(study, folder=tmp_path / "runs", tracker=Memory(), dask="tcp://127.0.0.1:9")
    with pytest.raises(SearchError, match="but the storage is SQLite"):
        tuner.sweep(study, folder=tmp_path / "runs", storage="sqlite:///t.db", dask="tcp://127.0.0.1:9")
    assert not (tmp_path / "runs").exists()
