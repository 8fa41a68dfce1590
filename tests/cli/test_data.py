"""Steps 0 to 2 at the command line, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tuner.cli.app import app


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Events of a working folder of their own."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"pt": rng.exponential(30, 300), "decay_phi": rng.uniform(-np.pi, np.pi, 300)})
    table = table.assign(process=rng.choice(["tt", "W", "ttH"], 300), n=rng.poisson(3, 300))
    table.to_parquet(tmp_path / "mc.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_events_are_explored_without_a_study(events: Path) -> None:
    done = CliRunner().invoke(app, ["explore", "mc.parquet", "--folder", "seen"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "There is no study: roles are guessed, and nothing is written but the figures." in done.output
    assert "is_signal" in done.output
    assert "separation" in done.output
    assert {path.name for path in events.iterdir()} == {"mc.parquet", "seen"}
    assert [str(path.relative_to(events)) for path in events.glob("seen/*/*")] == ["seen/mc/figures"]
    assert (events / "seen/mc/figures/features.png").exists()


def test_what_a_draft_will_do_with_angles_is_told(events: Path) -> None:
    done = CliRunner().invoke(app, ["new", "mc.parquet", "--signal", "ttH"], catch_exceptions=False)
    assert "prepared as inputs: angles, decay_phi: cosine and sine" in done.output
    assert (events / "studies/mc.py").exists()
