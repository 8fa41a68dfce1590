"""Disturb a sweep in other ways than by kills of its workers, and count what it cost: a part of `make torture`.

    python -m benchmarks.torture_scenes [--all] [parent] [stop] [clock] [disk] [code] [many] [database]

Without names, the scenes that take minutes (stop, clock, database) are left out; --all plays them, too. Each scene is a
search of some trials in a folder of its own:

parent  the sweep itself is killed while its workers live; the same command goes on
stop    a worker is stopped for longer than others wait for it, and goes on afterwards (needs root)
clock   the clocks jump by an hour, then by a day (needs libfaketime)
disk    the disk is full for a while (needs root)
code    settings hang, crash, end their process, or take all memory
many    two sweeps and three workers of one study begin at once
database  PostgreSQL crashes twice under eight `tuner work`, and starts again (needs PostgreSQL)

What came of it is measured as in `benchmarks.torture`. Exit code 1 where anything was lost, doubled, failed (but for
the settings of "code" that do not train), or left behind. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from benchmarks import deadly_study, tortured_study
from benchmarks.postgresql import find_programs, make_server
from benchmarks.torture import (
    Harm,
    find_children,
    is_told,
    make_environment,
    make_folder,
    measure_harm,
    name_sweep,
    read_trials,
)
from tuner.launchers.local import read_tail
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import is_interrupted, read_failure, write_budget

TRIALS, EPOCHS = 12, 20
MANY_TRIALS = 100

TIMEOUT = 600.0
"""Seconds after which a scene is given up."""

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")

FIRST_TRIAL = """
import sys
from dataclasses import replace
import tuner
from benchmarks.tortured_study import study
budget = replace(study.budget, trials=1)
tuner.sweep(replace(study, budget=budget), storage=sys.argv[1], tracker=tuner.trackers.NoTracker(), device="cpu")
"""
"""Prepares the events and trains the first trial, with the trials in a database."""

WORK = """
import tuner.tuning.heartbeats as heartbeats
heartbeats.BEAT_SECONDS, heartbeats.STALE_SECONDS = 1.0, 5.0
from tuner.__main__ import main
main()
"""
"""A worker that beats often, and does not wait long for others."""


class Skipped(Exception):  # noqa: N818 - nothing has gone wrong
    """A scene cannot be played here."""


@dataclass(frozen=True)
class Scene:
    """What a scene plays, and what it may cost."""

    play: Callable[[Path], None]
    trials: int = TRIALS
    n_failed: int = 0
    """Settings that must fail."""
    is_long: bool = False
    """Whether it takes minutes."""


def main() -> None:
    """Play scenes, print what each cost, say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}")
    parser.add_argument("--all", action="store_true", help="also the scenes that take minutes")
    options = parser.parse_args()
    if unknown := set(options.names) - SCENES.keys():
        parser.error(f"There is no scene {', '.join(sorted(unknown))}.")
    names = options.names or [name for name, scene in SCENES.items() if options.all or not scene.is_long]
    outcomes = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            try:
                harm = play(name, make_folder(folder, name))
            except Skipped as reason:
                print(f"{name}: skipped, as {reason}", flush=True)
                continue
            is_well = is_harmless(harm, SCENES[name])
            outcomes[name] = asdict(harm) | {"seconds": time.monotonic() - start, "ok": is_well}
            print(
                f"{name}: {harm.told} of {SCENES[name].trials} trials told, {harm.lost} lost, {harm.doubled} doubled, "
                f"{harm.failed} failed (expected {SCENES[name].n_failed}), {harm.left} left behind; {harm.interrupted} "
                f"trials lost their worker, {harm.repeated} epochs trained twice (at most {harm.longest_repeat:.1f} s "
                f"of one trial at once); {time.monotonic() - start:.0f} s, {'well' if is_well else 'NOT WELL'}",
                flush=True,
            )
            if not is_well:
                print(read_tail(Path(folder) / name / "printed.log"), flush=True)
    print(json.dumps(outcomes))
    sys.exit(not all(outcome["ok"] for outcome in outcomes.values()))


def play(name: str, folder: Path) -> Harm:
    """Play a scene in an empty folder; return what it cost."""
    (folder / "drawn").touch()
    SCENES[name].play(folder)
    return measure_harm(folder, read_seen(folder))


def note_seen(folder: Path, trials: Iterable[FrozenTrial]) -> None:
    """Write down the results of these trials: from now on they must be there."""
    seen = read_seen(folder) | {trial.number: trial.value for trial in trials if is_told(trial)}
    (folder / "seen.json").write_text(json.dumps(seen))


def read_seen(folder: Path) -> dict[int, float | None]:
    """Return the values of the trials that were told at one time or another, by number."""
    path = folder / "seen.json"
    return {int(number): value for number, value in json.loads(path.read_text()).items()} if path.exists() else {}


def is_harmless(harm: Harm, scene: Scene) -> bool:
    """Whether a scene cost nothing but what it must."""
    return (harm.told, harm.lost, harm.doubled, harm.failed, harm.left) == (scene.trials, 0, 0, scene.n_failed, 0)


def kill_parent(folder: Path) -> None:
    """Kill the sweep twice in the middle, and let it go on."""
    for share in (0.2, 0.5):
        with start(folder, name_sweep(TRIALS, 2, epochs=EPOCHS)) as sweep:
            wait_for(folder, share * TRIALS, sweep)
            workers = find_children(sweep.pid)
            sweep.kill()
        while any(Path(f"/proc/{pid}/exe").exists() for pid in workers):
            time.sleep(0.05)
    run(folder, name_sweep(TRIALS, 2, epochs=EPOCHS))


def stop_worker(folder: Path) -> None:
    """Stop a worker of what counts as another host for longer than others wait for it, then let it go on."""
    if os.geteuid() != 0:
        raise Skipped("only root may make a space of process numbers, which stands for another host")
    begin(folder)
    apart = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    worker = [sys.executable, "-c", WORK, *name_work()]
    with start(folder, [*apart, *worker]) as first:
        wait_for(folder, 0.2 * TRIALS, first)
        (stopped,) = find_children(first.pid)
        os.kill(stopped, signal.SIGSTOP)
        try:
            with start(folder, [*apart, *worker]) as second:
                second.wait(TIMEOUT)
        finally:
            os.kill(stopped, signal.SIGCONT)
        first.wait(TIMEOUT)


def shift_clock(folder: Path) -> None:
    """Let the clocks of a sweep and its workers jump forwards.

    Not back: of libfaketime 0.9.10 the monotonic clock, which never goes back, follows, or else no process may sleep.
    """
    if not FAKETIME.exists():
        raise Skipped("libfaketime is not installed")
    clock = folder / "clock"
    fake = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }
    clock.write_text("+0s")
    with start(folder, name_sweep(TRIALS, 2, epochs=EPOCHS), **fake) as sweep:
        for share, shift in ((0.2, "+3600s"), (0.5, "+90000s")):
            wait_for(folder, share * TRIALS, sweep)
            clock.write_text(shift)
        check_end(folder, sweep)


def fill_disk(folder: Path) -> None:
    """Fill the disk in the middle of a sweep, and free it after some seconds."""
    runs = folder / "runs"
    runs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(runs)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        raise Skipped("only root may mount a small disk")
    try:
        with start(folder, name_sweep(TRIALS, 2, epochs=EPOCHS)) as sweep:
            wait_for(folder, 0.3 * TRIALS, sweep)
            rest = runs / "rest"
            with rest.open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            time.sleep(5)
            rest.unlink()
            check_end(folder, sweep)
        shutil.copytree(runs, folder / "kept", symlinks=True)
    finally:
        subprocess.run(["umount", "-l", runs], check=True)
    runs.rmdir()
    (folder / "kept").rename(runs)


def run_deadly_code(folder: Path) -> None:
    """Train settings that end or stop their worker, beside others."""
    run(folder, name_sweep(6, 2, epochs=2, file=deadly_study.__file__))
    journal = folder / "runs" / tortured_study.NAME / "journal.log"
    told = {
        trial.params["fate"]: str(read_failure(trial))
        for trial in read_trials(journal)
        if trial.state == optuna.trial.TrialState.FAIL and not is_interrupted(trial)
    }
    print(f"code: failed as {told}", flush=True)


def start_many(folder: Path) -> None:
    """Let two sweeps and three workers begin at once."""
    begin(folder)
    work = [sys.executable, "-P", "-m", "tuner", *name_work()]
    commands = [*[name_sweep(TRIALS, 2, epochs=EPOCHS)] * 2, *[work] * 3]
    processes = [start_process(folder, command) for command in commands]
    try:
        for process in processes:
            check_end(folder, process)
    finally:
        for process in processes:
            process.kill()


def restart_database(folder: Path) -> None:
    """Let eight workers spend a budget on a server that crashes twice."""
    programs = find_programs()
    if programs is None:
        raise Skipped("PostgreSQL is not installed")
    apart = Path(tempfile.mkdtemp())
    apart.chmod(0o755)  # the server runs as a user of its own
    server = make_server(programs, apart / "server")
    server.start()
    try:
        run(folder, [sys.executable, "-c", FIRST_TRIAL, server.url])
        storage = open_storage(folder / "unused.log", server.url)
        search = optuna.load_study(study_name=tortured_study.NAME, storage=storage)
        write_budget(search, trials=MANY_TRIALS, epochs=tortured_study.EPOCHS, seed=tortured_study.study.seed)
        work = [sys.executable, "-P", "-m", "tuner", *name_work(), "--storage", server.url]
        workers = [start_process(folder, work) for _ in range(8)]
        for share in (0.3, 0.6):
            while sum(map(is_told, search.get_trials(deepcopy=False))) < share * MANY_TRIALS:
                time.sleep(0.5)
            note_seen(folder, search.get_trials(deepcopy=False))
            server.stop("immediate")
            time.sleep(2.0)
            server.start()
        for worker in workers:
            check_end(folder, worker)
        journal = folder / "runs" / tortured_study.NAME / "journal.log"
        optuna.copy_study(from_study_name=tortured_study.NAME, from_storage=storage, to_storage=open_storage(journal))
    finally:
        server.stop("immediate")
        shutil.rmtree(apart)


def begin(folder: Path) -> None:
    """Prepare the events, train the first trial, and set the budget for workers that come."""
    run(folder, name_sweep(1, 1, epochs=EPOCHS))
    journal = folder / "runs" / tortured_study.NAME / "journal.log"
    search = optuna.load_study(study_name=tortured_study.NAME, storage=open_storage(journal))
    write_budget(search, trials=TRIALS, epochs=EPOCHS, seed=tortured_study.study.seed)


def name_work() -> list[str]:
    """Return the arguments of `tuner` for a worker."""
    return ["work", tortured_study.__file__, "--folder", "runs", "--device", "cpu", "--tracker", "none"]


def run(folder: Path, command: list[str]) -> None:
    """Run a command in a folder to its end."""
    with start(folder, command) as process:
        check_end(folder, process)


def check_end(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for a process, note what results are there meanwhile, and say where it ends otherwise than well."""
    wait_for(folder, math.inf, process, pause=1.0)
    if process.wait(1):
        print(f"A process ended with exit code {process.returncode}.", flush=True)


@contextmanager
def start(folder: Path, command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a folder; it is killed where it has not ended with the context."""
    process = start_process(folder, command, **environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start_process(folder: Path, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
    """Start a command in a folder."""
    variables = make_environment() | {tortured_study.DRAWN: str(folder / "drawn")} | environment
    with (folder / "printed.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT)


def wait_for(folder: Path, n_told: float, process: subprocess.Popen[bytes], *, pause: float = 0.2) -> None:
    """Wait until so many trials are told, or the process ends; note what results are there meanwhile."""
    journal, end = folder / "runs" / tortured_study.NAME / "journal.log", time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        trials = read_trials(journal)
        note_seen(folder, trials)
        if sum(map(is_told, trials)) >= n_told:
            return
        time.sleep(pause)


SCENES = {
    "parent": Scene(kill_parent),
    "stop": Scene(stop_worker, is_long=True),
    "clock": Scene(shift_clock, is_long=True),
    "disk": Scene(fill_disk),
    "code": Scene(run_deadly_code, trials=6, n_failed=len(deadly_study.FATES)),
    "many": Scene(start_many),
    "database": Scene(restart_database, trials=MANY_TRIALS, is_long=True),
}


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main()
