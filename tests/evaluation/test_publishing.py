"""An evaluation is told to the tracker of the sweep and to the storage: every figure, once, and it costs none."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from samples import make_study

import tuner
from tuner.checked_files import read_json, write_json
from tuner.evaluation.publishing import publish
from tuner.evaluation.record_figures import summarize_evaluation
from tuner.evaluation.results import Evaluation
from tuner.metrics.measurement import Measurement
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker, StudyRecord
from tuner.tuning.dashboard_notes import read_note
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.outcome import read_outcome
from tuner.tuning.status import read_status


class Own(Memory):
    """A tracker of a user's own."""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[tuner.Search, Evaluation, StudyRecord]:
    """A search of which Weights & Biases was told offline, its evaluation, and the same record in memory."""
    quick = EvaluationSettings(
        bag=None, refit=False, finalists=2, seeds=2, baseline_trials=1, baseline_minutes=0.05, replicas=20
    )
    study = make_study(trials=3, epochs=2, n_events=1200, evaluation=quick)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        search = tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"))
        evaluation = tuner.evaluate(search)
    tracker = Memory()
    publish(search, evaluation, tracker)
    assert list(tracker.studies) == ["small"]
    return search, evaluation, tracker.studies["small"]


def read_study_run(search: tuner.Search) -> dict[str, Any]:
    """Return the newest run of the study as Weights & Biases reads its own file."""
    *_, file = sorted(search.folder.wandb.glob("offline-run-*-study/*.wandb"))
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", "--summary", str(file)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def reopen(search: tuner.Search, **call: object) -> tuner.Search:
    """Return the search as another process opens it, its last call changed."""
    record = read_json(search.folder.provenance)
    record["calls"][-1] |= call
    write_json(search.folder.provenance, record)
    return tuner.open_search(search.study, search.folder.path.parent)


def read_figures(search: tuner.Search) -> dict[str, float]:
    """Return every figure of the evaluation on disk with both ends of its interval, by part, candidate and name."""
    content = json.loads(search.folder.evaluation.read_text())
    return {
        f"{part['part']}/{part['candidate']}/{name}{end}": float(measured[key])
        for part in content["parts"]
        for name, measured in part["measurements"].items()
        for key, end in (("value", ""), ("low", "/low"), ("high", "/high"))
    }


def test_the_record_holds_every_figure_of_the_evaluation(told):
    search, evaluation, record = told
    figures = read_figures(search)
    assert len(figures) > 100
    assert {name: record.summary[name] for name in figures} == pytest.approx(figures, rel=0, abs=0, nan_ok=True)
    for standing in evaluation.standings:
        assert record.summary[f"{standing.part}/{standing.candidate}/mean of AUC"] == standing.figure.value
    assert record.summary["openings"] == 1
    assert record.summary["selection/best on validation"] == evaluation.selection.best


def test_no_number_of_the_evaluation_is_left_out(told):
    search, _, record = told
    content = json.loads(search.folder.evaluation.read_text())
    for what_is_set in ("settings", "rests_on"):
        del content[what_is_set]
    held = {abs(float(value)) for value in record.summary.values() if isinstance(value, int | float)}
    for table in record.tables.values():
        held |= set(np.abs(table.select_dtypes("number").to_numpy(dtype=float)).ravel())
    missing = {path for path, value in list_numbers(content) if math.isfinite(value) and abs(value) not in held}
    assert missing == set()


def list_numbers(content: object, path: str = "") -> list[tuple[str, float]]:
    """Return each number of a JSON document with where it stands."""
    if isinstance(content, dict):
        return [found for name, inner in content.items() for found in list_numbers(inner, f"{path}/{name}")]
    if isinstance(content, list):
        return [found for inner in content for found in list_numbers(inner, path)]
    return [(path, float(content))] if isinstance(content, int | float) and not isinstance(content, bool) else []


def test_weights_and_biases_reads_every_figure_back_from_one_run_of_the_study(told, monkeypatch):
    search, evaluation, record = told
    figures, run = read_figures(search), read_study_run(search)
    assert {name: run["summary"][name] for name in figures} == pytest.approx(figures, rel=0, abs=0, nan_ok=True)
    assert run["summary"]["test/single network/threshold"] == record.summary["test/single network/threshold"]
    assert run["notes"] == record.notes
    part = evaluation.part("test")
    endless = {
        "1/eps_B at eps_S=0.3": Measurement(math.inf, 3.0, math.inf),
        "precision": Measurement(math.nan, 0.0, 1.0),
    }
    odd = replace(part, measurements={**part.measurements, **endless})
    monkeypatch.setenv("WANDB_MODE", "offline")
    publish(search, replace(evaluation, parts=(*(p for p in evaluation.parts if p != part), odd)))
    again = read_study_run(search)
    assert again["run_id"] == run["run_id"]
    assert [again["summary"][f"test/single network/{name}"] for name in endless] == ["Infinity", "NaN"]
    assert again["summary"]["test/single network/AUC/low"] == figures["test/single network/AUC/low"]
    ids = [path.stem for path in search.folder.wandb.glob("offline-run-*/*.wandb")]
    assert len(ids) == len(set(ids)) == len(search.trials) + 1


def test_a_physicist_computes_sensitivity_and_specificity_again(told):
    search, _, record = told
    table, summary = pd.read_parquet(search.folder.scores), record.summary
    selected, weight = table["score"] >= summary["test/single network/threshold"], table["weight"]
    signal = table["label"] == 1
    assert weight[selected & signal].sum() / weight[signal].sum() == pytest.approx(
        summary["test/single network/sensitivity"]
    )
    rejected = weight[~selected & ~signal].sum() / weight[~signal].sum()
    assert rejected == pytest.approx(summary["test/single network/specificity"])


def test_artifacts_follow_what_they_were_made_from(told):
    search, _, record = told
    events, splits, network, scores = record.artifacts
    assert [artifact.name for artifact in record.artifacts] == ["events", "splits", "network", "scores"]
    assert [artifact.made_from for artifact in record.artifacts] == [
        (),
        ("events",),
        ("splits",),
        ("splits", "network"),
    ]
    assert events.metadata["sha256"] == search.splits.events_digest
    assert splits.metadata["sha256"] == record.config["split_fingerprint"]
    assert (network.files, network.aliases) == ((search.folder.network,), ("winner",))
    assert scores.files == (search.folder.scores,)
    assert all(path.exists() for artifact in record.artifacts for path in artifact.files)


def test_a_page_and_figures_older_than_the_evaluation_are_left_out(told):
    search, evaluation, _ = told
    search.folder.figures.mkdir(exist_ok=True)
    figure, tracker = search.folder.figures / "roc.png", Memory()
    for path in (figure, search.folder.report):
        path.write_bytes(b"drawn")
    publish(search, evaluation, tracker)
    record = tracker.studies["small"]
    assert record.pictures == {"roc": figure}
    assert (record.artifacts[-1].files, record.artifacts[-1].made_from) == ((search.folder.report,), ("scores",))
    for path in (figure, search.folder.report):
        os.utime(path, (0, 0))
    publish(search, evaluation, tracker)
    record = tracker.studies["small"]
    assert not record.pictures
    assert [artifact.name for artifact in record.artifacts] == ["events", "splits", "network", "scores"]


def test_the_network_is_the_one_that_was_handed_on_and_is_exported_once(told):
    search, evaluation, *_ = told
    tracker = Memory()
    said = {entry.key: entry.value for entry in onnx.load(str(search.folder.network)).metadata_props}
    assert said["networks"] == f"trial{evaluation.winner}:seed{evaluation.seed}"
    before = search.folder.network.stat()
    publish(search, evaluation, tracker)
    assert search.folder.network.stat().st_mtime_ns == before.st_mtime_ns
    content = search.folder.network.read_bytes()
    search.folder.network.write_bytes(b"of something else")
    publish(search, evaluation, tracker)
    assert len(search.folder.network.read_bytes()) == len(content)


def test_tables_and_history_are_those_of_the_search(told):
    search, evaluation, record = told
    assert list(record.tables["trials"]["number"]) == [trial.number for trial in search.trials]
    assert set(record.tables["finalists"]["candidate"]) == {f"trial {n.trial}" for n in evaluation.ensemble} | {
        standing.candidate for standing in evaluation.standings if standing.kind == "finalist"
    }
    figures = record.tables["figures"].set_index(["part", "candidate", "figure"])
    assert figures.loc[("test", "single network", "AUC"), "low"] == evaluation.part("test")["AUC"].low
    assert len(record.tables["permutation importances"]) == len(search.splits.preprocessing.list_columns())
    assert [row["trials"] for row in record.history] == [1, 2, 3]
    assert record.history[-1]["best"] == max(trial.figure for trial in search.trials if trial.state == "complete")
    assert record.history[-1]["minutes"] == pytest.approx(read_status(search).elapsed / 60)


def test_the_notes_say_who_won_and_how_to_do_it_again(told):
    search, evaluation, record = told
    assert record.notes.startswith("**Is there a particle?**")
    rows = [line for line in record.notes.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(evaluation.standings_on("test"))
    assert "opened once" in record.notes
    assert search.splits.events_digest in record.notes
    assert rows[-1] in read_note(search.optuna_study)


def test_the_outcome_is_in_the_storage_and_holds_until_more_trials_complete(told):
    search, evaluation, *_ = told
    elsewhere = tuner.Search(search.study, RunFolder(Path("/nowhere")), str(search.folder.journal))
    status = read_status(elsewhere)
    assert status.handed_on_test == {name: m.value for name, m in evaluation.part("test").measurements.items()}
    assert status.handed_on_test_intervals["AUC"] == (
        evaluation.part("test")["AUC"].low,
        evaluation.part("test")["AUC"].high,
    )
    assert (status.winner, status.handed_on) == (evaluation.winner, evaluation.handed_on.description)
    assert read_outcome(search).holds_for(search)
    assert not any(name.startswith("tuner:") for name in search.optuna_study.user_attrs)


def test_the_tracker_is_the_one_handed_in_else_the_one_of_the_sweep(told, caplog, monkeypatch):
    search, evaluation, *_ = told
    opened = []
    monkeypatch.setattr("tuner.evaluation.publishing.open_tracker", lambda kind: opened.append(kind) or Own())
    handed_in = Memory()
    publish(search, evaluation, handed_in)
    assert list(handed_in.studies) == ["small"]
    publish(replace(search, tracker=Memory()), evaluation)
    assert opened == []
    publish(reopen(search, tracker="wandb"), evaluation)
    assert opened == ["wandb"]
    publish(reopen(search, tracker="wandb"), evaluation, NoTracker())
    assert opened == ["wandb"]
    publish(reopen(search, tracker=None), evaluation)
    assert "hand it to `tuner.evaluate(search, tracker=...)`" in search.folder.log.read_text()
    assert {record.levelname for record in caplog.records} <= {"INFO"}


def test_what_goes_wrong_costs_one_warning_and_no_figure(told, caplog):
    class Broken(Memory):
        def log_study(self, record):
            raise OSError("the disk is full")

    search, evaluation, *_ = told
    assert tuner.evaluate(search, tracker=Broken()) == evaluation
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "the disk is full" in warning.getMessage()


def test_a_search_without_an_evaluation_has_a_record_too(told):
    search, *_ = told
    tracker = Memory()
    publish(search, None, tracker)
    record = tracker.studies["small"]
    assert record.summary["search/complete"] == sum(trial.state == "complete" for trial in search.trials)
    assert not any(name.startswith("test/") for name in record.summary)
    assert record.tags == ("study", "searched")
    assert "no evaluation" in record.notes


def test_infinite_figures_stay_what_they_are(told):
    _, evaluation, *_ = told
    part = evaluation.part("test")
    endless = replace(part, measurements={"1/eps_B": Measurement(math.inf, 3.0, math.inf)})
    summary = summarize_evaluation(replace(evaluation, parts=(endless,)))
    assert summary["test/single network/1/eps_B"] == summary["test/single network/1/eps_B/high"] == np.inf
    assert summary["test/single network/1/eps_B/low"] == 3.0
