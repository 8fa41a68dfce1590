"""The folder of one study's run: everything that a sweep makes, and nothing is written elsewhere."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import FolderError


@dataclass(frozen=True)
class RunFolder:
    """Names of what lies in `runs/<study>/`. Deleting the folder undoes the sweep."""

    path: Path

    def check(self) -> None:
        """Raise `FolderError` where the folder could not be made or written; leave nothing behind."""
        nearest = next(p for p in (self.path.absolute(), *self.path.absolute().parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise self._refuse(error) from error

    def create(self) -> RunFolder:
        """Make the folder. Raise `FolderError` where it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise self._refuse(error) from error
        return self

    def _refuse(self, error: OSError) -> FolderError:
        return FolderError(
            f'The run folder must be writable, but "{self.path}" is not ({error.strerror}). '
            "Choose another place with --folder."
        )

    @property
    def journal(self) -> Path:
        """Optuna's journal: every trial, embedded default storage."""
        return self.path / "journal.log"

    @property
    def owner(self) -> Path:
        """Name of the search that the files by number of trial belong to."""
        return self.path / "search.json"

    @property
    def earlier(self) -> Path:
        """Files of other searches that had this folder before."""
        return self.path / "earlier"

    @property
    def provenance(self) -> Path:
        """Versions, commit, seed, hash of the events, command lines."""
        return self.path / "provenance.json"

    @property
    def splits(self) -> Path:
        """Prepared train, validation and test parts, memory-mapped by workers."""
        return self.path / "splits"

    @property
    def checkpoints(self) -> Path:
        """Best-epoch parameters of trials."""
        return self.path / "checkpoints"

    @property
    def finalists(self) -> Path:
        """Best-epoch parameters of finalists, trained anew with several seeds; which of them are handed on."""
        return self.path / "finalists"

    @property
    def curves(self) -> Path:
        """Epochs of each trial, as CSV."""
        return self.path / "curves"

    @property
    def packs(self) -> Path:
        """One line for each pack: its size, and the times per member that it was chosen by."""
        return self.path / "packs.jsonl"

    @property
    def trials(self) -> Path:
        """Pictures of complete trials."""
        return self.path / "trials"

    @property
    def lock(self) -> Path:
        """Held while a worker asks for trials."""
        return self.path / ".lock"

    @property
    def artifacts(self) -> Path:
        """Optuna's artifact store, shown by Optuna Dashboard."""
        return self.path / "artifacts"

    @property
    def wandb(self) -> Path:
        """Weights & Biases' runs."""
        return self.path / "wandb"

    @property
    def figures(self) -> Path:
        """Figures as PNG and PDF."""
        return self.path / "figures"

    @property
    def evaluation(self) -> Path:
        """Every figure of merit that was measured, as JSON."""
        return self.path / "evaluation.json"

    @property
    def scores(self) -> Path:
        """Scores of the test part, as Parquet."""
        return self.path / "scores.parquet"

    @property
    def out_of_fold(self) -> Path:
        """Scores of all events, each by a network that never saw it, as Parquet; where folds were asked for."""
        return self.path / "out_of_fold.parquet"

    @property
    def openings(self) -> Path:
        """One line for each time that the test part was opened."""
        return self.path / "test_openings.jsonl"

    @property
    def report(self) -> Path:
        """The page that a person reads."""
        return self.path / "report.html"

    @property
    def logs(self) -> Path:
        """What the workers printed."""
        return self.path / "logs"


def find_name_problem(name: str) -> str | None:
    """Return why a study cannot have a name, which is that of its run folder; None where it can."""
    if not name or name.startswith(".") or any(c in name for c in '/\\:*?"<>|'):
        return f"`name` must be usable as the name of a folder, but is {name!r}."
    return None


def make_parent(path: Path) -> Path:
    """Make the folder that a file is to lie in; return the file's path. Raise `FolderError` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(
            f'The folder of "{path}" must be one that can be made, but is not ({error.strerror}). '
            "Choose another place with --output."
        ) from error
    return path
