"""Configurations trained on train + validation, as candidates: bags of the best finalists, and the winner's refit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tuner.checked_files import write_table
from tuner.errors import SearchError, SplitsError
from tuner.evaluation.bagging import Bag, refit, train_bag
from tuner.evaluation.candidates import BAG_ENSEMBLE, Candidate, enter_bag, enter_bag_ensemble, enter_refit
from tuner.evaluation.kept_trainings import KeptTraining
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics.figures_of_merit import FigureOfMerit
from tuner.progress.display import Display
from tuner.progress.logs import SCREEN_ONLY, open_log, quiet_optuna
from tuner.progress.stages import Stage
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search, TrialRecord

logger = logging.getLogger("tuner")


@dataclass(frozen=True, eq=False)
class JoinedCandidates:
    """Candidates that were trained on train + validation."""

    candidates: tuple[Candidate, ...] = ()
    bags: tuple[Bag, ...] = ()
    """The winner's bag first; none where it could not be trained."""

    @property
    def bag(self) -> Bag | None:
        """The winner's bag; None where there is none."""
        return self.bags[0] if self.bags else None


@dataclass
class JoinedTraining:
    """Trains on train + validation what the settings ask for, and shows how far it has come."""

    search: Search
    settings: EvaluationSettings
    pool: ProcessPool
    device: str | None
    display: Display
    n_done: int = field(default=0, init=False)
    """Trainings that are done."""

    def train(
        self, single: Candidate, ranked: Sequence[Candidate], best_epochs: list[int], figure: FigureOfMerit
    ) -> JoinedCandidates:
        """Return the bags of the best finalists, their ensemble where there are several, and the winner's refit.

        The out-of-fold scores of the winner's bag are kept in the run folder. A bag that cannot be is told in a
        warning.

        Args:
            single: The single network.
            ranked: Finalists, the winner first, then from the best to the worst.
            best_epochs: Of the winner's trainings.
            figure: What an ensemble of bags is picked by.

        Raises:
            SearchError: The settings ask to hand on what could not be trained.
        """
        trials = [self._find_trial(finalist) for finalist in ranked]
        job = None
        if self.settings.refit:  # first, as it is the longest: one network has no others to share its steps with
            job = self.pool.submit(_refit, self.search, trials[0], tuple(best_epochs), self.device)
        bags = self._train_bags(trials[: self.settings.bags])
        self._keep_out_of_fold(bags)
        candidates = [enter_bag(bag, "bag" if bag is bags[0] else f"bag of trial {bag.trial.number}") for bag in bags]
        cut_events = candidates[0].choose_on(self.search.splits.validation) if bags else None
        if len(bags) > 1:
            candidates.append(enter_bag_ensemble(bags, [candidate.name for candidate in candidates], figure))
        if job is not None:
            self._advance(trials[0], 0)
            training = job.result()
            if training is None:
                logger.warning("There is no refit: its training failed.", extra=SCREEN_ONLY)
            else:
                cut_events = cut_events or single.choose_on(self.search.splits.validation)
                candidates.append(enter_refit(self.search, training, cut_events, device=self.device))
        self._check(candidates)
        return JoinedCandidates(tuple(candidates), tuple(bags))

    def _find_trial(self, finalist: Candidate) -> TrialRecord:
        number = finalist.networks[0].trial
        return next(trial for trial in self.search.trials if trial.number == number)

    def _train_bags(self, trials: Sequence[TrialRecord]) -> list[Bag]:
        """Return the bags of these trials; none where that of the first, the winner's, could not be trained."""
        folds, bags = self.settings.bag, []
        for trial in trials if folds is not None else ():
            try:
                bag = train_bag(
                    self.search,
                    trial,
                    folds=folds or 0,
                    pool=self.pool,
                    device=self.device,
                    on_progress=partial(self._advance, trial),
                )
            except SplitsError as error:
                logger.warning("There is no bag: %s", error)
                return []
            if bag is None and trial is trials[0]:
                return []
            self.n_done += folds or 0
            bags += [bag] if bag is not None else []
        return bags

    def _advance(self, trial: TrialRecord, done: int) -> None:
        total = (self.settings.bag or 0) * self.settings.bags + self.settings.refit
        text = f"Training trial {trial.number} on train + validation"
        self.display.advance(Stage(name="bag", text=text, total=total, done=self.n_done + done))

    def _keep_out_of_fold(self, bags: Sequence[Bag]) -> None:
        """Write `bag_scores.parquet`; without a bag remove one of other rules."""
        path = self.search.folder.bag_out_of_fold
        if bags:
            write_table(path, bags[0].out_of_fold.tabulate())
        else:
            path.unlink(missing_ok=True)

    def _check(self, candidates: Sequence[Candidate]) -> None:
        must = self.settings.hand_on
        if must in ("bag", "refit", BAG_ENSEMBLE) and must not in [candidate.name for candidate in candidates]:
            raise SearchError(
                f'`hand_on="{must}"` needs a {must} that could be trained, but its trainings failed; the reasons were '
                'logged. Set `hand_on` to "auto" or "single".'
            )


def _refit(search: Search, trial: TrialRecord, best_epochs: Sequence[int], device: str | None) -> KeptTraining | None:
    """Train a configuration on all of train + validation, in a process of a pool."""
    with open_log(search.folder.log, "refit"), quiet_optuna():
        return refit(search, trial, best_epochs=best_epochs, device=device)
