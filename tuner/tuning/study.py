"""A study: problem, search space and budget, and how the space is searched. No torch and no Optuna imported here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tuner.errors import StudyError, raise_together, refuse_exit
from tuner.fields import check_keywords, settle_fields, show_value
from tuner.preparation.settings import Preparation
from tuner.problem import Problem
from tuner.run_folder import find_name_problem
from tuner.tuning.choices import PlainTrial, encode_params
from tuner.tuning.evaluation_settings import EvaluationSettings

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

    from tuner.training.settings import Settings


_MARKS = {"sampler": "sample_independent", "pruner": "prune"}
"""Method by which an object is known to be one of Optuna's, which is not imported here."""


@dataclass(frozen=True)
class SearchSpace:
    """A function of a trial, and what the search may know of it. Made by `search_space`."""

    suggest: Callable[[Trial], Settings]
    """Samples one setting."""
    structure: tuple[str, ...] = ()
    """Parameters that fix tensor shapes and code path; a pack's members share them."""
    warm_starts: tuple[Mapping[str, Any], ...] = ()
    """Parameters of known good settings, tried first."""

    def __post_init__(self) -> None:
        settle_fields(self, "This search space")
        object.__setattr__(self, "warm_starts", tuple(encode_params(params) for params in self.warm_starts))

    def __call__(self, trial: Trial) -> Settings:
        """Sample one setting."""
        with refuse_exit("A search space"):
            return self.suggest(trial if isinstance(trial, PlainTrial) else cast("Trial", PlainTrial(trial)))


def search_space(
    *, structure: Sequence[str] = (), warm_starts: Sequence[Mapping[str, Any]] = ()
) -> Callable[[Callable[[Trial], Settings]], SearchSpace]:
    """Name the structure parameters and the warm starts of the function below.

    Args:
        structure: Parameters that fix tensor shapes and code path; trials that agree in them train as one pack. A name
            may end in `*`: `"mlp.width*"` stands for `mlp.width_1`, `mlp.width_2`, ...
        warm_starts: Parameters of known good settings, which are tried first. One need not name every parameter: the
            sampler draws the others.

    Returns:
        A decorator that makes a `SearchSpace` of a function of a trial.
    """

    def wrap(suggest: Callable[[Trial], Settings]) -> SearchSpace:
        return SearchSpace(suggest, structure, warm_starts)  # type: ignore[arg-type]  # settled there

    return wrap


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a sweep may spend. It ends with whatever is spent first."""

    trials: int = 64
    """Trials that completed or were pruned; failed ones are not counted, up to as many again."""
    epochs: int = 30
    """Epochs of a trial that is not pruned."""
    minutes: float | None = None
    """Wall time of one whole call, judgement and report included; None for no limit."""
    search_minutes: float | None = None
    """Wall time of the search in one call, whatever the judgement takes after it; None for no limit."""
    stop_in_vain: bool = True
    """Whether to end early where half of the trials, or of the time, is spent and none of at least 30 sampled settings
    is better than the best warm start."""

    target: float | None = None
    """Figure of merit on validation with which the search is good enough and ends; None for none. Trials that still
    train are finished."""
    stop_when_improbable: bool = False
    """Whether to end once the trials that are left are expected to gain less than the noise of the figure: the standard
    deviation of the difference between the two best trials over the validation events. At least 30 trials are complete
    by then; how the gain is estimated: `tuner.tuning.improvement.estimate_gain`."""

    def __post_init__(self) -> None:
        settle_fields(self, "Budget")
        problems = [
            f"`{name}` must be a whole number of at least 1, but is {value!r}."
            for name, value in (("trials", self.trials), ("epochs", self.epochs))
            if value < 1
        ]
        limits = {"minutes": self.minutes, "search_minutes": self.search_minutes}
        problems += [
            f"`{name}` must be above 0 or None, but is {value!r}."
            for name, value in limits.items()
            if value is not None and not value > 0
        ]
        if None not in limits.values():
            problems.append("`minutes` (the whole call) or `search_minutes` may be given, but both are.")
        if self.target is not None and not math.isfinite(self.target):
            problems.append(f"`target` must be a finite number or None, but is {self.target!r}.")
        raise_together(problems, StudyError, "Budget")


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """How often the state of running trials is written to the run folder, from which a killed worker's trials go on."""

    seconds: float = 60.0
    """Seconds between two checkpoints at the least; more where writing them would take more than 2 % of the time. An
    epoch that takes longer than 5 s is followed by one in any case, within these 2 %."""
    gigabytes: float = 2.0
    """GiB that the checkpoints of all unfinished trials of a search take at the most. 0: none are written."""

    def __post_init__(self) -> None:
        settle_fields(self, "Checkpoints")
        problems = [] if self.seconds > 0 else [f"`seconds` must be above 0, but is {self.seconds!r}."]
        if not self.gigabytes >= 0:
            problems.append(f"`gigabytes` must not be negative, but is {self.gigabytes!r}.")
        raise_together(problems, StudyError, "Checkpoints")


@check_keywords
@dataclass(frozen=True, kw_only=True)
class EarlierSearch:
    """A search whose best settings another one tries first."""

    folder: Path | str
    """Its run folder, such as `runs/magic`; from the present folder, where the path is relative."""
    best: int = 5
    """Settings that are taken at the most: the best complete ones that fit the new search space."""
    storage: str | None = None
    """URL of its database in place of the run folder's journal file; the study has the folder's name."""

    def __post_init__(self) -> None:
        settle_fields(self, "EarlierSearch")
        problems = [] if self.best >= 1 else [f"`best` must be at least 1, but is {self.best}."]
        raise_together(problems, StudyError, "EarlierSearch")

    @property
    def path(self) -> Path:
        """Its run folder."""
        return Path(self.folder)


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Study:
    """A whole study: complete in one file; a variant is `dataclasses.replace(study, ...)`."""

    name: str
    """Name of the run folder, of the Optuna study and of the W&B group."""
    problem: Problem
    """What is asked, of which events."""
    search_space: SearchSpace | Callable[[Trial], Settings]
    """Function of a trial that returns `Settings`."""
    budget: Budget = field(default_factory=Budget)
    """Trials, epochs, minutes."""
    preparation: Preparation = field(default_factory=Preparation)
    """How events are split, scaled and weighted for training."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """How the search is judged at its end: finalists, seeds, baselines."""
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    """How often running trials are saved, and how much disk space that takes at the most."""
    hang_minutes: float = 10.0
    """Minutes after which a command's worker is ended that has not come a step further in training, validating or a
    figure of merit; 20 times its longest step where that is more. Its trials go on in another worker."""
    seed: int = 0
    """Each trial's seed follows from this and its number."""
    sampler: Callable[[int], BaseSampler] | BaseSampler | None = None
    """Makes an Optuna sampler from a seed; or a sampler, or its class. None: TPE, multivariate."""
    pruner: Callable[[int], BasePruner] | BasePruner | None = None
    """Makes an Optuna pruner from the number of epochs; or a pruner, or its class. None: Hyperband with factor 3."""

    warm_start_from: tuple[EarlierSearch | Path | str, ...] = ()
    """Earlier searches whose best settings are tried first, as far as they fit the search space: run folders, such as
    `"runs/magic"`, or `EarlierSearch(folder="runs/magic", best=5)`."""

    def __post_init__(self) -> None:
        settle_fields(self, "This study")
        problems = [f"`seed` must not be negative, but is {self.seed}."] if self.seed < 0 else []
        if not self.hang_minutes > 0:
            problems.append(f"`hang_minutes` must be above 0, but is {self.hang_minutes!r}.")
        if problem := find_name_problem(self.name):
            problems.append(problem)
        for name, made in (("sampler", self.sampler), ("pruner", self.pruner)):
            if made is not None and not callable(made) and not hasattr(made, _MARKS[name]):
                problems.append(
                    f"`{name}` must be Optuna's {name}, or a function that makes one, but is {show_value(made)}."
                )
        figure, target = self.problem.figure_of_merit.name, self.budget.target
        if target is not None and figure == "AUC" and target > 1:
            problems.append(f"`Budget(target={target:g})` must be an AUC that can be reached, 1 at the most.")
        raise_together(problems, StudyError, "This study")

    @property
    def earlier_searches(self) -> tuple[EarlierSearch, ...]:
        """The searches that settings are taken from."""
        return tuple(e if isinstance(e, EarlierSearch) else EarlierSearch(folder=e) for e in self.warm_start_from)

    @property
    def space(self) -> SearchSpace:
        """The search space with its structure and warm starts; a plain function has neither."""
        given = self.search_space
        return given if isinstance(given, SearchSpace) else SearchSpace(given)


def limit_time(study: Study, *, minutes: float | None = None, search_minutes: float | None = None) -> Study:
    """Return the study with a limit of time in place of its own, if one is given. Raise `StudyError` for both."""
    if minutes is None and search_minutes is None:
        return study
    return replace(study, budget=replace(study.budget, minutes=minutes, search_minutes=search_minutes))
