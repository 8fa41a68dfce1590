"""Plain Optuna: one process per core on a shared journal file, TPE, Hyperband, a hand-written loop.

Sampler and pruner are those of `tuner`; Optuna's journal file is what its documentation has for processes of one
machine. `python -m benchmarks.peers.optuna_contestant CONTEST` is one of the processes.
"""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import torch
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from benchmarks.peers.contest import Contest
from benchmarks.peers.own_loop import Epoch, train_setting
from tuner.tuning.pruners import make_default_pruner
from tuner.tuning.samplers import make_default_sampler

NAME = "plain"


def compete(contest: Contest, *, in_slices: bool = False) -> None:
    """Enqueue the warm starts, start the processes and wait for them."""
    study = open_study(contest)
    for params in contest.load_study().space.warm_starts:
        study.enqueue_trial(dict(params))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.peers.optuna_contestant"),
                dataclasses.replace(contest, seed=contest.seed * 1000 + number).to_json(),
                *(["slices"] if in_slices else []),
            ],
            env=environment,
        )
        for number in range(contest.cores)
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise RuntimeError(f"Processes of plain Optuna ended with exit codes {codes}.")


def compete_in_slices(contest: Contest) -> None:
    """Compete with a loop that cuts its batches from tensors in memory."""
    compete(contest, in_slices=True)


def compete_as_usual(contest: Contest) -> None:
    """Compete with the optimizers that PyTorch has: the space without schedule-free AdamW."""
    compete(dataclasses.replace(contest, usual=True))


def open_study(contest: Contest) -> optuna.Study:
    """Return the Optuna study that all processes share."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name=NAME,
        storage=JournalStorage(JournalFileBackend(str(Path(contest.folder) / "journal.log"))),
        sampler=make_default_sampler(contest.seed),
        pruner=make_default_pruner(contest.epochs),
        direction="maximize",
        load_if_exists=True,
    )


def work(contest: Contest, *, in_slices: bool) -> None:
    """Run trials until the time is up; the trial that runs then is told as pruned."""
    torch.set_num_threads(1)
    torch.manual_seed(contest.seed)
    data, space = contest.load_data(), contest.load_study().space

    def objective(trial: optuna.Trial) -> float:
        settings = space(trial)

        def go_on(epoch: Epoch) -> bool:
            if contest.is_over():
                trial.study.stop()
                raise optuna.TrialPruned
            contest.write_epoch(trial.number, epoch.number, epoch.auc)
            if epoch.is_best:
                contest.keep_network(epoch.auc, trial.params, epoch.network)
            trial.report(epoch.auc, epoch.number)
            if trial.should_prune():
                raise optuna.TrialPruned
            return True

        best = train_setting(settings, data, n_epochs=contest.epochs, on_epoch=go_on, in_slices=in_slices)
        if not math.isfinite(best):
            raise optuna.TrialPruned
        return best

    enough = MaxTrialsCallback(contest.trials, states=(TrialState.COMPLETE, TrialState.PRUNED))
    open_study(contest).optimize(objective, timeout=contest.until - time.time(), callbacks=[enough])


if __name__ == "__main__":
    work(Contest.from_json(sys.argv[1]), in_slices="slices" in sys.argv[2:])
