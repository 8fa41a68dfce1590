"""Whoever may give the answer: finalists trained anew, the ensemble of them, baselines; and their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from tuner.evaluation.retraining import Retraining
from tuner.evaluation.statistics.comparison import Replicas, replicate
from tuner.evaluation.statistics.ensemble import pick_ensemble
from tuner.metrics.figures_of_merit import CutFigure, FigureOfMerit
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Candidate, TrainedNetwork
from tuner.preparation.splits import Part
from tuner.tuning.search import Search

if TYPE_CHECKING:
    from torch import nn

    from tuner.evaluation.baselines.fitting import Baseline

Score = Callable[[np.ndarray], np.ndarray]
"""From prepared inputs [n, d_in] to scores [n] in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate with its trainings: several for a finalist, one for all others."""

    name: str
    kind: Literal["finalist", "ensemble", "baseline"]
    scorers: tuple[Score, ...]
    """One for each training."""
    networks: tuple[TrainedNetwork, ...] = ()
    """The trainings of a finalist, in the order of `scorers`; the members of an ensemble."""
    n_parameters: int | None = None
    known: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    """Scores of each training by part, once they were asked for."""

    def scores(self, name: str, part: Part) -> tuple[np.ndarray, ...]:
        """Return the scores [n] of each training on a part of that name."""
        if name not in self.known:
            self.known[name] = tuple(score(np.asarray(part.x)) for score in self.scorers)
        return self.known[name]


@dataclass(frozen=True, eq=False)
class Field:
    """All contenders, and the rules by which they are held against each other."""

    contenders: tuple[Contender, ...]
    figure: FigureOfMerit
    validation: Part
    n_replicas: int
    seed: int

    def cuts(self, contender: Contender) -> list[float] | None:
        """Return the figure's cut of each training, chosen on validation; None where it is not one of a cut."""
        if not isinstance(self.figure, CutFigure):
            return None
        scores = contender.scores("validation", self.validation)
        return [self.figure.choose(self.validation.labels, one, self.validation.weights) for one in scores]

    def replicate(self, contender: Contender, name: str, part: Part) -> Replicas:
        """Return a contender's figure on a part and its replicas; on another part than validation at frozen cuts."""
        return replicate(
            self.figure,
            part.labels,
            contender.scores(name, part),
            part.weights,
            cuts=None if name == "validation" else self.cuts(contender),
            n_replicas=self.n_replicas,
            seed=self.seed,
        )

    def replicate_all(self, name: str, part: Part) -> dict[str, Replicas]:
        """Return the replicas of all contenders by name, of the same events."""
        return {contender.name: self.replicate(contender, name, part) for contender in self.contenders}

    def __getitem__(self, name: str) -> Contender:
        """Return a contender by name."""
        return next(contender for contender in self.contenders if contender.name == name)


def enter_finalists(
    search: Search, retrainings: Sequence[Retraining], *, device: str | None = None
) -> tuple[Contender, ...]:
    """Return a contender for each trial that was trained anew."""
    by_trial: dict[int, list[Retraining]] = {}
    for retraining in retrainings:
        by_trial.setdefault(retraining.trial, []).append(retraining)
    contenders = []
    for trial, trainings in by_trial.items():
        networks = tuple(TrainedNetwork(trial, training.seed) for training in trainings)
        scorers = tuple(_NetworkScore(search, network, device) for network in networks)
        contenders.append(
            Contender(f"trial {trial}", "finalist", scorers, networks, n_parameters=trainings[0].n_parameters)
        )
    return tuple(contenders)


def enter_ensemble(finalists: Sequence[Contender], figure: FigureOfMerit, validation: Part) -> Contender:
    """Return the greedy ensemble of all trainings of all finalists, picked on validation."""
    networks = [network for finalist in finalists for network in finalist.networks]
    scorers = [scorer for finalist in finalists for scorer in finalist.scorers]
    scores = [one for finalist in finalists for one in finalist.scores("validation", validation)]
    sizes = [finalist.n_parameters or 0 for finalist in finalists for _ in finalist.networks]
    shares = pick_ensemble(figure, validation.labels, scores, validation.weights)
    picked = [place for place, share in enumerate(shares) if share > 0]

    def mix(of_members: Mapping[int, np.ndarray] | Sequence[np.ndarray]) -> np.ndarray:
        total: np.ndarray = sum(shares[place] * of_members[place] for place in picked)
        return total

    return Contender(
        "ensemble",
        "ensemble",
        (lambda x: mix({place: scorers[place](x) for place in picked}),),
        tuple(TrainedNetwork(networks[p].trial, networks[p].seed, float(shares[p])) for p in picked),
        n_parameters=sum(sizes[place] for place in picked),
        known={"validation": (mix(scores),)},
    )


def enter_baselines(baselines: Sequence[Baseline]) -> tuple[Contender, ...]:
    """Return a contender for each baseline."""
    return tuple(
        Contender(b.name, "baseline", (b.score,), known={"validation": (b.validation_scores,)}) for b in baselines
    )


def choose_winner(finalists: Sequence[Contender], replicas: Mapping[str, Replicas]) -> Contender:
    """Return the finalist with the best mean over its trainings; of equals the smallest network."""
    return max(finalists, key=lambda finalist: (replicas[finalist.name].mean, -(finalist.n_parameters or 0)))


@dataclass(frozen=True, eq=False)
class _NetworkScore:
    """Scores by one network, which is loaded once: importances and variants ask for many."""

    search: Search
    trained: TrainedNetwork
    device: str | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return scores [n] of prepared inputs [n, d_in]."""
        return score_events(self._network, x, self.device)

    @cached_property
    def _network(self) -> nn.Module:
        return load_network(self.search, Candidate(f"trial {self.trained.trial}", (self.trained,)))
