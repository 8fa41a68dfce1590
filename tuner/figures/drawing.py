"""The product of every drawer, and the look that all figures share.

`matplotlib.figure.Figure` only, no pyplot and no change of global settings: figures may be drawn in any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuner.metrics.measurement import Measurement

SIGNAL = "#0072B2"
BACKGROUND = "#D55E00"
GOOD = "#009E73"
FAINT = "#A9B1BA"
INK = "#22262B"
QUIET = "#5E6873"
OTHERS = ("#CC79A7", "#009E73", "#E69F00", "#56B4E9", "#8C6D31")
"""Further candidates; with signal and background Okabe and Ito's palette, safe for colour-blind readers."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure, the numbers in it, and what it shows in words."""

    figure: Figure
    table: pd.DataFrame
    """The numbers that are drawn."""
    title: str
    alt: str
    """What a reader who cannot see the figure should know."""

    def frame(self) -> pd.DataFrame:
        """Return the numbers that are drawn."""
        return self.table

    def save(self, folder: str | Path, name: str) -> tuple[Path, Path]:
        """Write `name`.png and `name`.pdf to a folder, which is made; return both paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
        png.write_bytes(self.png_bytes())
        self.figure.savefig(pdf, format="pdf", metadata={"Title": self.title, "CreationDate": None})
        return png, pdf

    def png_bytes(self, dpi: int = 160) -> bytes:
        """Return the figure as PNG."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", dpi=dpi)
        return buffer.getvalue()

    def svg(self) -> str:
        """Return the figure as SVG, letters as paths: it needs no fonts."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue().decode()


def start_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches, whose layout looks after itself."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, *, x: str, y: str, title: str = "") -> None:
    """Give axes their labels and the look of all others."""
    axes.set_xlabel(x, fontsize=11, color=INK)
    axes.set_ylabel(y, fontsize=11, color=INK)
    if title:
        axes.set_title(title, fontsize=11, color=INK, loc="left", pad=8)
    axes.grid(visible=True, color="#E6E9EC", linewidth=0.7)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(QUIET)
    axes.tick_params(which="both", labelsize=9.5, color=QUIET, labelcolor=INK)


def add_legend(axes: Axes, place: str = "best", **more: Any) -> None:
    """Add a legend in the look of all others."""
    axes.legend(
        **{
            "loc": place,
            "fontsize": 9.5,
            "labelcolor": INK,
            "frameon": True,
            "framealpha": 0.9,
            "edgecolor": "none",
            "handlelength": 1.8,
            **more,
        }
    )


def headline(figure: Figure, title: str) -> None:
    """Write the title of the whole figure."""
    figure.suptitle(title, fontsize=13, color=INK, x=0.01, ha="left", fontweight="bold")


def tell(measurement: Measurement) -> str:
    """Return a value with its error as a figure shows it."""
    return str(measurement).replace("+-", "\u00b1")


def frame_values(values: Sequence[float] | np.ndarray, *, share: float = 0.06) -> tuple[float, float]:
    """Return limits around finite values with a margin of a share of their range."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = (high - low) * share or max(abs(high) * share, 1e-3)
    return low - margin, high + margin
