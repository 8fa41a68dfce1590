"""Steps 0 to 3 on the page: the frame, the events, a look at them, their preparation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.explore.drawing import MOST_NUMBERED, draw_correlations, draw_features
from tuner.explore.exploration import Exploration
from tuner.explore.step import explore_events
from tuner.figures import Drawing
from tuner.prepare.splits import Part
from tuner.problem import Problem
from tuner.read.step import read_events
from tuner.report.page import Block, Facts, Notice, Section, Table, Text
from tuner.report.pictures import keep_drawing
from tuner.report.writing import list_settings, write_count, write_number, write_share, write_value
from tuner.tune.search import Search

DRAWN_FEATURES = 24
"""Features that are drawn, at most."""


def write_frame(problem: Problem) -> Section:
    """Return step 0: what is asked, and what counts as a good answer."""
    roles = {"weight": problem.weight, "event id": problem.event_id, "never an input": ", ".join(problem.all_observers)}
    facts = [
        ("Question", problem.question),
        ("Signal", f"{problem.label} = {problem.signal!r}"),
        ("Figure of merit", f"{problem.figure_of_merit.name}, on validation{_tell_weights(problem, ', ')}"),
        ("Working point", f"{problem.working_point.name}; chosen on validation, frozen for test"),
        *((f"Column: {role}", columns) for role, columns in roles.items() if columns),
    ]
    if problem.optimum is not None:
        facts.append(("Optimum", f"{problem.optimum}: no network can do better (Neyman-Pearson)"))
    blocks: list[Block] = [Facts(facts)]
    if problem.ballparks:
        rows = [(b.name, f"{b.auc:.4g}", b.source) for b in problem.ballparks]
        blocks.append(Table(caption="What others reached", head=("Who", "AUC", "Source"), rows=rows))
    else:
        blocks.append(Text("No ballpark is named: add what others reached to the study, to know what to expect."))
    return Section(number="0", name="Frame", title="What is asked", blocks=blocks)


def write_data(search: Search) -> Section:
    """Return step 1: where the events come from, and how many there are."""
    splits, problem = search.splits, search.study.problem
    parts = (splits.train, splits.validation, splits.test)
    n_events = sum(len(part.labels) for part in parts)
    source = problem.events if isinstance(problem.events, str) else getattr(problem.events, "describe", str)()
    rows = [
        (name, *_count([part.weights[part.labels == label] for part in parts]))
        for name, label in (("signal", 1), ("background", 0))
    ]
    blocks: list[Block] = [
        Facts([("Source", str(source)), ("Digest", f"sha256 {splits.events_digest}")]),
        Table(caption="Events by class", head=("Class", "Events", "Sum of weights", "Effective events"), rows=rows),
        Text("Effective events are (Σw)² / Σw²: as many events of equal weight would have the same statistical error."),
    ]
    negative = sum(int((part.weights < 0).sum()) for part in parts)
    if negative:
        blocks.append(
            Text(
                f"{write_share(negative / n_events)} of the events have negative weights: training will "
                f"{search.study.preparation.negative_weights} them; validation and test keep them."
            )
        )
    return Section(number="1", name="Data", title=f"{n_events:,} events", blocks=blocks)


def write_exploration(search: Search) -> Section:
    """Return step 2: each feature as it was read. The events are read again; a notice where that is not possible."""
    problem = search.study.problem
    try:
        events = read_events(problem)
    except EventsError as error:
        told = [Notice(f"The events cannot be read now. {error}")]
        return Section(number="2", name="Visualize", title="The features", blocks=told)
    exploration = explore_events(events)
    features = exploration.features
    shown = replace(
        exploration,
        features=features.head(DRAWN_FEATURES),
        histograms=tuple(h for h in exploration.histograms if h.name in features.index[:DRAWN_FEATURES]),
    )
    few = len(features) <= DRAWN_FEATURES
    blocks: list[Block] = [
        keep_drawing(search, _draw_features(shown, features, problem), "features"),
        Text("All events are shown, those of the test part included."),
        _list_features(features, problem),
        *(Notice(warning) for warning in exploration.warnings),
    ]
    if events.digest != search.splits.events_digest:
        blocks.insert(
            0, Notice("The events have changed since the search: what is shown here is not what it learned from.")
        )
    if few and len(features) > 1:
        percent = ", written in per cent" if len(features) <= MOST_NUMBERED else ""
        title = f"How features go together: correlations{_tell_weights(problem)}{percent}"
        alt = "Matrices of correlations between the features, one for signal and one for background."
        table = pd.concat(exploration.correlations)
        figure = draw_correlations(exploration)
        drawing = Drawing(figure, table, title=title, alt=alt)
        blocks.append(keep_drawing(search, drawing, "correlations"))
    return Section(number="2", name="Visualize", title=write_count(len(features), "feature"), blocks=blocks)


def _draw_features(shown: Exploration, features: pd.DataFrame, problem: Problem) -> Drawing:
    """Return the histograms of the features that are shown, of all `features`."""
    figure = draw_features(shown, n_columns=min(3, len(shown.histograms)))
    first, last = features.iloc[0], features.iloc[-1]
    left_out = len(features) - len(shown.histograms)
    return Drawing(
        figure,
        features,
        title=f"Each feature, the most telling first: share of each class per bin{_tell_weights(problem, ', ')}, with "
        "statistical errors. Both classes add up to 1, without what is undefined, which is told below a feature, and "
        "without the outermost 0.2 % of the events at either end"
        + (f". The first {len(shown.histograms)} of {len(features)}" if left_out else ""),
        alt=f"Histograms of {write_count(len(shown.histograms), 'feature')}. {first.name} tells most by itself, "
        f"separation {first['separation']:.3f}; {last.name} least, {last['separation']:.3f}.",
        panels=[*figure.legends, *(axes for axes in figure.axes if axes.get_visible())],
    )


def _list_features(features: pd.DataFrame, problem: Problem) -> Table:
    """Return the table of features, the most telling first."""
    undefined = ("undefined_signal", "undefined_background")
    head = (
        "Feature",
        "Separation",
        "AUC alone",
        "Undefined, signal",
        "Undefined, background",
        "Mean, signal",
        "Mean, background",
        "Lowest",
        "Highest",
    )
    rows = [
        (
            str(name),
            f"{row['separation']:.3f}",
            f"{row['auc']:.3f}",
            *(write_share(row[c]) if row[c] else "0" for c in undefined),
            *(write_number(row[c]) for c in ("mean_signal", "mean_background", "minimum", "maximum")),
        )
        for name, row in features.iterrows()
    ]
    caption = f"Each feature by itself{_tell_weights(problem, ', ')}"
    return Table(caption=caption, head=head, rows=rows, folded=len(rows) > DRAWN_FEATURES)


def write_preparation(search: Search) -> Section:
    """Return step 3: how the events became tensors."""
    splits, preparation = search.splits, search.study.preparation
    rows = [
        (name, write_share(fraction, 0), *_count_classes(part))
        for name, fraction, part in zip(
            ("train", "validation", "test"),
            preparation.fractions,
            (splits.train, splits.validation, splits.test),
            strict=True,
        )
    ]
    head = ("Part", "Share", "Signal", "Effective signal", "Background", "Effective background")
    undefined = _list_undefined(search.study.problem)
    facts = [(name, value) for name, value in list_settings(preparation) if name != "fractions"]
    facts.append(("undefined values", ", ".join([*undefined, "not a number"])))
    facts.append(("inputs", f"{splits.d_in} (an indicator is added for each feature that is undefined in some events)"))
    blocks: list[Block] = [
        Table(caption="Parts", head=head, rows=rows),
        Facts(facts),
        Text("Everything is fitted on the training part alone. Undefined values become the feature's training median."),
    ]
    return Section(number="3", name="Prepare", title="Train, validation and test", blocks=blocks)


def _list_undefined(problem: Problem) -> list[str]:
    """Return the values that stand for "not defined", written, with their columns where they differ."""
    if not isinstance(problem.undefined, Mapping):
        return [write_value(value) for value in problem.list_undefined("")]
    return [f"{write_value(value)} in {name}" for name in problem.undefined for value in problem.list_undefined(name)]


def _count(weights: list[np.ndarray]) -> tuple[str, str, str]:
    """Return number, sum of weights and effective number of events, written."""
    n = sum(map(len, weights))
    total = float(sum(w.sum(dtype=float) for w in weights))
    squares = float(sum((w.astype(float) ** 2).sum() for w in weights))
    return f"{n:,}", write_number(total, 6), f"{total**2 / squares:,.0f}" if squares else "0"


def _count_classes(part: Part) -> tuple[str, str, str, str]:
    """Return number and effective number of signal and of background events, written."""
    (signal, _, of_signal), (background, _, of_background) = (
        _count([np.asarray(part.weights)[np.asarray(part.labels) == label]]) for label in (1, 0)
    )
    return signal, of_signal, background, of_background


def _tell_weights(problem: Problem, before: str = " ") -> str:
    """Return that event weights count, where the problem has some; else nothing."""
    return f"{before}with event weights" if problem.weight is not None else ""
