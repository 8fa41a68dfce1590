"""Lists for each event, as of jets: columns of numbers that may be made of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tuner.events.expressions.syntax import quote_name

_LIST = re.compile(r"^holds .*(list|vector|array|\[|values for each)")
_NO_NUMBERS = re.compile(r"string|utf8|char|bool|struct|record|list.*list|vector.*vector|\[.*\].*\[")
_MOMENTA = ("pt", "e", "energy", "eta", "phi", "mass", "m")
MAX_COLLECTIONS = 3
MAX_OF_EACH = 3


def find_lists(left_out: Mapping[str, str]) -> list[str]:
    """Return the columns that hold a list of numbers for each event, of those that a reader left out and why."""
    return [name for name, why in left_out.items() if _LIST.match(why) and not _NO_NUMBERS.search(why)]


def propose_columns(lists: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Return new columns of numbers by name: how many elements, and the first of each list, of the first collections.

    Args:
        lists: Columns that hold a list for each event. Those of one collection begin alike: `Jet_pt`, `Jet_eta`.
        known: Names that are taken.
    """
    made: dict[str, str] = {}
    collections: dict[str, list[str]] = {}
    for name in lists:
        collections.setdefault(re.split(r"[_.]", name)[0], []).append(name)
    for collection, members in list(collections.items())[:MAX_COLLECTIONS]:
        members.sort(key=_rank)
        if not {f"n{collection}", f"n_{collection}"} & {*known}:
            made[f"n_{_clean(collection)}"] = f"len({quote_name(members[0])})"
        made |= {f"first_{_clean(name)}": f"index({quote_name(name)}, 0)" for name in members[:MAX_OF_EACH]}
    return {name: formula for name, formula in made.items() if name not in known}


def _rank(name: str) -> int:
    """Return the place of a list in its collection: momenta first."""
    last = re.split(r"[_.]", name)[-1].lower()
    return _MOMENTA.index(last) if last in _MOMENTA else len(_MOMENTA)


def _clean(name: str) -> str:
    """Return a name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", name).strip("_")
