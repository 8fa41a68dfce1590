"""Drawings become pictures of the page: written as PNG and PDF by processes of their own, where there are cores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

from tuner.figures import Drawing
from tuner.launchers.local import count_cores
from tuner.launchers.process_pool import ProcessPool
from tuner.reporting.page import Picture
from tuner.tuning.search import Search

MAX_PROCESSES = 4
"""A process takes a second or two to begin, and there are some fifteen pictures."""


def open_picture_pool(search: Search) -> AbstractContextManager[ProcessPool]:
    """Return a pool with a process for each core, up to four; on one core this process writes all pictures."""
    n_cores = count_cores()
    return ProcessPool(min(n_cores, MAX_PROCESSES) if n_cores > 1 else 0, search.folder.logs)


def keep_drawings(
    search: Search,
    drawings: Iterable[tuple[str, Drawing]],
    pool: ProcessPool,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Picture]:
    """Write drawings into the run folder as PNG and PDF, and return them for the page, by name.

    Args:
        search: Whose run folder.
        drawings: Names and drawings; the next one is drawn while those before it are written.
        pool: Processes that write.
        notes: How to read a figure, by name.
    """
    jobs = {name: (drawing, pool.submit(_write, drawing, search.folder.figures, name)) for name, drawing in drawings}
    pictures = {}
    for name, (drawing, job) in jobs.items():
        png, panels = job.result()
        title = drawing.title if drawing.title.endswith((".", "?", "!")) else f"{drawing.title}."
        pictures[name] = Picture(png=png, title=title, alt=drawing.alt, note=notes.get(name, ""), panels=panels)
    return pictures


def _write(drawing: Drawing, folder: Path, name: str) -> tuple[bytes, list[bytes]]:
    """Write a drawing; return it and its panels as PNG."""
    path, _ = drawing.save(folder, name)
    png = path.read_bytes()
    return png, drawing.cut_panels(png)
