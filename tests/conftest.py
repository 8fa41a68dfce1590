"""What tests of several folders share."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.postgresql import PostgreSQL, find_programs, make_server
from tuner.problem import Problem
from tuner.tuning.picture_process import PictureProcess
from tuner.tuning.trial_pictures import Drawn, draw_words

DRAW = PictureProcess.draw

HERE = Path(__file__).parent

LONGEST = "metrics/test_coverage.py"

SLOW = (
    "cli/test_terminal.py",
    "cli/test_dashboard_browser.py",
    "cli/test_command_line.py",
    "cli/test_comparing.py",
    "cli/test_conclusion.py",
    "cli/test_workflow.py",
    "docs",
    "evaluation/test_bagging.py",
    "evaluation/test_blend.py",
    "evaluation/test_evaluate.py",
    "evaluation/test_folds.py",
    "evaluation/test_hand_on.py",
    "evaluation/test_holding.py",
    "evaluation/test_judge.py",
    "evaluation/test_publishing.py",
    "evaluation/test_retraining.py",
    "evaluation/test_templates.py",
    "evaluation/test_waiting.py",
    "figures/test_names.py",
    "fuzz/test_fuzz.py",
    "launchers",
    "metrics/test_coverage.py",
    "prediction",
    "reporting/test_browser.py",
    "reporting/test_pictures.py",
    "reporting/test_report.py",
    "reporting/test_search_comparison.py",
    "search_spaces/test_spaces.py",
    "studies/test_studies.py",
    "test_passwords.py",
    "test_readme.py",
    "test_wheel.py",
    "trackers",
    "training/batched/test_sequential.py",
    "training/test_families.py",
    "training/test_own_events.py",
    "training/test_pack.py",
    "training/test_pack_numbers.py",
    "tuning/test_choices.py",
    "tuning/test_compatibility.py",
    "tuning/test_dask_sweep.py",
    "tuning/test_going_on.py",
    "tuning/test_grouped_writes.py",
    "tuning/test_improvement.py",
    "tuning/test_journal.py",
    "tuning/test_ownership.py",
    "tuning/test_packs_in_a_search.py",
    "tuning/test_patient_storage.py",
    "tuning/test_programs.py",
    "tuning/test_several_packs.py",
    "tuning/test_submission.py",
    "tuning/test_sweep.py",
    "tuning/test_torture.py",
    "tuning/test_warm_starts.py",
    "tuning/test_worker_processes.py",
    "tuning/test_workers.py",
)
"""Files and folders of tests that search, simulate at length, or start processes, servers or browsers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; `make test-quick` leaves it out."""
    slow = [HERE / name for name in SLOW]
    assert all(path.exists() for path in slow), "a file of SLOW is not there any more"
    for item in items:
        if any(item.path.is_relative_to(path) for path in slow):
            item.add_marker(pytest.mark.slow)
    # The longest begin first, so that no process is left alone with them in the end.
    items.sort(key=lambda item: (item.path != HERE / LONGEST, item.get_closest_marker("slow") is None))


@pytest.fixture
def data_folder(monkeypatch):
    """Folder of real events, which the environment variable TUNER_DATA then names; skip where there is none."""
    folder = Path(os.environ.get("TUNER_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real events: set TUNER_DATA to their folder ({folder} is not there)")
    monkeypatch.setenv("TUNER_DATA", str(folder))
    return folder


@pytest.fixture
def case_folder():
    """Folder of ROOT files that ROOT itself wrote; skip where there is none."""
    folder = Path(__file__).parents[2] / "shared" / "cases" / "root"
    if not folder.is_dir():
        pytest.skip(f"no files that ROOT itself wrote: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL server; skip where it is not installed."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    pytest.importorskip("psycopg", reason='needs the extra "postgresql"')
    folder = Path(tempfile.mkdtemp(prefix="tuner-postgresql-"))
    folder.chmod(0o755)  # the server runs as a user of its own
    server = make_server(programs, folder / "server")
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


@pytest.fixture
def make_events():
    """Make a table of small events: features a, b (undefined as -999 in some), label y, weight w, observer m, id."""

    def make(n=200, seed=0, **columns):
        rng = np.random.default_rng(seed)
        y = np.arange(n) % 2
        b = rng.normal(size=n)
        b[::5] = -999.0
        table = {"a": rng.normal(size=n) + y, "b": b, "y": y, "w": rng.uniform(0.5, 2, n), "m": rng.normal(100, 5, n)}
        return pd.DataFrame(table | {"id": np.arange(n)} | columns)

    return make


@pytest.fixture
def make_problem(tmp_path):
    """Make a problem of a table (written as Parquet) or of a source; a column's role may be changed."""

    def make(table=None, **changes):
        frame = {
            "question": "Is it?",
            "label": "y",
            "signal": 1,
            "weight": "w",
            "observers": ("m",),
            "ignored": ("id",),
        }
        if table is not None:
            path = tmp_path / "events.parquet"
            table.to_parquet(path)
            frame["events"] = path
        return Problem(**frame | {"undefined": -999.0} | changes)

    return make


@pytest.fixture(autouse=True, scope="session")
def quick_pictures() -> Iterator[None]:
    """Trials' pictures that take no time, and no process of their own, in sweeps of this process."""
    with pytest.MonkeyPatch.context() as patch:
        picture = draw_words("A picture.")
        patch.setattr(PictureProcess, "draw", lambda self, job: Drawn(picture=picture))
        yield


@pytest.fixture(autouse=True, scope="session")
def pictures_of_reports_in_this_process() -> Iterator[None]:
    """Reports' pictures without processes of their own, which take longer to begin than to write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.reporting.pictures.count_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def real_pictures(quick_pictures: None) -> Iterator[None]:
    """Trials' pictures as users have them, with the figures that come with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PictureProcess, "draw", DRAW)
        yield


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; skip where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    switches = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*switches.split(), "--no-first-run"])
        yield browser
        browser.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
