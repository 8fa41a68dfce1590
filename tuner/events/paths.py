"""Finding files: as they are named, else in the folder that the environment variable TUNER_DATA names."""

from __future__ import annotations

import os
from collections import Counter
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from tuner.errors import EventsError, suggest_name

_TABLES = (".parquet", ".feather", ".arrow")
"""Endings of files that programs write into a folder which stands for one table."""


def find_files(path: str | Path) -> list[Path]:
    """Return the files that a path or a glob pattern names, sorted; of a folder, the Parquet or Feather files in it.

    A relative path is looked for in the working folder, then in `$TUNER_DATA`. Raise `EventsError` where there is
    no such file.
    """
    for candidate in _list_candidates(path):
        if found := _match(candidate):
            return found
    for candidate in _list_candidates(path):
        if candidate.is_dir():
            raise EventsError(
                f'"{path}" must name a file, or several with a pattern, but is a folder. '
                f"Name its files, as {_suggest_pattern(path, candidate)}."
            )
    raise EventsError(
        f"{describe_missing(path)} Check the path; a study's events may be read from elsewhere with --events."
    )


def _suggest_pattern(path: str | Path, folder: Path) -> str:
    """Return a pattern for the files of a folder: of the ending that most of them have."""
    endings = Counter(file.suffix for file in folder.iterdir() if file.is_file() and file.suffix)
    ending = endings.most_common(1)[0][0] if endings else ".root"
    return f'"{Path(path) / f"*{ending}"}"'


def find_in_data_folder(file: str) -> Path | None:
    """Return a file of the folder that `$TUNER_DATA` names; None where it is not there."""
    folder = os.environ.get("TUNER_DATA")
    path = Path(folder, file) if folder else None
    return path if path and path.is_file() else None


def describe_missing(path: str | Path) -> str:
    """Return that a file was not found, where it was looked for, and the nearest name that is there."""
    candidates = _list_candidates(path)
    near = next((hint for candidate in candidates if (hint := _suggest_neighbour(candidate))), "")
    folder = os.environ.get("TUNER_DATA")
    searched = f" and not in $TUNER_DATA ({folder})" if folder else ", and TUNER_DATA names no folder to look in"
    where = f" in {Path.cwd()}{searched}" if len(candidates) > 1 or not Path(path).is_absolute() else ""
    kind = "No file matches" if has_magic(str(path)) else "There is no file"
    return f'{kind} "{path}"{where}.{near}'


def _list_candidates(path: str | Path) -> list[Path]:
    """Return where a path may be, most likely first."""
    given, folder = Path(path).expanduser(), os.environ.get("TUNER_DATA")
    return [given] if given.is_absolute() or not folder else [given, Path(folder) / given]


def _match(candidate: Path) -> list[Path]:
    """Return the files that a path or a pattern names, sorted; of a folder of tables those in it."""
    if candidate.is_file():
        return [candidate]
    if candidate.is_dir():
        return _list_tables(candidate)
    found = sorted(Path(candidate.anchor).glob(str(candidate.relative_to(candidate.anchor))))
    found = [path for path in found if not any(map(_is_beside, path.parts[len(_find_fixed(candidate)) :]))]
    files = [path for path in found if path.is_file()]
    return files or [path for folder in found if folder.is_dir() for path in _list_tables(folder)]


def _is_beside(part: str) -> bool:
    """Return whether a name is of what programs keep beside tables, and never of a table of events."""
    return part.startswith(".") or part in ("_temporary", "_delta_log") or (part[0] == "_" and not Path(part).suffix)


def _find_fixed(candidate: Path) -> list[str]:
    """Return the parts of a path before its first pattern."""
    return list(takewhile(lambda part: not has_magic(part), candidate.parts))


def _list_tables(folder: Path) -> list[Path]:
    """Return the files of tables that a folder and those in it hold, sorted: as Spark, Dask, Arrow and pandas write."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in _TABLES and path.is_file())
    return sorted(path for path in files if not any(part[0] in "._" for part in path.relative_to(folder).parts))


def find_partitions(given: str | Path, file: Path) -> dict[str, str]:
    """Return the columns that a file's folders stand for, below the part of a path that is no pattern.

    given: a folder or a pattern, as in `find_files`. "events" has `events/year=2016/part.parquet` say year 2016.
    """
    for candidate in _list_candidates(given):
        fixed = _find_fixed(candidate)
        if candidate.is_file() or not file.is_relative_to(Path(*fixed)):
            continue
        folders = file.relative_to(Path(*fixed)).parent.parts
        pairs = (folder.partition("=") for folder in folders)
        return {unquote(name): unquote(value) for name, mark, value in pairs if mark and name}
    return {}


def _suggest_neighbour(candidate: Path) -> str:
    """Return the nearest name in the folder of a missing file, as a question."""
    try:
        return suggest_name(candidate.name, sorted(p.name for p in candidate.parent.iterdir()))
    except OSError:
        return ""
