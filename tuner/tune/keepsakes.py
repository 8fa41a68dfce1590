"""What a trial leaves behind in the run folder: its epochs, its parameters, its figure of merit, its pictures."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import Trial, TrialState

from tuner.checked_files import write_atomically, write_csv
from tuner.errors import TrainingError
from tuner.figures import draw_trial
from tuner.metrics.figures_of_merit import Auc
from tuner.trackers.base import TrialLog
from tuner.train.checkpoints import Checkpoint, save_checkpoint
from tuner.train.pack import Member
from tuner.tune.search import Search
from tuner.tune.trial_attributes import read_figure

logger = logging.getLogger("tuner")

DPI = 80
"""Resolution of a trial's picture."""

MOST_CHECKPOINTS = 20
"""Best complete trials whose parameters are kept on disk."""


class Keepsakes:
    """Writes for one worker."""

    def __init__(self, search: Search) -> None:
        self.search = search
        validation = search.splits.validation
        self.labels = np.asarray(validation.labels)
        self.weights = np.asarray(validation.weights)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tuner-pictures")

    def keep_curve(self, member: Member) -> None:
        """Write a member's epochs as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "train_loss", "validation_loss", "validation_auc", "lr"])
        writer.writeheader()
        writer.writerows(member.curve)
        write_csv(self.search.curve_path(member.name), text.getvalue())

    def measure(self, scores: np.ndarray, member: Member) -> float:
        """Return the problem's figure of merit on validation; the AUC of the training loop where that is it.

        Raise `TrainingError` where it is not finite.
        """
        figure_of_merit = self.search.study.problem.figure_of_merit
        if isinstance(figure_of_merit, Auc):
            return member.best
        figure = float(figure_of_merit(self.labels, scores, self.weights))
        if not np.isfinite(figure):
            raise TrainingError(f"The figure of merit must be a finite number on validation, but is {figure}.")
        return figure

    def keep_checkpoint(self, member: Member, checkpoint: Checkpoint) -> None:
        """Write a member's best-epoch parameters; give up those of trials that fell behind."""
        save_checkpoint(checkpoint, self.search.checkpoint_path(member.name))
        trials = self.search.optuna_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        figures = {t.number: -np.inf if (figure := read_figure(t)) is None else figure for t in trials}
        for number in sorted(figures, key=lambda n: figures[n], reverse=True)[MOST_CHECKPOINTS:]:
            self.search.checkpoint_path(number).unlink(missing_ok=True)

    def announce_picture(self, trial: Trial) -> Path:
        """Give Optuna's artifact store, which Optuna Dashboard shows, the place of a trial's picture; return it.

        Optuna takes artifacts of running trials only, and drawing would hold up the training: an empty file is given
        now and filled by `finish_log`.
        """
        empty = self.search.folder.trials / f"trial_{trial.number:05d}.png"
        write_atomically(empty, b"")
        self.search.folder.artifacts.mkdir(parents=True, exist_ok=True)
        store = optuna.artifacts.FileSystemArtifactStore(str(self.search.folder.artifacts))
        name = optuna.artifacts.upload_artifact(artifact_store=store, file_path=str(empty), study_or_trial=trial)
        return self.search.folder.artifacts / name

    def finish_log(
        self, log: TrialLog, member: Member, summary: Mapping[str, Any], *, scores: np.ndarray, artifact: Path
    ) -> None:
        """Draw a complete trial's picture, give it to Optuna Dashboard and to its log, and end the log.

        All of it happens on a thread of its own, one trial after the other: training goes on.
        """
        curve = pd.DataFrame(member.curve)

        def finish() -> None:
            pictures: dict[str, Path] = {}
            try:
                drawing = draw_trial(member.name, curve, self.labels, scores, self.weights)
                pictures["validation"] = self.search.folder.trials / f"trial_{member.name:05d}.png"
                image = drawing.png_bytes(dpi=DPI)
                for path in (artifact, pictures["validation"]):
                    write_atomically(path, image)
            except Exception as error:  # a picture is no reason to lose a sweep
                logger.warning("The picture of trial %d could not be made: %s", member.name, error)
            log.finish("complete", summary=summary, pictures=pictures)

        self._pool.submit(finish)

    def close(self, *, cancel: bool = False) -> None:
        """Wait until the last pictures are drawn; with `cancel`, those that have not begun never are."""
        self._pool.shutdown(wait=True, cancel_futures=cancel)
