"""Steps 0 to 3 on the page: the frame, the events, a look at them, their preparation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.evaluation.results import Evaluation
from tuner.events.cut_flow import write_kept
from tuner.events.sources import find_source
from tuner.exploration.drawing import MAX_NUMBERED, draw_correlations, draw_features
from tuner.exploration.exploration import Exploration
from tuner.exploration.explore import explore_events
from tuner.figures import Drawing
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics.measurement import Measurement
from tuner.passwords import hide_passwords
from tuner.preparation.splits import Part
from tuner.problem import WEIGHTS, Ballpark, Problem, write_formula
from tuner.progress.wording import join_words, write_count
from tuner.reporting.formatting import list_settings, stack, stack_error, write_number, write_share, write_value
from tuner.reporting.page import Block, Facts, Notice, Section, Table, Text
from tuner.reporting.pictures import keep_drawings
from tuner.reporting.summary import name_handed_on
from tuner.tuning.search import Search

DRAWN_FEATURES = 24
"""Features that are drawn, at most."""


FRAME = {
    "before": "what the events went through before",
    "after": "what happens with the scores afterwards",
    "worse_error": "which error hurts more",
}
"""Fields of a problem that one may leave empty, and what they say."""


HELD_OUT = "validation, or out of fold for what trains on that"
"""What a working point is chosen on, as long as it is not known what is handed on."""


def write_frame(problem: Problem, evaluation: Evaluation | None = None) -> Section:
    """Return step 0: what is asked, what comes before and after, what counts as a good answer, what others reached."""
    roles = {"weight": problem.weight, "event id": problem.event_id, "never an input": ", ".join(problem.all_observers)}
    own = () if evaluation is None else evaluation.own_parts
    chosen_on = own[0].part if own else HELD_OUT
    facts = [
        ("Question", problem.question),
        *((FRAME[name].capitalize(), told) for name in FRAME if (told := getattr(problem, name).strip())),
        *_tell_yields(problem),
        ("Signal", f"{problem.label} = {problem.signal!r}"),
        ("Figure of merit", f"{problem.figure_of_merit.name}, on validation{_tell_weights(problem, ', ')}"),
        ("Working point", f"{problem.working_point.name}; chosen on {chosen_on}, frozen for test"),
        *((f"Column: {role}", columns) for role, columns in roles.items() if columns),
    ]
    if problem.optimum is not None:
        facts.append(("Optimum", f"{problem.optimum}: no network can do better (Neyman-Pearson)"))
    blocks: list[Block] = [Facts(facts)]
    if missing := [what for name, what in FRAME.items() if not getattr(problem, name).strip()]:
        fields = join_words([f"`{name}`" for name in FRAME if not getattr(problem, name).strip()])
        blocks.append(Text(f"Not said: {join_words(missing)}. Add {fields} to the problem."))
    if problem.ballparks:
        blocks += _write_ballparks(problem, evaluation)
    else:
        blocks.append(Text("No ballpark is named: add what others reached to the study, to know what to expect."))
    return Section(number="0", name="Frame", title="What is asked", blocks=blocks)


def _tell_yields(problem: Problem) -> list[tuple[str, str]]:
    """Return the events that are expected before the cut, where somebody said."""
    named = zip(("signal", "background"), problem.yields, strict=True)
    told = [
        f"{kind} as the weights add up to" if events == WEIGHTS else f"{write_number(float(events), 6)} {kind}"
        for kind, events in named
        if events is not None
    ]
    return [("Expected events", f"{join_words(told)}, before the cut")] if told else []


def _write_ballparks(problem: Problem, evaluation: Evaluation | None) -> list[Block]:
    """Return what others reached beside what this study did, and how far they can be compared."""
    own = None if evaluation is None else evaluation.own_part
    measured = None if own is None else own.measurements.get("AUC")
    rows = [(b.name, f"{b.auc:.4g}", b.source) for b in problem.ballparks]
    if evaluation is not None and own is not None and measured is not None:
        weighted = _tell_weights(problem, ", ")
        rows.append((OWN, stack_error(measured), f"the {name_handed_on(evaluation)}, on {own.part}{weighted}"))
    marked = len(rows) - 1 if measured is not None else None
    blocks: list[Block] = [
        Table(caption="What others reached", head=("Who", "AUC", "Source"), rows=rows, marked=marked)
    ]
    if measured is not None and measured.error > 0:
        blocks.append(Text(_compare(problem.ballparks, measured)))
    return blocks


OWN = "this study"


def _compare(ballparks: Sequence[Ballpark], measured: Measurement) -> str:
    """Return which ballparks this study is above, below, or too close to, as far as that can be told."""
    clear = 2 * math.sqrt(2) * measured.error
    sides = {
        "is above": [b.name for b in ballparks if measured.value - b.auc > clear],
        "is below": [b.name for b in ballparks if b.auc - measured.value > clear],
        "cannot be told from": [b.name for b in ballparks if abs(b.auc - measured.value) <= clear],
    }
    told = [f"{verb} {join_words([f'“{name}”' for name in names])}" for verb, names in sides.items() if names]
    return (
        f"This study {'; '.join(told)}. Take that as a rough guide: the others come without an interval and may rest "
        "on other splits or events. If theirs are as uncertain as this one, differences up to "
        f"{write_number(clear, 2)}, two standard deviations, may be chance. Step 7 compares candidates on equal events."
    )


def write_data(search: Search) -> Section:
    """Return step 1: where the events come from, and how many there are."""
    splits, problem = search.splits, search.study.problem
    parts = (splits.train, splits.validation, splits.test)
    n_events = sum(len(part.labels) for part in parts)
    source = hide_passwords(find_source(problem.events).describe())
    rows = [
        (name, *_count([part.weights[part.labels == label] for part in parts]))
        for name, label in (("signal", 1), ("background", 0))
    ]
    blocks: list[Block] = [
        Facts([("Source", source), ("Digest", f"sha256 {splits.events_digest}")]),
        Table(caption="Events by class", head=("Class", "Events", "Sum of weights", "Effective events"), rows=rows),
        Text("Effective events are (Σw)² / Σw²: as many events of equal weight would have the same statistical error."),
    ]
    blocks += _write_selection(search)
    negative = sum(int((part.weights < 0).sum()) for part in parts)
    if negative:
        blocks.append(
            Text(
                f"{write_share(negative / n_events)} of the events have negative weights: training will "
                f"{search.study.preparation.negative_weights} them; validation and test keep them."
            )
        )
    return Section(number="1", name="Data", title=f"{n_events:,} events", blocks=blocks)


def _write_selection(search: Search) -> list[Block]:
    """Return how new columns are made, and what each part of the selection left; nothing where there is neither."""
    problem = search.study.problem
    blocks: list[Block] = []
    if problem.columns:
        made = [(name, write_formula(formula)) for name, formula in problem.columns.items()]
        blocks.append(Table(caption="New columns", head=("Column", "Made by"), rows=made))
    try:
        flow = search.open_events().events.cut_flow if problem.selection else None
    except EventsError:
        return blocks  # step 2 tells
    if flow is None:
        return blocks
    kinds = [name for kind in ("signal", "background") for name in (kind, *([f"{kind}_weight"] * flow.is_weighted))]
    head = ("After", *(name.removesuffix("_weight").capitalize() + ", weights" * ("_" in name) for name in kinds))
    rows = [
        (str(cut), *(stack(write_number(float(row[name]), 5), write_kept(row[f"{name}_kept"])) for name in kinds))
        for cut, row in flow.frame().set_index("cut").iterrows()
    ]
    caption = "Selection: events that are left after each part, and their share of all"
    return [*blocks, Table(caption=caption, head=head, rows=rows)]


def write_exploration(search: Search, pool: ProcessPool) -> Section:
    """Return step 2: each feature as it was read; a notice where the run folder does not hold the events whole.

    Args:
        search: The search.
        pool: Processes that write the pictures.
    """
    problem = search.study.problem
    try:
        events = search.open_events().events
    except EventsError as error:
        told = [Notice(f"The events cannot be shown. {error}")]
        return Section(number="2", name="Visualize", title="The features", blocks=told)
    exploration = explore_events(events)
    features = exploration.features
    shown = replace(
        exploration,
        features=features.head(DRAWN_FEATURES),
        histograms=tuple(h for h in exploration.histograms if h.name in features.index[:DRAWN_FEATURES]),
    )
    drawings = {"features": _draw_features(shown, features, problem)}
    if 1 < len(features) <= DRAWN_FEATURES:
        drawings["correlations"] = _draw_correlations(exploration, problem)
    pictures = keep_drawings(search, drawings.items(), pool)
    blocks: list[Block] = [
        pictures["features"],
        Text("All events are shown, those of the test part included."),
        _list_features(features, problem),
        *(Notice(warning) for warning in exploration.warnings),
        *([pictures["correlations"]] if "correlations" in pictures else []),
    ]
    return Section(number="2", name="Visualize", title=write_count(len(features), "feature"), blocks=blocks)


def _draw_correlations(exploration: Exploration, problem: Problem) -> Drawing:
    percent = ", written in per cent" if len(exploration.features) <= MAX_NUMBERED else ""
    title = f"How features go together: correlations{_tell_weights(problem)}{percent}"
    alt = "Matrices of correlations between the features, one for signal and one for background."
    figure = draw_correlations(exploration)
    return Drawing(figure, pd.concat(exploration.correlations), title=title, alt=alt, panels=figure.axes)


def _draw_features(shown: Exploration, features: pd.DataFrame, problem: Problem) -> Drawing:
    """Return the histograms of the features that are shown, of all `features`."""
    figure = draw_features(shown, n_columns=min(3, len(shown.histograms)), units=problem.units)
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
    head = (
        "Feature",
        "Separation",
        "AUC alone",
        "Undefined",
        "Mean, signal",
        "Mean, background",
        "Lowest",
        "Highest",
    )
    rows = [
        (
            stack(str(name), problem.units.get(str(name), "")),
            f"{row['separation']:.3f}",
            f"{row['auc']:.3f}",
            _write_undefined(row),
            *(write_number(row[c]) for c in ("mean_signal", "mean_background", "minimum", "maximum")),
        )
        for name, row in features.iterrows()
    ]
    caption = f"Each feature by itself{_tell_weights(problem, ', ')}"
    return Table(caption=caption, head=head, rows=rows, folded=len(rows) > DRAWN_FEATURES)


def _write_undefined(row: pd.Series) -> str:
    """Return the share that is undefined, of signal above that of background where they differ."""
    signal, background = (
        write_share(row[name]) if row[name] else "0" for name in ("undefined_signal", "undefined_background")
    )
    return signal if signal == background else f"{signal.removesuffix(' %')} / {background}\nS / B"


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
    facts = [(name, value) for name, value in list_settings(preparation) if name not in ("fractions", "azimuths")]
    none = "none found" if preparation.azimuths == "auto" else "left as they are"
    facts.append(("azimuths", splits.preprocessing.describe_azimuths() or none))
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
