"""Texts of a figure as LaTeX takes them, in styles that set all text with it."""

from __future__ import annotations

import re
import unicodedata

from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

_FORMULA = re.compile(r"((?<!\\)\$.*?(?<!\\)\$)")
_LETTER = re.compile(r"\\\$|.", re.DOTALL)
_GREEK = re.compile(
    r"GREEK (?:SMALL LETTER (ALPHA|BETA|GAMMA|DELTA|EPSILON|ZETA|ETA|THETA|IOTA|KAPPA|LAMDA|MU|NU|XI|PI|RHO|SIGMA|TAU|"
    r"UPSILON|PHI|CHI|PSI|OMEGA)|CAPITAL LETTER (GAMMA|DELTA|THETA|LAMDA|XI|PI|SIGMA|UPSILON|PHI|PSI|OMEGA))"
)
"""Unicode's names of the letters that TeX has commands for."""
MARKS = {
    r"\$": r"\$",
    "\n": "\n",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{INFINITY}": r"$\infty$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{EN DASH}": "--",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
} | {letter: f"\\{letter}" for letter in "_%&#{}"}


def escape_texts(figure: Figure) -> None:
    """Let every text of a figure that LaTeX sets be read letter by letter, but for formulas between dollars.

    Names of columns have underscores, and intervals per cents, which LaTeX would take for commands. To be called once,
    before a figure is laid out.
    """
    for artist in figure.findobj(lambda artist: isinstance(artist, Text | Axis)):
        if isinstance(artist, Text) and artist.get_usetex():
            artist.set_text(escape(artist.get_text()))
        elif isinstance(artist, Axis):
            _escape_ticks(artist)


def escape(text: str) -> str:
    r"""Return a text whose letters LaTeX takes for themselves; formulas between dollars, and `\$`, stay.

    A letter that LaTeX's usual fonts lack becomes a question mark.
    """
    pieces = _FORMULA.split(text)
    pieces[::2] = ["".join(map(_typeset, _LETTER.findall(piece))) for piece in pieces[::2]]
    return "".join(pieces)


def _typeset(letter: str) -> str:
    if letter in MARKS:
        return MARKS[letter]
    if ord(letter) < 256:
        return letter
    if match := _GREEK.fullmatch(unicodedata.name(letter, "")):
        small, capital = (name and name.replace("LAMDA", "LAMBDA").capitalize() for name in match.groups())
        return f"$\\{small.lower() if small else capital}$"
    return "?"


class _Escaping(FuncFormatter):
    """Names at ticks, escaped. Numbers at ticks need nothing: matplotlib makes formulas of them."""


def _escape_ticks(axis: Axis) -> None:
    named = axis.get_major_formatter()
    if isinstance(named, FuncFormatter) and not isinstance(named, _Escaping) and _is_set_by_latex(axis):
        axis.set_major_formatter(_Escaping(lambda value, place: escape(str(named(value, place)))))


def _is_set_by_latex(axis: Artist) -> bool:
    return any(text.get_usetex() for text in axis.findobj(Text))
