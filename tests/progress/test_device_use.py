"""What workers use is what the system says of them, and what cannot be known is left out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.progress.device_use import DeviceMeter, read_answer, read_cpu_seconds
from tuner.progress.snapshot import GpuUse

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


def test_the_cpu_time_of_a_process_is_what_it_says_itself() -> None:
    before = os.times()
    own = read_cpu_seconds(os.getpid())
    after = os.times()
    assert own is not None
    assert sum(before[:4]) - 0.05 <= own <= sum(after[:4]) + 0.05


def test_cores_are_measured_between_two_calls_over_all_processes_that_are_there() -> None:
    meter = DeviceMeter(gpus=False)
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy) as process:
        try:
            pids = (process.pid, 2**22 + 1)
            assert meter.read(pids, 2).cores is None
            begun = read_cpu_seconds(process.pid)
            assert begun is not None
            while (read_cpu_seconds(process.pid) or 0.0) < begun + 0.2:
                time.sleep(0.02)
            use = meter.read(pids, 2)
        finally:
            process.kill()
    assert use.cores is not None
    assert 0 < use.cores < 1.2
    assert use.gpus == ()
    assert meter.read((2**22 + 1,), 2).cores is None


def test_the_drivers_answer_is_read_and_what_it_does_not_know_is_left_out() -> None:
    answer = "0, 87, 12595, 81559\n1, [N/A], 1024, 81559\n2, 3, [Insufficient Permissions], 81559\n"
    first, second = read_answer(answer)
    assert first == GpuUse(index=0, utilisation=0.87, used=12595 / 1024, total=81559 / 1024)
    assert (second.index, second.utilisation, second.used) == (1, None, 1.0)
    assert read_answer("No devices were found\n") == ()


def test_a_driver_is_asked_without_waiting_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that stands for the driver's is a real process that answers when it is told to."""
    program, gate = tmp_path / "nvidia-smi", tmp_path / "gate"
    program.write_text(
        f'#!/bin/sh\nwhile [ ! -e "{gate}" ]; do sleep 0.02; done\necho "$@" >> "{gate}"\necho 0, 5, 1024, 2048\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    meter = DeviceMeter(gpus=True)
    try:
        assert meter.read((), 1).gpus == ()
        gate.touch()
        deadline = time.monotonic() + 60
        while not (gpus := meter.read((), 1).gpus):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        meter.close()
    assert gpus == (GpuUse(index=0, utilisation=0.05, used=1.0, total=2.0),)
    assert "--id=3" in gate.read_text()


def test_without_a_driver_nothing_is_said_of_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    meter = DeviceMeter(gpus=True)
    assert meter.read((), 1).gpus == ()
    assert meter.read((), 1).gpus == ()
    meter.close()
