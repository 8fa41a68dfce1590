"""Every attribute that a search keeps in Optuna's storage beside Optuna's own, of its study and of its trials.

Optuna Dashboard shows user attributes, so what a person may read is one, in plain words and with a short value. What is
only for us is a system attribute, which it does not show. Attributes of a trial are written while it runs: Optuna takes
none of a finished trial.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial

from tuner.errors import SearchError
from tuner.tuning.patient_storage import ask_database

IDENTITY = "tuner:identity"
FORMAT = "tuner:format"
SEARCH_ID = "tuner:search_id"
BUDGET = "tuner:budget"
BEST_INTERVAL = "tuner:best interval"
STOPPED = "tuner:stopped"
STOPPED_IN_VAIN = "tuner:stopped in vain"
STOPPED_IMPROBABLE = "tuner:stopped improbable"
OUTCOME = "tuner:outcome"
WORKER_PREFIX = "tuner:worker:"
"""System attributes of the study: what all calls share, the form of its records, its random name, what the last call
spends, the interval of its best trial, the sampler that has nothing more to try, the budget of trials of a search that
ended without a gain or as none was expected, what its last evaluation found, the lease of each worker."""

WORKER = "tuner:worker"
ALONE = "tuner:alone"
DIED = "tuner:died"
"""System attributes of a trial: its worker; that it trained alone; that its worker died."""

FIGURE = "figure of merit"
BEST_EPOCH = "best epoch"
EPOCHS = "epochs"
N_PARAMETERS = "parameters"
PACK_SIZE = "pack size"
REASON = "reason"
FAILURE = "failure"
INTERRUPTED = "interrupted"
WARM_START = "warm start"
RESUMES = "resumes trial"
TRIES = "earlier tries"
SUSPECT = "trains alone"
"""User attributes of a trial. The last four come with a setting that waits in the queue, as Optuna asks."""


class Failure(StrEnum):
    """What went wrong with a trial that failed, or that was given back to go on in a later one."""

    MEMORY = "out of memory"
    NOT_FINITE = "not a number"
    CODE = "error in the code"
    HANG = "hang"
    CRASH = "crash"
    KILLED = "killed worker"
    PREEMPTED = "preemption"


FORM = 2
"""Form of the records in the storage and the run folder; one more whenever this version cannot read the form before."""


def refuse_older(study: optuna.Study) -> None:
    """Raise `SearchError` where another version made this study, which kept its records in another form.

    A search of before the form was written down has an identity, or notes of ours, without it.
    """
    found = read_study_attributes(study, FORMAT).get(FORMAT)
    if found is None:
        is_older = read_identity(study) is not None or any(name.startswith("tuner:") for name in study.user_attrs)
        found = 0 if is_older else FORM
    if found != FORM:
        which = "an older" if found < FORM else "a later"
        raise SearchError(
            f'The search of study "{study.study_name}" must have been made by a version of tuner that keeps its '
            f"records as this one does, but {which} one made it. Use that version for it; or start a new search: give "
            "the study another `name`, or choose another --folder."
        )


def read_identity(study: optuna.Study) -> dict[str, Any] | None:
    """Return what all calls of a search must share; None where it has not begun."""
    return read_study_attributes(study, IDENTITY).get(IDENTITY)


def write_identity(study: optuna.Study, identity: dict[str, Any]) -> None:
    """Write down what all calls of a search must share, and in which form its records are."""
    _write_study(study, FORMAT, FORM)
    _write_study(study, IDENTITY, identity)


def read_search_id(study: optuna.Study) -> str | None:
    """Return the random name of a search; None where it has none yet."""
    return read_study_attributes(study, SEARCH_ID).get(SEARCH_ID)


def write_search_id(study: optuna.Study, search_id: str) -> None:
    """Give a search its random name."""
    _write_study(study, SEARCH_ID, search_id)


def read_budget(study: optuna.Study) -> dict[str, Any] | None:
    """Return what the last call of the sweep was to spend, and its seed; None where an older version made it."""
    return read_study_attributes(study, BUDGET).get(BUDGET)


def write_budget(
    study: optuna.Study,
    *,
    trials: int,
    epochs: int,
    seed: int,
    target: float | None = None,
    stop_when_improbable: bool = False,
) -> None:
    """Write down what a call of the sweep is to spend, for whoever sees the storage alone."""
    stops = {"target": target, "stop_when_improbable": stop_when_improbable}
    _write_study(study, BUDGET, {"trials": trials, "epochs": epochs, "seed": seed} | stops)


def read_best_interval(study: optuna.Study) -> tuple[int, float, float] | None:
    """Return number, low and high end of the trial whose interval was written last; None where none was."""
    found = read_study_attributes(study, BEST_INTERVAL).get(BEST_INTERVAL)
    return None if found is None else (found["trial"], found["low"], found["high"])


def write_best_interval(study: optuna.Study, trial: int, low: float, high: float) -> None:
    """Write down the 68 % interval of the best trial's figure of merit: Optuna takes nothing of a finished trial."""
    _write_study(study, BEST_INTERVAL, {"trial": trial, "low": low, "high": high})


def read_stopped(study: optuna.Study) -> str | None:
    """Return the description of the sampler that has nothing more to try; None where there is none."""
    return read_study_attributes(study, STOPPED).get(STOPPED)


def write_stopped(study: optuna.Study, sampler: str) -> None:
    """Write down that this sampler has nothing more to try."""
    _write_study(study, STOPPED, sampler)


def read_stopped_in_vain(study: optuna.Study) -> int | None:
    """Return the budget of trials of which a search left a part, as it found no gain; None where it did not."""
    return read_study_attributes(study, STOPPED_IN_VAIN).get(STOPPED_IN_VAIN)


def write_stopped_in_vain(study: optuna.Study, n_trials: int) -> None:
    """Write down that a search ends early with this budget of trials, as it found no gain over its warm starts."""
    _write_study(study, STOPPED_IN_VAIN, n_trials)


def read_stopped_improbable(study: optuna.Study) -> dict[str, Any] | None:
    """Return `trials` of the budget, `gain` and `noise` where a search ended as it expected no gain; None otherwise."""
    return read_study_attributes(study, STOPPED_IMPROBABLE).get(STOPPED_IMPROBABLE)


def write_stopped_improbable(study: optuna.Study, n_trials: int, gain: float, noise: float) -> None:
    """Write down that a search ends early with this budget, as it expects to gain less than the noise of its figure."""
    _write_study(study, STOPPED_IMPROBABLE, {"trials": n_trials, "gain": gain, "noise": noise})


def read_evaluated(study: optuna.Study) -> Any:
    """Return what the last evaluation of a search found; None where there was none."""
    return read_study_attributes(study, OUTCOME).get(OUTCOME)


def write_evaluated(study: optuna.Study, outcome: Mapping[str, Any]) -> None:
    """Write down what an evaluation of a search found, in place of the one before."""
    _write_study(study, OUTCOME, outcome)


def read_leases(study: optuna.Study) -> dict[str, dict[str, Any]]:
    """Return the lease of each worker that there is or was, by its name."""
    found = read_study_attributes(study, WORKER_PREFIX).items()
    return {name.removeprefix(WORKER_PREFIX): lease for name, lease in found if lease}


def write_lease(study: optuna.Study, worker: str, lease: Mapping[str, Any]) -> None:
    """Write the lease of a worker, in place of the one before."""
    _write_study(study, WORKER_PREFIX + worker, dict(lease))


def remove_lease(study: optuna.Study, worker: str) -> None:
    """Remove the lease of a worker. Optuna removes no attribute: an empty one stands for none."""
    _write_study(study, WORKER_PREFIX + worker, None)


def read_study_attributes(study: optuna.Study, prefix: str) -> dict[str, Any]:
    """Return the system attributes of a study whose names begin with `prefix`.

    Notes of trials are system attributes of the study, too, and many: a database is asked for ours alone.
    """
    found = ask_database(study, lambda database: _query_attributes(database, study._study_id, prefix))
    if found is not None:
        return found
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {name: value for name, value in attributes.items() if name.startswith(prefix)}


def _query_attributes(database: RDBStorage, study_id: int, prefix: str) -> dict[str, Any]:
    from optuna.storages._rdb.models import StudySystemAttributeModel as Row
    from optuna.storages._rdb.storage import _create_scoped_session

    with _create_scoped_session(database.scoped_session) as session:
        rows = session.query(Row.key, Row.value_json).filter(
            Row.study_id == study_id, Row.key.startswith(prefix, autoescape=True)
        )
        return {name: json.loads(value) for name, value in rows}


def _write_study(study: optuna.Study, name: str, value: Any) -> None:
    study._storage.set_study_system_attr(study._study_id, name, value)


def claim(trial: Trial, worker: str) -> None:
    """Write down which worker trains a trial."""
    _mark(trial.study, trial, WORKER, worker)


def read_worker(trial: FrozenTrial) -> str | None:
    """Return the name of the worker that a trial is or was trained by; None where nobody has claimed it."""
    return trial.system_attrs.get(WORKER)


def mark_alone(trial: Trial) -> None:
    """Write down that a trial trains alone."""
    _mark(trial.study, trial, ALONE, True)


def trained_alone(trial: FrozenTrial) -> bool:
    """Whether a trial trained alone, as its workers had died before."""
    return bool(trial.system_attrs.get(ALONE))


def mark_died(study: optuna.Study, trial: FrozenTrial) -> None:
    """Write down that a trial's worker died."""
    _mark(study, trial, DIED, True)


def has_died(trial: FrozenTrial) -> bool:
    """Whether a trial's worker died."""
    return bool(trial.system_attrs.get(DIED))


def _mark(study: optuna.Study, trial: FrozenTrial | Trial, name: str, value: Any) -> None:
    study._storage.set_trial_system_attr(trial._trial_id, name, value)


def is_of_one_trial(name: str) -> bool:
    """Whether a system attribute (one of ours, an artifact) must not pass to the trial that goes on with this one."""
    return name.startswith(("tuner:", "artifacts:"))


def enqueue_warm_start(study: optuna.Study, params: Mapping[str, Any]) -> None:
    """Put a setting that the search space gives into the queue."""
    study.enqueue_trial(dict(params), user_attrs={WARM_START: True})


def enqueue_again(
    study: optuna.Study, params: Mapping[str, Any], trial: FrozenTrial | Trial, *, tries: int = 0, suspect: bool = False
) -> None:
    """Put a trial's setting back into the queue, to go on where it stopped; a suspect trains alone from now on."""
    attributes: dict[str, Any] = {RESUMES: find_root(trial)}
    if is_warm_start(trial):
        attributes[WARM_START] = True
    if tries:
        attributes[TRIES] = tries
    if suspect or is_suspect(trial):
        attributes[SUSPECT] = True
    study.enqueue_trial(dict(params), user_attrs=attributes)


def find_root(trial: FrozenTrial | Trial) -> int:
    """Return the number of the trial whose setting this one goes on with; its own where it is a new one."""
    return int(trial.user_attrs.get(RESUMES, trial.number))


def read_setting(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters that a trial was given in the queue and those that it has sampled."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def is_warm_start(trial: FrozenTrial | Trial) -> bool:
    """Whether a trial's setting was given by the search space and not sampled."""
    return bool(trial.user_attrs.get(WARM_START))


def is_suspect(trial: FrozenTrial | Trial) -> bool:
    """Whether a trial is to train alone, as workers died that trained its setting."""
    return bool(trial.user_attrs.get(SUSPECT))


def count_tries(trial: FrozenTrial | Trial) -> int:
    """Return how often a trial's setting was tried before, in vain."""
    return int(trial.user_attrs.get(TRIES, 0))


def write_result(
    trial: Trial,
    *,
    best_epoch: int,
    epochs: int,
    n_parameters: int,
    pack_size: int,
    reason: str,
    figure: float | None = None,
) -> None:
    """Write down what a trial came to. figure: the figure of merit, of a complete trial."""
    attributes = {BEST_EPOCH: best_epoch, EPOCHS: epochs, N_PARAMETERS: n_parameters, PACK_SIZE: pack_size}
    if figure is not None:
        trial.set_user_attr(FIGURE, figure)
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    trial.set_user_attr(REASON, reason)


def write_reason(study: optuna.Study, trial: FrozenTrial | Trial, reason: str, failure: Failure | None = None) -> None:
    """Write down why a trial failed, in words and, where that is known, as one of the kinds of failure."""
    study._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
    if failure is not None:
        study._storage.set_trial_user_attr(trial._trial_id, FAILURE, failure.value)


def read_failure(trial: FrozenTrial) -> Failure | None:
    """Return what went wrong with a trial; None where nothing did, or nobody knows."""
    kind = trial.user_attrs.get(FAILURE)
    return Failure(kind) if kind in set(Failure) else None


def mark_interrupted(
    study: optuna.Study, trial: FrozenTrial | Trial, reason: str, failure: Failure | None = None
) -> None:
    """Write down that a trial does not count, as its setting goes on in a later one."""
    write_reason(study, trial, reason, failure)
    study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)


def mark_as_interrupted(reason: str) -> dict[str, Any]:
    """Return the user attributes that `mark_interrupted` writes, for a trial that is added as it is."""
    return {REASON: reason, INTERRUPTED: True}


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether a trial that Optuna holds for failed goes on in a later one."""
    return bool(trial.user_attrs.get(INTERRUPTED))


def read_reason(trial: FrozenTrial) -> str | None:
    """Return why a trial ended; None where that was not written down."""
    return trial.user_attrs.get(REASON)


def read_figure(trial: FrozenTrial) -> float | None:
    """Return a trial's figure of merit on validation; None where it has none."""
    return trial.user_attrs.get(FIGURE)


def read_best_epoch(trial: FrozenTrial) -> int | None:
    """Return the epoch of a trial's highest validation AUC; None where that was not written down."""
    return trial.user_attrs.get(BEST_EPOCH)


def read_epochs(trial: FrozenTrial) -> int:
    """Return how many epochs a trial has trained: of one that has not ended, how many it has reported."""
    return int(trial.user_attrs.get(EPOCHS, max(trial.intermediate_values, default=0)))


def read_pack_size(trial: FrozenTrial) -> int | None:
    """Return how many members the pack had in which a trial ended; None where that was not written down."""
    return trial.user_attrs.get(PACK_SIZE)


def read_n_parameters(trial: FrozenTrial) -> int | None:
    """Return how many parameters a trial's network has; None where that was not written down."""
    return trial.user_attrs.get(N_PARAMETERS)
