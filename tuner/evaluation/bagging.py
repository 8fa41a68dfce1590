"""The bag: a configuration trained once for each fold of train + validation; and the refit: once on all of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tuner.evaluation.folds import FoldedEvents, OutOfFold, find_used, fold_events, join_parts, load_joined
from tuner.evaluation.kept_trainings import KeptTraining, describe_origin, keep_training, read_training
from tuner.evaluation.pack_training import TrainedMember, train_apart
from tuner.evaluation.retraining_processes import count_processes
from tuner.launchers.process_pool import ProcessPool
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor
from tuner.preparation.splits import Part
from tuner.progress.logs import NOTES, SCREEN_ONLY, open_log, quiet_optuna
from tuner.training.device import find_device
from tuner.training.member import Member
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.trained_network import TrainedNetwork

logger = logging.getLogger("tuner")

BAG_PARTS = ("train", "validation")

FOLD_PURPOSE, REFIT_PURPOSE = 10_000, 20_000
"""Purpose of the first fold's seed and of the refit's, in `derive_seed`."""


@dataclass(frozen=True, eq=False)
class Bag:
    """Networks of one configuration, one for each fold of train + validation, that did not train on that fold."""

    search: Search
    trial: TrialRecord
    events: FoldedEvents
    trainings: tuple[KeptTraining, ...]
    """One for each fold, but for those that failed."""
    device: str | None = None

    @property
    def networks(self) -> tuple[TrainedNetwork, ...]:
        """The networks, each with the same share in the mean of their scores."""
        share = 1 / len(self.trainings)
        return tuple(replace(training.network, weight=share) for training in self.trainings)

    @property
    def n_parameters(self) -> int:
        """Parameters of all networks together."""
        return sum(training.n_parameters for training in self.trainings)

    @cached_property
    def out_of_fold(self) -> OutOfFold:
        """Events of train + validation, each scored by the network of its fold.

        A single network gave each score, so figures of them are those of one network that trained on all folds but
        one; the mean of all networks, which is the bag, does a little better. Each network was stopped early on the
        fold that it scores.
        """
        part = self.events.part
        scores = np.full(len(part.labels), np.nan)
        for training in self.trainings:
            network = load_network(self.search, Predictor(training.network.name, (training.network,)))
            chosen = self.events.find(training.network.number)
            scores[chosen] = score_events(network, part.x[chosen], self.device)
        return OutOfFold(part.rows, part.labels, part.weights, self.events.folds, scores)


def train_bag(
    search: Search,
    trial: TrialRecord,
    *,
    folds: int,
    pool: ProcessPool | None = None,
    device: str | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Bag | None:
    """Train a trial's configuration once for each fold of train + validation, as one pack, or one for each process.

    Each network trains on the events outside of its fold and is stopped early on its fold. Weights, preprocessing and
    budget of epochs are the search's own; dropout is drawn for each network apart. What is in the run folder and
    follows from the same is not trained again. A training that fails is left out with a warning.

    Args:
        search: The search.
        trial: The trial whose configuration it is.
        folds: Number of folds.
        pool: Processes that share the work; None for this one alone.
        device: Where to train; None for a GPU where there is one.
        on_progress: Is called now and then with the number of trainings that are in the run folder.

    Returns:
        The bag; None where each training failed.

    Raises:
        SplitsError: A fold would lack a class.
        SearchError: The search space no longer gives the trial's settings.
    """
    wanted = _BagTrainings(search, trial, folds)

    def look() -> None:
        on_progress(sum(wanted.read(fold) is not None for fold in range(folds)))

    look()
    missing = [fold for fold in range(folds) if wanted.read(fold) is None]
    n_processes = min(count_processes(pool, device), len(missing))
    if pool is None or n_processes <= 1:
        wanted.train(missing, device, look)
    else:
        shares = [missing[first::n_processes] for first in range(n_processes)]
        without_events = replace(wanted)  # each process joins the events itself
        jobs = [pool.submit(_train_share, without_events, share, device) for share in shares]
        pool.watch(jobs, look)
        for told in [told for job in jobs for told in job.result()]:
            logger.warning("%s", told, extra=SCREEN_ONLY)
    look()
    found = tuple(training for fold in range(folds) if (training := wanted.read(fold)) is not None)
    if not found:
        logger.warning("Each of the %d trainings of a bag of trial %d failed: there is no bag.", folds, trial.number)
        return None
    return Bag(search, trial, wanted.events, found, device)


def _train_share(wanted: _BagTrainings, folds: Sequence[int], device: str | None) -> tuple[str, ...]:
    """Train some of a bag's networks in a process of a pool; return a sentence for each training that failed."""
    with open_log(wanted.search.folder.log, "bag"), quiet_optuna():
        return wanted.train(folds, device)


@dataclass(frozen=True, eq=False)
class _BagTrainings:
    """The trainings of one bag, in the run folder or to be made."""

    search: Search
    trial: TrialRecord
    n_folds: int

    @cached_property
    def events(self) -> FoldedEvents:
        """Events of train + validation with their folds."""
        return fold_events(self.search, folds=self.n_folds, parts=BAG_PARTS)

    @cached_property
    def origin(self) -> dict[str, Any]:
        """What each of them follows from."""
        more = {"folds": self.n_folds, "events_in_folds": self.events.fingerprint}
        return describe_origin(self.search, self.trial, **more)

    def name(self, fold: int) -> TrainedNetwork:
        """Return the name of a fold's network."""
        return TrainedNetwork(self.trial.number, "fold", fold)

    def read(self, fold: int) -> KeptTraining | None:
        """Return a fold's training that is in the run folder; None where it is not."""
        return read_training(self.search, self.name(fold), origin=self.origin)

    def train(
        self, folds: Sequence[int], device: str | None, on_trained: Callable[[], object] = lambda: None
    ) -> tuple[str, ...]:
        """Train the networks of these folds as one pack; return a sentence for each training that failed."""
        settings, study_seed = self.search.settings(self.trial), self.search.study.seed
        members = [
            Member(
                fold,
                settings,
                derive_seed(study_seed, self.trial.number, purpose=FOLD_PURPOSE + fold),
                train_rows=self.events.find_used(fold),
                validation_rows=self.events.find(fold),
            )
            for fold in folds
        ]
        names = {fold: self.name(fold) for fold in folds}
        return _train(
            self.search, names, members, self.events.part, origin=self.origin, device=device, on_trained=on_trained
        )


def refit(
    search: Search,
    trial: TrialRecord,
    *,
    best_epochs: Sequence[int],
    device: str | None = None,
) -> KeptTraining | None:
    """Train a trial's configuration once on all of train + validation, without early stopping.

    It ends after the median of the best epochs that early stopping found for this configuration. Passes over the
    events are kept, and not steps: with a third more events it takes a third more steps of the same batch size, and
    ends at the same point of its schedule. What is in the run folder and follows from the same is not trained again.

    Args:
        search: The search.
        trial: The trial whose configuration it is.
        best_epochs: Best epochs of trainings that were stopped early: a finalist's, or those of a bag.
        device: Where to train; None for a GPU where there is one.

    Returns:
        The training; its value is of events that it was trained on. None where it failed, of which a warning tells.

    Raises:
        SearchError: The search space no longer gives the trial's settings.
    """
    part = join_parts(search, BAG_PARTS)
    n_epochs = max(1, round(float(np.median(best_epochs))))
    member = Member(
        0,
        search.settings(trial),
        derive_seed(search.study.seed, trial.number, purpose=REFIT_PURPOSE),
        train_rows=find_used(part),
        validation_rows=np.arange(len(search.splits.train.labels), len(part.labels)),
        n_epochs=n_epochs,
    )
    name = TrainedNetwork(trial.number, "refit")
    origin = describe_origin(search, trial, refit_epochs=n_epochs, splits=search.splits.fingerprint)
    if read_training(search, name, origin=origin) is None:
        _train(search, {0: name}, [member], part, origin=origin, device=device)
    return read_training(search, name, origin=origin)


def _train(
    search: Search,
    names: Mapping[int, TrainedNetwork],
    members: Sequence[Member],
    part: Part,
    *,
    origin: Mapping[str, Any],
    device: str | None,
    on_trained: Callable[[], object] = lambda: None,
) -> tuple[str, ...]:
    """Train members as one pack, keep each by its name; return a sentence for each training that failed."""
    left_out = []

    def keep(trained: TrainedMember) -> None:
        name = names[trained.member.number]
        found = keep_training(search, name, trained, origin=origin)
        if name.training == "refit":  # its AUC would be of events that it was trained on
            NOTES.info("Trained %s on train + validation for %d epochs", name.name, found.epochs)
        else:
            NOTES.info("Trained %s: AUC %.4f on its fold, best epoch %d", name.name, found.value, found.best_epoch)
        on_trained()

    def leave_out(member: Member, reason: str) -> None:
        left_out.append(f"{names[member.number].name.capitalize()} failed and is left out: {reason}")
        logger.warning("%s", left_out[-1])
        on_trained()

    if members:
        data = load_joined(search, part, find_device(device))
        train_apart(members, data, n_epochs=search.study.budget.epochs, keep=keep, leave_out=leave_out)
    return tuple(left_out)
