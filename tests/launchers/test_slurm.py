"""Jobs on a real Slurm: arrays, the warning before the end, requeueing, a job that waits for others."""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_node import begin_again, show_job, skip_without_slurm, start_slurm

from tuner.errors import SearchError
from tuner.launchers.batch_jobs import BatchJob, Resources
from tuner.launchers.slurm import (
    is_only_node,
    read_slurm_states,
    require_slurm,
    submit_to_slurm,
    write_slurm_script,
)

LISTENS = """
import os, signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: (print('asked', flush=True), sys.exit(75)))
again = os.environ.get('SLURM_RESTART_COUNT', '0')
print('started', os.environ['WORD'], again, flush=True)
time.sleep(0 if again != '0' else 60)
print('finished', flush=True)
"""
SLEEPS = ["/bin/sh", "-c", "echo started; exec sleep 60"]
SAYS = ["/bin/echo", "finished"]


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """A Slurm of this file's own."""
    skip_without_slurm()
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        start_slurm(Path(folder)) as conf,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", str(conf))
        yield


@pytest.fixture
def folder(tmp_path):
    """A folder whose name takes quotes, and holds what Slurm itself would replace."""
    path = tmp_path / "my 100% runs"
    path.mkdir()
    return path


@pytest.fixture
def job(folder):
    return BatchJob(
        name="work",
        title="a study",
        command=[sys.executable, "-S", "-c", LISTENS],
        resources=Resources(memory_mb=100, minutes=10, extra=("--comment=a-test",)),
        directory=folder,
        logs=folder,
        environment={"WORD": "it's"},
    )


def submit(folder, *jobs, environment=None):
    scripts = [folder / f"{job.name}.sh" for job in jobs]
    for script, job in zip(scripts, jobs, strict=True):
        script.write_text(write_slurm_script(job))
    return submit_to_slurm(scripts, environment or {})


def wait_until(holds, seconds=150):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, show_job()
        time.sleep(0.1)


def read_log(folder, name):
    path = folder / f"slurm-{name}.log"
    return path.read_text() if path.exists() else ""


def has_ended(number):
    return not read_slurm_states([number])[number]


def test_a_preempted_job_is_requeued_and_finishes_and_then_the_next_begins(folder, job):
    first, second = submit(folder, replace(job, count=2), replace(job, name="conclude", command=SAYS))
    wait_until(lambda: all("started it's 0" in read_log(folder, f"work-{first}_{n}") for n in (0, 1)))
    assert "JobState=PENDING Reason=Dependency" in show_job(second)
    states = read_slurm_states([first, second])
    assert states == {first: ["RUNNING", "RUNNING"], second: ["PENDING"]}
    for element in (0, 1):
        subprocess.run(["scancel", "--batch", "--signal=USR1", f"{first}_{element}"], check=True)
    elements = [f"{first}_{n}" for n in (0, 1)]
    begin_again(*elements)
    wait_until(lambda: all("finished" in read_log(folder, f"work-{name}") for name in elements))
    wait_until(lambda: "finished" in read_log(folder, f"conclude-{second}"))
    for element in (0, 1):
        log = read_log(folder, f"work-{first}_{element}")
        assert [log.count(word) for word in ("started", "asked", "finished")] == [2, 1, 1]
    wait_until(lambda: has_ended(first) and has_ended(second))


def test_a_worker_that_was_not_listening_yet_is_requeued_and_a_cancelled_job_is_not(folder, job):
    (number,) = submit(folder, replace(job, command=SLEEPS))
    wait_until(lambda: "started" in read_log(folder, f"work-{number}"))
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    begin_again(number)
    wait_until(lambda: read_slurm_states([number])[number] == ["RUNNING"])
    subprocess.run(["scancel", number], check=True)
    wait_until(lambda: has_ended(number))
    assert "JobState=CANCELLED" in show_job(number)


def test_a_job_asks_for_what_it_is_to_have_and_each_worker_of_it_gets_the_signal(folder, job):
    resources = Resources(cpus=2, memory_mb=300, minutes=75)
    (number,) = submit(folder, replace(job, processes=2, resources=resources))
    wait_until(lambda: read_log(folder, f"work-{number}").count("started it's 0") == 2)
    told = show_job(number)
    for word in ("JobName=a study", "TimeLimit=01:15:00", "NumCPUs=2", "MinMemoryNode=300M", "Requeue=1"):
        assert word in told
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
    begin_again(number)
    wait_until(lambda: read_log(folder, f"work-{number}").count("finished") == 2)
    assert read_log(folder, f"work-{number}").count("asked") == 2


def test_a_secret_is_passed_on_and_no_file_tells_it(folder, job):
    needs = replace(job, command=["/usr/bin/env"], expected=("TUNER_STORAGE",), environment={})
    (number,) = submit(folder, needs, environment={"TUNER_STORAGE": "postgresql://me:hush@host/db"})
    wait_until(lambda: "TUNER_STORAGE=postgresql://me:hush@host/db" in read_log(folder, f"work-{number}"))
    assert "hush" not in (folder / "work.sh").read_text() + show_job(number)
    (without,) = submit(folder, needs)
    wait_until(lambda: "TUNER_STORAGE: must be set where this job is submitted" in read_log(folder, f"work-{without}"))


def test_what_slurm_refuses_is_told_and_what_it_took_is_cancelled(folder, job):
    wrong = replace(job, name="conclude", resources=Resources(partition="nowhere"))
    with pytest.raises(SearchError, match="refused: sbatch: error: invalid partition specified: nowhere"):
        submit(folder, replace(job, resources=Resources(extra=("--hold",))), wrong)
    jobs = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout
    assert not jobs


def test_this_machine_is_the_only_node():
    assert is_only_node()


def test_without_slurm_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SearchError, match="`sbatch` must be on the path"):
        require_slurm()
    assert read_slurm_states(["1"]) is None
    assert not is_only_node()


def test_a_name_that_no_option_can_hold_is_refused(folder, job):
    with pytest.raises(SearchError, match="without quotes"):
        write_slurm_script(replace(job, title='a "study"'))
