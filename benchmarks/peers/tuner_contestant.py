"""Ours: `tuner sweep` with its worker processes, sampler, pruner and packs as they come; no tracker, as the peers."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from optuna.trial import FixedTrial

from benchmarks.peers.contest import Contest
from tuner.errors import SearchError
from tuner.train.pack import Member, Pack
from tuner.tune.search import Search, open_search

ROOT = Path(__file__).resolve().parents[2]


def compete(contest: Contest) -> None:
    """Run the command; meanwhile read the journal once a second and write down the epochs that are new."""
    command = [
        *(sys.executable, "-m", "tuner", "sweep", f"studies/{contest.study}.py", "--closed-test", "--tracker", "none"),
        *("--minutes", f"{(contest.until - time.time()) / 60:.3f}", "--trials", str(contest.trials)),
        *("--epochs", str(contest.epochs), "--workers", str(contest.cores), "--seed", str(contest.seed)),
        *("--device", "cpu", "--folder", contest.folder),
    ]
    log = Path(contest.folder) / "sweep.log"
    seen: set[tuple[int, int]] = set()
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        search: Search | None = None
        while process.poll() is None:
            time.sleep(1.0)
            with suppress(SearchError):
                search = search or open_search(contest.load_study(), contest.folder)
            if search is not None:
                write_new_epochs(contest, search, seen)
    if process.returncode:
        raise RuntimeError(f"`tuner sweep` ended with exit code {process.returncode}; see {log}.")
    keep_best_network(contest)


def write_new_epochs(contest: Contest, search: Search, seen: set[tuple[int, int]]) -> None:
    """Write down the epochs that were reported since the last look."""
    for trial in search.optuna_study.get_trials(deepcopy=False):
        for epoch, auc in list(trial.intermediate_values.items()):
            if (trial.number, epoch) not in seen:
                seen.add((trial.number, epoch))
                contest.write_epoch(trial.number, epoch, auc)


def keep_best_network(contest: Contest) -> None:
    """Keep the best network that the run folder holds: of a complete trial, or of one that the clock interrupted.

    The sweep's own clock begins after the events are prepared; what is better than all that was seen in time, is not
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
            best, state = float(trial.value or 0.0), torch.load(complete, weights_only=True)
        else:
            pack = Pack(settings, data, n_epochs=contest.epochs)
            member = Member(trial.number, settings, seed=0, state=torch.load(interrupted, weights_only=True))
            state = pack.best_state(pack.admit(member))
            best = member.best
        network.load_state_dict(state, strict=False)
        if best <= best_in_time:
            contest.keep_network(best, trial.params, network)
