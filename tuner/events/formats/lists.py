"""Columns of lists, one list an event, as Awkward arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.errors import MissingPackage


def wrap_lists(values: Any) -> Any:
    """Return lists as an Awkward array [n, ...].

    Args:
        values: An Awkward array; NumPy's [n, k]; or objects [n], each a list or an array, or what stands for none.

    Raises:
        MissingPackage: Awkward is not installed.
        TypeError, ValueError: They cannot be such an array.
    """
    try:
        import awkward as ak
    except ImportError as error:
        raise MissingPackage("awkward", "root", "Reading lists for each event") from error

    if isinstance(values, ak.Array):
        return ak.from_regular(values, axis=1) if values.ndim > 1 else values
    values = np.asarray(values)
    if values.dtype == object:
        return ak.from_iter(np.asarray(value) if hasattr(value, "__len__") else None for value in values)
    return ak.from_regular(ak.Array(values.astype(values.dtype.newbyteorder("="), copy=False)), axis=1)
