"""The study's note, as Optuna Dashboard keeps it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import optuna
import optuna_dashboard
import pytest
from samples import make_study

import tuner
from tuner import Ballpark
from tuner.markdown import escape_markdown
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.tuning.dashboard_notes import read_note
from tuner.tuning.outcome import Outcome, write_outcome
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.study_artifacts import keep_study_artifacts
from tuner.tuning.study_note import write_study_note


@pytest.fixture
def make_search(tmp_path):
    """A function that makes a search without trials or prepared events, with other fields of its problem."""

    def make(study_file=None, **changes):
        study = make_study()
        study = replace(study, problem=replace(study.problem, **changes))
        search = Search(study, RunFolder(tmp_path / "runs" / study.name).create(), None, study_file)
        optuna.create_study(study_name=study.name, storage=open_storage(search.folder.journal), direction="maximize")
        return search

    return make


def test_a_sweep_writes_it_and_an_edit_survives_the_next_one(tmp_path) -> None:
    study = make_study(trials=1, epochs=1, n_events=600)
    run = {"folder": tmp_path, "device": "cpu", "tracker": NoTracker()}
    search = tuner.sweep(study, **run)
    note = optuna_dashboard.get_note(search.optuna_study)
    assert "**Is there a particle?**" in note
    assert f"sha256 {search.splits.events_digest}" in note
    assert "360 train, 120 validation, 120 test" in note
    assert f"search = tuner.sweep(study, folder='{tmp_path}')" in note
    optuna_dashboard.save_note(search.optuna_study, note + "\n\nAsk Ada about the trigger.")
    write_study_note(search, "Trial 0 has won.")
    again = tuner.sweep(study, **run)
    assert read_note(again.optuna_study).endswith("Ask Ada about the trigger.")
    assert "Trial 0 has won." not in read_note(again.optuna_study)


def test_a_verdict_stays_while_it_holds(tmp_path) -> None:
    study = make_study(trials=1, epochs=1, n_events=600)
    run = {"folder": tmp_path, "device": "cpu", "tracker": NoTracker()}
    search = tuner.sweep(study, **run)
    verdict = "Trial 0 has **won**.\n\n## In figures\n\n- AUC: 0.9"
    write_study_note(search, verdict)
    write_outcome(search, Outcome(winner=0, verdict="", test=None, openings=0, fingerprint=search.fingerprint))
    again = tuner.sweep(study, **run)
    assert f"## Verdict\n\n{verdict}\n\n" in read_note(again.optuna_study)
    more = tuner.sweep(replace(study, budget=replace(study.budget, trials=2)), **run)
    assert "Verdict" not in read_note(more.optuna_study)


def test_verdicts_stand_once_there_are_any(make_search) -> None:
    search = make_search()
    write_study_note(search)
    assert "Verdict" not in read_note(search.optuna_study)
    write_study_note(search, "Trial 3 has **won**.")
    assert "## Verdict\n\nTrial 3 has **won**." in read_note(search.optuna_study)


@pytest.mark.parametrize(("n_complete", "warned"), [(0, True), (9, True), (10, False)])
def test_of_few_complete_trials_it_says_that_importances_are_noise(make_search, n_complete, warned) -> None:
    search = make_search()
    for value in range(n_complete):
        search.optuna_study.add_trial(optuna.trial.create_trial(value=0.9 + value / 100))
    search.optuna_study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED))
    write_study_note(search)
    assert ("With fewer than 10 complete trials" in read_note(search.optuna_study)) == warned


def test_the_command_that_resumes_is_the_shells(make_search, tmp_path) -> None:
    search = make_search(Path("my studies/it's.py"))
    write_study_note(search)
    line = next(line for line in read_note(search.optuna_study).splitlines() if line.startswith("tuner sweep"))
    done = subprocess.run(["sh", "-c", f'tuner() {{ printf "%s\\n" "$@"; }}; {line}'], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == ["sweep", "my studies/it's.py", "--folder", str(tmp_path / "runs")]


def test_a_password_is_in_no_note(make_search) -> None:
    search = make_search(ballparks=(Ballpark(name="a|b", auc=0.9, source="https://me:hush5@host/a_b_c"),))
    write_study_note(search)
    note = read_note(search.optuna_study)
    assert "hush5" not in note
    assert "- **Ballpark: a\\|b:** AUC 0.9 (https://me:***@host/a_b_c)" in note


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b\nc", r"a\|b c"),
        ("<script> *x* `y` [z](u)", r"\<script\> \*x\* \`y\` \[z\](u)"),
        ("_x_ jet_pt", r"\_x\_ jet_pt"),
        ("# no title", r"\# no title"),
    ],
)
def test_text_is_shown_as_it_is(text, escaped) -> None:
    assert escape_markdown(text) == escaped


def test_artifacts_take_the_place_of_those_before(make_search) -> None:
    search = make_search()
    folder = search.folder
    folder.figures.mkdir()
    for content in (b"first", b"second"):
        folder.report.write_bytes(content)
        (folder.figures / "roc.png").write_bytes(content)
        (folder.figures / "roc.pdf").write_bytes(content)
        keep_study_artifacts(search)
    study = search.optuna_study
    kept = optuna.artifacts.get_all_artifact_meta(study)
    assert [(meta.filename, meta.mimetype) for meta in kept] == [
        ("report.html", "text/html"),
        ("roc.png", "image/png"),
    ]
    assert {(folder.artifacts / meta.artifact_id).read_bytes() for meta in kept} == {b"second"}
    assert len(list(folder.artifacts.iterdir())) == 2
