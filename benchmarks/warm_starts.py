"""Warm starts against each other: best validation AUC of searches that begin with them, after 16 trials and with time.

    python -m benchmarks.warm_starts [--arms none shipped FILE.json] [--problems momenta] [--seeds 0 1 2 3]
        [--seconds 60] [--trials 16] [--epochs 30]

Each arm is a sweep of the space of MLPs in this process, packs, sampler and pruner as they come, that begins with no
warm starts ("none"), with those of the space ("shipped"), or with a JSON file's list of settings. Problems are the
tables of `portfolio_tables.HELD_OUT`, drawn anew for each seed, and names of studies, split anew for each seed; the
test part is never read. Seconds are those of this process on a core, preparation left out, so that others on the
machine count little. Printed are means over seeds, and differences from "shipped", each with the error of its mean, as
all arms of a seed see the same events. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.portfolio_tables import HELD_OUT
from search_spaces import mlp
from tuner.errors import SweepInterrupted
from tuner.trackers.memory import NoTracker
from tuner.tuning.study import Budget, SearchSpace, Study
from tuner.tuning.sweep import sweep

SPACE: SearchSpace = mlp.suggest
ENDLESS = 1_000
"""Trials in the budget: the clock ends each search."""


@dataclass
class Clock(NoTracker):
    """A tracker that notes which trial had which AUC when, and ends the search with Ctrl-C once its time is up."""

    seconds: float
    n_trials: int
    start: float = 0.0
    epochs: list[tuple[int, float, float]] = field(default_factory=list)
    """Trial, seconds on a core since the first, validation AUC."""
    ended: set[int] = field(default_factory=set)
    is_over: bool = False

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> Log:
        """Return the log of a trial; the first starts the clock."""
        del study, config, folder, tags, resumes
        self.start = self.start or time.process_time()
        return Log(self, trial)

    def note(self, trial: int, auc: float) -> None:
        """Note an epoch; end the search where time and trials are over."""
        now = time.process_time() - self.start
        self.epochs.append((trial, now, auc))
        if not self.is_over and now > self.seconds and set(range(self.n_trials)) <= self.ended:
            self.is_over = True  # a second Ctrl-C would not wait
            signal.raise_signal(signal.SIGINT)

    def best(self, *, trials: int | None = None, seconds: float = np.inf) -> float:
        """Return the best AUC of the first trials within some seconds."""
        return max((a for t, s, a in self.epochs if (trials is None or t < trials) and s <= seconds), default=0.5)


@dataclass
class Log(NoTracker):
    """The log of one trial."""

    clock: Clock
    trial: int

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Note an epoch."""
        del epoch
        self.clock.note(self.trial, figures["validation_auc"])

    def finish(self, state: str, **about: object) -> None:
        """Note that the trial ended."""
        del state, about
        self.clock.ended.add(self.trial)


def main() -> None:
    """Run every arm with every seed; print a line each, the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=["none", "shipped"])
    parser.add_argument("--problems", nargs="+", default=["momenta"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    marks = {f"{options.trials} trials": {"trials": options.trials}} | {
        f"{options.seconds * share:g} s": {"seconds": options.seconds * share} for share in (0.25, 0.5, 1.0)
    }
    found: dict[str, list[list[float]]] = {}
    for problem in options.problems:
        for seed in options.seeds:
            for arm in options.arms:
                clock = run(problem, arm, seed, options)
                figures = [clock.best(**mark) for mark in marks.values()]
                found.setdefault(f"{problem}, {arm}", []).append(figures)
                print(f"{problem}, seed {seed}, {arm}: " + " ".join(f"{figure:.5f}" for figure in figures), flush=True)
    tabulate(found, list(marks))


def run(problem: str, arm: str, seed: int, options: argparse.Namespace) -> Clock:
    """Search with one arm's warm starts, and return the clock."""
    study = make_study(problem, seed)
    budget = Budget(trials=ENDLESS, epochs=options.epochs, stop_in_vain=False)
    clock = Clock(options.seconds, options.trials)
    with tempfile.TemporaryDirectory() as folder, suppress(SweepInterrupted):
        changed = dataclasses.replace(study, seed=seed, budget=budget, search_space=give_warm_starts(arm))
        sweep(changed, folder=folder, workers=1, device="cpu", tracker=clock)
    return clock


def make_study(problem: str, seed: int) -> Study:
    """Return a study of a table that is drawn, or of a study's events that are split, by the seed."""
    if problem in HELD_OUT:
        framed, preparation = HELD_OUT[problem].frame(seed)
        return Study(name=problem, problem=framed, search_space=SPACE, preparation=preparation)
    study: Study = import_module(f"studies.{problem}").study
    return dataclasses.replace(study, preparation=dataclasses.replace(study.preparation, seed=100 + seed))


def give_warm_starts(arm: str) -> SearchSpace:
    """Return the space with the warm starts of an arm."""
    if arm == "shipped":
        return SPACE
    starts = [] if arm == "none" else json.loads(Path(arm).read_text())
    return dataclasses.replace(SPACE, warm_starts=tuple(starts))


def tabulate(found: Mapping[str, list[list[float]]], marks: Sequence[str]) -> None:
    """Print means over seeds and differences from "shipped", and the JSON line."""
    print(f"\n{'mean best validation AUC':<40}" + "".join(f"{mark:>24}" for mark in marks))
    result: dict[str, Any] = {}
    for name, rows in found.items():
        figures = np.array(rows)
        shipped = np.array(found.get(name.split(", ")[0] + ", shipped", rows))
        difference, n = figures - shipped, max(len(rows) - 1, 1)
        errors = difference.std(0) / np.sqrt(n)
        cells = zip(figures.mean(0), difference.mean(0), errors, strict=True)
        print(f"{name:<40}" + "".join(f"  {mean:.4f} {by:+.4f} ± {error:.4f}" for mean, by, error in cells))
        result[name] = {mark: [round(row[i], 5) for row in rows] for i, mark in enumerate(marks)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
