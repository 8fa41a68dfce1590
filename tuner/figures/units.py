"""Units of columns: what the problem says, else what stands in a column's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_UNIT = re.compile(
    r"^(?P<name>.+?)\s*[\[(](?P<unit>[^\])]+)[\])]$|^(?P<stem>.+)_(?P<suffix>[GMkT]eV|ns|mm|cm|deg|rad)$"
)
NONE: Mapping[str, str] = MappingProxyType({})


def split_unit(column: str, units: Mapping[str, str] = NONE) -> tuple[str, str]:
    """Return name and unit of a column; unit "" where none is said.

    Args:
        column: Its name, which may hold the unit: "pt [GeV]", "pt (GeV)" or "pt_GeV".
        units: Unit by column, which counts before what the name says; then the name stays whole.
    """
    if column in units:
        return column, units[column]
    match = _UNIT.match(column)
    if match is None:
        return column, ""
    return match["name"] or match["stem"], match["unit"] or match["suffix"]
