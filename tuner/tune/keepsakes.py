"""What a trial leaves behind in the run folder: its epochs, its parameters, its figure of merit, its pictures."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch
from optuna.trial import TrialState
from torch import Tensor

from tuner.metrics.figures_of_merit import Auc
from tuner.run_folder import write_atomically
from tuner.train.pack import Member
from tuner.tune.search import Search

MOST_CHECKPOINTS = 20
"""Best complete trials whose parameters are kept on disk."""


class Keepsakes:
    """Writes for one worker."""

    def __init__(self, search: Search) -> None:
        self.search = search
        validation = search.splits.validation
        self.labels = np.asarray(validation.labels)
        self.weights = np.asarray(validation.weights)

    def keep_curve(self, member: Member) -> None:
        """Write a member's epochs as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "train_loss", "validation_loss", "validation_auc", "lr"])
        writer.writeheader()
        writer.writerows(member.curve)
        write_atomically(self.search.curve_path(member.name), text.getvalue())

    def measure(self, scores: np.ndarray, member: Member) -> float:
        """Return the problem's figure of merit on validation; the AUC of the training loop where that is it."""
        figure_of_merit = self.search.study.problem.figure_of_merit
        if isinstance(figure_of_merit, Auc):
            return member.best
        return float(figure_of_merit(self.labels, scores, self.weights))

    def keep_checkpoint(self, member: Member, state: dict[str, Tensor]) -> None:
        """Write a member's best-epoch parameters; give up those of trials that fell behind."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.search.checkpoint_path(member.name), buffer.getvalue())
        trials = self.search.optuna_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        figures = {t.number: t.user_attrs.get("tuner:figure", -np.inf) for t in trials}
        for number in sorted(figures, key=lambda n: figures[n], reverse=True)[MOST_CHECKPOINTS:]:
            self.search.checkpoint_path(number).unlink(missing_ok=True)
        self.search.resume_path(member.name).unlink(missing_ok=True)

    def draw(self, member: Member, scores: np.ndarray) -> dict[str, Path]:
        """Return pictures of a complete trial."""
        return {}
