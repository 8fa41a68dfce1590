"""The default sampler, and how a sampler draws: from the study's seed and the trial's number, until it stops."""

from __future__ import annotations

import inspect
import logging
import random
import warnings
from collections.abc import Callable, Container, Iterator, Mapping
from copy import copy, deepcopy
from typing import Any, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler, RandomSampler, TPESampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import FrozenTrial, Trial, TrialState

from tuner.errors import StudyError
from tuner.tuning.batched_tpe import BatchedTPESampler
from tuner.tuning.choices import encode_choice
from tuner.tuning.study import Study
from tuner.tuning.trial_attributes import Failure, find_root, is_interrupted, is_of_one_trial, read_failure

logger = logging.getLogger("tuner")


def derive_seed(study_seed: int, trial: int, purpose: int = 0) -> int:
    """Return a 32-bit seed, always the same for the same three numbers.

    Args:
        study_seed: The study's, at least 0.
        trial: Number of the trial.
        purpose: What it is for; another purpose has another seed.
    """
    return int(np.random.SeedSequence([study_seed, trial, purpose]).generate_state(1)[0])


def make_default_sampler(seed: int) -> BaseSampler:
    """Return TPE (Bergstra et al. 2011; multivariate as in arXiv:2304.11127), joint in each branch of the space."""
    return BatchedTPESampler(seed)


def make_sampler(study: Study, seed: int) -> BaseSampler:
    """Return the sampler of a study, TPE where it gives none.

    Args:
        study: The study.
        seed: For the sampler's own random numbers, at least 0.

    Raises:
        StudyError: What the study gives neither is nor makes a sampler.
    """
    given = study.sampler or make_default_sampler
    seed = seed if seed < 2**32 else derive_seed(seed, 0)
    made = build("sampler", given, seed, {"seed": seed})
    if not isinstance(made, BaseSampler):
        raise StudyError(f"`sampler` must make Optuna's sampler, but made {type(made).__name__}.")
    if isinstance(made, GridSampler):
        _encode_grid(made)
    return made


def build(name: str, given: Any, argument: int, options: dict[str, Any]) -> object:
    """Return the sampler or pruner that a study names.

    Args:
        name: "sampler" or "pruner", for the error.
        given: One that is made already, of which a copy is returned; its class; or a function of `argument`.
        argument: What a function is called with.
        options: What a class is called with, where it takes options of these names.

    Raises:
        StudyError: What was given raised an error.
    """
    try:
        if isinstance(given, BaseSampler | BasePruner):
            return deepcopy(given)
        if not isinstance(given, type):
            return given(argument)
        taken = inspect.signature(given).parameters
        return given(**{option: value for option, value in options.items() if option in taken})
    except Exception as error:  # what a user's own function raises
        raise StudyError(f"`{name}` must make Optuna's {name}, but raised {type(error).__name__}: {error}") from error


def _encode_grid(sampler: GridSampler) -> None:
    """Write the values of a grid as the search space's choices are written."""
    names = sampler._param_names
    sampler._search_space = {n: [encode_choice(v, n) for v in values] for n, values in sampler._search_space.items()}
    sampler._all_grids = [
        tuple(encode_choice(value, name) for name, value in zip(names, cell, strict=True))
        for cell in sampler._all_grids
    ]


class SeededSampler(BaseSampler):
    """A sampler whose random numbers follow, for each trial, from the study's seed and the trial's number.

    Resuming a search never repeats its trials, workers of one study never draw the same, and a search of one worker,
    in packs of the same sizes, is the same each time. What a sampler decides when it is made (the order of a grid, the
    scrambling of a sequence) follows from the study's seed alone, and is the same for all workers.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.sampler = make(seed)
        self.seed = seed
        self.stopped = False
        """Whether the sampler asked for the end of the search."""
        self._drawing = self.sampler
        self._asked: optuna.Study | None = None
        """The whole study: what Optuna passes may be one bracket of Hyperband's."""

    @property
    def can_fix(self) -> bool:
        """Whether parameters may be fixed: where others do not depend on which settings came before."""
        return isinstance(self.sampler, TPESampler | RandomSampler)

    @property
    def draws_at_once(self) -> bool:
        """Whether a trial must have all its parameters before the next may be drawn, as two would be the same."""
        return isinstance(self.sampler, BruteForceSampler)

    def is_exhausted(self, study: optuna.Study) -> bool:
        """Return whether all settings that the sampler can give have been given, if only to trials that still run."""
        if isinstance(self.sampler, GridSampler):
            return _count_cells(self.sampler, study) >= self.sampler._n_min_trials
        if isinstance(self.sampler, BruteForceSampler):
            given = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING and t.params]
            if given:
                self.after_trial(study, given[-1], TrialState.FAIL, None)
        return self.stopped

    def ask(self, study: optuna.Study, fixed: Mapping[str, Any] | None = None) -> Trial:
        """Ask a study that this sampler draws for. Parameters of the new trial that are `fixed` are not sampled.

        A setting that waits in the study's queue comes first and keeps its own values. The default sampler draws trials
        with fixed parameters from what it was fitted to for the last one without.
        """
        self._drawing, self._asked = self.sampler, study
        if fixed and isinstance(self.sampler, BatchedTPESampler):
            self.sampler.keep_fit()
        if fixed:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._drawing = optuna.samplers.PartialFixedSampler(dict(fixed), self.sampler)
        return study.ask()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Seed the trial's own random numbers."""
        seed = derive_seed(self.seed, trial.number)
        for source in _find_sources(self.sampler, set()):
            _reseed(source, seed)
        _inherit_attributes(self._asked or study, trial)
        self._drawing.before_trial(self._watch(study), trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Pass on."""
        return self._drawing.infer_relative_search_space(self._watch(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Pass on."""
        return self._drawing.sample_relative(self._watch(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Pass on."""
        return self._drawing.sample_independent(self._watch(study), trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Pass on. The trial is told in any case, once: what goes wrong in the sampler is only said."""
        try:
            self.sampler.after_trial(self._watch(study), trial, state, values)
        except Exception as error:  # samplers may be the user's own
            if not (isinstance(self.sampler, GridSampler) and "grid_id" not in trial.system_attrs):
                logger.warning("The sampler could not learn from trial %d: %s", trial.number, error)

    def _watch(self, study: optuna.Study) -> optuna.Study:
        return cast("optuna.Study", _WatchedStudy(study, self._note_stop))

    def _note_stop(self) -> None:
        self.stopped = True


INFEASIBLE = frozenset({Failure.MEMORY, Failure.HANG, Failure.CRASH})
"""Failures that are a setting's own: the sampler learns of them, and leaves such settings."""


class _WatchedStudy:
    """An Optuna study as a sampler sees it.

    Its `stop` can be called outside of `study.optimize`. A trial whose setting cannot be trained counts as one that was
    pruned before its first report, which samplers rank below all others: of failed ones they learn nothing.
    """

    def __init__(self, study: optuna.Study, stop: Callable[[], None]) -> None:
        self._watched = study
        self.stop = stop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """Return trials as Optuna's own method does; its samplers call this one."""
        trials = self._watched._get_trials(deepcopy=deepcopy, states=None, use_cache=use_cache)
        shown = [_show_infeasible(trial) if trial.state == TrialState.FAIL else trial for trial in trials]
        return [trial for trial in shown if states is None or trial.state in states]

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return trials as Optuna's own method does."""
        return self._get_trials(deepcopy=deepcopy, states=states)


def _show_infeasible(trial: FrozenTrial) -> FrozenTrial:
    """Return a failed trial as pruned before its first report where its setting cannot be trained, else as it is."""
    if is_interrupted(trial) or read_failure(trial) not in INFEASIBLE:
        return trial
    shown = copy(trial)
    shown.state, shown.intermediate_values = TrialState.PRUNED, {}
    return shown


def describe_sampler(sampler: BaseSampler) -> str:
    """Return what makes a sampler stop where it does: its kind, and the cells of a grid."""
    kind = type(sampler).__qualname__
    return f"{kind} {sampler._search_space}" if isinstance(sampler, GridSampler) else kind


def _count_cells(sampler: GridSampler, study: optuna.Study) -> int:
    """Return how many cells of a grid were given to trials."""
    attributes = [trial.system_attrs for trial in study.get_trials(deepcopy=False)]
    return len({a["grid_id"] for a in attributes if "grid_id" in a and sampler._same_search_space(a["search_space"])})


def _inherit_attributes(study: optuna.Study, trial: FrozenTrial) -> None:
    """Give a trial that goes on with an earlier one what sampler and pruner had noted of that: cell, rungs."""
    root = find_root(trial)
    if root == trial.number:
        return
    earlier = next(t for t in study.get_trials(deepcopy=False) if t.number == root)
    for name, value in earlier.system_attrs.items():
        if name not in trial.system_attrs and not is_of_one_trial(name):
            study._storage.set_trial_system_attr(trial._trial_id, name, value)


_Source = np.random.RandomState | np.random.Generator | random.Random


def _find_sources(sampler: object, seen: set[int]) -> Iterator[_Source]:
    """Yield all that a sampler, and the samplers and strategies inside it, draw random numbers from."""
    for part in vars(sampler).values():
        value = part.rng if isinstance(part, LazyRandomState) else part
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _Source):
            yield value
        elif hasattr(value, "__dict__") and not isinstance(value, type) and _is_part(value):
            yield from _find_sources(value, seen)


def _is_part(value: object) -> bool:
    return isinstance(value, BaseSampler) or type(value).__module__.startswith("optuna.samplers.")


def _reseed(source: _Source, seed: int) -> None:
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = type(source.bit_generator)(seed).state
    else:
        source.seed(seed)
