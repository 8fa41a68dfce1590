"""A study file whose epochs take a while, for tests that interrupt."""

SLOW_STUDY = '''"""A small study whose epochs take a while."""

import time
from dataclasses import dataclass

from torch import nn

from tuner import Budget, EvaluationSettings, Problem, Settings, Study, TrainingSettings, search_space
from tuner.events import Resonance


class Slow(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.layer = nn.Linear(d_in, 1)

    def forward(self, x):
        if not self.training:
            time.sleep(0.05)
        return self.layer(x).squeeze(-1)


@dataclass(frozen=True)
class SlowSettings:
    def build(self, d_in):
        return Slow(d_in)


@search_space(warm_starts=({"lr": 0.01},))
def suggest(trial):
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    return Settings(network=SlowSettings(), training=TrainingSettings(lr=lr, batch_size=256))


study = Study(
    name="slow",
    problem=Problem(
        question="Is it?",
        events=Resonance(600),
        label="label",
        signal="signal",
        weight="weight",
        undefined=-999.0,
    ),
    search_space=suggest,
    budget=Budget(trials=3, epochs=20),
    evaluation=EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20),
)
'''
