"""Markdown, as notes in trackers and in Optuna Dashboard show it."""

from __future__ import annotations

import re
from collections.abc import Sequence


def escape_markdown(text: str) -> str:
    """Return text as Markdown shows it, on one line and in one cell of a table. Addresses stay links."""
    marked = re.sub(r"([\\`*\[\]<>|~])|(?<![^\W_])_|_(?![^\W_])|^#", lambda found: f"\\{found[0]}", text)
    return " ".join(marked.split())


def write_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells that are Markdown already as a table; the first row is its head."""
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *others])
