"""The product of every drawer, and the look that all figures share.

`matplotlib.figure.Figure` only, no pyplot and no change of global settings: figures may be drawn in any thread. Only
an experiment's style (`use_style`) changes them, while it is in use.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import BytesIO
from math import ceil
from pathlib import Path
from shutil import which
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from PIL import Image

from tuner.errors import MissingPackage, StudyError, name_all, suggest_name
from tuner.figures.latex import escape_texts

HOUSE = "house"
COLUMN = 5.6
"""Inches: width of a figure of one panel. Legible on a phone, and two share a row of the page and of a sheet of paper.
"""
LETTERS_PER_INCH = 8.8
"""Of a headline, on average."""
SMALL_LETTERS_PER_INCH = 11.0
"""Of the title of a panel, on average."""
BESIDE_PANEL = 0.9
"""Inches of a panel's room that its ticks and labels take, about."""
MAX_BYTES = 100
"""Of a file's name, before its hash and ending."""
PANEL_MARGIN, LEGEND_MARGIN = 0.05, 0.01
"""Inches around a panel or a legend that is cut out of its figure; a legend lies close below the panels' labels."""
_FORMULA = re.compile(r"((?<!\\)\$.*?(?<!\\)\$)")
_HYPHEN = re.compile(r"(?:(?<=^)|(?<=[\s(\[]))-(?=\d)")
"""A hyphen that stands for a minus sign."""
GREEK = {"eps": "epsilon", "sigma": "sigma"}

SIGNAL = "#0072B2"
BACKGROUND = "#D55E00"
GOOD = "#009E73"
FAINT = "#A9B1BA"
INK = "#22262B"
QUIET = "#5E6873"
OTHERS = ("#CC79A7", "#009E73", "#E69F00", "#56B4E9", "#8C6D31")
"""Further candidates; with signal and background Okabe and Ito's palette, safe for colour-blind readers."""

LABEL_SIZE = 11
"""Points, of the axes' labels, in every style: an experiment's own sizes are for figures of one panel, 10 inches wide.
"""


@dataclass(frozen=True, eq=False)
class _Style:
    """The look in use."""

    name: str
    outside: Mapping[str, Any] = field(default_factory=dict)
    """matplotlib's settings before an experiment's style came into use; empty for the house's."""


_HOUSE_STYLE = _Style(HOUSE)
_STYLE: ContextVar[_Style] = ContextVar("style", default=_HOUSE_STYLE)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, the numbers in it, and what it shows in words."""

    figure: Figure
    table: pd.DataFrame
    """The numbers that are drawn."""
    title: str
    alt: str
    """What a reader who cannot see the figure should know."""
    panels: Sequence[Artist] = ()
    """Axes and legends that may also stand one below the other, where a page is narrow."""
    style: str = field(default_factory=lambda: _STYLE.get().name)
    """In which it was drawn; fonts are looked up when it is written, so it is written in that style too."""

    def __post_init__(self) -> None:
        _write_minus(self.figure)
        escape_texts(self.figure)

    def frame(self) -> pd.DataFrame:
        """Return the numbers that are drawn."""
        return self.table

    def save(self, folder: str | Path, name: str) -> tuple[Path, Path]:
        """Write `name`.png and `name`.pdf to a folder, which is made; return both paths.

        A name that is none for a file, such as one with a slash, is altered as `name_file` does.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        file = name_file(name)
        png, pdf = folder / f"{file}.png", folder / f"{file}.pdf"
        png.write_bytes(self.png_bytes())
        self.figure.set_layout_engine("none")  # it has been laid out: not again for the PDF
        with use_style(self.style):
            self.figure.savefig(pdf, format="pdf", metadata={"Title": self.title, "CreationDate": None})
        return png, pdf

    def png_bytes(self, dpi: int = 160) -> bytes:
        """Return the figure as PNG."""
        buffer = BytesIO()
        with use_style(self.style):
            self.figure.savefig(buffer, format="png", dpi=dpi)
        return buffer.getvalue()

    def cut_panels(self, png: bytes) -> list[bytes]:
        """Return the panels of the figure as it was written to a PNG, in pieces of one size; flat legends as they are.

        The headline is in none of them.
        """
        if not self.panels:
            return []
        with use_style(self.style), Image.open(BytesIO(png)) as whole:
            boxes = [_find_box(panel, whole) for panel in self.panels]
            same = [box for box in boxes if not _is_strip(box)]
            largest = max(box[2] - box[0] for box in same), max(box[3] - box[1] for box in same)
            pieces = []
            for box in boxes:
                size = (box[2] - box[0], box[3] - box[1]) if _is_strip(box) else largest
                piece = Image.new("RGB", size, "white")
                piece.paste(whole.crop(box), (size[0] - (box[2] - box[0]), 0))
                buffer = BytesIO()
                piece.save(buffer, format="png", compress_level=1)
                pieces.append(buffer.getvalue())
        return pieces


def _write_minus(figure: Figure) -> None:
    """Write numbers below zero with a minus sign in every text of a figure, as its axes do, not with a hyphen."""
    for text in figure.findobj(Text):
        pieces = _FORMULA.split(text.get_text())
        pieces[::2] = [_HYPHEN.sub("\N{MINUS SIGN}", piece) for piece in pieces[::2]]
        text.set_text("".join(pieces))


def _find_box(panel: Artist, whole: Image.Image) -> tuple[int, int, int, int]:
    """Return left, upper, right and lower edge, in pixels, of all that belongs to a panel, with a small margin."""
    figure = panel.get_figure(root=True)
    assert figure is not None
    found = panel.get_tightbbox()
    assert found is not None
    scale = whole.width / figure.bbox.width
    margin = (LEGEND_MARGIN if isinstance(panel, Legend) else PANEL_MARGIN) * scale * figure.dpi
    left, right = scale * found.x0 - margin, scale * found.x1 + margin
    upper, lower = whole.height - scale * found.y1 - margin, whole.height - scale * found.y0 + margin
    return max(int(left), 0), max(int(upper), 0), min(ceil(right), whole.width), min(ceil(lower), whole.height)


def _is_strip(box: tuple[int, int, int, int]) -> bool:
    """Return whether a panel is as flat as a legend or a scale of colours."""
    return box[2] - box[0] > 4 * (box[3] - box[1])


@contextmanager
def use_style(name: str) -> Iterator[None]:
    """Draw in the house's style ("house") or in an experiment's, one of mplhep's ("ATLAS", "CMS", "LHCb2", ...).

    Fonts, ticks, frame and where labels stand are then the experiment's; sizes stay the house's. An experiment's style
    changes matplotlib's global settings until the context ends: draw in one thread at a time. Raise `MissingPackage`
    where mplhep is not installed, and `StudyError` for an unknown style or one that needs LaTeX where there is none.
    """
    current = _STYLE.get()
    if name == current.name:
        yield
        return
    settings = {} if name == HOUSE else _load_style(name)
    outside = current.outside or {key: value for key, value in mpl.rcParams.copy().items() if key != "backend"}
    token = _STYLE.set(_HOUSE_STYLE if name == HOUSE else _Style(name, outside))
    try:
        together: dict[Any, Any] = {**outside, **settings}
        with mpl.rc_context(together):
            yield
    finally:
        _STYLE.reset(token)


def _load_style(name: str) -> dict[str, Any]:
    """Return mplhep's settings of a style, its lengths scaled as its letters are scaled to the house's size."""
    try:
        import mplhep
    except ImportError as error:
        raise MissingPackage("mplhep", "mplhep", f'The style "{name}"') from error
    known = {
        key: value for key, value in vars(mplhep.style).items() if isinstance(value, dict) and "font.size" in value
    }
    if name not in known:
        near = next((k for k in known if k.lower() == name.lower()), name)
        raise StudyError(
            f'A style must be "{HOUSE}" or one of mplhep\'s ({name_all(sorted(known), most=30)}), but is "{name}".'
            + suggest_name(near, [HOUSE, *known])
        )
    settings: dict[str, Any] = known[name]
    if settings.get("text.usetex") and which("latex") is None:
        raise StudyError(
            f'The style "{name}" sets its text with LaTeX, but there is no command "latex". '
            f'Install LaTeX, or take "{name.replace("Tex", "")}".'
        )
    scale = LABEL_SIZE / settings["font.size"]
    lengths = re.compile(r"tick\.(major|minor)\.(size|width|pad)$|^axes\.(linewidth|labelpad)$|^lines\.")
    scaled = {k: v * scale for k, v in settings.items() if lengths.search(k) and isinstance(v, int | float)}
    defaults: Mapping[Any, Any] = mpl.rcParamsDefault
    kept = ("axes.autolimit_mode", "axes.axisbelow", "axes.formatter.limits", "axes.xmargin", "savefig.bbox")
    ours = {key: defaults[key] for key in kept}
    return {**settings, **scaled, **ours, "font.size": LABEL_SIZE}


def _is_house() -> bool:
    return _STYLE.get().name == HOUSE


def start_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches, whose layout looks after itself."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, *, x: str, y: str, title: str = "") -> None:
    """Give axes their labels and the look of all others."""
    house = _is_house()
    text: dict[str, Any] = {"fontsize": LABEL_SIZE, **({"color": INK} if house else {})}
    axes.set_xlabel(x, **text)
    axes.set_ylabel(y, **text)
    if title:
        axes.set_title(_wrap_title(axes, title), loc="left", pad=8, **text)
    axes.tick_params(which="both", labelsize=9.5)
    if house:
        axes.grid(visible=True, color="#E6E9EC", linewidth=0.7)
        axes.set_axisbelow(True)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(QUIET)
        axes.tick_params(which="both", color=QUIET, labelcolor=INK)


def _wrap_title(axes: Axes, title: str) -> str:
    """Return a title in lines as wide as the panel."""
    figure, grid = axes.get_figure(root=True), axes.get_gridspec()
    if figure is None or grid is None:
        return title
    return wrap_text(title, int(SMALL_LETTERS_PER_INCH * (figure.get_figwidth() / grid.ncols - BESIDE_PANEL)))


def name_rows(axes: Axes, names: Sequence[object], *, most: int = 38) -> None:
    """Name rows 0, 1, ... along the y axis, the first on top; longer names than `most` letters are cut in the middle.

    Nothing is drawn between the rows: no grid, no small ticks.
    """
    axes.set_yticks(np.arange(len(names)), [write_name(name, most) for name in names])
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", which="both", length=0)


def shorten(text: str, most: int = 38) -> str:
    """Return a text on one line, with its middle left out where it is longer than `most` letters."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 2]}\u2026{text[len(text) - kept // 2 :]}"


def wrap_text(text: str, width: int) -> str:
    """Return a text broken into lines of at most `width` letters; longer words stay whole."""
    return fill(text, width, break_long_words=False, break_on_hyphens=False)


def write_name(name: object, most: int = 38) -> str:
    """Return a name that comes with the data as matplotlib draws it: letter by letter, on one line, not too long.

    Every name of a column, a parameter or a candidate passes through here, or through `write_formulas`.
    """
    return _escape(shorten(str(name), most))


def write_formulas(text: str) -> str:
    """Return a text with efficiencies' Greek letters as matplotlib's mathematics, and everything else as it is."""
    return re.sub(r"\b(eps|sigma)_([A-Za-z])\b", lambda m: rf"$\{GREEK[m[1]]}_{m[2]}$", _escape(text))


def _escape(text: str) -> str:
    """Return a text whose dollars are no mathematics to matplotlib, with a blank for what no font has."""
    text = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return text.replace("$", r"\$")


def name_file(name: str) -> str:
    """Return a name that any file may have; one that had to be altered ends in a hash, so that no two become one."""
    safe = re.sub(r"[^\w.+-]+", "_", name).encode()[:MAX_BYTES].decode(errors="ignore")
    safe = re.sub(r"^\.+", "_", safe) or "_"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def add_legend(axes: Axes | Figure, place: str = "best", **more: Any) -> Legend:
    """Add a legend, of axes or of a whole figure, in the look of all others, and return it."""
    look: dict[str, Any] = {"loc": place, "fontsize": 9.5, "handlelength": 1.8}
    if _is_house():
        look |= {"labelcolor": INK, "frameon": True, "framealpha": 0.9, "edgecolor": "none"}
    return axes.legend(**{**look, **more})


def headline(figure: Figure, title: str) -> None:
    """Write the title of the whole figure, which is plain text, on as many lines as it takes."""
    look: dict[str, Any] = {"color": INK, "fontweight": "bold"} if _is_house() else {}
    lines = write_formulas(wrap_text(title, int(LETTERS_PER_INCH * figure.get_figwidth())))
    figure.suptitle(lines, fontsize=13, x=0.01, ha="left", **look)


def frame_values(values: Sequence[float] | np.ndarray, *, share: float = 0.06) -> tuple[float, float]:
    """Return limits around finite values with a margin of a share of their range."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = (high - low) * share or max(abs(high) * share, 1e-3)
    return low - margin, high + margin
