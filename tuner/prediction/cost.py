"""What a predictor costs whoever uses it: its size, and how long it takes to score events on one CPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor, list_files
from tuner.tuning.search import Search

MANY = 10_000
"""Events of the large batch."""

ROUNDS, ENOUGH_SECONDS = 5, 1.0
"""Timed calls at the most, of which the quickest counts, and CPU time after which there are no more."""


@dataclass(frozen=True, kw_only=True)
class PredictorCost:
    """Size and speed of a predictor."""

    name: str
    n_networks: int
    n_parameters: int
    n_bytes: int
    """Size of the files of its parameters, and of its trees."""
    seconds_one: float
    """CPU time in seconds of one prepared event, in PyTorch."""
    seconds_many: float
    """CPU time in seconds of 10,000 prepared events, in PyTorch."""


def measure_cost(search: Search, predictor: Predictor) -> PredictorCost:
    """Return what a predictor costs; times are those of this machine."""
    network = load_network(search, predictor)
    x = np.resize(np.asarray(search.splits.train.x[:MANY]), (MANY, search.splits.d_in))
    score_events(network, x[:1], "cpu")  # the first call takes longer
    seconds = {n: _time(partial(score_events, network, x[:n], "cpu")) for n in (1, MANY)}
    return PredictorCost(
        name=predictor.name,
        n_networks=len(predictor.networks),
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
        n_bytes=sum(path.stat().st_size for path in list_files(search, predictor)),
        seconds_one=seconds[1],
        seconds_many=seconds[MANY],
    )


def _time(score: Callable[[], object]) -> float:
    """Return the CPU time of the quickest of a few calls: what else the machine does hardly matters."""
    taken: list[float] = []
    while len(taken) < ROUNDS and sum(taken) < ENOUGH_SECONDS:
        start = time.process_time()
        score()
        taken.append(time.process_time() - start)
    return min(taken)
