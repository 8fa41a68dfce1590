"""Lists for each event, as of jets: columns of numbers that may be made of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tuner.events.expressions.syntax import quote_name
from tuner.events.listing import Lists, get_lists

_MOMENTA = ("pt", "e", "energy", "eta", "phi", "mass", "m")
_NO_FEATURES = re.compile(r"(?i)weight|wgt|truth|lhe|psw|^gen|_gen|triggerbits|(?:^|[_.])valid$")
"""In names of lists that are no quantities of an event: its weights under other assumptions, and what only simulation
knows."""
MAX_COLLECTIONS = 3
MAX_OF_EACH = 3


def find_lists(left_out: Mapping[str, str]) -> dict[str, Lists]:
    """Return the columns that hold a list of numbers for each event, of those that a reader left out and why."""
    found = {name: lists for name, why in left_out.items() if (lists := get_lists(why))}
    return {name: lists for name, lists in found.items() if not (_NO_FEATURES.search(name) or lists.are_conditions)}


def propose_columns(lists: Mapping[str, Lists], known: Collection[str]) -> dict[str, str]:
    """Return new columns of numbers by name: how many elements, and the first of each list, of the first collections.

    The number of elements is not proposed where it is the same in all events.

    Args:
        lists: Columns that hold a list for each event. Those of one collection begin alike: `Jet_pt`, `Jet_eta`.
        known: Names that are taken.
    """
    made: dict[str, str] = {}
    for collection, members in list_collections(lists).items():
        first = lists[members[0]]
        is_varied = first.length is None or first.valid
        if is_varied and not {f"n{collection}", f"n_{collection}"} & {*known}:
            made[f"n_{_clean(collection)}"] = f"len({_write(members[0], first)})"
        made |= {f"first_{_clean(name)}": f"index({_write(name, lists[name])}, 0)" for name in members[:MAX_OF_EACH]}
    return {name: formula for name, formula in made.items() if name not in known}


def list_collections(lists: Mapping[str, Lists]) -> dict[str, list[str]]:
    """Return the columns of the first collections by the name of each, momenta first."""
    collections: dict[str, list[str]] = {}
    for name in lists:
        collections.setdefault(re.split(r"[_.]", name)[0], []).append(name)
    return {name: sorted(members, key=_rank) for name, members in [*collections.items()][:MAX_COLLECTIONS]}


def _write(name: str, lists: Lists) -> str:
    """Return a column of lists as expressions have it, without padding."""
    return f"{quote_name(name)}[{quote_name(lists.valid)}]" if lists.valid else quote_name(name)


def _rank(name: str) -> int:
    """Return the place of a list in its collection: momenta first."""
    last = re.split(r"[_.]", name)[-1].lower()
    return _MOMENTA.index(last) if last in _MOMENTA else len(_MOMENTA)


def _clean(name: str) -> str:
    """Return a name of letters, digits and underscores."""
    return re.sub(r"\W+", "_", name).strip("_")
