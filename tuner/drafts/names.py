"""What the names of columns tell, whatever their case and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

WEIGHTS = (
    *("weight", "eventweight", "weights", "mcweight", "genweight", "sampleweight", "w", "wgt", "evtweight", "gewicht"),
    "poids",
)


def drop_unit(name: object) -> str:
    """Return a column's name without a unit in brackets."""
    return re.sub(r"\s*(\[[^]]*\]|\([^)]*\))\s*$", "", str(name)) or str(name)


def simplify_name(name: object) -> str:
    """Return a column's name in small letters and digits alone, without a unit in brackets."""
    return re.sub(r"[^a-z0-9]", "", drop_unit(name).lower())


def rank_known(columns: Iterable[Any], known: Sequence[str], *, of_members: bool = False) -> list[str]:
    """Return the columns whose simplified names are known, the best known first.

    of_members: whether the name of a member is enough: `EventInfoAuxDyn.eventNumber`.
    """
    order = {name: index for index, name in enumerate(known)}
    named = {str(c): simplify_name(str(c).rpartition(".")[2] if of_members else c) for c in columns}
    return sorted((c for c, name in named.items() if name in order), key=lambda c: order[named[c]])


def is_weight(name: object) -> bool:
    """Return whether a column is named like event weights."""
    return simplify_name(name) in WEIGHTS or simplify_name(name).endswith(("weight", "weights"))
