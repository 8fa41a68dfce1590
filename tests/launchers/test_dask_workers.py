"""Workers on a real Dask scheduler: machines join, are lost, and are asked to stop."""

import functools
import operator
import os
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from dask_cluster import start_dask

from tuner.errors import SearchError
from tuner.launchers.cluster_file import ClusterSettings, read_cluster_file
from tuner.launchers.dask_pool import DaskPool
from tuner.launchers.dask_workers import DaskWorkers, check_machines, connect
from tuner.launchers.local import start_process
from tuner.launchers.remote_commands import list_commands, run_command, signal_commands
from tuner.run_folder import RunFolder

pytest.importorskip("distributed", reason='needs the extra "dask"')

PATIENT = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"
COUNTS_SIGNALS = """
import os, signal, sys, time
def leave(number, frame):
    print('signal', number, flush=True)
    time.sleep(0.3)
    sys.exit(75)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, leave)
print('pid', os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    with start_dask(tmp_path_factory.mktemp("dask"), workers=2) as processes:
        yield processes


@pytest.fixture(scope="module")
def client(dask):
    with connect(dask.scheduler_file) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "study")


def start(client, folder, program, workers=2, **environment):
    return DaskWorkers(client, ["-c", program], workers=workers, folder=folder, environment=environment)


def wait_until(holds, seconds=150):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def read_logs(folder):
    return [log.read_text() for log in sorted(folder.logs.glob("dask-*.log"))]


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def find_pids(folder):
    return [int(line.split()[1]) for log in read_logs(folder) for line in log.splitlines() if line.startswith("pid")]


def test_exits_are_reported_once_with_code_and_log(client, folder):
    program = "import os, sys; print(os.environ['WORD'], os.environ['OMP_NUM_THREADS']); sys.exit(3)"
    with start(client, folder, program, WORD="hello") as workers:
        assert workers.wait(60)
        ended = sorted(workers.poll(), key=lambda worker: worker.number)
        assert workers.poll() == []
        assert [(worker.number, worker.exit_code, worker.failed) for worker in ended] == [(0, 3, True), (1, 3, True)]
        assert ended[0].log.read_text() == "hello 1\n"
        assert ended[0].pid != ended[1].pid
        workers.replace(0)
        assert workers.wait(60)
        assert [worker.number for worker in workers.poll()] == [0]


def test_a_signal_reaches_every_worker_once_and_those_that_wait_are_taken_back(client, folder):
    with start(client, folder, COUNTS_SIGNALS, workers=5) as workers:
        wait_until(lambda: len(find_pids(folder)) == 2)
        waiting = workers.withdraw()
        assert len(waiting) == 3
        workers.interrupt(signal.SIGUSR1)
        assert workers.wait(60)
        assert sorted([worker.number for worker in workers.poll()] + waiting) == [0, 1, 2, 3, 4]
    assert [log.count(f"signal {int(signal.SIGUSR1)}") for log in read_logs(folder)] == [1, 1]


def test_what_still_runs_is_killed_at_the_end(client, folder):
    with start(client, folder, PATIENT, workers=3):
        wait_until(lambda: len(find_pids(folder)) == 2)
        assert all(map(lives, find_pids(folder)))
    wait_until(lambda: not any(map(lives, find_pids(folder))))
    assert len(find_pids(folder)) == 2


def test_a_machine_that_joins_gets_work_and_the_work_of_a_lost_one_is_done_by_another(dask, client, folder):
    with start(client, folder, PATIENT, workers=3) as workers:
        wait_until(lambda: len(find_pids(folder)) == 2)
        joined = dask.join()
        wait_until(lambda: len(find_pids(folder)) == 3)
        before = set(find_pids(folder))
        joined.kill()
        wait_until(lambda: sum(map(lives, before)) == 2)  # its command died with it
        dask.join()
        wait_until(lambda: len(find_pids(folder)) == 4)
        assert workers.poll() == []
    wait_until(lambda: not any(map(lives, find_pids(folder))))


def test_a_worker_that_lost_its_machine_is_taken_back_and_one_begun_anew_is_asked_to_leave(
    tmp_path, folder, monkeypatch
):
    monkeypatch.setattr("tuner.launchers.dask_workers.CONNECT_SECONDS", 8.0)
    (tmp_path / "dask").mkdir()
    with start_dask(tmp_path / "dask", workers=1) as dask, connect(dask.scheduler_file) as client:
        with start(client, folder, COUNTS_SIGNALS, workers=1) as workers:
            wait_until(lambda: len(find_pids(folder)) == 1)
            assert workers.withdraw() == []
            dask.workers[0].kill()
            wait_until(lambda: not client.nthreads())
            workers.interrupt(signal.SIGUSR1)
            dask.join()
            wait_until(lambda: len(find_pids(folder)) == 2)
            assert wait_until(lambda: workers.withdraw() or workers.wait(0)) is True
            assert [worker.exit_code for worker in workers.poll()] == [75]
        with start(client, folder, PATIENT, workers=1) as workers:
            wait_until(lambda: any(client.run(list_commands, "tuner-work").values()))
            assert workers.withdraw() == []
            dask.workers[1].kill()
            wait_until(lambda: not client.nthreads())
            assert wait_until(workers.withdraw) == [0]
            assert workers.wait(0)
        with start(client, folder, PATIENT, workers=1) as workers:
            dask.scheduler.kill()
            wait_until(lambda: client.status != "running")
            assert client.status != "connecting" or workers.poll() == []


def cut_off(client):
    """Break the connection between a client and its scheduler, and wait until both have noticed."""
    cut = client.scheduler_comm
    client.loop.add_callback(cut.comm.abort)
    wait_until(lambda: client.status == "running" and client.scheduler_comm not in (None, cut))


def test_workers_of_a_client_that_was_cut_off_leave_before_others_begin(client, folder, caplog):
    with start(client, folder, COUNTS_SIGNALS, workers=1) as workers:
        (first,) = wait_until(lambda: find_pids(folder))
        cut_off(client)
        assert workers.poll() == []
        assert not lives(first)
        _, second = wait_until(lambda: find_pids(folder)[1:] and find_pids(folder))
        assert workers.poll() == []
        assert lives(second)
    assert [log.count("signal") for log in read_logs(folder)] == [1]
    assert len([message for message in caplog.messages if "connection to the Dask scheduler was lost" in message]) == 1


def test_workers_of_a_client_that_is_cut_off_again_are_no_casualties(client, folder, monkeypatch):
    with start(client, folder, COUNTS_SIGNALS, workers=1) as workers:
        (first,) = wait_until(lambda: find_pids(folder))
        cut_off(client)
        with monkeypatch.context() as again:
            again.setattr(client, "status", "running")  # as it will be after this block
            again.setattr(workers, "_ask", lambda *_: setattr(client, "status", "connecting") or {})
            assert workers.poll() == []
            assert lives(first)
        assert workers.poll() == []
        assert not lives(first)
        wait_until(lambda: find_pids(folder)[1:])
        assert workers.poll() == []


def test_machines_that_cannot_work_are_told_at_once(client, tmp_path):
    check_machines(client, [tmp_path], version("signal-tuner"))
    with pytest.raises(SearchError, match=r'does not see ".*gone"'):
        check_machines(client, [tmp_path, tmp_path / "gone"], version("signal-tuner"))
    with pytest.raises(SearchError, match=r"has tuner .*, this machine 9\.9"):
        check_machines(client, [tmp_path], "9.9")


def test_no_scheduler_is_told_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.launchers.dask_workers.CONNECT_SECONDS", 0.5)
    for name in ("tcp://127.0.0.1:9", "nonsense://", ""):
        with pytest.raises(SearchError, match="--dask must be the address of a running scheduler"), connect(name):
            pass
    with pytest.raises(SearchError, match="The scheduler file must be there"), connect(tmp_path / "gone.json"):
        pass


def test_a_cluster_file_names_a_cluster(tmp_path, folder):
    path = tmp_path / "cluster.toml"
    path.write_text(
        'kind = "local"\nminimum = 1\nmaximum = 2\n[options]\nthreads_per_worker = 1\nprocesses = false\n'
        "dashboard_address = ':0'\n"
    )
    assert read_cluster_file(path).options["threads_per_worker"] == 1
    with connect(path) as client, start(client, folder, "print('pid', 0)", workers=3) as workers:
        assert workers.wait(60)
        assert [worker.exit_code for worker in workers.poll()] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind = 'slurn'", r"`kind`: input should be 'slurm', 'htcondor'"),
        ("kind = 'slurm'\nmaximun = 3", r"`maximun`: .*Did you mean \"maximum\"\?"),
        ("kind = 'slurm'\nminimum = 5\nmaximum = 3", r"`maximum` must be at least 5, but is 3"),
        ("maximum = 3", r"`kind`: field required"),
        ("kind = ", "must be TOML"),
    ],
)
def test_what_a_cluster_file_must_not_say_is_told(tmp_path, text, message):
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(SearchError, match=message), connect(path):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of Dask's half-made cluster
def test_options_that_a_cluster_does_not_take_are_told(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text("kind = 'slurm'\n[options]\ncores = 3")
    with pytest.raises(SearchError, match=r"must start with the `options` of its file.*memory"), connect(path):
        pass


def test_a_cluster_is_asked_for_as_a_batch_system_takes_it():
    jobqueue = pytest.importorskip("dask_jobqueue", reason='needs the extra "dask"')
    options = {"cores": 4, "memory": "16GB", "walltime": "02:00:00"}
    settings = ClusterSettings(kind="slurm", maximum=50, options=options | {"queue": "long"})
    script = jobqueue.SLURMCluster(**settings.options, processes=1, scheduler_options={"dashboard_address": ":0"})
    with script:
        assert "#SBATCH -p long" in script.job_script()


def test_jobs_of_an_evaluation_are_done_in_processes_of_their_own(client, folder):
    looks = []
    with DaskPool(client, folder.logs) as pool:
        assert pool.n_processes >= 2
        first, second = pool.submit(os.getpid), pool.submit(os.getpid, needs_gpu=False)
        wrong, lost = pool.submit(operator.truediv, 1, 0), pool.submit(os._exit, 3)
        pool.watch([first, second, wrong, lost], lambda: looks.append(1))
    assert len({first.result(), second.result(), os.getpid()}) == 3
    assert looks
    with pytest.raises(ZeroDivisionError):
        wrong.result()
    with pytest.raises(SearchError, match="2 processes died of it; the last one ended with exit code 3"):
        lost.result()


def test_a_job_is_done_again_where_the_client_was_cut_off(client, folder, tmp_path):
    with DaskPool(client, folder.logs) as pool:
        job = pool.submit(subprocess.check_output, ["sh", "-c", f"echo >> {tmp_path}/begun; sleep 1; echo done"])
        wait_until((tmp_path / "begun").exists)
        cut_off(client)
        assert job.result() == b"done\n"
    assert (tmp_path / "begun").read_text() == "\n\n"


def test_no_process_is_started_for_tasks_that_were_killed(tmp_path):
    """A job that was killed is not taken for one whose process died by chance, which is begun again."""
    signal_commands("job-a", signal.SIGKILL)
    run = functools.partial(
        run_command, arguments=["-c", "pass"], directory=str(tmp_path), log=str(tmp_path / "log"), environment={}
    )
    with pytest.raises(SearchError, match="job-a-1 must not start any more"):
        run("job-a-1")
    assert run("job-b-1").exit_code == 0


def test_a_process_that_starts_while_its_tasks_are_killed_is_killed(tmp_path, monkeypatch):
    def start_late(*arguments, **options):
        process = start_process(*arguments, **options)
        signal_commands("job-c", signal.SIGKILL)
        return process

    monkeypatch.setattr("tuner.launchers.remote_commands.start_process", start_late)
    end = run_command("job-c-1", ["-c", PATIENT], str(tmp_path), str(tmp_path / "log"), {})
    assert end.exit_code == -signal.SIGKILL


def test_jobs_are_killed_where_the_evaluation_is_interrupted(client, folder):
    with pytest.raises(KeyboardInterrupt), DaskPool(client, folder.logs) as pool:
        pool.submit(time.sleep, 100)
        wait_until(lambda: any(client.run(list_commands, "tuner-job-").values()))
        raise KeyboardInterrupt
    wait_until(lambda: not any(client.run(list_commands, "tuner-job-").values()), seconds=30)
