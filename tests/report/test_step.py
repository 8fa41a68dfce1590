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
from tuner.evaluate.evaluation import FigureCut
from tuner.evaluate.part_evaluation import FROZEN, SMOOTHED
from tuner.evaluate.step import evaluate
from tuner.predict.network import rebuild_settings
from tuner.prepare.splits import prepare_splits, save_splits
from tuner.problem import Problem
from tuner.read.step import read_events
from tuner.report.judging import write_evaluation


@pytest.fixture
def make_prepared(make_search, tmp_path):
    """A function like `make_search`, with events, prepared parts and parameters of the winner besides."""

    def make(**trials):
        rng = np.random.default_rng(0)
        labels = rng.random(400) < 0.5
        table = pd.DataFrame(rng.normal(labels[:, None], size=(400, 3)), columns=["x<b>", "y", "z"])
        table.loc[:40, "z"] = -999.0
        table.assign(kind=np.where(labels, "g", "h"), w=rng.random(400)).to_csv(tmp_path / "events.csv", index=False)
        search = make_search(**trials)
        problem = Problem(
            question="Which are <b>showers</b>?",
            events=tmp_path / "events.csv",
            label="kind",
            signal="g",
            weight="w",
            undefined=-999.0,
        )
        search = replace(search, study=replace(search.study, problem=problem))
        splits = prepare_splits(read_events(problem), problem, search.study.preparation)
        save_splits(splits, search.folder.splits)
        if search.winner is not None:
            path = search.checkpoint_path(search.winner.number)
            path.parent.mkdir(exist_ok=True)
            torch.save(rebuild_settings(search, search.winner).network.build(splits.d_in).state_dict(), path)
        provenance = {"versions": {"torch": "2.13"}, "seed": 3, "calls": [{"command": "tuner sweep a.py --folder f"}]}
        search.folder.provenance.write_text(json.dumps(provenance))
        return search

    return make


@pytest.mark.browser
def test_a_searched_study_becomes_a_page(make_prepared, browser):
    search = make_prepared(complete=5, pruned=1, failed=1)
    evaluate(search)
    path = tuner.report(search)
    assert path == search.folder.report
    assert path.stat().st_size < 4e6
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("section").count() == 10
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.alt.length > 20)")
    assert page.locator("h1").inner_text() == "Which are <b>showers</b>?"
    answer = page.locator(".answer").inner_text()
    assert "Trial 4 has won among 6: MLP of 54,017 parameters" in answer
    assert "on test" in answer
    assert "tuner predict a.py --folder f new_events.parquet" in page.locator("#predict").inner_text()
    assert "opened once" in page.locator("#evaluate").inner_text()
    assert "not a number <b>" in page.locator("#tune").inner_text()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 960})
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    page.close()
    names = ("roc", "scores", "learning_curves", "optimization_history", "features", "parallel_coordinates")
    assert {f"{name}.{kind}" for name in names for kind in ("png", "pdf")} <= {
        kept.name for kept in search.folder.figures.iterdir()
    }


def test_an_evaluation_of_another_trial_is_not_shown(make_prepared, evaluation):
    search = make_prepared(complete=2)
    search.folder.evaluation.write_text(replace(evaluation, winner=0).to_json())
    assert 'id="evaluate"' not in tuner.report(search).read_text()


@pytest.mark.parametrize(
    ("openings", "told"),
    [
        ({"opening": None, "openings": 0}, "The test part is still closed."),
        ({"opening": 1, "openings": 1}, "The test part has been opened once, for this."),
        ({"opening": 2, "openings": 3}, "opening 2 of the test part, which has been opened 3 times"),
    ],
)
def test_openings_of_the_test_part_are_counted(evaluation, openings, told):
    section = write_evaluation(replace(evaluation, **openings), [])
    assert told in section.blocks[-1].text
    assert section.blocks[0].rows[0] == (
        *("AUC", "0.9371", "0.9346 \N{EN DASH} 0.9395", "0.9338", "0.9312 \N{EN DASH} 0.9364"),
    )


def test_the_cut_of_a_significance_is_shown_with_what_lies_above_it(evaluation):
    common = {"threshold": 0.9, "n_signal": 80, "n_background": 31, "effective_background": 28.4}
    parts = [
        replace(part, figure_cut=FigureCut(s=8.0, b=2.5, estimator=how, **common))
        for part, how in zip(evaluation.parts, (SMOOTHED, FROZEN), strict=True)
    ]
    section = write_evaluation(replace(evaluation, parts=tuple(parts), figure_of_merit="AMS"), [])
    assert section.blocks[1].rows[1] == ("test", "0.9", "8", "2.5", "80", "31", "28")
    assert "on test it is the value at the cut that validation chose" in section.blocks[2].text


@pytest.mark.parametrize("trials", [{}, {"failed": 2}, {"pruned": 1}])
def test_without_a_winner_the_page_says_so(make_prepared, trials):
    html = tuner.report(make_prepared(**trials)).read_text()
    assert "This search is not over" in html
    assert "none is complete yet" in html or "No trial has begun." in html
    assert 'id="model"' not in html


def test_events_that_changed_or_are_gone_are_told(make_prepared):
    search = make_prepared(failed=1)
    events = Path(search.study.problem.events)
    events.write_text("\n".join(events.read_text().splitlines()[:-1]))
    assert "The events have changed since the search" in tuner.report(search).read_text()
    events.unlink()
    assert "The events cannot be read now." in tuner.report(search).read_text()
