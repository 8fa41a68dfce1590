"""The tutorial's notebooks: executed one after the other, as pages in Markdown; and as files for Jupyter.

python -m docs.site_hooks.notebooks FOLDER    # writes those that are not there yet
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat

SECONDS = 600
"""Longest time of a cell."""
ENVIRONMENT = {
    "WANDB_MODE": "offline",
    "COLUMNS": "100",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
HIDE_CONTENTS = "---\nhide: [toc]\n---\n\n"
"""Before a page, which needs the room for its tables."""
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def find_notebooks(folder: Path) -> list[Path]:
    """Return the notebooks of a folder in their order."""
    return sorted(folder.glob("[0-9]_*.py"))


def render_notebooks(paths: Sequence[Path], *, execute: bool) -> dict[str, str]:
    """Return name to page of each notebook.

    They are executed in one process, for imports to be paid for once, and in one new folder, as a student has one;
    what an earlier notebook has defined is forgotten before the next.

    Args:
        paths: Python files in jupytext's percent format.
        execute: Whether to run them; else the pages show no output.
    """
    notebooks = {path.stem: jupytext.read(path) for path in paths}
    if execute:
        _execute(list(notebooks.values()))
    return {name: HIDE_CONTENTS + "\n\n".join(_write_cells(notebook)) + "\n" for name, notebook in notebooks.items()}


def write_notebooks(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write notebooks into a folder beside `docs/`, with links that lead from there; those that are there stay.

    Args:
        paths: Python files in jupytext's percent format.
        folder: Where they go, as `0_frame.ipynb` and so on.

    Returns:
        The paths of all notebooks, in the order of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{path.stem}.ipynb" for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if not target.exists():
            text = re.sub(r"\]\((\d_\w+)\.md", r"](\1.ipynb", path.read_text(encoding="utf-8"))
            jupytext.write(jupytext.reads(text.replace("](../", "](../docs/"), fmt="py:percent"), target)
    return targets


def _execute(notebooks: Sequence[nbformat.NotebookNode]) -> None:
    """Run the cells of all notebooks, and fill in their outputs."""
    from nbclient import NotebookClient

    joined = nbformat.v4.new_notebook()
    for notebook in notebooks:
        joined.cells += [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells]
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            NotebookClient(
                joined, kernel_name="python3", timeout=SECONDS, resources=resources, coalesce_streams=True
            ).execute()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _write_cells(notebook: nbformat.NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        elif cell.cell_type == "code" and cell.source.strip():
            yield f"```python\n{cell.source}\n```"
            yield from filter(None, map(_write_output, cell.get("outputs", ())))


def _write_output(output: Mapping[str, Any]) -> str:
    """Return an output as Markdown: HTML where there is some, then a picture, then text."""
    if output["output_type"] == "stream":
        return _fence(output["text"]) if output["name"] == "stdout" else ""
    data = output.get("data", {})
    if "text/html" in data:
        html = re.sub(r"\n\s*", " ", data["text/html"])
        return f'<div class="notebook-output">{html}</div>'
    if "image/png" in data:
        png = data["image/png"].replace("\n", "")
        return f'<p><img alt="{data.get("text/plain", "figure")[:80]}" src="data:image/png;base64,{png}"></p>'
    return _fence(data.get("text/plain", ""))


def _fence(text: str) -> str:
    lines = [line.rstrip() for line in COLOURS.sub("", text).splitlines()]
    shown = "\n".join(lines).strip("\n")
    return f'```text title="output"\n{shown}\n```' if shown else ""


if __name__ == "__main__":
    write_notebooks(find_notebooks(Path(__file__).parents[1] / "tutorial"), Path(sys.argv[1]))
