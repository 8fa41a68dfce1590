from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is logged in to W&B, and no network would be asked if somebody were; MLflow has no server."""
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_EXPERIMENT_NAME",
        "WANDB_API_KEY",
        "WANDB_MODE",
        "WANDB_PROJECT",
        "WANDB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no-config"))


class Warnings:
    """Warnings of the logger "tuner"."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def texts(self) -> list[str]:
        return [r.getMessage() for r in self._caplog.records if r.name == "tuner" and r.levelno >= logging.WARNING]


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Warnings:
    return Warnings(caplog)


@pytest.fixture(scope="session")
def read_runs() -> Callable[[Path], dict[str, dict[str, Any]]]:
    return _read_runs


def _read_runs(folder: Path) -> dict[str, dict[str, Any]]:
    """Read offline runs back with W&B's own reader: by name: config, epochs, summary, tags, ..."""
    runs = {}
    for path in sorted((folder / "wandb").glob("*run-*/*.wandb")):
        records = [json.loads(line) for line in _inspect(path)]
        run = json.loads("".join(_inspect(path, "--summary")))
        history = [record["history"]["item"] for record in records if "history" in record]
        run["epochs"] = [{k: v for k, v in item.items() if k[0] != "_"} for item in history]
        run["metrics"] = [record["metric"] for record in records if "metric" in record]
        about = next(record["run"] for record in records if "run" in record)
        run |= {"group": about.get("run_group"), "job_type": about.get("job_type"), "notes": about.get("notes")}
        for record in records:  # notes and tags of the end come in a second one
            run |= {name: record["run"][name] for name in ("notes",) if name in record.get("run", {})}
        artifacts = [record["artifact"] for record in records if "artifact" in record]
        run["artifacts"] = [artifact for artifact in artifacts if artifact["type"] != "run_table"]
        run["folder"] = path.parent
        runs[run["name"]] = run
    return runs


def _inspect(path: Path, *options: str) -> list[str]:
    """Return what `wandb leet inspect` prints, from the program that it hands on to: importing wandb takes a second."""
    [core] = Path(str(find_spec("wandb").origin)).parent.glob("bin/wandb-core*")
    command = [str(core), "leet", "inspect", "--json", *options, "--run-file", str(path), str(path.parent)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout.splitlines()


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real server of MLflow."""
    pytest.importorskip("flask", reason="mlflow-skinny has no server: install mlflow")
    folder = tmp_path_factory.mktemp("mlflow-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "files")),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | quiet, cwd=folder, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, server, folder / "log")
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        try:
            with urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())
