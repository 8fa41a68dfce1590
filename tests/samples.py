"""Small data, settings and studies that several tests train with."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import tuner
from tuner import Budget, Problem, Study, models, search_space
from tuner.errors import SweepInterrupted
from tuner.events import Resonance
from tuner.progress.display import NoDisplay
from tuner.training.data import TrainingData
from tuner.training.member import Member
from tuner.training.settings import Settings, TrainingSettings
from tuner.training.shuffling import draw_orders


def make_data(n=330, d_in=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d_in, generator=generator)
    labels = (x.sum(1) + torch.randn(n, generator=generator) > 0).float()
    weights = torch.rand(n, generator=generator) + 0.5
    x, labels, weights = x.to(dtype), labels.to(dtype), weights.to(dtype)
    cut = 2 * n // 3
    return TrainingData(
        x=x[:cut],
        labels=labels[:cut],
        weights=weights[:cut],
        validation_x=x[cut:],
        validation_labels=labels[cut:],
        validation_weights=weights[cut:].double(),
        validation_training_weights=weights[cut:],
    )


def make_settings(**changes):
    network = {k: changes.pop(k) for k in ("widths", "normalisation", "dropout", "activation") if k in changes}
    network = models.MLPSettings(**{"widths": (8, 8), **network})
    return Settings(network=network, training=TrainingSettings(**{"batch_size": 32, "lr": 1e-2, **changes}))


def sweep_until_interrupted(study, **options):
    """Sweep; return the search also where Ctrl-C ended it."""
    try:
        return tuner.sweep(study, **options)
    except SweepInterrupted as interruption:
        return interruption.search


class Shown(NoDisplay):
    """A display that keeps what it is to show."""

    def __init__(self, tell=lambda text: None):
        self.told, self.stages = [], []
        self.also = tell

    def tell(self, text):
        self.told.append(text)
        self.also(text)

    def advance(self, stage):
        if stage.name not in {known.name for known in self.stages}:
            self.tell(stage.text)
        self.stages.append(stage)


FAMILIES = {
    "mlp": lambda rate: models.MLPSettings(widths=(8, 8), dropout=rate, normalisation="layer"),
    "mlp batch": lambda rate: models.MLPSettings(widths=(8, 8), dropout=rate, normalisation="batch"),
    "mlp periodic": lambda rate: models.MLPSettings(
        widths=(8,), dropout=rate, embedding=models.PeriodicSettings(n_frequencies=3, d_embedding=4)
    ),
    "mlp piecewise": lambda rate: models.MLPSettings(
        widths=(8,), dropout=rate, embedding=models.PiecewiseLinearSettings(n_bins=4, d_embedding=4)
    ),
    "resnet": lambda rate: models.ResNetSettings(n_blocks=1, d_block=8, hidden_dropout=rate),
    "ft_transformer": lambda rate: models.FTTransformerSettings(
        n_blocks=1, d_token=8, attention_dropout=rate, hidden_dropout=rate, residual_dropout=0.0
    ),
    "tabm": lambda rate: models.TabMSettings(n_blocks=1, d_block=8, k=4, dropout=rate),
    "snn": lambda rate: models.SNNSettings(widths=(8, 8), dropout=rate),
    "realmlp": lambda rate: models.RealMLPSettings(widths=(8, 8), dropout=rate),
}


def build_family(family, rate=0.0, **training):
    """Return a small network of a family with this rate of dropout, and its training."""
    if family in ("resnet", "ft_transformer", "tabm"):
        pytest.importorskip("tabm", reason='needs the extra "networks"')
    training = {"batch_size": 32, "lr": 2e-3, "schedule": "constant", **training}
    return Settings(network=FAMILIES[family](rate), training=TrainingSettings(**training))


class Halting(nn.Module):
    """Depends on a number that it reads, for which the host waits: no pack can run it, and no graph hold it."""

    def __init__(self, d_in):
        super().__init__()
        self.layer = nn.Linear(d_in, 1)

    def forward(self, x):
        logits = self.layer(x).squeeze(-1)
        return logits * (2.0 if logits.detach().sum().item() > 1e9 else 1.0)


@dataclass(frozen=True)
class HaltingSettings:
    def build(self, d_in):
        return Halting(d_in)


def draw_batches(pack):
    """Return the batches of a pack's next epoch, places of events [steps, K, batch]."""
    out = torch.zeros_like(pack.orders)
    draw_orders(pack.members, len(pack.data.x), out=out)
    return out


def live(pack, settings, wilder):
    """Let members come, go and be exchanged over nine epochs; return their last states, and all losses."""
    torch.manual_seed(4)
    losses = []

    def train(n_epochs=1):
        for _ in range(n_epochs):
            came = pack.train_epoch()
            losses.append({member.number: float(came[row]) for row, member in pack.rows})

    def find(name):
        return next(row for row, member in pack.rows if member.number == name)

    pack.admit(Member(0, settings, seed=0))
    pack.admit(Member(1, settings, seed=1))
    train(2)
    pack.validate()
    pack.admit(Member(2, wilder, seed=2))  # a new row
    train(2)
    pack.vacate(find(0))
    pack.admit(Member(3, wilder, seed=3))  # in place
    train()
    state = pack.member_state(find(3))
    pack.vacate(find(3))
    train()
    pack.compact()
    pack.validate()
    train()
    pack.vacate(find(1))
    pack.compact()  # alone
    train()
    pack.admit(Member(3, wilder, seed=3, state=state))
    train()
    pack.validate()
    return {member.number: pack.member_state(row) for row, member in pack.rows}, losses


@search_space(structure=["width"], warm_starts=[{"width": 16, "lr": 0.01}])
def suggest_small(trial):
    width = trial.suggest_categorical("width", [8, 16])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    return make_settings(widths=(width,), lr=lr, dropout=trial.suggest_float("dropout", 0.0, 0.3), batch_size=128)


def make_study(name="small", trials=4, epochs=3, n_events=1500, **changes):
    """Return a study of a few simulated events that takes a second."""
    problem = Problem(
        question="Is there a particle?",
        events=Resonance(n_events),
        label="label",
        signal="signal",
        weight="weight",
        observers=("mass",),
        optimum="log_likelihood_ratio",
        undefined=-999.0,
    )
    return Study(
        **{
            "name": name,
            "problem": problem,
            "search_space": suggest_small,
            "budget": Budget(trials=trials, epochs=epochs),
            **changes,
        }
    )
