"""A database that is away for a while: calls are tried again with growing pauses, and nothing is written twice."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from copy import deepcopy as copy_deeply
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuner.errors import SearchError
from tuner.passwords import hide_parts
from tuner.progress.wording import write_duration
from tuner.tuning.forwarding import Forwarding, forward_all
from tuner.tuning.grouped_writes import GROUPED, Gathered, Write, is_claim, write_in_transaction, write_one_by_one

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
"""Seconds between two tries, doubled from the first to the longest, and by chance up to half as long again."""

LOOK_SECONDS = 0.2
"""Between two looks, of who waits for the next try, whether this process is to leave."""

CREATED = "tuner:created"
"""System attribute of a trial: a random name by which a trial is found again whose creation may have been lost."""

_PASSING = ("locked", "busy", "disk", "unable to open")
"""What SQLite says where another try may succeed; it calls a missing table an operational error, too."""

logger = logging.getLogger("tuner")

T = TypeVar("T")


class StorageAway(SearchError):  # noqa: N818 - a state, which passes
    """The storage does not answer."""


class Outage:
    """When a storage went away and when it comes back, as all threads of this process see it."""

    def __init__(self, url: str, patience: float) -> None:
        self.url = url
        self.patience = patience
        self.returned = 0.0
        """When the storage answered again for the last time, in Unix time; 0 where it was never away."""
        self.is_leaving: Callable[[], bool] = lambda: False
        """Whether this process has seconds left only, so that nobody waits."""
        self._lock = threading.Lock()
        self._since: float | None = None
        self._pause = 0.0
        self._due = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the storage did not answer the last time."""
        return self._since is not None

    @property
    def is_hopeless(self) -> bool:
        """Whether it has been away for longer than anybody waits."""
        since = self._since
        return since is not None and time.monotonic() - since > self.patience

    def measure_wait(self) -> float:
        """Return the seconds until the next try is due; 0 where the storage answers."""
        return max(0.0, self._due - time.monotonic()) if self.is_on else 0.0

    def wait(self) -> None:
        """Wait until the next try is due, or until this process is to leave."""
        while (left := self.measure_wait()) > 0 and not self.is_leaving():
            time.sleep(min(left, LOOK_SECONDS))

    def note_failure(self, error: BaseException) -> None:
        """Note that a try was in vain; warn where it is the first one."""
        with self._lock:
            is_new = self._since is None
            if self._since is None:
                self._since, self._pause = time.monotonic(), FIRST_PAUSE
            self._due = time.monotonic() + self._pause * random.uniform(1.0, 1.5)  # so that workers come back in turn
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if is_new:
            logger.warning(
                "The storage does not answer (%s). Training goes on; the storage is tried again for up to %s.",
                tell_cause(error, self.url),
                say_patience(self.patience),
            )

    def note_answer(self) -> None:
        """Note that the storage answers; say so where it was away."""
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
            self.returned = time.time()
        if since is not None:
            logger.warning("The storage answers again after %s.", write_duration(time.monotonic() - since))


@cache
def find_outage(url: str, patience: float) -> Outage:
    """Return what this process knows of a storage: one for all that open it, so that each warning is told once."""
    return Outage(url, patience)


@forward_all
class PatientStorage(Forwarding):
    """A database that may be away: calls wait for it, or fail at once where a thread does not want to wait.

    A call whose answer is lost may have been carried out. Attributes, parameters and reports may be written again; a
    trial that was created is found by its random name, and one that was told already is as it should be.
    """

    def __init__(self, inner: BaseStorage, outage: Outage) -> None:
        super().__init__(inner)
        self.outage = outage
        self._mode = threading.local()
        self._gathered = Gathered[Write]()

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Raise `StorageAway` at once in this thread, in the place of waiting, while the context is open."""
        before = getattr(self._mode, "hurries", False)
        self._mode.hurries = True
        try:
            yield
        finally:
            self._mode.hurries = before

    def forget_read(self) -> None:
        """Read trials again that this thread has read: it writes."""
        if getattr(self._mode, "read", None):
            self._mode.read = {}

    def forward(self, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Return what the database answers to a call once it does; None at once where the call waits for others."""
        if method in GROUPED and self._is_kept(method, arguments):
            return None
        if not method.startswith("get_"):
            self.forget_read()
        return self.try_until_answered(lambda _: getattr(self.inner, method)(*arguments, **options))

    def try_until_answered(self, call: Callable[[bool], T]) -> T:
        """Return what a call gives once the storage answers. It is told whether an earlier try may have succeeded.

        Raises:
            StorageAway: It has not answered for as long as anybody waits.
        """
        is_again = False
        while True:
            hurries = getattr(self._mode, "hurries", False) or self.outage.is_leaving()
            if hurries and self.outage.measure_wait() > 0:
                raise StorageAway("The storage does not answer.")
            try:
                given = call(is_again)
            except Exception as error:
                if not is_passing(error):
                    self.outage.note_answer()
                    raise
                self.outage.note_failure(error)
                if hurries or self.outage.is_hopeless:
                    raise self._describe(error) from error
                is_again = True
                self.outage.wait()
            else:
                self.outage.note_answer()
                return given

    def _describe(self, error: BaseException) -> StorageAway:
        return StorageAway(
            f"The storage must answer, but has not for {say_patience(self.outage.patience)} "
            f"({tell_cause(error, self.outage.url)}). Finished trials are kept: start the server, then rerun the same "
            "command to resume."
        )

    @contextmanager
    def read_once(self) -> Iterator[None]:
        """Read trials once while the context is open, in this thread, and again after it has written."""
        self._mode.read = {}
        try:
            yield
        finally:
            self._mode.read = None

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study."""
        read = getattr(self._mode, "read", None)
        if read is None:
            return self.try_until_answered(lambda _: self.inner.get_all_trials(study_id, deepcopy, states))
        if study_id not in read:
            read[study_id] = self.try_until_answered(lambda _: self.inner.get_all_trials(study_id, deepcopy=False))
        found = [trial for trial in read[study_id] if states is None or trial.state in states]
        return copy_deeply(found) if deepcopy else found

    def write_together(self) -> AbstractContextManager[None]:
        """Store what this thread writes of trials at the end of the context; see `grouped_writes.write_together`."""
        if not isinstance(self.inner, _CachedStorage):
            return nullcontext()
        return self._gathered.gather(partial(self._store, self.inner))

    def _is_kept(self, method: str, arguments: tuple[Any, ...]) -> bool:
        """Return whether a call waits for others; False where none are waited for, or its answer is needed."""
        writes = self._gathered.writes
        if writes is None or is_claim(method, arguments):
            return False
        if method == "set_trial_param" and not self._is_known(arguments[0], arguments[1], arguments[3]):
            return False
        writes.append(Write(method, arguments))
        return True

    def _is_known(self, trial_id: int, name: str, distribution: BaseDistribution) -> bool:
        """Whether a parameter's distribution is known, with which the one at hand agrees."""
        assert isinstance(self.inner, _CachedStorage)
        study_id, _ = self.inner._trial_id_to_study_id_and_number[trial_id]
        known = self.inner._studies[study_id].param_distribution.get(name)
        if known is not None:
            check_distribution_compatibility(known, distribution)
        return known is not None

    def _store(self, inner: _CachedStorage, writes: list[Write]) -> None:
        from sqlalchemy.exc import IntegrityError

        def store(is_again: bool) -> None:
            tells = [w.arguments for w in writes if w.method == "set_trial_state_values"]
            told = {tell[0] for tell in tells if is_again and self._is_told(*tell)}
            left = [write for write in writes if write.trial_id not in told]
            try:
                write_in_transaction(inner._backend, left)
            except IntegrityError:
                write_one_by_one(inner, left)

        self.try_until_answered(store)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial, once."""
        name, named = uuid.uuid4().hex, copy(template_trial or _start_trial())
        named.system_attrs = {**named.system_attrs, CREATED: name}

        def create(is_again: bool) -> int:
            if is_again:
                for trial in self.inner.get_all_trials(study_id, deepcopy=False):
                    if trial.system_attrs.get(CREATED) == name:
                        return int(trial._trial_id)
            return self.inner.create_new_trial(study_id, named)

        self.forget_read()
        return self.try_until_answered(create)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Tell a trial, once."""
        if self._is_kept("set_trial_state_values", (trial_id, state, values)):
            return True
        self.forget_read()

        def tell(is_again: bool) -> bool:
            try:
                return self.inner.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if is_again and self._is_told(trial_id, state, values):
                    return True
                raise

        return self.try_until_answered(tell)

    def _is_told(self, trial_id: int, state: TrialState, values: Sequence[float] | None) -> bool:
        told = self.inner.get_trial(trial_id)
        return (told.state, told.values) == (state, None if values is None else list(values))


def make_patient(inner: BaseStorage, url: str, patience: float) -> BaseStorage:
    """Return a storage that waits for another one.

    Args:
        inner: The storage of a database.
        url: Names it; all storages of one URL in this process share what is known of an outage.
        patience: Seconds that it may be away.
    """
    logging.getLogger("optuna.storages._rdb.storage").addFilter(_is_no_fallback)
    return PatientStorage(inner, find_outage(url, patience))  # type: ignore[abstract]  # the decorator gives the rest


def _is_no_fallback(record: logging.LogRecord) -> bool:
    """Whether a record is another than Optuna's on a query that failed: the outage is told of once, without SQL."""
    return not record.getMessage().startswith("Caught an error from sqlalchemy")


def _start_trial() -> FrozenTrial:
    """Return a trial as Optuna begins one."""
    return FrozenTrial(
        number=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=-1,
    )


def without_waiting(study: Study) -> AbstractContextManager[None]:
    """Let calls of this thread to a study's storage raise `StorageAway` at once, while the context is open."""
    storage = study._storage
    return storage.without_waiting() if isinstance(storage, PatientStorage) else nullcontext()


def read_once(study: Study) -> AbstractContextManager[None]:
    """Let this thread read the trials of a database once while the context is open, and again after it has written.

    For a moment in which what others write makes no difference.
    """
    storage = study._storage
    return storage.read_once() if isinstance(storage, PatientStorage) else nullcontext()


def hurry_when(study: Study, is_leaving: Callable[[], bool]) -> None:
    """Let all calls of this process to a study's storage raise `StorageAway` in the place of waiting from a time on.

    Args:
        study: The study.
        is_leaving: Whether this process has seconds left only; asked again and again, until another call says how.
    """
    if isinstance(study._storage, PatientStorage):
        study._storage.outage.is_leaving = is_leaving


def is_away(study: Study) -> bool:
    """Whether a study's storage did not answer the last time."""
    return isinstance(study._storage, PatientStorage) and study._storage.outage.is_on


def find_return(study: Study) -> float:
    """Return when a study's storage answered again after it had been away, in Unix time; 0 where it never was."""
    return study._storage.outage.returned if isinstance(study._storage, PatientStorage) else 0.0


def ask_database(study: Study, ask: Callable[[RDBStorage], T]) -> T | None:
    """Return what `ask` reads in the database of a study; None where its storage is none."""
    storage = study._storage
    inner = storage.inner if isinstance(storage, PatientStorage) else storage
    database = getattr(inner, "_backend", inner)
    if not isinstance(database, RDBStorage):
        return None
    if isinstance(storage, PatientStorage):
        return storage.try_until_answered(lambda _: ask(database))
    return ask(database)


def say_patience(seconds: float) -> str:
    """Return a stated time as one states it: 30 min, not 30 min 0 s."""
    return write_duration(seconds).removesuffix(" 0 s")


def is_passing(error: BaseException) -> bool:
    """Whether an error says that the storage is away or busy, not that what it was asked is wrong."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    found: BaseException | None = error
    while found is not None and not isinstance(found, DBAPIError | PoolTimeout | PendingRollbackError):
        found = found.__cause__
    if isinstance(found, OperationalError | InterfaceError) and type(found.orig).__module__.startswith("sqlite3"):
        return any(word in str(found.orig) for word in _PASSING)
    # A session that lost its connection once tells of the rollback it needs, not of the connection.
    return isinstance(found, OperationalError | InterfaceError | PoolTimeout | PendingRollbackError) or bool(
        isinstance(found, DBAPIError) and found.connection_invalidated
    )


def tell_cause(error: BaseException, url: str) -> str:
    """Return what a database's driver says of a failure, on one line, without passwords."""
    found: BaseException | None = error
    while found is not None and getattr(found, "orig", None) is None:
        found = found.__cause__
    cause = getattr(found, "orig", None) or error
    return hide_parts((str(cause).splitlines() or [type(cause).__name__])[0], url)[:200]
