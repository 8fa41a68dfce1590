"""What a predictor costs whoever uses it: its size, and how long it takes to score events on one CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor, list_files
from tuner.tuning.search import Search

MANY = 10_000
"""Events of the large batch."""

ROUNDS = {1: 7, MANY: 3}
"""Timed rounds by number of events; their median counts. One round before them warms up."""


@dataclass(frozen=True, kw_only=True)
class PredictorCost:
    """Size and speed of a predictor."""

    name: str
    n_networks: int
    n_parameters: int
    n_bytes: int
    """Size of the files of its parameters, and of its trees."""
    seconds_one: float
    """Seconds that one prepared event takes on the CPU, in PyTorch."""
    seconds_many: float
    """Seconds that 10,000 prepared events take on the CPU, in PyTorch."""


def measure_cost(search: Search, predictor: Predictor) -> PredictorCost:
    """Return what a predictor costs; times are of this machine at this moment."""
    network = load_network(search, predictor)
    x = np.resize(np.asarray(search.splits.train.x[:MANY]), (MANY, search.splits.d_in))
    seconds = {n: _time(partial(score_events, network, x[:n], "cpu"), rounds) for n, rounds in ROUNDS.items()}
    return PredictorCost(
        name=predictor.name,
        n_networks=len(predictor.networks),
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        n_bytes=sum(path.stat().st_size for path in list_files(search, predictor)),
        seconds_one=seconds[1],
        seconds_many=seconds[MANY],
    )


def _time(score: Callable[[], object], rounds: int) -> float:
    score()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        score()
        taken.append(time.perf_counter() - start)
    return median(taken)
