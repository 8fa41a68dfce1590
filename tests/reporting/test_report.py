"""The whole page of real searches: evaluated, without evaluation, without a complete trial."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tuner
from tuner.checked_files import write_csv
from tuner.errors import DamagedFileError
from tuner.evaluation.evaluate import evaluate
from tuner.events.reading import read_events
from tuner.preparation.splits import prepare_splits, save_splits
from tuner.problem import Nuisance, Problem
from tuner.trackers import Memory
from tuner.trackers.not_recorded import note_loss
from tuner.training.building import build_network, compute_logits, list_state
from tuner.training.checkpoints import Checkpoint, save_checkpoint

BEYOND = """[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .hidden') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))"""
"""What sticks out to the right, but for what scrolls in its own frame."""


def keep_network(search, splits):
    """Keep an untrained network as that of the best trial."""
    network = build_network(search.settings(search.best_trial).network, splits.d_in).eval()
    x = torch.from_numpy(splits.validation.x[:8].copy())
    with torch.no_grad():
        checkpoint = Checkpoint(list_state(network), x, compute_logits(network, x))
    save_checkpoint(checkpoint, search.checkpoint_path(search.best_trial.number))


@pytest.fixture
def make_prepared(make_search, tmp_path):
    """A function like `make_search`, with events, prepared parts and parameters of the winner besides."""

    def make(**trials):
        rng = np.random.default_rng(0)
        labels = rng.random(2_000) < 0.5
        table = pd.DataFrame(rng.normal(labels[:, None], size=(2_000, 3)), columns=["x<b>", "y", "z"])
        table = table.assign(mass=table["y"] + rng.normal(size=2_000), y_up=table["y"] + 0.2)
        table.loc[:40, "z"] = -999.0
        table.assign(kind=np.where(labels, "g", "h"), w=rng.random(2_000)).to_csv(tmp_path / "events.csv", index=False)
        search = make_search(**trials)
        problem = Problem(
            question="Which are <b>showers</b>?",
            events=tmp_path / "events.csv",
            label="kind",
            signal="g",
            weight="w",
            observers=("mass",),
            undefined=-999.0,
            nuisances=(Nuisance(name="scale", up={"y": "y_up"}),),
            expected_signal=50,
            expected_background=200,
        )
        search = replace(search, study=replace(search.study, problem=problem))
        splits = prepare_splits(read_events(problem), problem, search.study.preparation)
        save_splits(splits, search.folder.splits)
        if search.best_trial is not None:
            keep_network(search, splits)
        provenance = {"versions": {"torch": "2.13"}, "seed": 3, "calls": [{"command": "tuner sweep a.py --folder f"}]}
        search.folder.provenance.write_text(json.dumps(provenance))
        return replace(search, study_file=Path("a.py"))

    return make


@pytest.mark.browser
def test_a_searched_study_becomes_a_page(make_prepared, browser):
    search = make_prepared(complete=5, pruned=1, failed=1)
    evaluate(search, settings=replace(search.study.evaluation, seeds=2, baseline_trials=1, hand_on="single"))
    path = tuner.report(search)
    assert path == search.folder.report
    assert path.stat().st_size < 4e6
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(BEYOND) == []
    assert page.locator("section").count() == 10
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate(
        "[...document.querySelectorAll('figure')]"
        ".every(f => [...f.querySelectorAll('img')].some(i => i.alt.length > 20))"
    )
    assert page.locator("h1").inner_text() == "Which are <b>showers</b>?"
    answer = page.locator(".answer").inner_text()
    assert "rial 4 (MLP of 54,017 parameters)" in answer.splitlines()[0]
    assert "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0." in answer.splitlines()[0]
    assert " on test" in answer
    assert page.locator(".answer p").count() in (3, 4)  # strong sculpting has a sentence of its own
    assert (
        f"tuner predict a.py new_events.parquet --folder {search.folder.path.parent}"
        in page.locator("#predict").inner_text()
    )
    looked = page.locator("#visualize").inner_text()
    assert f"{len(search.splits.train.rows):,} training events of " in looked
    assert "validation and test stay closed" in looked
    judged = page.locator("#evaluate").inner_text()
    fit = "Fit of the score by pyhf for s = 50 and b = 200 before any cut"
    for words in ("opened once", "Selection bias", "Does the gain survive?", "scale, up", "the opposite of up", fit):
        assert words in judged
    captions = " ".join(page.locator("#evaluate figcaption").all_inner_texts())
    assert "mass in background, before and after the cut of the working point" in captions
    assert "candidates, test part" in captions.partition("ROC")[0]
    assert "not a number <b>" in page.locator("#tune").inner_text()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 960})
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    page.close()
    names = (
        "candidates",
        "survival",
        "significance",
        "score_templates",
        "sculpting_mass",
        "roc",
        "scores",
        "learning_curves",
        "optimization_history",
        "features",
        "correlations",
        "pairs",
        "parallel_coordinates",
    )
    assert {f"{name}.{kind}" for name in names for kind in ("png", "pdf")} <= {
        kept.name for kept in search.folder.figures.iterdir()
    }


def test_an_evaluation_that_no_longer_holds_is_not_shown(make_prepared, evaluation):
    search = make_prepared(complete=2)
    search.folder.evaluation.write_text(evaluation.to_json())
    assert 'id="evaluate"' not in tuner.report(search).read_text()


@pytest.mark.parametrize("content", [b"", b"\xffepoch,a", b"epoch\n1,2,3\n1\n", b"epoch,lr\n1,2\n"])
def test_a_damaged_curve_is_left_out_of_the_figures(make_prepared, caplog, content):
    search = make_prepared(complete=2)
    whole = search.curve(1)
    write_csv(search.curve_path(1), search.curve_path(1).read_text())
    assert search.curve(1).equals(whole)
    search.curve_path(1).write_bytes(content)
    assert list(search.curve(1).columns) == list(whole.columns)
    assert len(search.curve(1)) == 0
    tuner.report(search)
    assert (search.folder.figures / "learning_curves.png").exists()
    (told,) = [record.getMessage() for record in caplog.records if "trial_00001.csv" in record.getMessage()]
    assert told.endswith("Figures leave it out.")


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_damaged_scores_of_the_test_part_are_told(make_prepared, content):
    search = make_prepared(complete=2)
    evaluation = evaluate(search)
    if content is None:
        search.folder.scores.unlink()
    else:
        search.folder.scores.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r'scores\.parquet" must be .*delete evaluation\.json'):
        tuner.report(search, evaluation)


@pytest.mark.parametrize("trials", [{}, {"failed": 2}, {"pruned": 1}])
def test_without_a_winner_the_page_says_so(make_prepared, trials):
    search, tracker = make_prepared(**trials), Memory()
    note_loss(search.folder.path, "Weights & Biases", 0, "no space left", {})
    html = tuner.report(search, tracker=tracker).read_text()
    assert "trials are done. Rerun the same command to resume it." in html
    assert "none is complete yet" in html or "No trial has begun." in html
    assert 'id="model"' not in html
    assert "Weights &amp; Biases could not record 1 trial (no space left)." in html
    record = tracker.studies["s"]
    assert [artifact.name for artifact in record.artifacts] == ["events", "splits", "report"]
    assert record.artifacts[-1].files == (search.folder.report,)
    assert set(record.pictures) >= {"features", "correlations"}
    assert len(record.tables.get("trials", ())) == len(search.trials)


def test_events_that_changed_or_are_gone_are_told(make_prepared):
    search = make_prepared(failed=1)
    events = Path(search.study.problem.events)
    events.write_text("\n".join(events.read_text().splitlines()[:-1]))
    assert "has changed since. Of the events: " in tuner.report(search).read_text()
    events.unlink()
    assert "The events cannot be shown." in tuner.report(search).read_text()


ODD_FEATURES = ("$\\frac{$", "<script>alert(1)</script>", "a\nb", "x" * 300)
ODD_OBSERVERS = ("E/p", "..", "a:b", "$m$")


def test_names_of_columns_reach_no_path_and_no_formula_unescaped(make_prepared, tmp_path):
    search = make_prepared(complete=2)
    table = pd.read_csv(tmp_path / "events.csv")
    rng = np.random.default_rng(1)
    for name in (*ODD_FEATURES, *ODD_OBSERVERS):
        table[name] = rng.normal(table["kind"] == "g")
    table = table.drop(columns=["x<b>", "y", "z", "mass", "y_up"])
    table.to_parquet(tmp_path / "odd.parquet")
    problem = replace(
        search.study.problem, events=tmp_path / "odd.parquet", observers=ODD_OBSERVERS, nuisances=(), undefined=None
    )
    search = replace(search, study=replace(search.study, problem=problem))
    splits = prepare_splits(read_events(problem), problem, search.study.preparation)
    save_splits(splits, search.folder.splits)
    keep_network(search, splits)
    outside = set(tmp_path.iterdir())
    evaluate(search)
    html = tuner.report(search).read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    sculpted = [kept for kept in search.folder.figures.iterdir() if kept.name.startswith("sculpting_")]
    assert len(sculpted) == 2 * len(ODD_OBSERVERS)
    assert set(tmp_path.iterdir()) == outside
