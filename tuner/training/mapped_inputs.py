"""Inputs that are mapped from a file: which of them are read ahead, and which may leave the memory."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from tuner.mapped_arrays import find_map

T = TypeVar("T")

GAP = 1024
"""Rows between two neighbours that are read all the same, rather than asked for apart."""


class MappedInputs:
    """Rows [n, d] of a file that is mapped into memory, C-contiguous."""

    def __init__(self, array: np.ndarray) -> None:
        self._map = find_map(array) if array.flags.c_contiguous else None
        self._row_bytes = array.strides[0]
        self._offset = 0 if self._map is None else array.ctypes.data - np.frombuffer(self._map, np.uint8).ctypes.data

    def read_ahead(self, rows: np.ndarray) -> None:
        """Ask the system to read rows before they are needed; the call may wait for the disk.

        rows: int64 [n], neighbours in order wherever possible.
        """
        if self._map is None:
            return
        ends = np.flatnonzero((np.diff(rows) < 0) | (np.diff(rows) > GAP))
        for first, last in zip(rows[np.r_[0, ends + 1]], rows[np.r_[ends, len(rows) - 1]], strict=True):
            start = self._offset + int(first) * self._row_bytes
            aligned = start - start % mmap.PAGESIZE
            stop = min(self._offset + (int(last) + 1) * self._row_bytes, len(self._map))
            self._map.madvise(mmap.MADV_WILLNEED, aligned, stop - aligned)

    def release(self) -> None:
        """Let the memory that the rows take be used for something else; they are read again when they are needed."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)


def prefetch(calls: Iterator[Callable[[], T]]) -> Iterator[T]:
    """Yield what each call returns; the next call runs on a background thread meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        ahead: Future[T] | None = None
        for call in calls:
            following = pool.submit(call)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()
