"""Out of fold: every event is scored once, by a network that never saw it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from samples import make_study

import tuner
from tuner import mapped_arrays
from tuner.errors import SplitsError
from tuner.evaluation.cross_validation import train_folds
from tuner.evaluation.folds import join_parts, load_joined
from tuner.metrics import auc
from tuner.trackers.memory import NoTracker
from tuner.training.pack import Pack

FOLDS = 3


@pytest.fixture(scope="module")
def search(tmp_path_factory) -> tuner.Search:
    settings = tuner.EvaluationSettings(
        bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, folds=FOLDS, replicas=20
    )
    small = make_study(trials=1, epochs=2, evaluation=settings)
    return tuner.sweep(small, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())


def test_no_event_is_scored_by_a_network_that_trained_or_stopped_on_it(search, monkeypatch):
    members, admit = [], Pack.admit
    monkeypatch.setattr(Pack, "admit", lambda self, *some: (members.extend(some), admit(self, *some))[1])
    found = train_folds(search, search.best_trial, folds=FOLDS)
    folds = {member.number: member for member in members if member.train_rows is not None}
    assert sorted(folds) == [0, 1, 2]
    for fold, member in folds.items():
        own = np.flatnonzero(found.folds == fold)
        seen = [set(member.train_rows), set(member.validation_rows)]
        assert not set(own) & (seen[0] | seen[1])
        assert not seen[0] & seen[1]
        assert len(own) + len(seen[0]) + len(seen[1]) == len(found.rows)
    np.testing.assert_array_equal(np.sort(found.rows), np.arange(1_500))
    assert np.isfinite(found.scores).all()


def test_the_evaluation_tells_the_figures_of_the_scores_that_are_written(search):
    evaluation = tuner.evaluate(search)
    part = evaluation.parts[-1]
    table = pd.read_parquet(search.folder.out_of_fold)
    assert (part.part, part.candidate) == ("all events", f"trial {evaluation.winner}, {FOLDS} folds")
    assert auc(table["label"], table["score"], table["weight"]) == pytest.approx(part["AUC"].value)
    assert part["AUC"].value > 0.6
    assert sorted(table["row"]) == list(range(1_500))


def test_joined_parts_that_are_too_large_for_the_memory_lie_in_a_file(search, monkeypatch):
    parts = ("train", "validation")
    small = join_parts(search, parts)
    monkeypatch.setattr(mapped_arrays, "LARGE", 1)
    monkeypatch.setattr(mapped_arrays, "STRETCH", 1000)
    large = join_parts(search, parts)
    assert mapped_arrays.find_map(small.x) is None
    assert mapped_arrays.find_map(large.x) is not None
    np.testing.assert_array_equal(large.x, np.concatenate([search.splits.train.x, search.splits.validation.x]))
    data = load_joined(search, large, torch.device("cpu"))
    data.mapped.release()
    np.testing.assert_array_equal(data.x.numpy(), small.x)


def test_folds_that_cannot_be_do_not_open_the_test_part(search, monkeypatch):
    for path in (search.folder.evaluation, search.folder.openings):
        path.unlink(missing_ok=True)

    def refuse(*args, **more):
        raise SplitsError("no such folds")

    monkeypatch.setattr("tuner.evaluation.folds.assign_folds", refuse)
    with pytest.raises(SplitsError, match="no such folds"):
        tuner.evaluate(search)
    assert not search.folder.openings.exists()


def test_a_closed_judgement_scores_nothing_of_the_test_part(search):
    for path in (search.folder.evaluation, search.folder.openings, search.folder.out_of_fold):
        path.unlink(missing_ok=True)
    search.folder.scores.write_bytes(b"of other rules")
    evaluation = tuner.evaluate(search, open_test=False)
    assert {part.part for part in evaluation.parts} == {"validation"}
    assert not search.folder.scores.exists()
    assert not search.folder.out_of_fold.exists()
    assert json.loads(search.folder.evaluation.read_text())["opening"] is None
