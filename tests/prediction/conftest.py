"""One small search, judged once, that tests of what is handed on share; nobody changes it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from samples import make_study

import tuner
from tuner import Problem
from tuner.trackers import NoTracker

SETTINGS = tuner.EvaluationSettings(
    finalists=2, seeds=1, bag=3, refit=True, hand_on="blend", baseline_trials=1, replicas=20
)


def make_table(n=1200, seed=0):
    """Events with an undefined value, a category of texts, a long tail and ids; the label is a text."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(n) < 0.4
    jet_pt = rng.lognormal(3.5 + 0.4 * is_signal, 0.8)
    jet_pt[rng.random(n) < 0.2] = -999.0
    return pd.DataFrame(
        {
            "event": np.arange(n) + 10_000_000_000 * (seed + 1),
            "x": rng.normal(0.8 * is_signal),
            "jet_pt": jet_pt,
            "channel": np.where(rng.random(n) < 0.3 + 0.3 * is_signal, "ee", "mm"),
            "y": rng.normal(-0.5 * is_signal) * 30 + 100,
            "mass": rng.normal(125, 10, n),
            "run": rng.integers(1, 5, n).astype(np.int32),
            "w": rng.uniform(0.5, 1.5, n),
            "truth": np.where(is_signal, "signal", "background"),
        }
    )


@pytest.fixture(scope="session")
def handed_on_search(tmp_path_factory):
    """A search whose evaluation hands on a blend of a bag of 3 networks and boosted trees."""
    problem = Problem(
        question="Is it?",
        events=make_table(),
        label="truth",
        signal="signal",
        weight="w",
        event_id="event",
        observers=("mass",),
        ignored=("run",),
        undefined=-999.0,
    )
    study = make_study(name="handed", trials=2, epochs=3, problem=problem, evaluation=SETTINGS)
    search = tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())
    tuner.evaluate(search, device="cpu", tracker=NoTracker())
    return search


@pytest.fixture
def new_events():
    """Events that the search has not seen, in the order in which a file has them."""
    return make_table(500, seed=1)
