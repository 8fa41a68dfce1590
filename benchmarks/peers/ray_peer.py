"""Ray Tune with OptunaSearch and ASHA: each trial in a process of its own, on one core."""

from __future__ import annotations

import logging
import os
import tempfile

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.task import BATCH_SIZE, Task, make_network, make_optimizer

N_TRIALS = 2


def train(task: Task, n_epochs: int, device: torch.device) -> None:
    """Run `N_TRIALS` trials one after the other; all train to the end."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(
        num_cpus=1, include_dashboard=False, configure_logging=True, logging_level=logging.ERROR, log_to_driver=False
    )
    shared = ray.put(task)

    def run(config: dict[str, float]) -> None:  # noqa: ARG001 - Ray hands it over; all peers train the same setting
        torch.set_num_threads(1)
        events: Task = ray.get(shared)
        network = make_network(events.d_in).to(device)
        optimizer = make_optimizer(network)
        loader = DataLoader(TensorDataset(events.x, events.y), batch_size=BATCH_SIZE, shuffle=True)
        for _ in range(n_epochs):
            network.train()
            for x, y in loader:
                optimizer.zero_grad()
                binary_cross_entropy_with_logits(network(x.to(device)), y.to(device)).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                scores = network(events.validation_x.to(device)).cpu().numpy()
            tune.report({"auc": float(roc_auc_score(events.validation_y.numpy(), scores))})

    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(run, {"cpu": 1, "gpu": int(device.type == "cuda")}),
            param_space={"lr": tune.loguniform(1e-4, 1e-2)},
            tune_config=tune.TuneConfig(
                metric="auc",
                mode="max",
                num_samples=N_TRIALS,
                search_alg=ConcurrencyLimiter(OptunaSearch(seed=0), max_concurrent=1),
                scheduler=ASHAScheduler(max_t=n_epochs, grace_period=n_epochs),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        tuner.fit()
    ray.shutdown()
