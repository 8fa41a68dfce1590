"""A study of 10,000 trials in Optuna Dashboard: how long a browser waits for it, and what the server holds.

    python -m benchmarks.dashboard [--trials 10000] [--without-notes]

A journal is written as a sweep of `search_spaces.mlp` writes it, without training: reports, attributes, a note and a
picture for each trial. It is loaded with plain Optuna, then served with `tuner dashboard` and opened in headless
Chromium. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import Trial, TrialState

from search_spaces import mlp
from tuner.tuning.dashboard_notes import save_note
from tuner.tuning.trial_attributes import write_result

STUDY = """
from search_spaces import mlp
from tuner import Budget, Problem, Study
from tuner.events import Resonance

problem = Problem(question="Is it?", events=Resonance(1000), label="label", signal="signal", weight="weight")
study = Study(name="many", problem=problem, search_space=mlp.suggest, budget=Budget(trials=10_000, epochs=10))
"""

N_REPORTS, PRUNED_SHARE = 10, 0.6


class Lines(BaseJournalBackend):
    """A journal in memory, which is written to a file at the end: a lock and an fsync for each line take long."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Return the records from this number on."""
        return self.records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records."""
        self.records += json.loads(json.dumps(logs))


def main() -> None:
    """Write the journal, load it, serve it, open it; print each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--without-notes", action="store_true", help="to see what they cost")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = folder / "runs" / "many"
        (run / "artifacts").mkdir(parents=True)
        (folder / "many.py").write_text(STUDY)
        figures: dict[str, float] = {"trials": options.trials}
        seconds, n_lines = write_journal(run, options.trials, notes=not options.without_notes)
        figures |= {"seconds to write": seconds, "journal MB": size_mb(run / "journal.log"), "journal lines": n_lines}
        figures["seconds to load"] = load_journal(run / "journal.log")
        figures |= serve(folder)
    figures = {name: round(value, 2) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:<48} {value:>12,}")
    print(json.dumps(figures))


def write_journal(run: Path, n_trials: int, *, notes: bool) -> tuple[float, int]:
    """Write a journal of so many trials; return seconds and lines."""
    lines, start = Lines(), time.perf_counter()
    study = optuna.create_study(
        study_name="many", storage=JournalStorage(lines), direction="maximize", sampler=optuna.samplers.RandomSampler(0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["validation AUC"])
    rng = np.random.default_rng(0)
    for number in range(n_trials):
        trial = study.ask()
        mlp.suggest(trial)
        finish_trial(study, trial, rng)
        if notes:
            save_note(trial, write_note(trial, number))
    (run / "journal.log").write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in lines.records))
    return time.perf_counter() - start, len(lines.records)


def finish_trial(study: optuna.Study, trial: Trial, rng: np.random.Generator) -> None:
    """Report, set the attributes of a trial, name its picture, tell it."""
    pruned = rng.random() < PRUNED_SHARE
    curve = 0.9 + 0.05 * rng.random() - 0.1 / np.arange(1, N_REPORTS + 1)
    n_epochs = int(rng.integers(1, N_REPORTS)) if pruned else N_REPORTS
    for epoch in range(1, n_epochs + 1):
        trial.report(float(curve[epoch - 1]), epoch)
    write_result(
        trial,
        best_epoch=n_epochs,
        epochs=n_epochs,
        n_parameters=int(rng.integers(1000, 300_000)),
        pack_size=8,
        reason="Pruned: others were better." if pruned else "All epochs were trained.",
        figure=None if pruned else float(curve[-1]),
    )
    artifact = {"artifact_id": f"{trial.number:08x}-0000-4000-8000-000000000000", "filename": "validation.png"}
    study._storage.set_trial_system_attr(
        trial._trial_id,
        f"artifacts:{artifact['artifact_id']}",
        json.dumps({**artifact, "mimetype": "image/png", "encoding": None}),
    )
    study.tell(trial, None if pruned else float(curve[-1]), state=TrialState.PRUNED if pruned else None)


def write_note(trial: Trial, number: int) -> str:
    """Return a note of the length that those of a sweep have."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in trial.params.items())
    return (
        f"**Trial {number}** ended at epoch 10: all epochs were trained.\n\n| setting | value |\n|---|---|\n{rows}\n\n"
        "| on validation | value | 68 % |\n|---|---|---|\n| AUC | 0.9412 | 0.9391 to 0.9433 |\n"
        "| sensitivity | 0.881 | 0.875 to 0.887 |\n| specificity | 0.861 | 0.855 to 0.867 |\n"
        "| 1/eps_B at eps_S = 0.5 | 61.2 | 55.1 to 67.9 |\n\nTrained in a pack of 8 on node-12."
    )


def size_mb(path: Path) -> float:
    return path.stat().st_size / 1e6


def load_journal(path: Path) -> float:
    """Return seconds until plain Optuna has read a journal."""
    start = time.perf_counter()
    optuna.load_study(study_name="many", storage=JournalStorage(JournalFileBackend(str(path))))
    return time.perf_counter() - start


def serve(folder: Path) -> dict[str, float]:
    """Serve the study with `tuner dashboard`, open it in Chromium, and return what it took."""
    start = time.perf_counter()
    command = [sys.executable, "-u", "-m", "tuner", "dashboard", "many.py", "--port", "0"]
    environment = {**os.environ, "CI": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address is not None
            figures = {"seconds until it serves": time.perf_counter() - start}
            figures |= fetch(address[0])
            figures |= browse(address[0])
            status = Path(f"/proc/{server.pid}/status")
            if status.exists():
                peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
                figures["server memory MB, at the most"] = int(peak[1]) / 1e3 if peak else float("nan")
        finally:
            server.kill()
    return figures


def fetch(address: str) -> dict[str, float]:
    """Ask for the study as the page does: at first, and again while it is looked at."""
    root, study_id = address.split("/dashboard", maxsplit=1)[0], address.rsplit("/", 1)[1]
    figures = {}
    for name, after in (("first answer", 0), ("second answer", 0), ("answer while it is open", 10**9)):
        start = time.perf_counter()
        with urllib.request.urlopen(f"{root}/api/studies/{study_id}?after={after}", timeout=600) as answer:
            size = len(answer.read())
        figures[f"{name}: seconds"] = time.perf_counter() - start
        figures[f"{name}: MB"] = size / 1e6
    return figures


def browse(address: str) -> dict[str, float]:
    """Return seconds until Chromium has drawn the pages of a study."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    drawn = {
        "study page": (
            "",
            "document.querySelectorAll('.js-plotly-plot').length > 2",
        ),
        "list of trials": ("/trials", "document.body.innerText.includes('Trial 0')"),
        "table of trials": ("/trialTable", "document.body.innerText.includes('Pruned')"),
    }
    figures = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for name, (path, condition) in drawn.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            start = time.perf_counter()
            page.goto(address + path)
            page.wait_for_function(condition, timeout=300_000)
            figures[f"{name}: seconds until drawn"] = time.perf_counter() - start
            page.close()
        browser.close()
    return figures


if __name__ == "__main__":
    main()
