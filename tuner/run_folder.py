"""The folder of one study's run: everything that a sweep makes, and nothing is written elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
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

    def needs(self, file: Path) -> bool:
        """Return whether a file is one of those named below or lies in one of their folders, by whatever link."""
        own = {getattr(self, name).resolve() for name, value in vars(type(self)).items() if isinstance(value, property)}
        resolved = file.resolve()
        if not own.isdisjoint((resolved, *resolved.parents)):
            return True
        return file.stat().st_nlink > 1 and any(
            file.samefile(found) for place in own for found in (place, *place.rglob("*")) if found.is_file()
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
    def events(self) -> Path:
        """The events as they were read, for the steps after the search."""
        return self.path / "events"

    @property
    def findings(self) -> Path:
        """What checks found of the events."""
        return self.path / "findings.json"

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
        """Held while a worker asks for trials, and while a sweep puts its search, its events and its call there."""
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
    def tracking(self) -> Path:
        """Numbers of the trials as JSON lines, and the record of the study as JSON, where that tracker is used."""
        return self.path / "tracking"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts, where no server is used."""
        return self.path / "mlflow"

    @property
    def not_recorded(self) -> Path:
        """One line for each trial, and for the study, that a tracker could not record."""
        return self.path / "not_recorded.jsonl"

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
    def bag_out_of_fold(self) -> Path:
        """Scores of train + validation, each by the network of the bag that did not train on the event, as Parquet."""
        return self.path / "bag_scores.parquet"

    @property
    def cut_scores(self) -> Path:
        """Out-of-fold scores of what is handed on, by which its cuts were chosen, as Parquet; where it has any."""
        return self.path / "cut_scores.parquet"

    @property
    def template_scores(self) -> Path:
        """Scores of what is handed on and of the best baseline, also of nuisance variants, as Parquet."""
        return self.path / "template_scores.parquet"

    @property
    def network(self) -> Path:
        """What the last evaluation handed on as ONNX, preprocessing inside: the study's model artifact."""
        return self.path / "winner.onnx"

    @property
    def openings(self) -> Path:
        """One line for each time that the test part was opened."""
        return self.path / "test_openings.jsonl"

    @property
    def report(self) -> Path:
        """The page that a person reads."""
        return self.path / "report.html"

    @property
    def jobs(self) -> Path:
        """Scripts for a batch system, and which jobs were submitted."""
        return self.path / "jobs"

    @property
    def log(self) -> Path:
        """What happened, line by line, in all processes that worked on this folder."""
        return self.path / "tuner.log"

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


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Raise `FolderError` where a path does not end as one of the formats that can be written."""
    if not path.name.lower().endswith(tuple(endings)):
        raise FolderError(
            f"The name of the output must end in {' or '.join(endings)}, the formats that can be written, but "
            f'"{path}" does not.'
        )


def check_output(path: Path, endings: Sequence[str], *, reads: Iterable[Path] = (), folder: RunFolder) -> None:
    """Raise `FolderError` where a file cannot be written at a path, before anything is computed for it.

    endings: those of the formats that can be written. reads: files that the result is computed from; neither they nor
    what the run folder needs are overwritten, by whatever name or link.
    """
    check_ending(path, endings)
    if path.is_dir():
        raise FolderError(f'The output must be a file, but "{path}" is a folder. Name a file with --output.')
    if path.exists() and (any(path.samefile(file) for file in reads) or folder.needs(path)):
        raise FolderError(
            f'The output must not overwrite what it is computed from, but "{path}" is such a file. '
            "Choose another path with --output."
        )
