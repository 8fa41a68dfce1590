"""Where trials are kept: a journal file in the run folder, or a database by URL."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import finalize

from tuner.errors import SearchError, TunerError
from tuner.passwords import hide_parts

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

STORAGE_VARIABLE = "TUNER_STORAGE"
"""Environment variable that names the storage: on a command line, others would read the password in it."""

PATIENCE_SECONDS = 1800.0
"""How long a database may be away before a worker gives up: longer than a server's restart or upgrade takes."""

_POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "tuner",
}
"""Options of libpq with which a network that is gone is noticed within a minute, unless a URL has its own."""

_STARTING = ("is starting up", "is shutting down", "not yet accepting connections")
"""What PostgreSQL says while it restarts; any other error at the opening is told at once."""


def open_storage(journal: Path, url: str | None = None, *, patience: float = PATIENCE_SECONDS) -> BaseStorage:
    """Return Optuna's storage: the journal file, or the database that `url` names.

    Args:
        journal: Path of the run folder's journal file, which is used where no URL is given.
        url: Of a database, `postgresql://...`; without `://` the path of another journal file, which ends in ".log".
        patience: How many seconds a database may be away, once it was opened: calls wait for it with growing pauses.

    Raises:
        SearchError: It cannot be opened, or is damaged.
    """
    if url is not None and "://" not in url and Path(url).suffix != ".log":
        raise SearchError(
            f'`storage` must be a database URL such as "postgresql://user@host/name", or a journal file that ends in '
            f'".log", but is "{url}".'
        )
    try:
        if url is None or "://" not in url:
            return _open_journal((journal if url is None else Path(url)).resolve())
        return _open_database(url, patience)
    except TunerError:
        raise
    except Exception as error:
        raise SearchError(
            f'The storage must be a database URL or a journal file that can be opened, but "{url or journal}" cannot: '
            f"{hide_parts(str(error), url or '')}{_advise(url, error)}"
        ) from error


def _open_database(url: str, patience: float) -> BaseStorage:
    """Return the storage of a database, which outlives its restarts; one that is starting now is waited for."""
    import optuna
    from sqlalchemy.engine import make_url

    from tuner.tuning.patient_storage import make_patient

    named = make_url(url)
    if named.drivername in ("postgresql", "postgres") and find_spec("psycopg"):
        named = named.set(drivername="postgresql+psycopg")
    options: dict[str, Any] = {}
    if named.get_backend_name() == "postgresql":
        given = {name: value for name, value in _POSTGRESQL.items() if name not in named.query}
        options = {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 4, "connect_args": given}
    text, began = named.render_as_string(hide_password=False), time.monotonic()
    while True:
        try:
            database = optuna.storages.RDBStorage(text, engine_kwargs=options)
            break
        except Exception as error:
            if not any(word in str(error) for word in _STARTING) or time.monotonic() - began > patience:
                raise
            time.sleep(1.0)
    storage = make_patient(optuna.storages.get_storage(database), url, patience)
    finalize(storage, database.engine.dispose)  # a driver warns of connections that are left open
    return storage


def _open_journal(path: Path) -> BaseStorage:
    """Return the storage of a journal file; the path is absolute, so that all who share it mean the same lock."""
    from tuner.tuning.journal import Journal, JournalFile, describe_damage

    path.parent.mkdir(parents=True, exist_ok=True)
    file = JournalFile(path)
    try:
        return Journal(file)
    except (TunerError, OSError):
        raise
    except Exception as error:  # a record that is one by its form, but means nothing
        raise SearchError(describe_damage(path, file.count_read())) from error


def _advise(url: str | None, error: Exception) -> str:
    """Return what to do about a missing driver, or a password that is cut at one of its own characters."""
    url, advice = url or "", ""
    if isinstance(error, ImportError) and url.startswith("postgres"):
        advice = ' Install the driver with: pip install "signal-tuner[postgresql]"'
    if url.count("@") > 1:
        advice += " Encode the special characters of the password, such as @ as %40 and / as %2F."
    return advice
