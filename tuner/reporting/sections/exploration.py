"""Step 2 on the page: a look at the training events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.exploration.drawing import N_PAGE, draw_features
from tuner.exploration.exploration import Exploration
from tuner.exploration.explore import explore_events
from tuner.exploration.matrices import MAX_NUMBERED, draw_correlations
from tuner.exploration.overview import write_size
from tuner.exploration.pairs import N_PAIRED
from tuner.exploration.planes import draw_pairs
from tuner.figures import Drawing
from tuner.launchers.process_pool import ProcessPool
from tuner.preparation.splitting import PARTS
from tuner.problem import Problem
from tuner.progress.wording import write_count, write_number
from tuner.reporting.formatting import DASH, stack, write_share
from tuner.reporting.page import Block, Notice, Picture, Section, Table, Text
from tuner.reporting.pictures import keep_drawings
from tuner.tuning.search import Search

EXAMPLES = ("First event", "Middle", "Last")


def write_exploration(search: Search, pool: ProcessPool) -> Section:
    """Return step 2: the training events as they were read; a notice where the run folder does not hold them whole.

    Args:
        search: The search.
        pool: Processes that write the pictures.
    """
    problem, splits = search.study.problem, search.splits
    try:
        events = search.open_events().events
    except EventsError as error:
        told = [Notice(f"The events cannot be shown. {error}")]
        return Section(number="2", name="Visualize", title="The features", blocks=told)
    events = replace(events, event_id=None)  # numbered, as only which are the same counts
    exploration = explore_events(events, {name: getattr(splits, name).rows for name in PARTS}, findings=())
    drawings = {"features": _draw_features(exploration, problem)}
    if exploration.pairs:
        drawings |= {
            "correlations": _draw_correlations(exploration, problem),
            "pairs": _draw_pairs(exploration, problem),
        }
    pictures = keep_drawings(search, drawings.items(), pool)
    blocks: list[Block] = [
        Text(exploration.shown),
        _list_columns(exploration, problem),
        pictures["features"],
        _list_features(exploration, problem),
        *(Notice(warning) for warning in exploration.warnings),
        *_show_relations(exploration, pictures),
    ]
    return Section(number="2", name="Visualize", title=write_count(len(exploration.features), "feature"), blocks=blocks)


def _show_relations(exploration: Exploration, pictures: dict[str, Picture]) -> list[Block]:
    """Return how features go together, in pictures and in words; nothing where there is one only."""
    if "correlations" not in pictures:
        return []
    # Panels of many features need more room; the planes of the pairs take all there is.
    per_row = 3 if len(exploration.features) <= MAX_NUMBERED else 2
    correlations = replace(pictures["correlations"], per_row=per_row)
    pairs = replace(pictures["pairs"], panels=[pictures["pairs"].png])
    return [correlations, *map(Text, exploration.strongest), pairs]


def _draw_features(exploration: Exploration, problem: Problem) -> Drawing:
    """Return the histograms of the features that tell most."""
    features = exploration.features
    n_drawn = min(N_PAGE, len(features))
    figure = draw_features(exploration, n_columns=min(3, n_drawn), units=problem.units)
    first, last = features.iloc[0], features.iloc[-1]
    by_weight = "'s weight" if problem.weight is not None else ""
    title = (
        f"Each feature, the most telling first: share of each class per bin{_tell_weights(problem, ', ')}, with "
        f"statistical errors. Both classes add up to 1, without what is undefined, which is told below a feature as a "
        f"share of the class{by_weight}, and without the outermost 0.2 % of the events at either end."
    )
    if n_drawn < len(features):
        title += f" The first {n_drawn} of {len(features)}: `tuner explore` draws all"
    return Drawing(
        figure,
        features,
        title=title,
        alt=f"Histograms of {write_count(n_drawn, 'feature')}. {first.name} tells most by itself, separation "
        f"{first['separation']:.3f}; {last.name} least, {last['separation']:.3f}.",
        panels=[*figure.legends, *figure.axes],
    )


def _draw_correlations(exploration: Exploration, problem: Problem) -> Drawing:
    percent = ", written in per cent" if len(exploration.features) <= MAX_NUMBERED else ""
    title = f"How features go together: correlations{_tell_weights(problem)}{percent}"
    alt = (
        "Matrices of the correlations between the features, of signal below the diagonal and of background above it; "
        "of the values, of their ranks, and how the classes differ."
    )
    figure = draw_correlations(exploration)
    return Drawing(figure, pd.concat(exploration.correlations), title=title, alt=alt, panels=figure.axes)


def _draw_pairs(exploration: Exploration, problem: Problem) -> Drawing:
    """Return the planes of the features that tell most."""
    n_drawn = min(N_PAIRED, len(exploration.features))
    title = (
        f"The {n_drawn} most telling features, two by two{_tell_weights(problem, ', ')}. The colour of a cell says "
        "which class prevails in it, grey where both do, when both count the same; its strength, how many events lie "
        "there. Above the diagonal: correlations, of signal above that of background"
    )
    figure = draw_pairs(exploration, problem.units)
    names = ", ".join(map(str, exploration.features.index[:n_drawn]))
    alt = f"Where signal and background lie in the planes of {names}."
    table = exploration.features.head(n_drawn)
    return Drawing(figure, table, title=title, alt=alt)


def _list_columns(exploration: Exploration, problem: Problem) -> Table:
    """Return the table of all columns, with their values in a few events."""
    rows = exploration.rows.iloc[np.unique([0, len(exploration.rows) // 2, len(exploration.rows) - 1])]
    cells = [
        (
            stack(str(name), problem.units.get(str(name), "")),
            row["role"],
            row["kind"],
            f"{row['distinct']:,}",
            *map(_write_cell, rows[str(name)]),
        )
        for name, row in exploration.columns.iterrows()
    ]
    n_events, n_columns = write_count(exploration.n_events, "event"), write_count(len(cells), "column")
    return Table(
        caption=f"The table: {n_events}, {n_columns}, {write_size(exploration.memory)} in memory; features are float32",
        head=("Column", "Role", "Values", "Distinct", *EXAMPLES[: len(rows)]),
        rows=cells,
        folded=True,
    )


def _write_cell(value: Any) -> str:
    if pd.isna(value):
        return DASH
    return str(value) if isinstance(value, str) else write_number(float(value))


def _list_features(exploration: Exploration, problem: Problem) -> Table:
    """Return the table of features, the most telling first."""
    head = (
        "Feature",
        "Separation",
        "AUC alone",
        "Undefined, by weight" if problem.weight is not None else "Undefined",
        "Mean, signal",
        "Mean, background",
        "Lowest",
        "Highest",
    )
    rows = [
        (
            stack(str(name), problem.units.get(str(name), "")),
            *(DASH if np.isnan(row[c]) else f"{row[c]:.3f}" for c in ("separation", "auc")),
            _write_undefined(row),
            *(write_number(row[c]) for c in ("mean_signal", "mean_background", "minimum", "maximum")),
        )
        for name, row in exploration.features.iterrows()
    ]
    caption = f"Each feature by itself{_tell_weights(problem, ', ')}"
    return Table(caption=caption, head=head, rows=rows, folded=len(rows) > N_PAGE)


def _write_undefined(row: pd.Series) -> str:
    """Return the share that is undefined, of signal above that of background where they differ."""
    signal, background = (
        write_share(row[name]) if row[name] else "0" for name in ("undefined_signal", "undefined_background")
    )
    return signal if signal == background else f"{signal.removesuffix(' %')} / {background}\nS / B"


def _tell_weights(problem: Problem, before: str = " ") -> str:
    """Return that event weights count, where the problem has some; else nothing."""
    return f"{before}with event weights" if problem.weight is not None else ""
