"""Tables and pictures of a look at the events, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from tuner.exploration.drawing import draw_features, part_features
from tuner.exploration.exploration import Exploration
from tuner.exploration.matrices import draw_correlations
from tuner.exploration.planes import draw_pairs
from tuner.figures.units import NONE

DPI = 150


def save_exploration(exploration: Exploration, folder: Path, *, units: Mapping[str, str] = NONE) -> list[Path]:
    """Write tables as CSV and figures as PNG and PDF to a folder, which is made; return the paths.

    Of many features there are several figures: a PNG each, and one PDF of several pages.

    Args:
        exploration: What `explore_events` returned.
        folder: Files of an earlier look are replaced, pages of which there are fewer now are deleted.
        units: Unit of a feature, by its name; else what the name says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = _save_tables(exploration, folder)
    paths += _save_features(exploration, folder, units)
    if exploration.pairs:
        figures = {"correlations": draw_correlations(exploration), "pairs": draw_pairs(exploration, units)}
        for name, figure in figures.items():
            for suffix in ("png", "pdf"):
                paths.append(folder / f"{name}.{suffix}")
                _write(figure, paths[-1])
    return paths


def _save_tables(exploration: Exploration, folder: Path) -> list[Path]:
    """Write the tables of features and columns, and the matrices of correlations."""
    tables: dict[str, pd.DataFrame] = {"features": exploration.features, "columns": exploration.columns}
    for kind, matrix in exploration.correlations.items():
        tables[f"correlations_{kind}"] = matrix
        tables[f"rank_correlations_{kind}"] = exploration.rank_correlations[kind]
    paths = []
    for name, table in tables.items():
        paths.append(folder / f"{name}.csv")
        table.to_csv(paths[-1], index_label=str(table.index.name or "feature"))
    if exploration.cut_flow is not None:
        paths.append(folder / "cut_flow.csv")
        exploration.cut_flow.frame().to_csv(paths[-1], index=False)
    return paths


def _save_features(exploration: Exploration, folder: Path, units: Mapping[str, str]) -> list[Path]:
    """Write the pages of features."""
    pages = part_features(exploration)
    names = [f"features-{number:02}.png" for number in range(1, len(pages) + 1)] if len(pages) > 1 else ["features.png"]
    for stale in {*folder.glob("features-[0-9][0-9].png"), folder / "features.png"}:
        if stale.name not in names:
            stale.unlink(missing_ok=True)
    with PdfPages(folder / "features.pdf", metadata={"CreationDate": None}) as pdf:
        for name, page in zip(names, pages, strict=True):
            figure = draw_features(exploration, page, units=units)
            _write(figure, folder / name)
            pdf.savefig(figure)
    return [*(folder / name for name in names), folder / "features.pdf"]


def _write(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
