from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def make_environment(**changes: str) -> dict[str, str]:
    """The environment of a user: wide terminal, one thread, nothing sent anywhere."""
    quiet = {"COLUMNS": "120", "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "NO_COLOR": "1", **changes}
    return {name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR")} | quiet


@pytest.fixture
def environment() -> dict[str, str]:
    """A user's environment, for processes that are watched while they run."""
    return make_environment()


@pytest.fixture
def tuner(tmp_path: Path) -> Run:
    """Run `tuner ...` in a real process, in an empty folder of its own."""

    def run(*arguments: str | Path, timeout: float = 240, flags: tuple[str, ...] = (), **environment: str):
        return subprocess.run(
            [sys.executable, *flags, "-m", "tuner", *map(str, arguments)],
            cwd=tmp_path,
            env=make_environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study of 900 events in a CSV file: small enough to sweep in a test."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(11)
    label = rng.integers(0, 2, 900)
    table = pd.DataFrame(rng.normal(size=(900, 4)) + 0.8 * label[:, None], columns=list("abcd"))
    table.assign(weight=rng.uniform(0.5, 1.5, 900), label=label).to_csv(tmp_path / "events.csv", index=False)
    path = tmp_path / "small.py"
    path.write_text(
        '''"""A small study."""

from tuner import Budget, Problem, Settings, Study, TrainingSettings, models, search_space


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
)
'''
    )
    return path
