"""Offline runs of Weights & Biases: where they lie, which of them a newer one replaces, and how they are sent."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tuner.errors import TunerError
from tuner.trackers.wandb_process import ProcessEndedError, WandbProcess, make_environment

_LAST = "last_step"
"""A file in the folder of an offline run: the last value of its step."""


def find_place(folder: Path) -> Path:
    """Return the folder of a study's runs: `wandb` in the run folder, or in `$WANDB_DIR` where there is one."""
    return Path(os.environ.get("WANDB_DIR") or folder).absolute() / "wandb"


def read_sweep_id(folder: Path) -> str:
    """Return the random name that all workers of a run folder share: a new folder never meets old runs' ids.

    Raises:
        OSError: there is none, and none can be written.
    """
    path = folder / "wandb" / "sweep_id"
    path.parent.mkdir(parents=True, exist_ok=True)
    if name := _read_name(path):
        return name
    with FileLock(path.with_name(".sweep_id.lock")):
        if not _read_name(path):
            whole = path.with_name(".sweep_id.new")
            whole.write_text(secrets.token_hex(4))
            whole.replace(path)
        return _read_name(path)


def _read_name(path: Path) -> str:
    """Return the name in a file; an empty one, which a full disk leaves, counts as none."""
    return path.read_text().strip() if path.exists() else ""


def replace_earlier(folder: Path, last: float) -> None:
    """Make an offline run that has ended take the place of earlier copies that were not sent.

    `wandb sync` adds the rows of all copies up, also to what the server has. So a copy that is made after one was sent
    is to hold only what that did not: `find_last_sent` tells where to go on. last: the last value of the run's step.
    """
    (folder / _LAST).write_text(repr(last))
    [log] = folder.glob("*.wandb")
    for other in folder.parent.glob(f"offline-run-*/{log.name}"):
        if other.parent != folder and not _is_synced(other):
            shutil.rmtree(other.parent, ignore_errors=True)


def find_last_sent(place: Path, run_id: str) -> float:
    """Return the last value of its step up to which an offline run was sent already; minus infinity if none was."""
    logs = [log for log in place.glob(f"offline-run-*/run-{run_id}.wandb") if _is_synced(log)]
    ends = [log.parent / _LAST for log in logs]
    return max((float(end.read_text()) for end in ends if end.exists()), default=float("-inf"))


def find_unsent(folder: Path) -> list[Path]:
    """Return the logs of a run folder's offline runs that were not sent to the server yet."""
    pattern = f"offline-run-*/run-{read_sweep_id(folder)}-*.wandb" if (folder / "wandb").exists() else "none"
    return [path for path in sorted(find_place(folder).glob(pattern)) if not _is_synced(path)]


def sync_runs(folder: Path) -> int:
    """Send the offline runs of a run folder to the W&B server, and return how many arrived.

    Raises:
        TunerError: W&B is not logged in, or not all runs arrived.
    """
    runs = find_unsent(folder)
    if not runs:
        return 0
    if not _is_logged_in(folder):
        noun = "run" if len(runs) == 1 else "runs"
        raise TunerError(
            f"Sending {len(runs)} {noun} needs a Weights & Biases login, and there is none. "
            "Log in with `wandb login`, or set WANDB_API_KEY; then run `tuner sync` again."
        )
    environment = {"WANDB_X_GRAPHQL_RETRY_MAX": "3", **make_environment(folder)}
    command = [sys.executable, "-P", "-m", "wandb", "sync", *(str(path) for path in runs)]
    # It writes its own log into a folder `wandb` of the folder that it is started in.
    answer = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    arrived = sum(map(_is_synced, runs))
    if arrived < len(runs):
        said = (answer.stderr + answer.stdout).strip().splitlines()
        raise TunerError(
            f"{arrived} of {len(runs)} runs arrived at Weights & Biases. Run `tuner sync` again for the others. "
            f"W&B said:\n" + "\n".join(said[-5:])
        )
    return arrived


def _is_logged_in(folder: Path) -> bool:
    process = WandbProcess(folder)
    try:
        return bool(process.ask({"do": "login"}).get("logged_in"))
    except ProcessEndedError:
        return False
    finally:
        process.end(timeout=5)


def _is_synced(path: Path) -> bool:
    return path.with_suffix(".wandb.synced").exists()
