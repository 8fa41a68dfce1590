"""Patterns of column names, such as "lepton*" and "jet_[0-3]_pt", and the columns that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase


def is_pattern(name: str) -> bool:
    """Return whether a name may be a pattern: it has one of the signs `*`, `?` and `[`."""
    return any(sign in name for sign in "*?[")


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a column is named, or fits one of the patterns."""
    return any(name == pattern or (is_pattern(pattern) and fnmatchcase(name, pattern)) for pattern in patterns)


def expand_names(
    given: Sequence[str],
    names: Collection[str],
    *,
    taken: Collection[str] = (),
    role: str,
    problems: list[str],
    keep: bool = False,
) -> tuple[str, ...]:
    """Return the columns that names and patterns stand for, each once.

    Names come where they stand, what fits a pattern in the order of the events' columns.

    Args:
        given: Names, and patterns as the shell has them: `*` any letters, `?` one, `[0-3]` one of several. A name that
            a column has is that column, whatever its signs.
        names: Of all columns.
        taken: Columns that patterns pass over, as they have another role.
        role: Field of the problem, for messages.
        problems: Gets a sentence for each pattern that stands for no column.
        keep: Keep what stands for no column, as a name: "pt [GeV]" is one, too.
    """
    found: dict[str, None] = {}
    for name in given:
        if name in names or not is_pattern(name):
            found[name] = None
            continue
        fitting = [column for column in names if fnmatchcase(column, name)]
        if not fitting:
            problems.append(f'`{role}` names columns by "{name}", but no column fits that.')
            found |= {name: None} if keep else {}
        found |= dict.fromkeys(column for column in fitting if column not in taken)
    return tuple(found)
