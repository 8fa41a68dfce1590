"""Kill workers at random while a sweep runs, and count what it cost: `make torture`.

    python -m benchmarks.torture [--trials 150] [--seconds 240] [--every 2] [--workers 2] [--seed 0]

A sweep of two workers in a relative folder is run undisturbed, then once more, in which a worker that is chosen at
random gets SIGKILL every two seconds for four minutes, whatever it does at that moment: start, ask, train, write, hold
a lock. Then it is left alone until its end. Nothing is cleaned up in between.

What came of it is read from the journal with plain Optuna, and held against what does not come from there: the settings
that the search space wrote down as it drew them, the curves in the run folder, and the results that stood in the
journal when each kill came. Exit code 1 where a result was lost or doubled, a setting failed, or it took too long. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks import tortured_study
from tuner.tuning.trial_attributes import has_died, is_interrupted, read_epochs

SWEEP = """
import dataclasses, sys
from pathlib import Path
from benchmarks import tortured_study
from tuner.tuning.sweep import run_sweep
trials, workers = map(int, sys.argv[1:])
study = tortured_study.study
study = dataclasses.replace(study, budget=dataclasses.replace(study.budget, trials=trials))
file = Path(tortured_study.__file__)
run_sweep(study, folder="runs", workers=workers, device="cpu", study_file=file, options=["--tracker", "none"])
"""

MAX_TIMES = 2.0
"""How many times the undisturbed sweep's time what is left may take once the kills have ended."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What kills cost a sweep."""

    kills: int
    told: int
    """Trials that completed or were pruned."""
    lost: int
    """Settings drawn and never told, results that were there and are gone, results without their curve."""
    doubled: int
    """Settings told twice."""
    failed: int
    """Settings that were given up."""
    interrupted: int
    """Trials whose worker died."""
    seconds_after: float
    """From the last kill to the end of the sweep."""
    exit_code: int
    """Of the sweep."""


def main() -> None:
    """Sweep twice, print, say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=240.0, help="how long kills come")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two kills")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of who is killed, and when exactly")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        subprocess.run(
            _command(options.trials, options.workers), cwd=_make(folder, "calm"), env=_environment(), check=True
        )
        undisturbed = time.monotonic() - start
        print(f"Undisturbed: {options.trials} trials in {undisturbed:.0f} s", flush=True)
        outcome = torture(
            _make(folder, "tortured"),
            trials=options.trials,
            workers=options.workers,
            seconds=options.seconds,
            every=options.every,
            seed=options.seed,
            timeout=3 * undisturbed + 60,
        )
    wrong = (
        outcome.lost + outcome.doubled + outcome.failed + abs(outcome.told - options.trials) + abs(outcome.exit_code)
    )
    in_time = outcome.seconds_after <= MAX_TIMES * undisturbed
    print(
        f"{outcome.kills} kills: {outcome.told} of {options.trials} trials told, {outcome.lost} results lost, "
        f"{outcome.doubled} doubled, {outcome.failed} settings failed; {outcome.interrupted} trials were interrupted.\n"
        f"The sweep ended {outcome.seconds_after:.0f} s after the last kill, {outcome.seconds_after / undisturbed:.2f} "
        f"times the undisturbed time (at most {MAX_TIMES:.0f}), with exit code {outcome.exit_code}."
    )
    print(json.dumps(asdict(outcome) | {"undisturbed": undisturbed, "ok": in_time and not wrong}))
    sys.exit(not (in_time and not wrong))


def torture(
    folder: Path, *, trials: int, workers: int, seconds: float, every: float, seed: int, timeout: float
) -> Outcome:
    """Sweep in an empty folder, kill a worker now and again, and return what it cost.

    timeout: seconds after the last kill in which the sweep has to end, or it is killed.
    """
    generator = random.Random(seed)
    drawn, journal = folder / "drawn", folder / "runs" / "tortured" / "journal.log"
    environment = _environment() | {tortured_study.DRAWN: str(drawn)}
    seen: dict[int, float | None] = {}
    kills = 0
    with (
        (folder / "sweep.log").open("wb") as log,
        subprocess.Popen(
            _command(trials, workers), cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as sweep,
    ):
        end = last = time.monotonic() + seconds
        while time.monotonic() < end and sweep.poll() is None:
            time.sleep(every * generator.uniform(0.5, 1.5))
            if pids := find_children(sweep.pid):
                os.kill(generator.choice(pids), signal.SIGKILL)
                kills, last = kills + 1, time.monotonic()
                seen |= {t.number: t.value for t in read_trials(journal) if _is_told(t)}
        try:
            sweep.wait(timeout)
        except subprocess.TimeoutExpired:
            sweep.kill()
        after = time.monotonic() - last
    ended = read_trials(journal)
    told = [trial for trial in ended if _is_told(trial)]
    settings = Counter(_describe(trial) for trial in told)
    n_gone = sum(t.number in seen and seen[t.number] != t.value for t in told) + len(
        seen.keys() - {t.number for t in told}
    )
    n_untold = len(set(drawn.read_text().splitlines()) - settings.keys())
    n_bare = sum(not _has_curve(trial, journal.parent / "curves") for trial in told)
    return Outcome(
        kills=kills,
        told=len(told),
        lost=n_gone + n_untold + n_bare,
        doubled=sum(settings.values()) - len(settings),
        failed=sum(t.state == TrialState.FAIL and not is_interrupted(t) for t in ended),
        interrupted=sum(map(has_died, ended)),
        seconds_after=after,
        exit_code=sweep.returncode,
    )


def find_children(pid: int) -> list[int]:
    """Return the living children of a process."""
    listing = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    rows = [line.split() for line in listing.stdout.splitlines()]
    return [int(child) for child, state in rows if not state.startswith("Z")]


def read_trials(journal: Path) -> list[FrozenTrial]:
    """Return all trials as plain Optuna reads them; none where there is no study yet."""
    if not journal.exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(journal)))
    studies = storage.get_all_studies()
    return storage.get_all_trials(studies[0]._study_id) if studies else []


def _is_told(trial: FrozenTrial) -> bool:
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _describe(trial: FrozenTrial) -> str:
    """Return a trial's setting as its search space writes it down."""
    return json.dumps([trial.params["width"], trial.params["lr"]])


def _has_curve(trial: FrozenTrial, curves: Path) -> bool:
    """Whether the curve of a trial is there, as long as the trial says, and has its value as the highest."""
    path = curves / f"trial_{trial.number:05d}.csv"
    if not path.exists():
        return False
    with path.open() as file:
        aucs = [float(row["validation_auc"]) for row in csv.DictReader(file)]
    best = trial.value if trial.state == TrialState.COMPLETE else max(aucs)
    return len(aucs) == read_epochs(trial) and max(aucs) == best


def _command(trials: int, workers: int) -> list[str]:
    return [sys.executable, "-c", SWEEP, str(trials), str(workers)]


def _environment() -> dict[str, str]:
    """Return the environment in which the benchmarks are found from any folder."""
    here = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def _make(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
