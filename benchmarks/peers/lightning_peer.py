"""PyTorch Lightning, reporting to Optuna from a callback."""

from __future__ import annotations

import logging
import warnings

import lightning
import optuna
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.task import BATCH_SIZE, Task, make_network, make_optimizer

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Module(lightning.LightningModule):
    """The network, its loss and its validation AUC."""

    def __init__(self, d_in: int) -> None:
        super().__init__()
        self.network = make_network(d_in)
        self.outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        x, y = batch
        return binary_cross_entropy_with_logits(self.network(x), y)

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Keep scores for the AUC of the epoch."""
        x, y = batch
        self.outputs.append((self.network(x), y))

    def on_validation_epoch_end(self) -> None:
        """Log the AUC."""
        scores, labels = (torch.cat(parts).cpu().numpy() for parts in zip(*self.outputs, strict=True))
        self.outputs.clear()
        self.log("auc", float(roc_auc_score(labels, scores)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return make_optimizer(self.network)


class Report(lightning.Callback):
    """Reports each epoch to Optuna (what `PyTorchLightningPruningCallback` does)."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_validation_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Report and prune."""
        self.trial.report(float(trainer.callback_metrics["auc"]), trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def train(task: Task, n_epochs: int, device: torch.device) -> None:
    """Run one Optuna trial."""

    def objective(trial: optuna.Trial) -> float:
        trainer = lightning.Trainer(
            max_epochs=n_epochs,
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[Report(trial)],
        )
        train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=BATCH_SIZE, shuffle=True)
        validation_loader = DataLoader(TensorDataset(task.validation_x, task.validation_y), batch_size=4096)
        trainer.fit(Module(task.d_in), train_loader, validation_loader)
        return float(trainer.callback_metrics["auc"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner()).optimize(objective, n_trials=1)
