"""Best validation AUC, and the test AUC of that network, against wall time on equal cores.

    python -m benchmarks.time_to_quality [--minutes 20] [--studies magic resonance] [--cores 2] [--seed 0]
        [--contestants tuner optuna optuna_slices optuna_usual ray] [--epochs 30] [--trials 2000]
        [--device cpu] [--folder runs/time_to_quality]

Ours, `tuner.sweep` as it comes, against plain Optuna (one process per core on a shared journal; TPE, Hyperband, a
`DataLoader`), the same with batches sliced from tensors (`optuna_slices`), the same without the space's schedule-free
AdamW (`optuna_usual`: what a script with PyTorch's optimizers searches), and Ray Tune (OptunaSearch, ASHA, one trial
per core). All get the same cores, prepared events, training weights, weighted validation AUC, search space with
its warm starts, sampler, epochs of a trial at the most, early stopping and time, one after the other. The clock of
each begins before its first process and covers imports; ours alone also reads and prepares its events within its
time, and is read from its journal once a second, so that its times are up to a second late. The test part is opened
once for each contestant, when its time is up, for the network with the best validation AUC. With `--device cuda` the
processes of the others share the GPU, one per core, and ours is one process; Ray Tune is for the CPU alone.

A contestant that is not installed, or fails, is named and left out. What each wrote down stays in `--folder`; the last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import optuna
import torch

from benchmarks.peers.contest import Contest
from benchmarks.peers.own_loop import build_network
from tuner.errors import TunerError
from tuner.events.reading import read_events
from tuner.metrics import auc
from tuner.prediction.network import score_events
from tuner.preparation.splits import load_splits, prepare_splits, save_splits
from tuner.tuning.study import Study


@dataclass(frozen=True)
class Contestant:
    """Where a contestant is found."""

    package: str
    """What has to be installed."""
    module: str
    function: str = "compete"


CONTESTANTS = {
    "tuner": Contestant("tuner", "benchmarks.peers.tuner_contestant"),
    "optuna": Contestant("optuna", "benchmarks.peers.optuna_contestant"),
    "optuna_slices": Contestant("optuna", "benchmarks.peers.optuna_contestant", "compete_in_slices"),
    "optuna_usual": Contestant("optuna", "benchmarks.peers.optuna_contestant", "compete_as_usual"),
    "ray": Contestant("ray", "benchmarks.peers.ray_contestant"),
}

MARKS = (1, 2, 4, 8, 12, 20)
"""Minutes at which the best validation AUC is printed."""


@dataclass(frozen=True)
class Course:
    """How a contestant got on."""

    best: tuple[tuple[float, float], ...]
    """Seconds and best validation AUC of any trial, at each improvement."""
    n_trials: int
    n_epochs: int
    kept_auc: float
    """Validation AUC of the network that was kept."""
    test_auc: float
    failure: str | None = None
    """Why it ended before its time, where something broke."""

    def auc_at(self, seconds: float) -> float:
        """Return the best validation AUC at a time; not-a-number where there was none yet."""
        return max((value for when, value in self.best if when <= seconds), default=math.nan)

    def passes(self, value: float) -> float:
        """Return the seconds after which a validation AUC was passed; not-a-number where it never was."""
        return next((when for when, best in self.best if best > value), math.nan)


def main() -> None:
    """Let all compete on each study; print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="of each contestant")
    parser.add_argument(
        "--studies", nargs="+", choices=("magic", "resonance", "higgsml"), default=["magic", "resonance"]
    )
    parser.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, default=["tuner", "optuna", "optuna_usual", "ray"]
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=30, help="of a trial at the most")
    parser.add_argument("--trials", type=int, default=2000, help="of each contestant at the most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/time_to_quality"))
    options = parser.parse_args()
    share_cores(options.cores)
    results = {}
    for study in options.studies:
        try:
            courses = compete(study, options)
        except TunerError as error:
            print(f"{study} is left out: {error}\n", flush=True)
            continue
        results[study] = tabulate(courses, options.minutes)
    settings = {name: getattr(options, name) for name in ("minutes", "cores", "device", "epochs", "trials", "seed")}
    print(json.dumps({"settings": settings, **results}))


def share_cores(n_cores: int) -> None:
    """Keep this process, and with it all that it starts, to the first `n_cores` cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])


def compete(name: str, options: argparse.Namespace) -> dict[str, Course | str]:
    """Return the course of each contestant on one study, or why there is none. Raise `TunerError`."""
    study: Study = import_module(f"studies.{name}").study
    folder = options.folder.resolve() / f"{name}-{options.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    save_splits(prepare_splits(read_events(study.problem), study.problem, study.preparation), folder / "splits")
    print(f"{name}: {options.cores} cores, {options.minutes:g} minutes each, seed {options.seed}", flush=True)
    courses: dict[str, Course | str] = {}
    for contestant in options.contestants:
        if not find_spec(CONTESTANTS[contestant].package):
            courses[contestant] = "is not installed"
            continue
        (folder / contestant).mkdir()
        start = time.time()
        contest = Contest(
            study=name,
            splits=str(folder / "splits"),
            folder=str(folder / contestant),
            start=start,
            until=start + 60 * options.minutes,
            **{key: getattr(options, key) for key in ("trials", "epochs", "cores", "device", "seed")},
        )
        courses[contestant] = run(contest, CONTESTANTS[contestant])
        print(f"  {contestant} is done after {time.time() - start:.0f} s", flush=True)
    return courses


def run(contest: Contest, contestant: Contestant) -> Course | str:
    """Return the course of one contestant; where it fails, how far it came, or why there is nothing."""
    failure = None
    try:
        getattr(import_module(contestant.module), contestant.function)(contest)
    except Exception as error:  # the others go on
        traceback.print_exc()
        failure = f"{type(error).__name__}: {error}"
    if not contest.read_epochs():
        return f"failed: {failure}" if failure else "trained no epoch in time"
    return read_course(contest, failure)


def read_course(contest: Contest, failure: str | None) -> Course:
    """Return a course from what was written down in time; the test part is opened here."""
    best: list[tuple[float, float]] = []
    epochs: dict[Any, int] = {}
    for row in contest.read_epochs():
        if not best or row["auc"] > best[-1][1]:
            best.append((row["seconds"], row["auc"]))
        epochs[row["trial"]] = max(row["epoch"], epochs.get(row["trial"], 0))
    kept_auc, test_auc = measure_test(contest)
    return Course(tuple(best), len(epochs), sum(epochs.values()), kept_auc, test_auc, failure)


def measure_test(contest: Contest) -> tuple[float, float]:
    """Return validation and weighted test AUC of the best network that was kept; not-a-numbers where there is none."""
    kept = sorted(Path(contest.folder).glob("network_*.pt"), key=lambda path: float(path.stem.split("_")[1]))
    if not kept:
        return math.nan, math.nan
    content = torch.load(kept[-1], weights_only=True)
    settings = contest.load_study().space(optuna.trial.FixedTrial(content["params"]))  # type: ignore[arg-type]
    splits = load_splits(Path(contest.splits))
    network = build_network(settings.network, splits.d_in)
    missing, _ = network.load_state_dict(content["state"], strict=False)  # ours holds rates of dropout besides
    if missing:
        raise RuntimeError(f"The kept network lacks {missing}.")
    scores = score_events(network.eval(), splits.test.x, "cpu")
    return content["auc"], auc(splits.test.labels, scores, splits.test.weights)


def tabulate(courses: dict[str, Course | str], minutes: float) -> dict[str, Any]:
    """Print the table of a study and return it for the JSON line."""
    marks = [*(mark for mark in MARKS if mark < minutes), minutes]
    print(f"{'minutes':<14}" + "".join(f"{mark:>8g}" for mark in marks) + f"{'test (validation)':>20}  trials  epochs")
    result: dict[str, Any] = {}
    for name, course in courses.items():
        if isinstance(course, str):
            print(f"{name:<14} {course}")
            result[name] = course
            continue
        values = [course.auc_at(60 * mark) for mark in marks]
        judged = f"{course.test_auc:.4f} ({course.kept_auc:.4f})"
        print(
            f"{name:<14}"
            + "".join(f"{value:8.4f}" for value in values)
            + f"{judged:>20}  {course.n_trials:6}  {course.n_epochs:6}"
            + (f"  FAILED: {course.failure}" if course.failure else "")
        )
        result[name] = {
            "at": {f"{mark:g}": clean(value) for mark, value in zip(marks, values, strict=True)},
            "test": clean(course.test_auc),
            "kept": clean(course.kept_auc),
            "trials": course.n_trials,
            "epochs": course.n_epochs,
            "failure": course.failure,
        }
    ours = courses.get("tuner")
    for name, course in courses.items():
        if name != "tuner" and isinstance(ours, Course) and isinstance(course, Course):
            final = course.auc_at(60 * minutes)
            passed = ours.passes(final) / 60
            when = "never" if math.isnan(passed) else f"after {passed:.1f} minutes"
            print(f"ours passes the final {final:.4f} of {name}: {when}")
            result[name]["passed_after_minutes"] = clean(passed)
    print(flush=True)
    return result


def clean(value: float) -> float | None:
    """Return a figure for JSON, which has no not-a-number."""
    return None if math.isnan(value) else round(value, 5)


if __name__ == "__main__":
    main()
