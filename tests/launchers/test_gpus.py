"""Which GPU a worker takes: by real processes that claim, none of them with a GPU."""

import subprocess
import sys
import uuid
from contextlib import ExitStack

import pytest

from tuner.launchers.gpus import VARIABLE, claim_gpu

CLAIMS = """
import os, sys
from tuner.launchers.gpus import claim_gpu
with claim_gpu(int(sys.argv[1]), os.environ) as gpu:
    print(gpu, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def gpus():
    """Names that no other test, and no GPU of this machine, has."""
    name = f"GPU-{uuid.uuid4().hex[:8]}"
    return [f"{name}-{number}" for number in range(3)]


@pytest.fixture
def start(monkeypatch):
    """Start a process that claims a GPU; it lasts until it is killed."""
    with ExitStack() as stack:

        def start_one(names):
            monkeypatch.setenv(VARIABLE, ",".join(names))
            process = subprocess.Popen(
                [sys.executable, "-c", CLAIMS, str(len(names))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, process.stdout.readline().strip()

        yield start_one


def test_each_of_several_workers_takes_the_gpu_with_the_fewest(gpus, start):
    first, second = start(gpus), start(gpus)
    assert [first[1], second[1]] == gpus[:2]
    given = start(gpus[2:])  # as a sweep's worker is given one
    assert given[1] == gpus[2]
    assert start(gpus)[1] == gpus[0]
    second[0].kill()
    second[0].wait()
    assert start(gpus)[1] == gpus[1]  # the kernel has freed it
    assert start(gpus[::-1])[1] == gpus[2]  # in the order in which they are named


def claim(n_gpus, **environment):
    with claim_gpu(n_gpus, environment) as gpu:
        return gpu


def test_gpus_are_numbered_where_nobody_names_them():
    assert claim(0) is None
    assert claim(0, CUDA_VISIBLE_DEVICES="") is None
    assert claim(1) == "0"
    assert claim(2, CUDA_VISIBLE_DEVICES="5, 7") == "5"
    assert claim(1, CUDA_VISIBLE_DEVICES="5,7") == "5"  # a name that the driver does not know ends the list
