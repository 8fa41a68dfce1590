"""Where a search comes from: what one needs to do it again."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuner.checked_files import expect_form, read_json, write_json
from tuner.passwords import hide_in_source, hide_passwords
from tuner.preparation.settings import describe_preparation
from tuner.problem import Problem
from tuner.run_folder import RunFolder
from tuner.tuning.contents import describe_contents
from tuner.tuning.search import PROVENANCE_ADVICE
from tuner.tuning.study import Study

if TYPE_CHECKING:
    from tuner.preparation.splits import Splits

PACKAGES = ("signal-tuner", "torch", "optuna", "numpy", "pandas", "scikit-learn", "wandb", "matplotlib")


def record_call(
    folder: RunFolder,
    study: Study,
    *,
    events_digest: str,
    device: str,
    workers: int,
    tracker: str | None = None,
    study_file: Path | None = None,
    parts: Mapping[str, Any] | None = None,
) -> None:
    """Add a call of a sweep to the run folder's `provenance.json`.

    Args:
        folder: The run folder.
        study: The study, with the seed and the budget of this call.
        events_digest: SHA-256 of its events.
        device: As it was asked for.
        workers: Number of processes.
        tracker: Kind of the tracker, by which the steps that follow open another one; None for a user's own.
        study_file: Where the study was read from; the commit is that of its checkout, else the program's, else this
            folder's.
        parts: What `describe_parts` says of its prepared events.

    Raises:
        DamagedFileError: The file is there but is not what an earlier call wrote.
    """
    about = {
        "study": study.name,
        "seed": study.seed,
        "split_seed": study.preparation.seed,
        "events_digest": events_digest,
        "parts": dict(parts or {}),
        "preparation": describe_preparation(study.preparation),
        "versions": describe_versions(),
        "platform": platform.platform(),
        "search_space": hash_space(study),
        "study_source": _read_source(study_file),
    }
    call = {
        "command": _name_command(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "git_commit": find_first_commit(study_file),
        "device": device,
        "workers": workers,
        "tracker": tracker,
        "trials": study.budget.trials,
        "epochs": study.budget.epochs,
    }
    with FileLock(folder.lock):  # of two calls at once neither loses the other
        record = read_json(folder.provenance, advice=PROVENANCE_ADVICE) | about
        record.setdefault("calls", []).append(call)
        write_json(folder.provenance, record)


def describe_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on."""
    return {name: _find_version(name) for name in PACKAGES} | {"python": platform.python_version()}


def hash_space(study: Study) -> str:
    """Return a SHA-256 of a search space's code and of what it uses."""
    return hashlib.sha256(describe_contents(study.space.suggest).encode()).hexdigest()


def _read_source(study_file: Path | None) -> str | None:
    """Return the text of a study file, without passwords; None where there is none to read."""
    try:
        return None if study_file is None else hide_in_source(study_file.read_text())
    except (OSError, UnicodeDecodeError):
        return None


def describe_parts(splits: Splits) -> dict[str, dict[str, int | str]]:
    """Return of each part how many events it holds, how many are of negative weight or not trained on, its SHA-256."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {
        name: {
            "events": len(part.labels),
            "negative_weights": int((part.weights < 0).sum()),
            **({"left_out_of_training": int((part.training_weights == 0).sum())} if name == "train" else {}),
            "sha256": splits.fingerprints[name],
        }
        for name, part in parts.items()
    }


def find_tracker_kind(folder: RunFolder) -> str | None:
    """Return the kind of tracker that the last call of the sweep used, "wandb" where no call is written down.

    None for a user's own. Raise `DamagedFileError`.
    """
    record = read_json(folder.provenance, advice=PROVENANCE_ADVICE)
    with expect_form(folder.provenance, advice=PROVENANCE_ADVICE):
        kind: str | None = record["calls"][-1].get("tracker", "wandb") if record.get("calls") else "wandb"
    return kind


def describe_frame(problem: Problem) -> dict[str, str | None]:
    """Return what is asked of the events, as trackers keep it."""
    return {
        "question": problem.question,
        "label": problem.label,
        "signal": str(problem.signal),
        "weight": problem.weight,
        "selection": problem.selection,
        "figure_of_merit": problem.figure_of_merit.name,
        "working_point": problem.working_point.name,
    }


def _name_command() -> str | None:
    """Return the command that runs, quoted, passwords hidden; None in an interactive session, which has none."""
    program, words = Path(sys.argv[0]), [hide_passwords(word) for word in sys.argv[1:]]
    if program.name == "tuner":
        return shlex.join(["tuner", *words])
    if program.name == "__main__.py" and program.parent.name == "tuner":
        return shlex.join(["python", "-m", "tuner", *words])
    if getattr(sys.modules.get("__main__"), "__file__", None) is None:
        return None
    return shlex.join(["python", sys.argv[0], *words])


def find_first_commit(study_file: Path | None) -> str | None:
    """Return the commit of the study file's checkout, else of the program's, else of the current folder's."""
    places = [] if study_file is None else [Path(study_file).resolve().parent]
    places += [Path(__file__).resolve().parent, Path.cwd()]
    return next(filter(None, map(find_commit, places)), None)


def find_commit(folder: Path) -> str | None:
    """Return the commit of the checkout that `folder` is in, with "+changes" where it is not clean; None outside."""
    state = _ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    commit = _ask_git(folder, "rev-parse", "HEAD")
    return None if commit is None else commit + ("+changes" if state else "")


def _ask_git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
