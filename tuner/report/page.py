"""What a page holds, and how it becomes HTML: the template knows these parts and nothing of searches."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import ClassVar

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Notice:
    """A paragraph that must not be missed."""

    kind: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True)
class Code:
    """A command, or several lines of them."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and their values, one below the other."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text; columns of numbers stand to the right. What follows a line break in a cell is small, below it."""

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: int | None = None
    """Row that is set off from the others."""
    folded: bool = False
    """Whether the reader opens it; always open on paper."""

    @property
    def numeric(self) -> frozenset[int]:
        """Columns that hold numbers and nothing else."""
        columns = enumerate(zip(*self.rows, strict=True)) if self.rows else ()
        return frozenset(column for column, cells in columns if any(cells) and all(map(_NUMBER.match, cells)))

    @property
    def lines(self) -> list[list[tuple[str, str]]]:
        """Rows of cells, each its first line and the rest."""
        return [[cell.partition("\n")[::2] for cell in row] for row in self.rows]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing as PNG, embedded in the page."""

    kind: ClassVar[str] = "picture"
    png: bytes
    title: str
    alt: str
    """What a person who cannot see it should know. May begin with the title."""
    note: str = ""
    """How to read it, where that is not what `alt` says."""

    @property
    def caption(self) -> str:
        """What the figure is, and how to read it or what it tells; the title once."""
        if self.note:
            return f"{self.title} {self.note}"
        return self.alt if self.alt.startswith(self.title.rstrip(".")) else f"{self.title} {self.alt}"

    @property
    def source(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def width(self) -> int:
        """Width in CSS pixels; the PNG has two pixels for each. From its header (RFC 2083, section 11.2.1)."""
        return int.from_bytes(self.png[16:20], "big") // 2

    @property
    def height(self) -> int:
        """Height in CSS pixels."""
        return int.from_bytes(self.png[20:24], "big") // 2


_NUMBER = re.compile("$|[-+±<>]? ?\\d[\\d,.]*([eE][-+]?\\d+)?\\b|[\N{EN DASH}∞]$|-∞$")
_SIGN = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
_CODE = re.compile(r"`([^`]+)`")
_MINUS = re.compile(
    r"(?<![\w.\N{EN DASH}-])-(?=[\d∞])|(?<=eps_S )-(?= eps_B)|(?<=AUC )-(?= 1/2)|(?<=optimum )-(?= 1/2)"
)
_EFFICIENCY = re.compile(r"\beps_([SB])\b")

Block = Text | Notice | Code | Facts | Table | Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """One step of the workflow, or what follows it."""

    number: str
    """Number of the step, "0" to "8"; empty for what is no step."""
    name: str
    """One word, for the list of contents."""
    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Name of the section in addresses."""
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True)
class Highlight:
    """A figure that is read from across the room."""

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """The whole report."""

    study: str
    question: str
    answer: Sequence[str]
    """A few sentences."""
    notices: Sequence[str] = ()
    """What a reader must know before anything else: interrupted, no complete trial."""
    highlights: Sequence[Highlight] = ()
    sections: Sequence[Section] = ()
    made: datetime
    maker: str
    """Name and version of the program."""


def render_page(page: Page) -> str:
    """Return the page as one HTML document without scripts and without anything outside of it; all text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tuner.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_hold_together,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark_up"] = _mark_up
    style = (files("tuner.report") / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.jinja").render(page=page, style=style)


def _hold_together(value: object) -> object:
    """Keep a number and its sign on one line; what is markup already stays as it is."""
    return _SIGN.sub("\N{NO-BREAK SPACE}", value) if type(value) is str else value


def _mark_up(text: str) -> Markup:
    """Escape a text; set what stands between backticks as code, minus signs and efficiencies as formulas."""
    pieces = _CODE.split(str(escape(_hold_together(text))))
    for place, piece in enumerate(pieces):
        if place % 2:
            pieces[place] = f"<code>{piece}</code>"
        else:
            pieces[place] = _EFFICIENCY.sub(r"ε<sub>\1</sub>", _MINUS.sub("\N{MINUS SIGN}", piece))
    return Markup("".join(pieces))
