"""Where trials are kept: a journal file in the run folder, or a database by URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import SearchError, TunerError
from tuner.passwords import hide_parts

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

STORAGE_VARIABLE = "TUNER_STORAGE"
"""Environment variable that names the storage: on a command line, others would read the password in it."""


def open_storage(journal: Path, url: str | None = None) -> BaseStorage:
    """Return Optuna's storage: the journal file, or the database that `url` names.

    Args:
        journal: Path of the run folder's journal file, which is used where no URL is given.
        url: Of a database, `postgresql://...`; without `://` the path of another journal file, which ends in ".log".

    Raises:
        SearchError: It cannot be opened, or is damaged.
    """
    import optuna

    if url is not None and "://" not in url and Path(url).suffix != ".log":
        raise SearchError(
            f'`storage` must be a database URL such as "postgresql://user@host/name", or a journal file that ends in '
            f'".log", but is "{url}".'
        )
    try:
        if url is None or "://" not in url:
            return _open_journal((journal if url is None else Path(url)).resolve())
        return optuna.storages.RDBStorage(url)
    except TunerError:
        raise
    except Exception as error:
        raise SearchError(
            f'The storage must be a database URL or a journal file that can be opened, but "{url or journal}" cannot: '
            f"{hide_parts(str(error), url or '')}{_advise(url)}"
        ) from error


def _open_journal(path: Path) -> BaseStorage:
    """Return the storage of a journal file; the path is absolute, so that all who share it mean the same lock."""
    from optuna.storages.journal import JournalStorage

    from tuner.tuning.journal import JournalFile, describe_damage

    path.parent.mkdir(parents=True, exist_ok=True)
    file = JournalFile(path)
    try:
        return JournalStorage(file)
    except (TunerError, OSError):
        raise
    except Exception as error:  # a record that is one by its form, but means nothing
        raise SearchError(describe_damage(path, file.count_read())) from error


def _advise(url: str | None) -> str:
    """Return what to do about a URL whose password is cut at one of its own characters; nothing for any other."""
    if url is None or url.count("@") < 2:
        return ""
    return " Encode the special characters of the password, such as @ as %40 and / as %2F."
