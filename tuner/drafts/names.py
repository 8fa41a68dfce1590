"""What the names of columns tell, whatever their case and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

WEIGHTS = ("weight", "eventweight", "weights", "mcweight", "genweight", "sampleweight", "w", "wgt", "evtweight")


def drop_unit(name: object) -> str:
    """Return a column's name without a unit in brackets."""
    return re.sub(r"\s*(\[[^]]*\]|\([^)]*\))\s*$", "", str(name)) or str(name)


def simplify_name(name: object) -> str:
    """Return a column's name in small letters and digits alone, without a unit in brackets."""
    return re.sub(r"[^a-z0-9]", "", drop_unit(name).lower())


def rank_known(columns: Iterable[Any], known: Sequence[str]) -> list[str]:
    """Return the columns whose simplified names are known, the best known first."""
    order = {name: index for index, name in enumerate(known)}
    return sorted((c for c in columns if simplify_name(c) in order), key=lambda c: order[simplify_name(c)])


def is_weight(name: object) -> bool:
    """Return whether a column is named like event weights."""
    return simplify_name(name) in WEIGHTS or simplify_name(name).endswith("weight")
