"""What workers of this machine use: CPU time of their processes, and GPUs as the driver tells."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.progress.snapshot import DeviceUse, GpuUse

GPU_SECONDS = 5.0
"""Between two questions to the driver."""

_QUERY = "index,utilization.gpu,memory.used,memory.total"


class DeviceMeter:
    """Measures between two calls. What cannot be known is left out; nothing waits for an answer."""

    def __init__(self, *, gpus: bool) -> None:
        self._asks_gpus = gpus
        self._question: subprocess.Popen[str] | None = None
        self._asked = -GPU_SECONDS
        self._gpus: tuple[GpuUse, ...] = ()
        self._before: tuple[float, Mapping[int, float]] | None = None

    def read(self, pids: Sequence[int], n_cores: int) -> DeviceUse:
        """Return what processes have used since the last call, and GPUs at the moment.

        n_cores: cores that the processes may use.
        """
        if self._asks_gpus:
            self._ask_driver()
        return DeviceUse(cores=self._measure_cores(pids), n_cores=n_cores, gpus=self._gpus)

    def close(self) -> None:
        """Give up a question that is not answered yet."""
        if self._question is not None:
            self._question.kill()
            self._question.communicate()
            self._question = None

    def _measure_cores(self, pids: Sequence[int]) -> float | None:
        now, used = time.monotonic(), {pid: seconds for pid in pids if (seconds := read_cpu_seconds(pid)) is not None}
        before, self._before = self._before, (now, used)
        if before is None or not used or now <= before[0]:
            return None
        return sum(seconds - before[1].get(pid, 0.0) for pid, seconds in used.items()) / (now - before[0])

    def _ask_driver(self) -> None:
        """Take the driver's answer where it has come; ask again where the last one is old."""
        if self._question is not None and self._question.poll() is not None:
            text, _ = self._question.communicate()
            self._gpus = read_answer(text) if self._question.returncode == 0 else ()
            self._question = None
        if self._question is None and time.monotonic() - self._asked >= GPU_SECONDS:
            self._asked = time.monotonic()
            visible = os.environ.get("CUDA_VISIBLE_DEVICES")
            command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
            try:
                self._question = subprocess.Popen(
                    [*command, *([f"--id={visible}"] if visible else [])],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    stdin=subprocess.DEVNULL,
                    text=True,
                )
            except OSError:
                self._asks_gpus = False


def read_cpu_seconds(pid: int) -> float | None:
    """Return the CPU time of a process and of its children that have ended; None where it cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def read_answer(text: str) -> tuple[GpuUse, ...]:
    """Return GPUs from what `nvidia-smi` says: index, utilisation in per cent, used and total memory in MiB."""
    gpus = []
    for line in text.splitlines():
        try:
            index, busy, used, total = (field.strip() for field in line.split(","))
            share = float(busy) / 100 if busy.replace(".", "", 1).isdigit() else None
            gpus.append(GpuUse(index=int(index), utilisation=share, used=float(used) / 1024, total=float(total) / 1024))
        except ValueError:  # a part of a GPU, of which the driver does not tell, or no GPU at all
            continue
    return tuple(gpus)
