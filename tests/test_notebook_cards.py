"""What a notebook shows of each product: short, whole, and without a way for a text to become markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from samples import make_study

import tuner
from tuner import Ballpark, Search
from tuner.events.reading import read_events
from tuner.exploration import explore_events
from tuner.notebook_cards import draw_progress, draw_steps, write_card, write_lines, write_table
from tuner.prediction.scores import Scores
from tuner.preparation import prepare_splits
from tuner.problem import Problem
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker

HOSTILE = "<script>alert('{0}')</script>"


def read_card(html: str) -> ET.Element:
    """Return a card as a tree, which only well-formed markup is."""
    assert "<script" not in html
    style, end, card = html.partition("</style>")
    assert style.startswith("<style>")
    assert end
    return ET.fromstring(card.replace("<p class=faint>", '<p class="faint">'))


def read_text(html: str) -> str:
    return " ".join(" ".join(read_card(html).itertext()).split())


@pytest.fixture(scope="module")
def events():
    """Events of twenty features, one of which has a name that is markup."""
    rng, n = np.random.default_rng(0), 400
    table = {f"x{number}": rng.normal(size=n) for number in range(19)} | {HOSTILE: rng.normal(size=n)}
    return pd.DataFrame(table | {"y": np.arange(n) % 2})


@pytest.fixture(scope="module")
def problem(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    events.to_parquet(path)
    others = (Ballpark(name=HOSTILE, auc=0.8, source="a & b"),)
    return Problem(question=HOSTILE, events=path, label="y", signal=1, undefined={"x1": (-9, -99)}, ballparks=others)


def test_text_never_becomes_markup():
    line = write_lines([HOSTILE, "", f"Call `{HOSTILE}` & see"])
    table = write_table((HOSTILE, "b"), [(HOSTILE, "1")], caption=HOSTILE, texts=("b",))
    pictures = draw_steps({HOSTILE: [1.0, 2.0]}, label=HOSTILE), draw_progress([(0, 1.0)], [(0, 1.0)], label=HOSTILE)
    card = write_card(HOSTILE, HOSTILE, line, table, *pictures)
    assert read_text(card).count(HOSTILE) == 7
    assert [code.text for code in read_card(card).iter("code")] == [HOSTILE]
    assert len([svg for svg in read_card(card).iter() if svg.get("aria-label")]) == 2


def test_the_curve_of_the_best_so_far_only_rises():
    best = [(0, 0.5), (1, 0.5), (2, 0.9), (3, 0.9)]
    picture = ET.fromstring(draw_progress([(0, 0.5), (1, 0.1), (2, 0.9), (3, 0.7)], best, label="best"))
    line = next(element for element in picture.iter() if element.tag.endswith("polyline"))
    heights = [float(corner.split(",")[1]) for corner in line.get("points").split()]
    assert heights == sorted(heights, reverse=True)
    height = float(picture.get("height"))
    dots = [float(dot.get("cy")) for dot in picture.iter() if dot.tag.endswith("circle")]
    assert all(0 <= y <= height for y in [*heights, *dots])
    assert [text.text for text in picture.iter() if text.tag.endswith("text")] == ["0.5", "0.9"]


def test_a_problem_shows_the_role_of_each_column(problem):
    text = read_text(problem._repr_html_())
    assert text.startswith(f"{HOSTILE} Events")
    assert "Signal y = 1" in text
    assert "Undefined x1 -9 or -99" in text
    assert f"Ballpark: {HOSTILE} AUC 0.8 (a & b)" in text
    assert repr(problem) == f"Problem({HOSTILE!r}, {problem.events}, signal: y = 1)"


def test_a_problem_shows_no_password(problem):
    secret = replace(problem, events="root://me:secret@host/events.parquet")
    assert "secret" not in repr(secret) + secret._repr_html_()


def test_events_and_splits_show_how_many_there_are(problem):
    events = read_events(problem)
    assert repr(events) == f"Events(400 events, 20 features: 200 signal, 200 background, from {problem.events})"
    rows = list(read_card(events._repr_html_()).iter("tr"))
    assert [len(rows), len(list(rows[0]))] == [1 + 5, 12 + 2]
    assert "8 features more: .table" in read_text(events._repr_html_())
    assert (
        repr(prepare_splits(events, problem)) == "Splits(240 train, 80 validation, 80 test; 20 features as 20 inputs)"
    )


def test_an_exploration_shows_the_features_that_tell_most(problem):
    exploration = explore_events(read_events(problem))
    first, last = exploration.features.index[0], exploration.features.index[-1]
    ranked = repr(exploration).partition("\nfeature ")[2]
    assert f"\n{first} " in ranked
    assert f"\n{last} " not in ranked
    assert "\n... and 5 features more: `.frame()`\n" in ranked
    card = read_card(exploration._repr_html_())
    assert len([svg for svg in card.iter() if svg.tag.endswith("svg")]) == 15
    assert "5 features more: .frame()" in read_text(exploration._repr_html_())


def test_scores_behave_as_an_array_and_show_their_histogram():
    scores = Scores(np.array([0.1, 0.9, 0.4, 0.8]), by="trial 3", notes=(HOSTILE,))
    assert len(scores) == 4
    np.testing.assert_array_equal(scores[1:3], [0.9, 0.4])
    np.testing.assert_array_equal(scores[scores[:] > 0.5], [0.9, 0.8])
    np.testing.assert_array_equal(np.asarray(scores), scores.values)
    assert read_text(scores._repr_html_()).startswith("4 scores by trial 3")
    assert read_text(scores._repr_html_()).endswith(HOSTILE)
    assert read_text(Scores(np.array([]))._repr_html_()).startswith("0 scores From")


def test_a_search_shows_its_trials_its_best_and_its_curve(tmp_path):
    study = make_study(trials=6, epochs=2)
    study = replace(study, problem=replace(study.problem, question=HOSTILE))
    none = Search(study, RunFolder(tmp_path / "small"), "postgresql://me:secret@nowhere/db")
    assert "secret" not in repr(none)
    search = tuner.sweep(study, folder=tmp_path, workers=1, tracker=NoTracker())
    best, table = search.best_trial, search.trials_dataframe()
    told = f"6 trials: {(table.state == 'complete').sum()} complete"
    assert repr(search).startswith(f'Search("small": {told}')
    assert f"Best: trial {best.number} with AUC {best.figure:.4f}" in repr(search)
    assert "\n" not in repr(search)
    text = read_text(search._repr_html_())
    assert told in text
    assert f"{best.number} {best.figure:.4f} 2 " in text
    own = search.optuna_study.trials_dataframe()  # Optuna's own table is the measure
    assert list(table.number) == list(own.number)
    assert list(table.state) == [state.lower() for state in own.state]
    for name in ("params_width", "params_lr", "params_dropout", "datetime_start", "datetime_complete", "duration"):
        pd.testing.assert_series_equal(table[name], own[name], check_dtype=False)
    complete = own.state == "COMPLETE"
    np.testing.assert_allclose(table.value[complete], own["value_validation AUC"][complete])
    np.testing.assert_allclose(table.figure.max(), best.figure)


def test_a_search_that_was_not_started_says_so(tmp_path):
    search = Search(make_study(), RunFolder(tmp_path / "small"))
    assert "There must be a search" in repr(search)
    assert "Start it with tuner sweep" in read_text(search._repr_html_())
