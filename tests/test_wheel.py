"""The package as others get it: a wheel, installed into a fresh environment, used in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]

SPACE = '''"""A search space of one's own, which uses an installed one's."""

from search_spaces import optimizer
from tuner import Settings, models, search_space


@search_space(structure=("width",))
def suggest(trial):
    network = models.MLPSettings(widths=(trial.suggest_categorical("width", [4, 8]),))
    return Settings(network=network, training=optimizer.suggest(trial, "mine", lr=(1e-3, 1e-1)))
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of these sources, which are copied so that nothing is left among them."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("dist")
    for name in ("tuner", "search_spaces", "studies"):
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    words = ["wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", out, sources]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True, text=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def tuner(wheel, tmp_path_factory):
    """`tuner` of an environment that has the wheel, and of this one the packages that it needs, but no editable one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    install = ["--python", place / "bin/python", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True, text=True)
    folder = tmp_path_factory.mktemp("empty")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words):
        return subprocess.run(
            [place / "bin/tuner", *words],
            cwd=folder,
            env=environment | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    run.folder = folder
    run.packages = packages
    return run


def test_the_wheel_holds_what_is_looked_for_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"tuner/py.typed", "tuner/reporting/page.css", "search_spaces/mlp.py", "studies/resonance.py"} <= set(names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "tuner", "search_spaces", "studies", "signal_tuner"
    }  # fmt: skip
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "tuner").rglob("*.jinja")}
    assert templates
    assert templates <= set(names)


@pytest.mark.timeout(900)
def test_own_studies_and_search_spaces_lie_beside_the_installed_ones(tuner):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 600)
    events = pd.DataFrame(rng.normal(size=(600, 3)) + label[:, None], columns=list("abc")).assign(label=label)
    events.to_csv(tuner.folder / "mine.csv", index=False)
    (tuner.folder / "search_spaces").mkdir()
    (tuner.folder / "search_spaces/mine.py").write_text(SPACE)
    drafted = tuner("new", "mine.csv")
    assert drafted.returncode == 0, drafted.stderr
    study = tuner.folder / "studies/mine.py"
    text = study.read_text()
    assert "from search_spaces import mlp" in text
    study.write_text(text.replace("import mlp", "import mine, mlp").replace("mlp.suggest", "mine.suggest"))
    checked = tuner("check", "studies/mine.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    limits = ("--trials", "2", "--epochs", "2", "--workers", "2", "--tracker", "none", "--closed-test")
    (tuner.folder / "studies/brief.py").write_text(
        "from dataclasses import replace\n\nimport tuner\nfrom studies.mine import study as whole\n\n"
        "brief = tuner.EvaluationSettings(\n"
        "    finalists=1, seeds=1, bag=None, refit=False, baseline_trials=0, replicas=20\n)\n"
        'study = replace(whole, name="brief", evaluation=brief)\n'
    )
    swept = tuner("sweep", "studies/brief.py", *limits)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert (tuner.folder / "runs/brief/report.html").exists()
    shipped = tuner("status", "studies/brief.py", "--json")
    assert '"finished": 2' in shipped.stdout
    assert sorted(path.name for path in tuner.folder.iterdir()) == ["mine.csv", "runs", "search_spaces", "studies"]


def test_installed_studies_are_found_by_name(tuner):
    code = "import studies.resonance, search_spaces.mlp, tuner; print(studies.resonance.__file__, tuner.__file__)"
    words = [tuner.packages.parents[2] / "bin/python", "-c", code]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(words, cwd=tuner.folder, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(tuner.packages / name) for name in ("studies/resonance.py", "tuner/__init__.py")]
