"""Arrays that are too large for the memory: kept in a file that is mapped, and written a stretch at a time.

What is mapped counts as a process's memory while it is in use, so it is released after each pass over it.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from tuner.errors import FolderError

LARGE = 2**28
"""Bytes from which on an array is kept in a file."""
STRETCH = 2**26
"""Bytes that are read or written at once."""


def allocate(shape: tuple[int, ...], dtype: DTypeLike, *, order: Literal["C", "F"] = "C") -> np.ndarray:
    """Return an array to be filled: in memory, or from `LARGE` bytes on in a temporary file without a name.

    The file is in the folder that `$TMPDIR` names, else in /var/tmp, and goes with the array.

    Raises:
        FolderError: There is no space for the file.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if n_bytes < LARGE:
        return np.empty(shape, dtype, order=order)
    folder = os.environ.get("TMPDIR") or ("/var/tmp" if Path("/var/tmp").is_dir() else tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a signal when the array is filled
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, dtype, mode="w+", shape=shape, order=order)
    except OSError as error:
        raise FolderError(
            f"{n_bytes / 1e9:.1f} GB of events must be kept in a file, but {folder} takes none "
            f"({error.strerror or error}). Free some space there, or set TMPDIR to a folder on another disk."
        ) from error


def release(array: np.ndarray) -> None:
    """Let the memory of an array that lies in a file be used for something else; nothing for one in memory."""
    if (mapped := find_map(array)) is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def find_map(array: np.ndarray) -> mmap.mmap | None:
    """Return the map that an array lies in; None where it is in memory, or the system takes no advice on memory."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file, a stretch at a time; the order of the array, rows or columns first, is kept."""
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    header = {
        "shape": array.shape,
        "fortran_order": by_columns,
        "descr": np.lib.format.dtype_to_descr(array.dtype),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for stretch in _take_stretches(array.T if by_columns else array):
            file.write(np.ascontiguousarray(stretch).tobytes())
            release(array)


def gather_columns(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return `values[rows]` of an array [n, d] whose columns lie in files or in memory, a column at a time.

    Each column is read from front to back, whatever the order of the rows.
    """
    gathered = np.empty((len(rows), values.shape[1]), values.dtype, order="F")
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    for column in range(values.shape[1]):
        gathered[order, column] = values[ascending, column]
        release(values)
    return gathered


def join_rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays [n_i, d], one after the other, as one [n, d]; a large one lies in a file, as by `allocate`."""
    joined = allocate((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    place = 0
    for array in arrays:
        for stretch in _take_stretches(array):
            joined[place : place + len(stretch)] = stretch
            place += len(stretch)
            release(array)
            release(joined)
    return joined


def _take_stretches(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array in stretches of its first axis."""
    row_bytes = max(1, array.nbytes // max(1, len(array)))
    n = max(1, STRETCH // row_bytes)
    for start in range(0, len(array), n):
        yield array[start : start + n]
