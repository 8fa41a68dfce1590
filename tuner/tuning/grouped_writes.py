"""What a thread writes of trials at one moment, stored in one go: one append to a journal, one transaction."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from optuna.distributions import distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import TrialState

T = TypeVar("T")

GROUPED = (
    "set_trial_param",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "set_trial_state_values",
)
"""Methods of a storage that may wait for others."""


@dataclass(frozen=True)
class Write:
    """A call of one of the methods that `GROUPED` names."""

    method: str
    arguments: tuple[Any, ...]

    @property
    def trial_id(self) -> int:
        """Which trial is written."""
        return int(self.arguments[0])

    @property
    def key(self) -> tuple[Any, ...]:
        """What it replaces: an earlier write of the same key."""
        return (self.method, self.trial_id, None if self.method == "set_trial_state_values" else self.arguments[1])


def write_together(study: Study) -> AbstractContextManager[None]:
    """Store what this thread writes of trials while the context is open at its end, in one go.

    Until then nobody sees it, this thread neither. Of a trial that another worker has told nothing is stored, and
    Optuna's `UpdateFinishedTrialError` is raised once the others are. A storage that cannot do so stores each write.
    """
    make = getattr(study._storage, "write_together", None)
    return nullcontext() if make is None else cast("AbstractContextManager[None]", make())


class Gathered(threading.local, Generic[T]):
    """What a thread has written and nobody has stored; None where it stores each write at once."""

    writes: list[T] | None = None

    @contextmanager
    def gather(self, store: Callable[[list[T]], None]) -> Iterator[None]:
        """Gather what this thread writes while the context is open, and store it at its end; inner contexts join."""
        if self.writes is not None:
            yield
            return
        writes: list[T] = []
        self.writes = writes
        try:
            yield
        finally:
            self.writes = None
            if writes:
                store(writes)


def is_claim(method: str, arguments: Sequence[Any]) -> bool:
    """Whether a call takes a trial out of the queue: its answer is needed at once."""
    return method == "set_trial_state_values" and arguments[1] == TrialState.RUNNING


def write_in_transaction(database: RDBStorage, writes: Iterable[Write]) -> None:
    """Store writes in one transaction of a database, the last one of each key.

    Args:
        database: Optuna's storage.
        writes: None of them takes a trial out of the queue; parameters agree with those of other trials.

    Raises:
        UpdateFinishedTrialError: Another worker has told some of the trials, of which nothing was stored.
        sqlalchemy.exc.IntegrityError: Something is there already; nothing was stored.
    """
    from optuna.storages._rdb import models
    from optuna.storages._rdb.storage import _create_scoped_session
    from sqlalchemy import insert, update

    last = {write.key: write for write in writes}
    tells = any(write.method == "set_trial_state_values" for write in last.values())
    with _create_scoped_session(database.scoped_session) as session:
        query = session.query(models.TrialModel.trial_id, models.TrialModel.state)
        query = query.filter(models.TrialModel.trial_id.in_({write.trial_id for write in last.values()}))
        rows = query.order_by(models.TrialModel.trial_id).with_for_update() if tells else query
        running = {trial_id for trial_id, state in rows if not state.is_finished()}
        kept = [write for write in last.values() if write.trial_id in running]
        for model, found in _make_rows(kept).items():
            session.execute(insert(model), found)
        for write in kept:
            if write.method == "set_trial_state_values":
                told = {"state": write.arguments[1], "datetime_complete": datetime.now()}
                changes = update(models.TrialModel).where(models.TrialModel.trial_id == write.trial_id).values(told)
                session.execute(changes, execution_options={"synchronize_session": False})
    if len(kept) < len(last):
        raise UpdateFinishedTrialError("Another worker has told some of these trials.")


def write_one_by_one(storage: BaseStorage, writes: Iterable[Write]) -> None:
    """Store writes one after the other.

    Raises:
        UpdateFinishedTrialError: Another worker has told some of the trials; all others were stored.
    """
    finished: UpdateFinishedTrialError | None = None
    for write in writes:
        try:
            getattr(storage, write.method)(*write.arguments)
        except UpdateFinishedTrialError as error:
            finished = error
    if finished is not None:
        raise finished


def _make_rows(writes: Iterable[Write]) -> dict[type, list[dict[str, Any]]]:
    """Return the rows of each of Optuna's tables."""
    from optuna.storages._rdb import models

    rows: dict[type, list[dict[str, Any]]] = {}
    for write in writes:
        trial_id, first, *more = write.arguments
        row: dict[str, Any] = {"trial_id": trial_id}
        if write.method == "set_trial_param":
            value, distribution = more
            row |= {"param_name": first, "param_value": value, "distribution_json": distribution_to_json(distribution)}
            rows.setdefault(models.TrialParamModel, []).append(row)
        elif write.method == "set_trial_intermediate_value":
            stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(more[0])
            row |= dict(zip(("step", "intermediate_value", "intermediate_value_type"), (first, *stored), strict=True))
            rows.setdefault(models.TrialIntermediateValueModel, []).append(row)
        elif write.method == "set_trial_state_values":
            for objective, told in enumerate((more[0] if more else None) or ()):
                value, kind = models.TrialValueModel.value_to_stored_repr(told)
                values = {"objective": objective, "value": value, "value_type": kind}
                rows.setdefault(models.TrialValueModel, []).append(row | values)
        else:
            is_users = write.method == "set_trial_user_attr"
            model = models.TrialUserAttributeModel if is_users else models.TrialSystemAttributeModel
            rows.setdefault(model, []).append(row | {"key": first, "value_json": json.dumps(more[0])})
    return rows
