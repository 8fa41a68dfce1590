"""What lies around the package says the same as the package: versions, pins, what hosted checks run."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text())


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = read_yaml("CITATION.cff")
    assert (citation["title"], citation["version"]) == (project["name"], project["version"])
    assert citation["license"] == project["license"]


def test_commits_are_checked_by_the_pinned_ruff():
    pinned = re.search(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text(), re.M)
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["rev"] == f"v{pinned[1]}"


def test_hosted_checks_run_what_runs_before_a_merge():
    (job,) = read_yaml(".github/workflows/ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_make_gpu_says_that_there_is_none_before_anything_is_spent(tmp_path):
    done = subprocess.run([ROOT / "benchmarks/gpu.sh"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "nvidia-smi finds none here. Nothing was installed or run." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_make_passes_limits_and_a_folder_to_the_sweep():
    words = ["make", "--dry-run", "--old-file=.venv/.ready", "sweep", "TRIALS=3", "MINUTES=0.5", "FOLDER=my runs"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env=outside).stdout
    assert " ".join(said.replace("\\\n", " ").split()).endswith(
        "tuner sweep studies/resonance.py --trials 3 --minutes 0.5 --folder 'my runs'"
    )
