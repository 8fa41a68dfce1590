"""A real Slurm of one node on 127.0.0.1, in a folder of its own, with ports of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")

CONF = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=10
JobRequeue=1
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def skip_without_slurm() -> None:
    """Skip where no Slurm can be started."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no Slurm on this machine ({', '.join(missing)}): apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own is started by root only")


@contextmanager
def start_slurm(folder: Path, cpus: int = 4) -> Iterator[Path]:
    """Start a controller and a node; yield their configuration, which `SLURM_CONF` is to name. Stop them afterwards.

    The folder's path must be short: munge listens at a socket in it.
    """
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    conf = folder / "slurm.conf"
    controller_port, node_port = _find_ports(2)
    conf.write_text(
        CONF.format(host=host, folder=folder, cpus=cpus, controller_port=controller_port, node_port=node_port)
    )
    started: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    try:
        started.append(_start_munge(folder / "munge"))
        started.append(
            subprocess.Popen(["slurmctld", "-D", "-f", str(conf)], env=environment, stderr=subprocess.DEVNULL)
        )
        started.append(subprocess.Popen(["slurmd", "-D", "-f", str(conf)], env=environment, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 60
        while "idle" not in _ask(["sinfo", "--noheader", "--format=%T"], environment):
            assert time.monotonic() < deadline, (folder / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.2)
        yield conf
    finally:
        _ask(["scancel", "--full", "--user=root"], environment)
        for process in reversed(started):
            process.terminate()
        for process in started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def begin_again(*jobs: str, seconds: float = 200) -> None:
    """Wait until jobs have been requeued, and let them begin before the two minutes of rest that Slurm gives each.

    Not at once: the node refuses a job that begins in the second in which its earlier run ended ("already killed"),
    and the controller takes it for failed.
    """
    deadline = time.monotonic() + seconds
    for job in jobs:
        while not {"JobState=PENDING", "Restarts=1"} <= set((told := show_job(job)).split()):
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
    time.sleep(3)
    for job in jobs:
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)


def show_job(*job: str) -> str:
    """Return what Slurm tells of a job, or of all."""
    return subprocess.run(["scontrol", "show", "job", *job], capture_output=True, text=True, check=True).stdout


def _start_munge(folder: Path) -> subprocess.Popen[bytes]:
    """Start munge with a key of its own, beside any that this machine has."""
    folder.chmod(0o755)
    key = folder / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    names = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    files = [f"--{option}={folder / name}" for option, name in names.items()]
    return subprocess.Popen(
        ["munged", "--foreground", "--force", f"--key-file={key}", *files], stderr=subprocess.DEVNULL
    )


def _ask(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout


def _find_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
