"""Seconds until the command line answers, against importing torch alone.

    python -m benchmarks.startup

Whole processes, in turn, five rounds; medians. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = Path("studies/resonance.py")


def main() -> None:
    """Time `tuner --help`, `tuner status` on a small run, and `import torch`."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = ["sweep", str(STUDY), "--trials", "2", "--epochs", "1", "--closed-test", "--folder", folder]
        run([sys.executable, "-m", "tuner", *sweep, "--tracker", "none"])
        commands = {
            "help": [sys.executable, "-m", "tuner", "--help"],
            "status": [sys.executable, "-m", "tuner", "status", str(STUDY), "--folder", folder, "--json"],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        rounds = [{name: run(command) for name, command in commands.items()} for _ in range(6)][1:]
    medians = {name: statistics.median(r[name] for r in rounds) for name in commands}
    for name, seconds in medians.items():
        print(f"{name:<14} {seconds:6.2f} s   {seconds / medians['import torch']:5.2f} of import torch")
    print(json.dumps({name: round(seconds, 3) for name, seconds in medians.items()}))


def run(command: list[str]) -> float:
    """Run a command and return its seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
