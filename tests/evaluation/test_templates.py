"""From a search to workspaces: of the kept scores, with the problem's nuisance, at declared or given yields."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyhf
import pytest
from samples import make_study
from typer.testing import CliRunner

import tuner
from tuner.cli import templates as command
from tuner.errors import DamagedFileError, FolderError, SearchError, StudyError
from tuner.events import Resonance
from tuner.problem import Nuisance
from tuner.tuning.evaluation_settings import EvaluationSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
QUICK = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=1, replicas=20)
SCALE = "momentum scale"


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A search of a study that declares yields and a nuisance, its evaluation, and templates of a closed test part."""
    study = make_study(trials=1, epochs=2, evaluation=QUICK)
    moved = {direction: Resonance(1_500, variant=f"scale_{direction}") for direction in ("up", "down")}
    problem = replace(
        study.problem,
        nuisances=(Nuisance(name=SCALE, **moved),),
        expected_signal=100,
        expected_background=1_000,
    )
    search = tuner.sweep(
        replace(study, problem=problem), folder=tmp_path_factory.mktemp("runs"), tracker=tuner.trackers.NoTracker()
    )
    assert tuner.evaluate(search, open_test=False).templates is None
    closed = tuner.make_templates(search)
    return search, tuner.evaluate(search), closed


def test_while_test_is_closed_there_is_no_verdict(judged):
    _, evaluation, closed = judged
    assert (closed.comparison.part, closed.to_json()["verdict"]) == ("validation", "open")
    assert closed.to_json()["sentence"].endswith("so all of this flatters.")
    assert evaluation.templates.verdict != "open"


def test_without_systematics_the_command_names_none():
    assert command.describe_systematics(()) == (
        "Systematics: none are declared; the fit profiles the templates' statistical error alone."
    )


def test_the_evaluation_tells_what_a_fit_expects_of_network_and_trees(judged):
    search, evaluation, _ = judged
    found = evaluation.templates
    assert found.systematics == (SCALE,)
    assert found.fits[0].candidate == evaluation.examined
    assert "boosted trees" in found.fits[1].candidate or "logistic" in found.fits[1].candidate
    for fit in found.fits:
        assert sum(fit.templates.signal.events) == pytest.approx(100, rel=0.02)
        assert sum(fit.templates.background.events) == pytest.approx(1_000, rel=0.02)
        assert fit.significance.low <= fit.significance.value <= fit.significance.high
    difference = found.fits[0].significance.value - found.fits[1].significance.value
    assert found.difference.value == pytest.approx(difference)
    assert type(evaluation).from_json(search.folder.evaluation.read_text()) == evaluation


def test_templates_are_the_histogram_of_the_scores_that_were_kept(judged):
    search, evaluation, _ = judged
    made = tuner.make_templates(search)
    assert made.comparison == evaluation.templates
    table = pd.read_parquet(search.folder.scores)
    fit = made.comparison.fits[0]
    for label, template, total in ((1, fit.templates.signal, 100), (0, fit.templates.background, 1_000)):
        own = table[table["label"] == label]
        sums = np.histogram(own["score"], fit.templates.edges, weights=own["weight"])[0]
        assert template.events == pytest.approx(total * sums / own["weight"].sum())
        assert template.variants[SCALE][0] != template.events


def test_the_files_are_workspaces_that_pyhf_takes(judged, tmp_path):
    search, *_ = judged
    paths = tuner.make_templates(search).save(tmp_path / "fit.json")
    assert paths[0] == tmp_path / "fit.json"
    assert paths[1].name.startswith("fit_")
    for path in paths:
        assert pyhf.Workspace(json.loads(path.read_text())).channels == ["score"]
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="must be one that can be made"):
        tuner.make_templates(search).save(tmp_path / "file" / "fit.json")


def test_other_yields_and_bins_need_no_other_evaluation(judged):
    search, evaluation, _ = judged
    few = tuner.make_templates(search, s=200, b=1_000, n_bins=2, least_background=30).comparison
    assert max(len(fit.templates.edges) for fit in few.fits) <= 3
    assert sum(few.fits[0].templates.signal.events) == pytest.approx(200, rel=0.02)
    assert tuner.evaluate(search).openings == evaluation.openings == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"s": -1.0}, "`s` must be above 0"), ({"n_bins": 0}, "`n_bins` must be at least 1")],
)
def test_numbers_that_cannot_be_are_refused(judged, changes, told):
    with pytest.raises(StudyError, match=told):
        tuner.make_templates(judged[0], **changes)


def test_what_is_missing_is_named(judged, tmp_path):
    search, *_ = judged
    kept = search.folder.template_scores.read_bytes()
    search.folder.template_scores.write_bytes(kept[:-20])
    with pytest.raises(DamagedFileError, match="template_scores"):
        tuner.make_templates(search)
    search.folder.template_scores.unlink()
    with pytest.raises(SearchError, match="an older version made this evaluation"):
        tuner.make_templates(search)
    search.folder.template_scores.write_bytes(kept)
    text = search.folder.evaluation.read_text()
    search.folder.evaluation.unlink()
    with pytest.raises(SearchError, match="Run `tuner evaluate` first"):
        tuner.make_templates(search)
    search.folder.evaluation.write_text(text)


def test_the_command_tells_and_writes(judged, tmp_path, monkeypatch):
    search, evaluation, _ = judged
    monkeypatch.setattr(command, "open_study_search", lambda *_, **__: search)
    import typer

    app = typer.Typer()
    app.command()(command.templates)
    done = CliRunner().invoke(app, ["any.py", "-o", str(tmp_path / "w.json"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["verdict"] == evaluation.templates.verdict
    assert len(told["files"]) == 2
    shown = CliRunner().invoke(app, ["any.py", "-o", str(tmp_path / "w.json")])
    assert evaluation.templates.sentence() in shown.stdout
    assert f"Systematics: statistical error of the templates, {SCALE}." in shown.stdout
