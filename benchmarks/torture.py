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
from collections.abc import Mapping
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
from tuner.tuning.study_file import load_study
from tuner.tuning.sweep import run_sweep
trials, workers, epochs, file = *map(int, sys.argv[1:4]), Path(sys.argv[4])
study = load_study(file)
study = dataclasses.replace(study, budget=dataclasses.replace(study.budget, trials=trials, epochs=epochs))
run_sweep(study, folder="runs", workers=workers, device="cpu", study_file=file, options=["--tracker", "none"])
"""

MAX_TIMES = 2.0
"""How many times the undisturbed sweep's time what is left may take once the kills have ended."""


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What a disturbance cost a sweep."""

    told: int
    """Trials that completed or were pruned."""
    lost: int
    """Settings drawn and never told, results that were there and are gone, results without their curve."""
    doubled: int
    """Settings told twice."""
    failed: int
    """Settings that were given up."""
    left: int
    """Trials that still run, locks, and states of trials in the run folder."""
    interrupted: int
    """Trials whose worker died."""
    repeated: int
    """Epochs that were trained twice."""
    longest_repeat: float
    """Seconds of training that one trial lost at once, at the most."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Harm):
    """What kills cost a sweep."""

    kills: int
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
            name_sweep(options.trials, options.workers),
            cwd=make_folder(folder, "calm"),
            env=make_environment(),
            check=True,
        )
        undisturbed = time.monotonic() - start
        print(f"Undisturbed: {options.trials} trials in {undisturbed:.0f} s", flush=True)
        outcome = torture(
            make_folder(folder, "tortured"),
            trials=options.trials,
            workers=options.workers,
            seconds=options.seconds,
            every=options.every,
            seed=options.seed,
            timeout=3 * undisturbed + 60,
        )
    wrong = (
        outcome.lost
        + outcome.doubled
        + outcome.failed
        + outcome.left
        + abs(outcome.told - options.trials)
        + abs(outcome.exit_code)
    )
    in_time = outcome.seconds_after <= MAX_TIMES * undisturbed
    print(
        f"{outcome.kills} kills: {outcome.told} of {options.trials} trials told, {outcome.lost} results lost, "
        f"{outcome.doubled} doubled, {outcome.failed} settings failed; {outcome.interrupted} trials were interrupted, "
        f"{outcome.repeated} epochs trained twice (at most {outcome.longest_repeat:.1f} s of one trial at once), "
        f"{outcome.left} left behind.\n"
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
    environment = make_environment() | {tortured_study.DRAWN: str(drawn)}
    seen: dict[int, float | None] = {}
    kills = 0
    with (
        (folder / "sweep.log").open("wb") as log,
        subprocess.Popen(
            name_sweep(trials, workers), cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as sweep,
    ):
        end = last = time.monotonic() + seconds
        while time.monotonic() < end and sweep.poll() is None:
            time.sleep(every * generator.uniform(0.5, 1.5))
            if pids := find_children(sweep.pid):
                os.kill(generator.choice(pids), signal.SIGKILL)
                kills, last = kills + 1, time.monotonic()
                seen |= {t.number: t.value for t in read_trials(journal) if is_told(t)}
        try:
            sweep.wait(timeout)
        except subprocess.TimeoutExpired:
            sweep.kill()
        after = time.monotonic() - last
    harm = measure_harm(folder, seen)
    return Outcome(
        kills=kills,
        told=harm.told,
        lost=harm.lost,
        doubled=harm.doubled,
        failed=harm.failed,
        left=harm.left,
        interrupted=harm.interrupted,
        repeated=harm.repeated,
        longest_repeat=harm.longest_repeat,
        seconds_after=after,
        exit_code=sweep.returncode,
    )


def measure_harm(folder: Path, seen: Mapping[int, float | None]) -> Harm:
    """Return what became of a sweep in a folder, by its journal, its curves, and what its space and pruner noted.

    seen: values of trials by number that stood in the journal before.
    """
    drawn, journal = folder / "drawn", folder / "runs" / tortured_study.NAME / "journal.log"
    ended = read_trials(journal)
    told = [trial for trial in ended if is_told(trial)]
    settings = Counter(describe(trial) for trial in told)
    n_gone = sum(t.number in seen and seen[t.number] != t.value for t in told) + len(
        seen.keys() - {t.number for t in told}
    )
    given_up = {describe(t) for t in ended if t.state == TrialState.FAIL and not is_interrupted(t)}
    n_untold = len(set(drawn.read_text().splitlines()) - settings.keys() - given_up)
    n_bare = sum(not _has_curve(trial, journal.parent / "curves") for trial in told)
    repeats = measure_repeats(drawn.with_name("drawn.epochs"))
    left = [*journal.parent.glob("journal.log.lock"), *journal.parent.glob("checkpoints/*.resume.pt")]
    return Harm(
        told=len(told),
        lost=n_gone + n_untold + n_bare,
        doubled=sum(settings.values()) - len(settings),
        failed=sum(t.state == TrialState.FAIL and not is_interrupted(t) for t in ended),
        left=sum(t.state == TrialState.RUNNING for t in ended) + len(left),
        interrupted=sum(map(has_died, ended)),
        repeated=sum(n for n, _ in repeats),
        longest_repeat=max((seconds for _, seconds in repeats), default=0.0),
    )


def measure_repeats(notes: Path) -> list[tuple[int, float]]:
    """Return, each time that a trial went back, by how many epochs, and how many seconds their training had taken."""
    repeats, trained = [], dict[int, list[tuple[int, float]]]()
    for line in notes.read_text().splitlines() if notes.exists() else ():
        root, epoch, now = json.loads(line)
        before = trained.setdefault(root, [])
        again = [(e, t) for e, t in before if e >= epoch]
        if again:
            kept = [t for e, t in before if e < epoch]
            begun = kept[-1] if kept else again[0][1]
            repeats.append((len(again), again[-1][1] - begun))
            trained[root] = [(e, t) for e, t in before if e < epoch]
        trained[root].append((epoch, now))
    return repeats


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


def is_told(trial: FrozenTrial) -> bool:
    """Whether a trial completed or was pruned."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def describe(trial: FrozenTrial) -> str:
    """Return a trial's setting as its search space writes it down."""
    return json.dumps([trial.params.get("width"), trial.params["lr"]])


def _has_curve(trial: FrozenTrial, curves: Path) -> bool:
    """Whether the curve of a trial is there, as long as the trial says, and has its value as the highest."""
    path = curves / f"trial_{trial.number:05d}.csv"
    if not path.exists():
        return False
    with path.open() as file:
        aucs = [float(row["validation_auc"]) for row in csv.DictReader(file)]
    best = trial.value if trial.state == TrialState.COMPLETE else max(aucs)
    return len(aucs) == read_epochs(trial) and max(aucs) == best


def name_sweep(
    trials: int, workers: int, *, epochs: int = tortured_study.EPOCHS, file: str = tortured_study.__file__
) -> list[str]:
    """Return the command of a sweep in the present folder."""
    return [sys.executable, "-c", SWEEP, str(trials), str(workers), str(epochs), file]


def make_environment() -> dict[str, str]:
    """Return the environment in which the benchmarks are found from any folder."""
    here = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def make_folder(folder: str, name: str) -> Path:
    """Make a folder in another."""
    path = Path(folder) / name
    path.mkdir()
    return path


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
