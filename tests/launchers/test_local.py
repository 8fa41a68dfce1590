"""Workers are real processes: they get their share of the machine, one Ctrl-C, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tuner.launchers.local import LocalWorkers, count_cores, launch, read_tail, share_machine
from tuner.run_folder import RunFolder

PATIENT = "import time; time.sleep(60)"
COUNTS_INTERRUPTS = """
import signal, sys, time
n = 0
def handle(*_):
    global n
    n += 1
    print('interrupts', n)
signal.signal(signal.SIGINT, handle)
print('ready')
end = time.monotonic() + 60
while time.monotonic() < end and n == 0:
    time.sleep(0.02)
time.sleep(0.3)
sys.exit(130)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "study")


def start(folder: RunFolder, program: str, *, workers: int = 2, n_gpus: int = 0, **environment: str) -> LocalWorkers:
    return launch(
        [sys.executable, "-c", program], workers=workers, folder=folder, n_gpus=n_gpus, environment=environment
    )


def log_of(folder: RunFolder, worker: int) -> str:
    return (folder.logs / f"worker-{worker}.log").read_text()


def wait_for(folder: RunFolder, text: str, *, workers: int = 2) -> None:
    deadline = time.monotonic() + 60
    while not all(text in log_of(folder, worker) for worker in range(workers)):
        assert time.monotonic() < deadline, f'no worker printed "{text}"'
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_exits_are_reported_once_with_code_and_log(folder: RunFolder) -> None:
    program = "import sys; print('before'); print('the end', file=sys.stderr); sys.exit(3)"
    with start(folder, program) as workers:
        assert workers.wait(20)
        ended = workers.poll()
        assert workers.poll() == []
    assert [(worker.number, worker.exit_code, worker.failed) for worker in ended] == [(0, 3, True), (1, 3, True)]
    assert ended[1].log.read_text() == "before\nthe end\n"
    assert "exit code 3" in ended[0].describe()
    assert "the end" in ended[0].describe()


def test_good_ends_are_no_failures(folder: RunFolder) -> None:
    with start(folder, "pass", workers=1) as workers:
        workers.wait(20)
        (ended,) = workers.poll()
    assert not ended.failed


def test_cores_are_shared_out(folder: RunFolder) -> None:
    program = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    with start(folder, program, workers=1) as workers:
        workers.wait(20)
    assert log_of(folder, 0).split() == [str(count_cores())] * 2
    many = 4 * count_cores()
    assert share_machine({}, 0, many)["OMP_NUM_THREADS"] == "1"


def test_each_worker_sees_one_of_several_gpus(folder: RunFolder) -> None:
    program = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    with start(folder, program, workers=3, n_gpus=2, CUDA_VISIBLE_DEVICES="4,7") as workers:
        workers.wait(20)
    assert [log_of(folder, worker).strip() for worker in range(3)] == ["4", "7", "4"]
    assert share_machine({}, 1, 2, n_gpus=2)["CUDA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in share_machine({}, 1, 2, n_gpus=1)


def test_logs_are_added_to_when_a_sweep_goes_on(folder: RunFolder) -> None:
    for text in ("first", "second"):
        with start(folder, f"print({text!r})", workers=1) as workers:
            workers.wait(20)
    assert log_of(folder, 0).split() == ["first", "second"]


def test_interrupt_reaches_every_worker_once(folder: RunFolder) -> None:
    with start(folder, COUNTS_INTERRUPTS) as workers:
        wait_for(folder, "ready")
        workers.interrupt()
        assert workers.wait(20)
        ended = workers.poll()
    assert [worker.failed for worker in ended] == [False, False]
    assert [log_of(folder, worker).count("interrupts") for worker in range(2)] == [1, 1]


def test_a_worker_that_is_started_while_the_others_are_interrupted_leaves_as_well(folder: RunFolder) -> None:
    """A Ctrl-C may come between the end of a worker and the start of the next in its place."""
    with start(folder, PATIENT) as workers:
        workers.interrupt()
        assert workers.wait(20)
        assert len(workers.poll()) == 2
        workers.replace(0)
        assert workers.wait(20), "nobody told it to leave"
        (ended,) = workers.poll()
    assert not ended.failed


def test_ctrl_c_in_the_terminal_does_not_reach_workers(folder: RunFolder) -> None:
    with start(folder, COUNTS_INTERRUPTS, workers=1) as workers:
        wait_for(folder, "ready", workers=1)
        assert os.getpgid(workers.pids[0]) != os.getpgrp()


def test_kill_ends_workers_and_their_children_at_once(folder: RunFolder) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print('child', child.pid, 'ready')\n"
        "time.sleep(60)\n"
    )
    with start(folder, program, workers=1) as workers:
        wait_for(folder, "ready", workers=1)
        assert not workers.wait(0.05)
        assert workers.n_running == 1
        workers.kill()
        assert workers.n_running == 0
    (ended,) = workers.poll()
    assert ended.exit_code == -signal.SIGKILL
    assert "SIGKILL" in ended.describe()
    child = int(log_of(folder, 0).split()[1])
    deadline = time.monotonic() + 60
    while lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_leaving_the_block_kills_what_still_runs(folder: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), start(folder, PATIENT) as workers:
        raise KeyboardInterrupt
    assert workers.n_running == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    parent = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from tuner.launchers.local import launch
        from tuner.run_folder import RunFolder
        workers = launch([sys.executable, "-c", "import time; time.sleep(60)"], workers=2,
                         folder=RunFolder(Path({str(tmp_path)!r})))
        print(*workers.pids, flush=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.kill()
        process.wait()
    deadline = time.monotonic() + 60
    while any(lives(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.02)


def test_tail_is_of_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "worker-0.log"
    assert read_tail(log) == ""
    log.write_text("\n".join(f"line {number}" for number in range(100)) + "\n")
    assert read_tail(log, n_bytes=20) == "line 98\nline 99"
    assert read_tail(log).startswith("line 0\n")
