"""What `tuner check` does: a tiny lap from the events to the exported file, in a temporary folder."""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution

from tuner.errors import StudyError, TunerError, describe_failure, gather, raise_gathered, raise_together
from tuner.events.checks.finding import Finding, list_findings
from tuner.events.reading import read_events
from tuner.events.table import Events
from tuner.launchers.allocation import choose_workers
from tuner.prediction.network import score_events
from tuner.prediction.onnx_files import is_exporting_possible, write_network
from tuner.preparation.splits import Splits, prepare_splits
from tuner.progress.wording import write_count
from tuner.run_folder import RunFolder
from tuner.training.checkpoints import read_checkpoint, restore_network, save_checkpoint, take_checkpoint
from tuner.training.data import TrainingData, load_training_data
from tuner.training.device import find_device, keep_random_state
from tuner.training.pack import Member, Pack
from tuner.training.settings import Settings
from tuner.training.structure import find_structure
from tuner.tuning.compatibility import check_batches, probe_space
from tuner.tuning.figure_checks import check_figure
from tuner.tuning.findings import require_sound
from tuner.tuning.samplers import derive_seed
from tuner.tuning.study import Study
from tuner.tuning.study_file import find_study_file

N_DRAWN = 60
"""Settings that are drawn to find those that are tried: they have each choice of the space once, if they can."""

MAX_TRIED = 8
"""Settings that are tried at the most."""

N_TRAINED, N_SCORED = 2**14, 2**10
"""Events of the train and of the validation part that a lap uses at the most."""


@dataclass(frozen=True)
class StudyCheck:
    """What a dry run found: what a sweep would do."""

    lines: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    """What was found of the events, as `lines` tell it."""


def check_study(study: Study, *, folder: str | Path = "runs", device: str | None = None) -> StudyCheck:
    """Read, validate and prepare; train, save, load, score and export a few networks for a step or two; keep nothing.

    Args:
        study: The study.
        folder: Folder in which its sweep would make a run folder.
        device: Where networks are tried, "cpu" or "cuda"; None for the best there is.

    Returns:
        What was found of the study, its events and its networks.

    Raises:
        TunerError: Something does not hold; all that does not is told at once.
    """
    problems: list[TunerError] = []
    space = gather(problems, lambda: _describe_run(study, folder, device))
    events = gather(problems, lambda: read_events(study.problem))
    splits = events and gather(problems, lambda: prepare_splits(events, study.problem, study.preparation))
    findings = None
    if events and splits:
        gather(problems, lambda: check_figure(study.problem.figure_of_merit, splits))
        findings = gather(problems, lambda: require_sound(events, splits, study.problem))
    networks = splits and not problems and gather(problems, lambda: _try_networks(study, splits, device))
    raise_gathered(f'Study "{study.name}"', problems)
    assert space and events and splits and networks and findings is not None
    n_signal = int(events.labels.sum())
    return StudyCheck(
        (
            f"Question: {study.problem.question}",
            f"Events: {events.source}: {len(events.labels):,} ({n_signal:,} signal, "
            f"{len(events.labels) - n_signal:,} background), {len(events.features)} features, {splits.d_in} inputs.",
            *_describe_selection(events),
            *(f"Note: {note}" for note in events.notes),
            *list_findings(findings),
            *_describe_transformations(splits),
            f"Parts: {len(splits.train.labels):,} train, {len(splits.validation.labels):,} validation, "
            f"{len(splits.test.labels):,} test.",
            *space,
            *_describe_networks(networks),
        ),
        findings,
    )


def _describe_selection(events: Events) -> tuple[str, ...]:
    """Return what each part of the selection leaves; nothing without a selection."""
    return () if events.cut_flow is None else ("Selection:", *(f"  {line}" for line in events.cut_flow.lines))


def _describe_transformations(splits: Splits) -> tuple[str, ...]:
    """Return a line for each kind of feature that is not simply scaled, and what leaves it as it is."""
    ways = {
        "azimuths": "`Preparation(azimuths=())` leaves them as they are.",
        "angles": 'Another way for one of them: `Preparation(features={"its name": "quantile"})`.',
        "long tails": 'Another way for one of them: `Preparation(features={"its name": "standard"})`.',
    }
    told = splits.preprocessing.describe().items()
    return tuple(f"{kind.capitalize()}: {text}. {ways.get(kind, '')}".strip() for kind, text in told)


def _describe_run(study: Study, folder: str | Path, device: str | None) -> tuple[str, ...]:
    """Return what is searched, where and how much. Raise `TunerError`."""
    RunFolder(Path(folder) / study.name).check()
    parameters = probe_space(study).distributions
    workers = choose_workers(study.budget.trials, None, device, find_study_file(study))
    budget, space = study.budget, study.space
    minutes = "" if budget.minutes is None else f", at most {budget.minutes:g} minutes"
    return (
        f"Search space: {write_count(len(parameters), 'parameter')}, "
        f"{write_count(len(space.warm_starts), 'warm start')}.",
        f"Budget: {write_count(budget.trials, 'trial')} of at most {write_count(budget.epochs, 'epoch')}{minutes}, "
        f"on {find_device(device)} "
        f"with {write_count(workers, 'worker')}.",
    )


@dataclass(frozen=True)
class _Configuration:
    """A setting to be tried, with another that a pack would train beside it."""

    params: dict[str, Any]
    settings: Settings
    mate: Settings | None


@dataclass(frozen=True)
class _TriedNetwork:
    """One network that went the whole way."""

    name: str
    n_parameters: int
    seconds_per_step: float
    n_steps: int


def _try_networks(study: Study, splits: Splits, device: str | None) -> list[_TriedNetwork]:
    """Take a few settings all the way. Raise `StudyError` that tells which stage fails, for which setting."""
    check_batches(splits, probe_space(study))
    torch_device = find_device(device)
    tried: list[_TriedNetwork] = []
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, keep_random_state(torch_device):
        lap = _Lap(study, splits, _load_some(splits, torch_device), Path(folder))
        for configuration in _draw_configurations(study):
            try:
                tried.append(lap.run(configuration))
            except _StageError as error:
                failures.setdefault(f"{error.stage}: {error.reason}", str(error))
    raise_together(list(failures.values()), StudyError, "The search space")
    return tried


def _load_some(splits: Splits, device: torch.device) -> TrainingData:
    """Return a few events on a device, those of validation spread over the whole part."""
    data = load_training_data(splits, device)
    step = -(-len(data.validation_x) // N_SCORED)
    return TrainingData(
        x=data.x[:N_TRAINED],
        labels=data.labels[:N_TRAINED],
        weights=data.weights[:N_TRAINED],
        validation_x=data.validation_x[::step],
        validation_labels=data.validation_labels[::step],
        validation_weights=data.validation_weights[::step],
        validation_training_weights=data.validation_training_weights[::step],
    )


def _draw_configurations(study: Study) -> list[_Configuration]:
    """Return the first setting, and those that bring a choice of a categorical parameter that was not seen before."""
    samplers = (optuna.samplers.RandomSampler(seed=derive_seed(study.seed, number)) for number in range(2))
    probe, mates = (optuna.create_study(sampler=sampler) for sampler in samplers)
    for params in study.space.warm_starts:
        probe.enqueue_trial(dict(params))
    seen: set[tuple[str, str]] = set()
    chosen: list[_Configuration] = []
    for _ in range(len(study.space.warm_starts) + N_DRAWN):
        trial = probe.ask()
        try:
            settings = study.space(trial)
        except Exception:
            continue
        choices = {
            (name, repr(trial.params[name]))
            for name, distribution in trial.distributions.items()
            if isinstance(distribution, CategoricalDistribution)
        }
        if chosen and choices <= seen:
            continue
        seen |= choices
        chosen.append(_Configuration(dict(trial.params), settings, _draw_mate(study, mates, trial.params, settings)))
        if len(chosen) == MAX_TRIED:
            break
    return chosen


def _draw_mate(study: Study, mates: optuna.Study, params: dict[str, Any], settings: Settings) -> Settings | None:
    """Return another setting of the same structure; None where there is none."""
    patterns = study.space.structure
    fixed = {n: value for n, value in params.items() if any(fnmatch.fnmatchcase(n, p) for p in patterns)}
    if not fixed:
        return None
    mates.enqueue_trial(fixed)
    try:
        mate = study.space(mates.ask())
    except Exception:  # a space may raise for some settings
        return None
    return mate if find_structure(mate) == find_structure(settings) else None


class _StageError(StudyError):
    """What a stage of the lap raised, for a setting."""

    def __init__(self, stage: str, params: dict[str, Any], error: Exception) -> None:
        self.stage = stage
        self.reason = describe_failure(error)
        super().__init__(f"The network must {stage}, but for {params}: {self.reason}")


@contextmanager
def _stage(stage: str, configuration: _Configuration) -> Iterator[None]:
    """Tell which stage failed, for which setting."""
    try:
        yield
    except Exception as error:  # networks and figures of merit may raise anything
        raise _StageError(stage, configuration.params, error) from error


@dataclass
class _Lap:
    """What all settings are tried with."""

    study: Study
    splits: Splits
    data: TrainingData
    folder: Path
    exported: set[tuple[type, type]] = field(default_factory=set)
    """Kinds of settings and networks that were exported: once is enough, as it takes seconds."""

    def run(self, configuration: _Configuration) -> _TriedNetwork:
        """Take one setting the whole way."""
        with _stage("build and train", configuration):
            pack = self._train(configuration)
            seconds = pack.time_step()
        with _stage("score events", configuration):
            logits = pack.score(pack.data.validation_x[:64])
            if not logits.isfinite().all():
                raise StudyError("It must give finite logits, but some are not.")
            pack.validate()
        with _stage("have a figure of merit", configuration):
            self._measure(pack.best_scores(0))
        path = self.folder / "network.pt"
        for row, member in pack.rows:
            with _stage("be the same once it is saved and loaded", configuration):
                save_checkpoint(take_checkpoint(pack, row), path)
                network = restore_network(read_checkpoint(path), member.settings.network)
                score_events(network, np.asarray(self.splits.validation.x[:2]), str(self.data.device))
        kind = (type(configuration.settings.network), type(network))
        if is_exporting_possible() and kind not in self.exported:
            self.exported.add(kind)
            with _stage("be exported", configuration):
                problem = self.study.problem
                write_network(network.cpu(), self.splits.preprocessing, problem, self.folder / "network.onnx", {})
        n_steps = max(1, round(len(self.splits.train.labels) / configuration.settings.training.batch_size))
        return _TriedNetwork(type(configuration.settings.network).__name__, pack.n_parameters, seconds, n_steps)

    def _train(self, configuration: _Configuration) -> Pack:
        """Return a pack of the setting and its mate that was trained for about two steps; alone where that fails."""
        settings, mate = configuration.settings, configuration.mate
        n_events = min(len(self.data.x), 2 * settings.training.batch_size)
        for others in ([mate], []) if mate is not None else ([],):
            pack = Pack(settings, self.data, n_epochs=self.study.budget.epochs, n_events=n_events)
            try:
                pack.admit(*[Member(n, each, seed=self.study.seed + n) for n, each in enumerate([settings, *others])])
                pack.train_epoch()
                pack.score(self.data.validation_x[:64])
                break
            except Exception:
                if not others:
                    raise
        return pack

    def _measure(self, scores: np.ndarray) -> None:
        """Raise `StudyError` where the figure of merit of scores is no number; on few events it may be infinite."""
        labels, weights = (
            tensor.cpu().numpy() for tensor in (self.data.validation_labels, self.data.validation_weights)
        )
        figure = float(self.study.problem.figure_of_merit(labels.astype(np.int8), scores, weights))
        if len(scores) == len(self.splits.validation.labels) and not np.isfinite(figure):
            raise StudyError(f"It must be a finite number on validation, but is {figure}.")


def _describe_networks(networks: list[_TriedNetwork]) -> list[str]:
    """Return the tried networks in a sentence or two."""
    first, *others = networks
    if is_exporting_possible():
        handed_on, note = "loaded and exported to ONNX", []
    else:
        handed_on = "and loaded"
        note = ['Export was not tried: it needs `pip install "signal-tuner[onnx]"`.']
    were = "was" if len(others) == 1 else "were"
    more = f" So {were} {write_count(len(others), 'other setting')}, to try each choice of the space." if others else ""
    return [
        f"Network: {first.name} with {first.n_parameters:,} parameters was built, trained for two steps, saved, "
        f"{handed_on} ({1e3 * first.seconds_per_step:.0f} ms a step; "
        f"an epoch has {write_count(first.n_steps, 'step')}).{more}",
        *note,
    ]
