"""Asking ahead: the sampler thinks about the next trial while the device trains."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from itertools import islice
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

TURN_SECONDS = 2e-4
"""How long a thread runs Python before another one may: shorter than a training step on a GPU."""


@contextmanager
def take_short_turns() -> Iterator[None]:
    """Let threads take turns so often that who only starts work on a GPU hardly waits for who thinks in Python."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Ahead(Generic[T]):
    """Prefetch the next item of an iterator on a background thread.

    Items come in order, each once; an error is raised where its item would have come. Use it in a `with` block: leaving
    it waits for the item that is being made, and `left` holds that item, as nobody took it. For one consumer only.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self.left: tuple[T, ...] = ()
        self._items = items
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tuner-ahead")
        self._next: Future[tuple[T, ...]] | None = self._begin()

    def _begin(self) -> Future[tuple[T, ...]]:
        # What holds in the taker, such as waiting for space on the disk, holds for what is made for it.
        return self._pool.submit(copy_context().run, lambda: tuple(islice(self._items, 1)))

    @property
    def is_ready(self) -> bool:
        """Whether the next item, or the end, is there without waiting."""
        return self._next is None or self._next.done()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Return the item that was made, and let the next one be made."""
        if self._next is None:
            raise StopIteration
        made, self._next = self._next, None
        items = made.result()
        if not items:
            raise StopIteration
        self._next = self._begin()
        return items[0]

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being made; an error in it is lost with it."""
        self._pool.shutdown(wait=True)
        if self._next is not None and self._next.exception() is None:
            self.left = self._next.result()
