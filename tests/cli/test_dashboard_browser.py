"""Optuna Dashboard in a real browser, on a small real sweep: notes, pictures, curves, importances."""

from __future__ import annotations

import threading

import optuna
import pytest
from samples import make_study

import tuner
from tuner.cli.dashboard_app import make_dashboard
from tuner.cli.server import name_address, open_server
from tuner.trackers import NoTracker
from tuner.tuning.dashboard_notes import collect_trial_notes
from tuner.tuning.study_artifacts import keep_study_artifacts
from tuner.tuning.study_note import write_study_note

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def search(tmp_path_factory):
    """A sweep of which some trials are pruned; its study has a verdict and a figure of the report."""
    study = make_study(
        name="small", trials=6, epochs=3, n_events=900, pruner=optuna.pruners.MedianPruner(n_startup_trials=1)
    )
    search = tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), device="cpu", tracker=NoTracker())
    write_study_note(search, "Trial 1 has **won**.\n\n| candidate | AUC |\n|---|---|\n| trial 1 | 0.93 |")
    search.folder.figures.mkdir(exist_ok=True)
    picture = next(search.folder.trials.glob("*.png"))
    (search.folder.figures / "roc.png").write_bytes(picture.read_bytes())
    keep_study_artifacts(search)
    return search


@pytest.fixture(scope="session")
def address(search):
    application = make_dashboard(search.optuna_study._storage, search.folder.artifacts)
    with open_server(application, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"{name_address(server, '127.0.0.1')}/dashboard/studies/{search.optuna_study._study_id}"
        server.shutdown()
        thread.join()


@pytest.fixture
def look(address, browser):  # in this order: no sweep runs beside an event loop of Playwright
    """A function that opens a page of the study; the browser must have nothing to complain of."""
    pages = []

    def look(path=""):
        page, complaints = browser.new_page(viewport={"width": 1280, "height": 900}), []
        page.set_default_timeout(120_000)
        pages.append((page, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("response", lambda answer: answer.ok or complaints.append(f"{answer.status} {answer.url}"))
        page.goto(address + path)
        return page

    yield look
    for page, complaints in pages:
        page.close()
        assert complaints == []


def find(search, state):
    return next(trial.number for trial in search.trials if trial.state == state)


def drawn_pictures(page):
    """Sizes of the artifacts that the page shows."""
    page.wait_for_function("[...document.images].some(i => i.src.includes('/artifacts/') && i.naturalWidth > 0)")
    return page.evaluate(
        "[...document.images].filter(i => i.src.includes('/artifacts/')).map(i => [i.naturalWidth, i.naturalHeight])"
    )


def test_the_study_opens_with_history_and_importances(look):
    page = look()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length > 2")
    page.get_by_text("Hyperparameter Importance").first.wait_for()
    page.wait_for_function("document.body.textContent.includes('dropout')")
    page.wait_for_function("document.body.textContent.includes('validation AUC')")  # the objective's name
    shown = page.locator("body").text_content()
    assert [words for words in ("Hyperparameter Importance", "dropout", "validation AUC") if words not in shown] == []
    assert page.locator(".js-plotly-plot").count() > 2


def test_the_study_has_its_note_and_its_figures(look):
    page = look("/note")
    page.get_by_role("heading", name="What is asked").wait_for()
    for words in ("Is there a particle?", "Trial 1 has won.", "resumes the search, repeats no trial"):
        assert words in page.inner_text("body")
    assert "tuner: the rest is yours" not in page.inner_text("body")  # what marks our part is not shown
    assert page.locator("td", has_text="0.93").count() == 1
    page = look()
    page.get_by_role("heading", name="Study Artifacts").wait_for()
    assert drawn_pictures(page)


def test_a_complete_trial_has_a_note_and_a_picture(look, search):
    page = look(f"/trials?numbers={find(search, 'complete')}")
    page.get_by_role("cell", name="dropout").wait_for()
    shown = page.inner_text("body")
    assert "Complete. All 3 epochs." in shown
    trials = search.optuna_study.get_trials()
    notes = collect_trial_notes(search.optuna_study._storage.get_study_system_attrs(search.optuna_study._study_id))
    note = notes[trials[find(search, "complete")]._trial_id]["body"]
    names = [line.split("|")[1].strip().replace("\\", "") for line in note.splitlines() if line.startswith("| ")]
    assert [name for name in names if name.strip("- ") and name not in shown] == []
    assert drawn_pictures(page)


def test_a_pruned_trial_has_a_note_and_its_curve(look, search):
    page = look(f"/trials?numbers={find(search, 'pruned')}")
    page.get_by_text("Pruned after epoch", exact=False).first.wait_for()
    assert drawn_pictures(page)
