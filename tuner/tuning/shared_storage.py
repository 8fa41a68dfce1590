"""Whether workers on other machines reach a search's run folder and its storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tuner.errors import SearchError
from tuner.launchers.file_systems import LOCAL_KINDS, find_file_system
from tuner.run_folder import RunFolder

_THIS_HOST = frozenset({"localhost", "127.0.0.1", "::1"})


def refuse_sqlite(storage: str | None) -> None:
    """Raise `SearchError` where the storage is SQLite."""
    if storage is not None and storage.startswith("sqlite"):
        raise SearchError(
            "Workers on several machines need a journal file or a database server, but the storage is SQLite, whose "
            "locks hold on one machine only. Leave --storage out for the journal in the run folder."
        )


def share_storage(storage: str | None) -> str | None:
    """Return a storage as workers on other machines take it: a file by its absolute path. Refuse SQLite."""
    refuse_sqlite(storage)
    return storage if storage is None or "://" in storage else str(Path(storage).absolute())


def find_remarks(folder: RunFolder, storage: str | None) -> list[str]:
    """Return what may keep workers on other machines from a search, in a sentence each."""
    nearest = next(path for path in (folder.path, *folder.path.parents) if path.exists())
    kind = find_file_system(nearest)
    host = urlsplit(storage).hostname if storage and "://" in storage else None
    remarks = []
    if kind in LOCAL_KINDS:
        remarks.append(
            f"The run folder {folder.path} lies on a file system of this machine ({kind}). Workers on other machines "
            "need it under the same path: where it is not exported to them, name a shared one with --folder."
        )
    if host in _THIS_HOST:
        remarks.append(
            f"The storage is at {host}, which means another machine to each worker: name the host as they know it."
        )
    return remarks
