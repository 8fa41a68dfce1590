"""Ray Tune: OptunaSearch and ASHA, one trial per core at a time, a hand-written loop.

The sampler is that of `tuner`; the search space is handed over in OptunaSearch's define-by-run form, warm starts as
`points_to_evaluate`. Processes are used again for the next trial and Ray's own files for each trial are switched off:
both spare Ray time. `python -m benchmarks.peers.ray_contestant CONTEST` is Ray's driver.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.contest import Contest

if TYPE_CHECKING:
    from optuna.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "OMP_NUM_THREADS": "1",
}


def compete(contest: Contest) -> None:
    """Start the driver and wait for it."""
    command = [sys.executable, "-m", "benchmarks.peers.ray_contestant", contest.to_json()]
    code = subprocess.run(command, check=False, env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT)}).returncode
    if code:
        raise RuntimeError(f"Ray's driver ended with exit code {code}.")


def drive(contest: Contest) -> None:
    """Tune until the time is up."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    from tuner.tuning.samplers import make_default_sampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ray.init(num_cpus=contest.cores, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    search = OptunaSearch(
        partial(suggest, contest),
        metric="auc",
        mode="max",
        points_to_evaluate=[dict(params) for params in contest.load_study().space.warm_starts],
        sampler=make_default_sampler(contest.seed),
    )
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(tune.with_parameters(run_trial, contest=contest), {"cpu": 1}),
            tune_config=tune.TuneConfig(
                num_samples=contest.trials,
                search_alg=ConcurrencyLimiter(search, max_concurrent=contest.cores),
                scheduler=ASHAScheduler(
                    metric="auc", mode="max", max_t=contest.epochs, grace_period=min(3, contest.epochs),
                    reduction_factor=3,
                ),
                time_budget_s=max(1.0, contest.until - time.time()),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()  # fmt: skip
    ray.shutdown()


def suggest(contest: Contest, trial: Trial) -> None:
    """Sample a setting: OptunaSearch keeps what is suggested. Ray pickles its search, hence no closure."""
    contest.load_study().space(trial)


def run_trial(config: dict[str, Any], contest: Contest) -> None:
    """Train one trial in a process of Ray's."""
    import optuna
    import torch
    from ray import tune

    from benchmarks.peers.own_loop import Epoch, train_setting

    torch.set_num_threads(1)
    settings = contest.load_study().space(optuna.trial.FixedTrial(config))  # type: ignore[arg-type]
    trial = str(tune.get_context().get_trial_id())

    def go_on(epoch: Epoch) -> bool:
        if contest.is_over():
            return False
        contest.write_epoch(trial, epoch.number, epoch.auc)
        if epoch.is_best:
            contest.keep_network(epoch.auc, config, epoch.network)
        tune.report({"auc": epoch.auc})
        return True

    train_setting(settings, contest.load_data(), n_epochs=contest.epochs, on_epoch=go_on)


if __name__ == "__main__":
    from benchmarks.peers.ray_contestant import drive as drive_by_name

    drive_by_name(Contest.from_json(sys.argv[1]))
