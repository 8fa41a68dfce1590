"""Baselines: what one has without a network, tuned with a small and fair budget, then refitted on the same events."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.evaluation.baselines.fitting_events import FittingData
from tuner.evaluation.baselines.kinds import TREES, Fitted, Kind, Score, find_kind, list_kinds
from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.baselines.scikit_learn_trees import fit_defaults
from tuner.metrics.measurement import rank_value
from tuner.progress.logs import quiet_optuna
from tuner.progress.wording import write_count, write_duration

if TYPE_CHECKING:
    import optuna

    from tuner.metrics.figures_of_merit import FigureOfMerit
    from tuner.preparation.splits import Part, Splits

N_RANDOM = 5
"""Trials before the sampler learns from them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """A candidate without a network."""

    record: BaselineRecord
    validation_scores: np.ndarray
    """Float64 [n_validation] in [0, 1], by a fit on the train part alone, as a refit has seen the validation events."""
    score: Score = field(repr=False)
    """Scores prepared inputs, such as the test part's when it is opened."""

    settings: Any = field(repr=False, default=None)
    """The settings of a tuned one: `TreeSettings`, or logistic regression's C."""
    value: float = field(repr=False, default=-np.inf)
    """The figure of merit on validation that they were chosen by."""

    @property
    def name(self) -> str:
        """Name of the candidate."""
        return self.record.name


def fit_baselines(
    splits: Splits,
    figure: FigureOfMerit,
    *,
    kinds: Sequence[str] | None = None,
    trials: int = 12,
    seconds: float | None = None,
    seed: int = 0,
    on_trial: Callable[[int, int], object] = lambda *_: None,
) -> tuple[Baseline, ...]:
    """Fit boosted trees and logistic regression (XGBoost and LightGBM where they are installed), tuned on validation.

    Each kind comes tuned, fitted on the train part, and refitted with the chosen settings on train and validation.
    scikit-learn's trees come with their defaults, too, fitted on train and validation.

    The training weights of the parts are used; trees stop when the loss on validation, weighted alike, no longer
    falls; settings are chosen by `figure` on validation with the event weights as read. Events of weight 0 are left
    out, and of negative weight, too; a note tells of these. The test part is not touched.

    Args:
        splits: prepared events.
        figure: chooses the settings.
        kinds: names of `list_kinds`; None for all of them.
        trials: settings to try for each kind, the defaults first, at least 1. Boosted trees of all packages are
            tuned by Optuna's TPE in the same space.
        seconds: limit on tuning each kind; no trial begins after that but the first.
        seed: the same one gives the same baselines, unless the limit binds.
        on_trial: is called first and after each setting with how many of how many are done; those that there is no
            time for count as done.

    Returns:
        The baselines, those of a kind in a row.

    Raises:
        SplitsError: a class has no event of positive weight.
    """
    data, validation = FittingData.take(splits), splits.validation
    chosen = [find_kind(name, data, trials=trials, seed=seed) for name in kinds or list_kinds()]
    total, done, fitted = sum(kind.n_settings for kind in chosen), 0, []
    on_trial(0, total)
    for kind in chosen:
        tell = partial(lambda before, n: on_trial(before + n, total), done)
        tuned = _tune(kind, validation, figure, seconds, seed=seed, on_trial=tell)
        of_kind = [tuned, _refit(kind, tuned)]
        if kind.name == TREES:
            of_kind.append(_fit_defaults(validation, data, seed))
        fitted += [_add_notes(baseline, data.notes) for baseline in of_kind]
        done += kind.n_settings
        on_trial(done, total)
    return tuple(fitted)


def _tune(
    kind: Kind,
    validation: Part,
    figure: FigureOfMerit,
    seconds: float | None,
    *,
    seed: int,
    on_trial: Callable[[int], object],
) -> Baseline:
    """Return the best trial on validation; a figure that is no number loses to all others."""
    start = time.monotonic()
    study = _create_study(kind, seed)
    best, best_value, n_trials = None, -np.inf, 0
    while n_trials < kind.n_settings:
        if n_trials and seconds is not None and time.monotonic() - start >= seconds:
            break
        n_trials += 1
        trial = study.ask()
        settings = kind.suggest(trial)
        with warnings.catch_warnings(action="ignore"):
            fitted = kind.fit(settings)
        scores = fitted.score(validation.x)
        value = rank_value(figure(validation.labels, scores, validation.weights))
        study.tell(trial, value)
        if best is None or value > best_value:
            best, best_value = (settings, fitted, scores), value
        on_trial(n_trials)
    assert best is not None
    settings, fitted, scores = best
    record = BaselineRecord(
        name=kind.name,
        fitted_on="train",
        params=fitted.params,
        n_trials=n_trials,
        n_planned=kind.n_settings,
        chosen_by=figure.name,
        seconds=time.monotonic() - start,
        notes=tuple(_tell_limit(n_trials, kind.n_settings, seconds)),
    )
    return Baseline(
        record=record, validation_scores=scores, score=fitted.score, settings=settings, value=float(best_value)
    )


def _tell_limit(n_trials: int, n_planned: int, seconds: float | None) -> Iterator[str]:
    """Yield a note where the time was up before all settings were tried."""
    if n_trials < n_planned and seconds is not None:
        yield (
            f"{n_trials} of {write_count(n_planned, 'setting')} tried: the limit of {write_duration(seconds)} was "
            "reached, so that another evaluation may choose other settings. Raise `baseline_minutes` to try all."
        )


def _refit(kind: Kind, tuned: Baseline) -> Baseline:
    """Return what was tuned, fitted anew on train and validation with the same settings."""
    start = time.monotonic()
    with warnings.catch_warnings(action="ignore"):
        fitted = kind.refit(tuned.settings, Fitted(tuned.record.params, tuned.score))
    record = BaselineRecord(
        name=f"{kind.name} (refitted)",
        fitted_on="train and validation",
        params=fitted.params,
        n_trials=0,
        n_planned=0,
        seconds=time.monotonic() - start,
    )
    return Baseline(record=record, validation_scores=tuned.validation_scores, score=fitted.score)


def _fit_defaults(validation: Part, data: FittingData, seed: int) -> Baseline:
    """Return what one has without tuning anything."""
    start = time.monotonic()
    of_train, of_both = (fit_defaults(events, seed) for events in (data.train, data.both))
    record = BaselineRecord(
        name=f"{TREES} (defaults)",
        fitted_on="train and validation",
        params={"n_trees": of_both.n_trees},
        n_trials=0,
        n_planned=0,
        seconds=time.monotonic() - start,
    )
    return Baseline(record=record, validation_scores=of_train.score(validation.x), score=of_both.score)


def _add_notes(baseline: Baseline, notes: tuple[str, ...]) -> Baseline:
    record = replace(baseline.record, notes=(*notes, *baseline.record.notes))
    return replace(baseline, record=record)


def _create_study(kind: Kind, seed: int) -> optuna.Study:
    import optuna

    with quiet_optuna():
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_RANDOM)
        )
    for settings in kind.first:
        study.enqueue_trial(dict(settings))
    return study
