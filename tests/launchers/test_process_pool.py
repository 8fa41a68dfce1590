"""Jobs in real processes: a process that dies costs only its job; a program without a guard runs once; none is left."""

from __future__ import annotations

import multiprocessing.spawn
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.errors import SearchError
from tuner.launchers.process_pool import ProcessPool

JOBS = """
import os, signal, time
from pathlib import Path


def name_process(seconds=0.0):
    time.sleep(seconds)
    return os.getpid()


def die_at_first(tally, times):
    with open(tally, "a") as file:
        file.write(f"{os.getpid()}\\n")
    if len(Path(tally).read_text().split()) <= times:
        print("dying", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die_of(tally, end):
    with open(tally, "a") as file:
        file.write(f"{os.getpid()}\\n")
    print("dying", flush=True)
    exec(end)


def refuse():
    raise LookupError("no such thing")


def read_environment(seconds=0.0):
    time.sleep(seconds)
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A module that the processes find where this one does."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "pool_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(str(folder))
    import pool_jobs

    yield pool_jobs
    del sys.modules["pool_jobs"]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_jobs_are_shared_and_a_death_costs_its_own_job_a_second_start(jobs, tmp_path, caplog):
    tally = tmp_path / "tally"
    with ProcessPool(2, tmp_path / "logs") as pool:
        deadly, steady = pool.submit(jobs.die_at_first, tally, 1), pool.submit(jobs.name_process, 1.0)
        looks: list[float] = []
        pool.watch([deadly, steady], lambda: looks.append(time.monotonic()))
        refused = pool.submit(jobs.refuse)
        with pytest.raises(LookupError, match="no such thing"):
            refused.result()
        died, survivor = map(int, tally.read_text().split())
        assert deadly.result() == survivor
        assert steady.result() not in (died, survivor, os.getpid())
        assert looks
    assert not any(map(lives, (died, survivor, steady.result())))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "done again" in warning
    assert warning.endswith("dying")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(9)", "os.abort()"])
def test_what_two_processes_die_of_is_an_error_and_not_done_by_the_one_that_asks(jobs, tmp_path, caplog, end):
    tally = tmp_path / "tally"
    with ProcessPool(1, tmp_path / "logs") as pool:
        deadly = pool.submit(jobs.die_of, tally, end)
        with pytest.raises(
            SearchError, match=r"(?s)`die_of` .* 2 processes died of it; the last one .*pool-0.log.*dying"
        ):
            deadly.result()
        pids = {int(pid) for pid in tally.read_text().split()}
        assert len(pids) == 2
        assert os.getpid() not in pids
        assert not {process.pid for process in pool._running.values()} & pids
        assert pool.submit(jobs.name_process).result() != os.getpid()
    assert len(caplog.records) == 1


def test_where_no_process_can_be_started_the_one_that_asks_does_it(jobs, tmp_path, monkeypatch, caplog):
    """As `multiprocessing` starts an executable that is not there."""
    context = multiprocessing.get_context("spawn")
    executable = multiprocessing.spawn.get_executable()
    context.set_executable(tmp_path / "absent")
    try:
        with ProcessPool(1, tmp_path / "logs") as pool:
            assert pool.submit(jobs.name_process).result() == os.getpid()
    finally:
        context.set_executable(executable)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "could not be started" in warning


def test_jobs_that_need_no_gpu_have_a_process_beside_those_with_one_each(jobs, tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with ProcessPool(3, tmp_path / "logs", n_gpus=2) as pool:
        trainings = [pool.submit(jobs.read_environment, 0.3) for _ in range(4)]
        beside = [pool.submit(jobs.read_environment, 0.3, needs_gpu=False) for _ in range(2)]
        assert {job.result()["CUDA_VISIBLE_DEVICES"] for job in trainings} <= {"0", "1"}
        assert [job.result()["CUDA_VISIBLE_DEVICES"] for job in beside] == ["", ""]
    assert len(list((tmp_path / "logs").iterdir())) == 3


def test_without_processes_the_one_that_asks_does_it(jobs, tmp_path):
    with ProcessPool(0, tmp_path / "logs") as pool:
        job = pool.submit(jobs.name_process)
        pool.watch([job], lambda: pytest.fail("there is nothing to wait for"))
        assert job.result() == os.getpid()
    assert not (tmp_path / "logs").exists()


def test_a_process_gets_its_share_of_the_machine_and_leaves_this_ones_alone(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr("tuner.launchers.local.count_cores", lambda: 6)
    before = dict(os.environ)
    with ProcessPool(2, tmp_path / "logs", n_gpus=2) as pool:
        slow = pool.submit(jobs.name_process, 1.0)
        found = [pool.submit(jobs.read_environment).result(), slow.result()][0]
    assert found in [{"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": gpu} for gpu in ("3", "5")]
    assert dict(os.environ) == before


PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, "jobs")
import pool_jobs
from tuner.launchers.process_pool import ProcessPool

print("program", flush=True)
with ProcessPool(1, Path("logs")) as pool:
    print("pid", pool.submit(pool_jobs.name_process).result(), flush=True)
    print("pid", pool.submit(pool_jobs.name_process, 60.0).result(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_without_a_guard_runs_once_and_takes_its_processes_along(jobs, tmp_path, number):
    """Whether Ctrl-C ends it, which reaches all processes of a terminal, or nobody asks it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "program.py").write_text(PROGRAM)
    (tmp_path / "signal.py").write_text("raise SystemExit('not the library')")
    program = subprocess.Popen(
        [sys.executable, "bin/program.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "program\n"
    pid = int(program.stdout.readline().split()[1])
    time.sleep(0.3)  # let the job that lasts begin
    assert lives(pid)
    os.killpg(program.pid, number) if number == signal.SIGINT else program.kill()
    rest, errors = program.communicate(timeout=20)
    assert rest == ""
    assert errors.count("Traceback") == (number == signal.SIGINT)
    deadline = time.monotonic() + 20
    while lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (tmp_path / "logs" / "pool-0.log").read_text() == ""


@pytest.mark.parametrize(
    ("processes", "gpus", "stretch"), [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 2.0), (4, 0, 4 / 3), (3, 2, 1.0)]
)
def test_a_process_that_does_something_else_stretches_trainings_only_where_they_share_the_processes(
    tmp_path, processes, gpus, stretch
):
    assert ProcessPool(processes, tmp_path, n_gpus=gpus).stretch == stretch
