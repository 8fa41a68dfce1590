"""What a batch system is asked for: sizes and times as people write them, and scripts that a shell takes."""

import subprocess
import time
from pathlib import Path

import pytest

from tuner.errors import SearchError
from tuner.launchers.batch_jobs import BatchJob, Resources, choose_environment, parse_memory, parse_time, write_script
from tuner.launchers.file_systems import LOCAL_KINDS, find_file_system


@pytest.mark.parametrize(
    ("text", "expected"),
    [("16G", 16384), ("500M", 500), ("2000", 2000), ("1.5 GB", 1536), ("2GiB", 2048), ("1t", 2**20)],
)
def test_memory_as_people_write_it(text, expected):
    assert parse_memory(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", 90), ("240", 240), ("12h", 720), ("1.5h", 90), ("2d", 2880), ("1-12:00:00", 2160), ("04:00:30", 241)],
)
def test_times_as_people_write_them(text, expected):
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "a lot", "-4G", "4 cores", "4Gx"])
def test_what_is_no_memory_is_refused(text):
    with pytest.raises(SearchError, match="--memory must be a size"):
        parse_memory(text)


@pytest.mark.parametrize("text", ["", "soon", "-3h", "10:30", "3 weeks"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(SearchError, match="--time must be minutes"):
        parse_time(text)


def test_all_that_a_request_must_not_be_is_told_at_once():
    with pytest.raises(SearchError) as caught:
        Resources(cpus=0, gpus=-1, minutes=3, extra=("--account=x\n#SBATCH --uid=0",))
    for words in ("4 problems", "--cpus must be", "--gpus must be", "--time must be at least 4 minutes", "one line"):
        assert words in str(caught.value)


def test_cores_are_shared_by_the_workers_of_a_job():
    assert (Resources(cpus=8).processes, Resources(cpus=8).threads) == (1, 8)
    assert (Resources(cpus=8, gpus=4).processes, Resources(cpus=8, gpus=4).threads) == (4, 2)
    assert Resources(cpus=1, gpus=4).threads == 1


def test_a_job_finds_what_its_submission_found_but_no_secret(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_PROJECT", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "hush")
    monkeypatch.setenv("TUNER_DATA", "/data")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://host")
    told = choose_environment(3, online=False)
    assert (told["WANDB_MODE"], told["TUNER_DATA"], told["OMP_NUM_THREADS"]) == ("offline", "/data", "3")
    assert "hush" not in told.values()
    assert told["MLFLOW_TRACKING_URI"] == "https://host"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hush@host")
    assert "MLFLOW_TRACKING_URI" not in choose_environment(3, online=False)
    assert choose_environment(3, online=True)["WANDB_MODE"] == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert choose_environment(3, online=False)["WANDB_MODE"] == "disabled"


@pytest.mark.parametrize(
    ("codes", "expected", "requeued"),
    [([0, 0], 0, False), ([0, 2], 2, False), ([75, 0], 75, True), ([2, 75], 75, True), ([130, 130], 130, False)],
)
def test_a_job_is_requeued_if_one_of_its_workers_asks_for_it(tmp_path, codes, expected, requeued):
    ends = " ".join(map(str, codes))
    job = BatchJob(
        name="work",
        title="study",
        command=[
            "/bin/bash",
            "-c",
            f"codes=({ends}); mkdir here 2>/dev/null && exit ${{codes[0]}}; exit ${{codes[1]}}",
        ],
        processes=2,
        resources=Resources(),
        directory=tmp_path,
        logs=tmp_path,
    )
    script = tmp_path / "work.sh"
    script.write_text(write_script(job, [], "echo again"))
    done = subprocess.run(["/bin/bash", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (expected, "again\n" if requeued else "", "")


def test_a_script_passes_on_what_only_it_is_sent(tmp_path):
    worker = "trap 'echo given back; exit 75' TERM; touch here; while :; do sleep 0.05; done"
    job = BatchJob(
        name="work",
        title="study",
        command=["timeout", "--preserve-status", "60", "/bin/bash", "-c", worker],
        resources=Resources(),
        directory=tmp_path,
        logs=tmp_path,
    )
    script = tmp_path / "work.sh"
    script.write_text(write_script(job, [], "echo again"))
    with subprocess.Popen(["/bin/bash", script], stdout=subprocess.PIPE, text=True) as running:
        while not (tmp_path / "here").exists():
            time.sleep(0.02)
        running.terminate()
        assert running.communicate(timeout=20)[0] == "given back\n", "and it is not requeued: it may be cancelled"
    assert running.returncode == 75


def test_the_file_system_of_a_folder_is_known():
    assert find_file_system(Path("/proc/self")) == "proc"
    assert find_file_system(Path("/proc/not/there/yet")) == "proc"
    assert "nfs4" not in LOCAL_KINDS
