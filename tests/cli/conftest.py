from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

HEAVY = {"torch", "pandas", "sklearn", "matplotlib", "wandb", "scipy", "pyarrow", "optuna"}

SMALL_STUDY = '''"""A small study."""

from tuner import Budget, EvaluationSettings, Problem, Settings, Study, TrainingSettings, models, search_space


@search_space(structure=("width",), warm_starts=({"width": 8, "lr": 0.01},))
def suggest(trial):
    width = trial.suggest_categorical("width", [8, 16])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    training = TrainingSettings(lr=lr, batch_size=64)
    return Settings(network=models.MLPSettings(widths=(width,)), training=training)


study = Study(
    name="small",
    problem=Problem(question="Is it?", events="events.csv", label="label", signal=1, weight="weight"),
    search_space=suggest,
    budget=Budget(trials=6, epochs=3),
    evaluation=EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20),
)
'''


@dataclass(frozen=True)
class Workplace:
    """A folder of its own in which `tuner` runs as a real process, as a user runs it."""

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """A wide terminal, one thread, nothing sent anywhere."""
        quiet = {"COLUMNS": "120", "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "NO_COLOR": "1"}
        return {name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR")} | quiet

    def tuner(self, *arguments: str | Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run `tuner ...` to its end."""
        return subprocess.run(
            [sys.executable, *flags, "-m", "tuner", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def show_terminal(self, *arguments: str, columns: int) -> str:
        """Run `tuner ...` in a terminal so many columns wide and return what it shows, colours left out."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "tuner", *arguments],
            cwd=self.folder,
            env={**self.environment, "COLUMNS": str(columns), "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        shown = bytearray()
        with suppress(OSError):  # Linux ends a terminal without a writer so
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        assert process.wait(timeout=60) == 0
        return re.sub(r"\x1b\[[\d;]*m", "", shown.decode()).replace("\r\n", "\n")

    def run_in_terminal(self, *arguments: str, columns: int) -> tuple[int, str]:
        """Run `tuner ...` with output and errors in one terminal; return its exit code and all that it wrote."""
        ours, theirs = pty.openpty()
        environment = {name: value for name, value in self.environment.items() if name != "NO_COLOR"}
        with subprocess.Popen(
            [sys.executable, "-m", "tuner", *arguments],
            cwd=self.folder,
            env={**environment, "COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            written = bytearray()
            with suppress(OSError):  # Linux ends a terminal without a writer so
                while piece := os.read(ours, 65536):
                    written += piece
            os.close(ours)
            return process.wait(timeout=60), written.decode()

    def find_heavy_imports(self, *arguments: str) -> set[str]:
        """Run `tuner ...` and return the packages that it imported and that take long to import."""
        done = self.tuner(*arguments, flags=("-X", "importtime"))
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
        imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
        assert "typer" in imported
        return imported & HEAVY

    def start_tuner(self, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start `tuner ...`."""
        return self.start(sys.executable, "-u", "-m", "tuner", *arguments)

    @contextmanager
    def start(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command, to be watched while it runs; it does not outlive the context."""
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def furnish(folder: Path) -> Workplace:
    """Put `events.csv` with 900 events and a study of them, `small.py`, into a folder."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(11)
    label = rng.integers(0, 2, 900)
    table = pd.DataFrame(rng.normal(size=(900, 4)) + 0.8 * label[:, None], columns=list("abcd"))
    table.assign(weight=rng.uniform(0.5, 1.5, 900), label=label).to_csv(folder / "events.csv", index=False)
    (folder / "small.py").write_text(SMALL_STUDY)
    return Workplace(folder)


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return furnish(tmp_path)


@pytest.fixture(scope="module")
def shared_workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """One for all tests of a module, which run in their order."""
    return furnish(tmp_path_factory.mktemp("workplace"))
