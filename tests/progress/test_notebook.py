"""In a notebook's own kernel a display is one output of its cell, however often it is updated."""

from __future__ import annotations

import re

import pytest

PROGRAM = """
import logging, threading
from tuner.progress import Status, open_display
from tuner.progress.stages import Stage
status = Status(study="s", budget_trials=4, states={"complete": 3}, best_value=0.93, best_trial=2)
display = open_display()
with display:
    for _ in range(50):
        display.update(status)
    logging.getLogger("tuner").warning("Trial 3 failed: no luck")
    thread = threading.Thread(target=display.update, args=(status,))
    thread.start()
    thread.join()
with display:
    display.plan("s", ["finalists", "report"])
    for done in range(4):
        display.advance(Stage(name="finalists", text="Training", done=done, total=3))
"""


def test_each_panel_is_one_output_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipykernel", reason="no notebook kernel is installed")
    nbformat = pytest.importorskip("nbformat", reason="no notebook format is installed")
    nbclient = pytest.importorskip("nbclient", reason="no notebook client is installed")
    monkeypatch.delenv("CI", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PROGRAM)])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    outputs = [output for output in notebook.cells[0].outputs if output.output_type != "stream"]
    assert [output.output_type for output in outputs] == ["display_data"] * 2
    search, evaluation = (re.sub("<[^>]*>", "", output.data["text/html"]) for output in outputs)
    assert "Trial 3 failed: no luck" in search
    assert "3 of 4 trials" in search
    assert "AUC 0.9300" in search
    assert re.search("✓  finalists trained anew · 3 trainings", evaluation)
    assert not any("failed" in output.get("text", "") for output in notebook.cells[0].outputs)
