"""A search on a CUDA device, whose worker trains several packs at once. Skipped where there is none."""

import logging

import optuna
import pytest
import torch
from samples import make_study

import tuner
from tuner.checked_files import read_lines
from tuner.trackers import NoTracker
from tuner.training.batched.cuda_graphs import StepGraph
from tuner.training.pack import Pack
from tuner.tuning.worker import Worker

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

TRIALS = 64


def sweep(folder):
    study = make_study(
        trials=TRIALS,
        epochs=6,
        sampler=lambda seed: optuna.samplers.RandomSampler(seed=seed),
        pruner=lambda n_epochs: optuna.pruners.NopPruner(),
    )
    return tuner.sweep(study, folder=folder, tracker=NoTracker(), device="cuda", workers=1)


@pytest.fixture
def n_at_once(monkeypatch):
    """How many packs were in training at each round."""
    found, whole = [], Worker._go_round

    def go_round(self, runs):
        found.append(len(runs))
        return whole(self, runs)

    monkeypatch.setattr(Worker, "_go_round", go_round)
    monkeypatch.setattr(StepGraph, "refused", {})
    return found


def test_several_packs_of_a_search_train_at_once_as_well_as_one_after_the_other(tmp_path, monkeypatch, n_at_once):
    together = sweep(tmp_path / "together")
    assert max(n_at_once) > 1
    n_at_once.clear()
    monkeypatch.setattr("tuner.tuning.worker.limit_packs", lambda _: 1)
    alone = sweep(tmp_path / "alone")
    assert max(n_at_once) == 1
    assert not StepGraph.refused
    assert [trial.state for trial in together.trials] == ["complete"] * TRIALS
    for one, other in zip(together.trials, alone.trials, strict=True):
        assert one.params == other.params
        assert one.value == pytest.approx(other.value, abs=0.02)  # packs may have other sizes, which round otherwise
    assert len(read_lines(together.folder.packs).whole) < TRIALS // 8


def test_a_pack_that_runs_out_of_memory_leaves_those_beside_it_whole(tmp_path, monkeypatch, caplog, n_at_once):
    whole, failed = Pack.begin_epoch, []

    def fill_memory(self):
        if not failed and max(n_at_once, default=0) > 1 and len(self) > 1:
            failed.extend(member.number for _, member in self.rows)
            torch.empty(2**45, dtype=torch.uint8, device="cuda")
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", fill_memory)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        search = sweep(tmp_path)
    assert failed
    assert "Out of memory" in caplog.text
    assert [trial.state for trial in search.trials].count("complete") == TRIALS
    assert {t.number for t in search.trials if t.state == "interrupted"} == set(failed)
