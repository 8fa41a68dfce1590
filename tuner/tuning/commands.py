"""Commands on a search as a shell takes them, and what to write in Python where no file holds the study."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from tuner.tuning.search import Search
from tuner.tuning.storage import STORAGE_VARIABLE

_RUNS = Path("runs")


def name_command(search: Search, verb: str, *words: str) -> str | None:
    """Return `tuner <verb> STUDY ...` on the search's study, quoted; None where no file holds the study."""
    if search.study_file is None:
        return None
    parts = ["tuner", verb, quote_path(search.study_file), *map(quote, words)]
    folder = search.folder.path.parent
    if folder != _RUNS:
        parts += ["--folder", quote_path(folder)]
    if search.storage_url is not None and verb != "sync":
        parts += ["--storage", f'"${STORAGE_VARIABLE}"' if has_address(search) else quote(search.storage_url)]
    return " ".join(parts)


def name_step(search: Search, verb: str) -> str:
    """Return the command of a step, or where no file holds the study its call in Python."""
    return name_command(search, verb) or f"tuner.{verb}(search)"


def open_in_python(search: Search) -> str:
    """Return the line of a program that opens the search of its `study`."""
    return f"search = tuner.open_search({_list_arguments(search)})"


def sweep_in_python(search: Search) -> str:
    """Return the line of a program that goes on with the search of its `study`."""
    return f"search = tuner.sweep({_list_arguments(search)})"


def _list_arguments(search: Search) -> str:
    """Return a study, its folder and its storage as arguments."""
    arguments = ["study"]
    if search.folder.path.parent != _RUNS:
        arguments.append(f"folder={str(search.folder.path.parent)!r}")
    if search.storage_url is not None:
        storage = f'os.environ["{STORAGE_VARIABLE}"]' if has_address(search) else repr(search.storage_url)
        arguments.append(f"storage={storage}")
    return ", ".join(arguments)


def has_address(search: Search) -> bool:
    """Return whether the trials are in a database, by its address, and not in a file."""
    return search.storage_url is not None and "://" in search.storage_url


def quote_path(path: Path) -> str:
    """Return a path as a shell takes it for one word that is no option."""
    return quote(f"./{path}" if str(path).startswith("-") else str(path))
