"""Structure and knobs: which part of a setting the members of a pack share."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any, cast

from tuner.training.settings import Settings


def find_structure(settings: Settings) -> Hashable:
    """Return what must be equal for two settings to train in one pack.

    That is the type and every field of the network's settings that is not marked as a knob, the kind of
    optimizer and the batch size.
    """
    return (_strip_knobs(settings.network), settings.training.optimizer, settings.training.batch_size)


def name_differences(first: Hashable, second: Hashable) -> list[str]:
    """Return the fields in which two structures differ, as `find_structure` gave them."""
    (network, *training), (other, *further) = cast("Any", first), cast("Any", second)
    names = [] if network == other else ["network"]
    are_tuples = isinstance(network, tuple) and isinstance(other, tuple) and len(network) == len(other)
    if are_tuples and network[0] == other[0]:
        names = [field[0] for field, its in zip(network[1:], other[1:], strict=True) if field != its]
    return names + [name for name, a, b in zip(("optimizer", "batch_size"), training, further, strict=True) if a != b]


def _strip_knobs(value: Any) -> Hashable:
    """Return settings as nested tuples without the fields marked as knobs."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = [
            (f.name, _strip_knobs(getattr(value, f.name)))
            for f in dataclasses.fields(value)
            if not f.metadata.get("knob")
        ]
        return (type(value), *kept)
    if isinstance(value, list | tuple):
        return tuple(_strip_knobs(item) for item in value)
    return repr(value) if isinstance(value, dict | set) else value
