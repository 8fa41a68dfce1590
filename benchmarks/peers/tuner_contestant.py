"""Ours: `tuner.sweep` with its worker processes, sampler, pruner and packs as they come; no tracker, as the peers.

`python -m benchmarks.peers.tuner_contestant CONTEST` is the process that sweeps.
"""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import torch
from optuna.trial import FixedTrial

from benchmarks.peers.contest import Contest
from tuner.errors import SearchError, SweepInterrupted
from tuner.trackers import NoTracker
from tuner.training.checkpoints import read_checkpoint
from tuner.training.pack import Member, Pack
from tuner.tuning.search import Search, open_search
from tuner.tuning.study import Budget
from tuner.tuning.sweep import run_sweep

ROOT = Path(__file__).resolve().parents[2]


def compete(contest: Contest) -> None:
    """Start the sweep; meanwhile read its journal once a second and write down the epochs that are new."""
    command = [sys.executable, "-m", "benchmarks.peers.tuner_contestant", contest.to_json()]
    seen: set[tuple[int, int]] = set()
    with subprocess.Popen(command, cwd=ROOT) as process:
        search: Search | None = None
        while process.poll() is None:
            time.sleep(1.0)
            with suppress(SearchError):
                search = search or open_search(contest.load_study(), contest.folder)
            if search is not None:
                write_new_epochs(contest, search, seen)
    keep_best_network(contest)
    if process.returncode:
        raise RuntimeError(f"The sweep ended with exit code {process.returncode}.")


def sweep(contest: Contest) -> None:
    """Sweep until Ctrl-C, which comes when the time is up: the sweep's own clock begins after the preparation."""
    alarm = threading.Timer(contest.until - time.time(), os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    budget = Budget(trials=contest.trials, epochs=contest.epochs, stop_in_vain=False)
    with suppress(SweepInterrupted):
        run_sweep(
            dataclasses.replace(contest.load_study(), seed=contest.seed, budget=budget),
            folder=contest.folder,
            workers=contest.cores if contest.device == "cpu" else 1,
            device=contest.device,
            tracker=NoTracker(),
            study_file=ROOT / "studies" / f"{contest.study}.py",
            options=["--tracker", "none"],
        )


def write_new_epochs(contest: Contest, search: Search, seen: set[tuple[int, int]]) -> None:
    """Write down the epochs that were reported since the last look."""
    for trial in search.optuna_study.get_trials(deepcopy=False):
        for epoch, auc in list(trial.intermediate_values.items()):
            if (trial.number, epoch) not in seen:
                seen.add((trial.number, epoch))
                contest.write_epoch(trial.number, epoch, auc)


def keep_best_network(contest: Contest) -> None:
    """Keep the best network that the run folder holds: of a complete trial, or of one that the clock interrupted.

    Trials end with the epoch in which the time was up; a network that is better than all that was seen in time is not
    kept.
    """
    search, data = open_search(contest.load_study(), contest.folder), contest.load_data()
    best_in_time = max((row["auc"] for row in contest.read_epochs()), default=-math.inf)
    for trial in search.trials:
        complete, interrupted = search.checkpoint_path(trial.number), search.resume_path(trial.number)
        if not complete.exists() and not interrupted.exists():
            continue
        settings = search.study.space(FixedTrial(dict(trial.params)))  # type: ignore[arg-type]
        network = settings.network.build(data.d_in)
        if complete.exists():
            best, state = float(trial.value or 0.0), read_checkpoint(complete).state
        else:
            pack = Pack(settings, data, n_epochs=contest.epochs)
            member = Member(trial.number, settings, seed=0, state=torch.load(interrupted, weights_only=True))
            state = pack.best_state(*pack.admit(member))
            best = member.best
        network.load_state_dict(state, strict=False)
        if best <= best_in_time:
            contest.keep_network(best, trial.params, network)


if __name__ == "__main__":
    sweep(Contest.from_json(sys.argv[1]))
