"""What a page holds, and how it becomes HTML: the template knows these parts and nothing of searches."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.resources import files
from itertools import groupby
from typing import ClassVar

from markupsafe import Markup, escape

from tuner.figures.dark_mode import adapt_to_both

SHORT_TABLE = 8
"""Rows of a table that is not parted between two printed pages, at most."""
MANY_COLUMNS, MAX_COLUMNS = 8, 14
"""Columns above which a table is set smaller on paper, and smallest."""


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
    def size(self) -> str:
        """How it is set on paper: "short" tables stay on one page, "many" columns are set small, "crowded" smallest."""
        columns = len(self.head)
        width = "" if columns <= MANY_COLUMNS else "many" if columns <= MAX_COLUMNS else "crowded"
        return " ".join(filter(None, ("short" if len(self.rows) <= SHORT_TABLE else "", width)))

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
    """A drawing on white, embedded in the page as PNG with two pixels for each of the page's."""

    kind: ClassVar[str] = "picture"
    png: bytes
    title: str
    alt: str
    """What a person who cannot see it should know. May begin with the title."""
    note: str = ""
    """How to read it, where that is not what `alt` says."""
    panels: Sequence[bytes] = ()
    """The drawing in pieces, as PNG: side by side on a wide page, one below the other on a narrow one. Shown in place
    of the whole."""
    per_row: int = 3
    """Panels side by side, at most."""

    @property
    def caption(self) -> str:
        """What the figure is, and how to read it or what it tells; the title once."""
        if self.note:
            return f"{self.title} {self.note}"
        return self.alt if self.alt.startswith(self.title.rstrip(".")) else f"{self.title} {self.alt}"

    @cached_property
    def views(self) -> list[View]:
        """What is shown: the panels, or the whole."""
        return [View.of(png) for png in self.panels or (self.png,)]

    @property
    def is_wide(self) -> bool:
        """Whether it takes a row of its own."""
        return bool(self.panels) or self.views[0].width > 2 * self.views[0].height


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture for a light and for a dark page, as `data:` addresses."""

    light: str
    dark: str
    width: int
    """In CSS pixels."""
    height: int

    @classmethod
    def of(cls, png: bytes) -> View:
        """Return the views of a picture. Its size is in its header (RFC 2083, section 11.2.1)."""
        light, dark = ("data:image/png;base64," + base64.b64encode(p).decode("ascii") for p in adapt_to_both(png))
        width, height = (int.from_bytes(png[place : place + 4], "big") // 2 for place in (16, 20))
        return cls(light=light, dark=dark, width=width, height=height)

    @property
    def is_strip(self) -> bool:
        """Whether it is as flat as a legend, and takes a row of its own."""
        return self.width > 4 * self.height


_NUMBER = re.compile("$|[-+±<>]? ?\\d[\\d,.]*([eE][-+]?\\d+)?\\b|[\N{EN DASH}∞]$|-∞$")
_SIGN = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)")
_CODE = re.compile(r"`([^`]+)`")
_MINUS = re.compile(
    r"(?<![\w.\N{EN DASH}-])-(?=[\d∞])|(?<=eps_S )-(?= eps_B)|(?<=AUC )-(?= 1/2)|(?<=optimum )-(?= 1/2)"
)
_JOINT = re.compile(r"(?<=\w)([._/])(?=\w)")
_EFFICIENCY = re.compile(r"\beps_(S|B|gamma|hadron)\b")
_SUBSCRIPTS = {"gamma": "\N{GREEK SMALL LETTER GAMMA}", "hadron": "h"}

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

    @property
    def groups(self) -> list[list[Block]]:
        """The blocks, pictures that follow each other together: they share rows."""
        runs = groupby(enumerate(self.blocks), lambda item: -1 if isinstance(item[1], Picture) else item[0])
        return [[block for _, block in run] for _, run in runs]


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
    subject: str = ""
    """Whose figures the highlights are."""
    sections: Sequence[Section] = ()
    made: datetime
    maker: str
    """Name and version of the program."""


def render_page(page: Page) -> str:
    """Return the page as one HTML document without scripts and without anything outside of it; all text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tuner.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_hold_together,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark_up"] = _mark_up
    environment.filters["mark_up_name"] = _mark_up_name
    style = (files("tuner.reporting") / "page.css").read_text(encoding="utf-8")
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
            pieces[place] = _EFFICIENCY.sub(_set_efficiency, _MINUS.sub("\N{MINUS SIGN}", piece))
    return Markup("".join(pieces))


def _set_efficiency(found: re.Match[str]) -> str:
    return f"ε<sub>{_SUBSCRIPTS.get(found[1], found[1])}</sub>"


def _mark_up_name(text: str) -> Markup:
    """Escape the name of a column, which may break after dots and underscores."""
    return Markup(_JOINT.sub(r"\1<wbr>", str(_mark_up(text))))
