"""From one's own file to a finished sweep: of a CSV without a line edited, of a NanoAOD-like file with `columns=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

import tuner
from tuner.drafts.draft import draft_study, write_draft
from tuner.errors import SearchError
from tuner.models import MLPSettings
from tuner.trackers import NoTracker

N = 600


def tiny_space(trial: optuna.Trial) -> tuner.Settings:
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    training = tuner.TrainingSettings(lr=lr, batch_size=64)
    return tuner.Settings(network=MLPSettings(widths=(8,)), training=training)


def write_csv(path: Path) -> Path:
    rng, is_signal = np.random.default_rng(1), np.arange(N) % 2
    table = pd.DataFrame(
        {
            "EventNumber": np.arange(N) + 10**6,
            "lep_pt [GeV]": rng.exponential(30.0 + 20 * is_signal),
            "jet_pt": np.where(rng.random(N) < 0.3, -999.0, 25 + rng.exponential(30.0, N)),
            "jet_eta": np.where(rng.random(N) < 0.3, -99.0, rng.normal(size=N)),
            "channel": rng.choice(["ee", "em"], N),
            "m_ll": rng.exponential(40.0, N) + 12,
            "mc_weight": rng.normal(1, 0.2, N),
            "mc_channel": np.where(is_signal, 410, 345),
            "process": np.where(is_signal, "signal", "ttbar"),
        }
    )
    table.to_csv(path / "mine.csv", index=False)
    return path / "mine.csv"


def write_nano(path: Path) -> Path:
    uproot, ak = pytest.importorskip("uproot"), pytest.importorskip("awkward")
    rng, is_signal = np.random.default_rng(2), np.arange(N) % 2
    counts = rng.poisson(2, N)
    momenta = rng.exponential(30.0 + 30 * np.repeat(is_signal, counts))
    jets = {"pt": ak.unflatten(momenta, counts), "eta": ak.unflatten(rng.normal(size=counts.sum()), counts)}
    with uproot.recreate(path / "nano.root") as file:
        file["Events"] = {
            "run": np.ones(N, np.uint32),
            "event": np.arange(N, dtype=np.uint64),
            "MET_pt": rng.exponential(40.0 + 10 * is_signal),
            "Jet": ak.zip(jets),
            "is_signal": is_signal.astype(bool),
        }
        file["Runs"] = {"run": np.ones(1)}
    return path / "nano.root"


def take_proposed_columns(text: str) -> str:
    return text.replace("        # columns={", "        columns={")


@pytest.mark.parametrize(
    ("write", "edit", "features"),
    [
        (write_csv, str, {"lep_pt [GeV]", "jet_pt", "jet_eta", "channel"}),
        (write_nano, take_proposed_columns, {"MET_pt", "n_Jet", "first_Jet_pt", "first_Jet_eta"}),
    ],
)
def test_a_draft_is_swept(
    tmp_path: Path, write: Callable[[Path], Path], edit: Callable[[str], str], features: set[str]
) -> None:
    draft = draft_study(str(write(tmp_path)))
    path = write_draft(replace(draft, text=edit(draft.text)), tmp_path / "study.py")
    study = replace(tuner.load_study(path), budget=tuner.Budget(trials=1, epochs=2), search_space=tiny_space)
    search = tuner.sweep(study, folder=tmp_path, workers=1, tracker=NoTracker())
    assert {*search.splits.preprocessing.features} == features
    (trial,) = search.optuna_study.trials
    assert trial.value is not None
    assert 0.4 < trial.value <= 1
    if write is not write_csv:
        return
    # An observer more is no reason to refuse; an input less is, and is told by its name.
    more = replace(study.problem, observers=(*study.problem.observers, "mc_weight_2"))
    table = pd.read_csv(tmp_path / "mine.csv").assign(mc_weight_2=1.5)
    table.to_csv(tmp_path / "mine.csv", index=False)
    again = tuner.sweep(replace(study, problem=more), folder=tmp_path, workers=1, tracker=NoTracker())
    assert "mc_weight_2" in again.open_events().events.observers
    assert len(again.optuna_study.trials) == 1
    less = replace(more, observers=(*more.observers, "jet_eta"))
    with pytest.raises(SearchError, match='events: feature "jet_eta" is gone'):
        tuner.sweep(replace(study, problem=less), folder=tmp_path, workers=1, tracker=NoTracker())
    table.head(N - 20).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(SearchError, match="events: 600 were, 580 are"):
        tuner.sweep(replace(study, problem=more), folder=tmp_path, workers=1, tracker=NoTracker())
