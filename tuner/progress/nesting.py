"""Blocks that may be nested: only the outermost one begins to show, and ends it."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self


class NestedDisplay:
    """Counts the `with` blocks that are open. A subclass says what the outermost one does."""

    def __init__(self) -> None:
        self._depth = 0
        self._open = ExitStack()
        """What the outermost block has open; `_end` closes it."""

    def __enter__(self) -> Self:
        """Begin to show, in the outermost block."""
        self._depth += 1
        if self._depth == 1:
            self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show how it ended, at the end of the outermost block."""
        self._depth -= 1
        if self._depth == 0:
            self._end()

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError
