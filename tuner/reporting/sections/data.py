"""Steps 0, 1 and 3 on the page: the frame, the events, their preparation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tuner.errors import EventsError
from tuner.evaluation.ballparks import OWN, BallparkRow, list_ballparks, list_figures
from tuner.evaluation.results import Evaluation
from tuner.events.cut_flow import write_kept
from tuner.events.part_sources import find_event_source
from tuner.metrics.figures_of_merit import CutFigure
from tuner.metrics.measurement import Measurement
from tuner.passwords import hide_passwords
from tuner.preparation.kept_events import load_cut_flow
from tuner.preparation.splits import Part
from tuner.problem import WEIGHTS, Problem, write_formula
from tuner.progress.wording import join_words, write_number
from tuner.reporting.formatting import list_settings, stack, stack_error, write_share, write_value
from tuner.reporting.page import Block, Facts, Notice, Section, Table, Text
from tuner.reporting.summary import name_handed_on
from tuner.tuning.findings import open_findings
from tuner.tuning.search import Search

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
        *_tell_figure_cut(problem, chosen_on),
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


def _tell_figure_cut(problem: Problem, chosen_on: str) -> list[tuple[str, str]]:
    """Return the figure's own cut, which is another than the working point; nothing where it is not one of a cut."""
    figure = problem.figure_of_merit
    if not isinstance(figure, CutFigure):
        return []
    told = f"largest {figure.name}, smoothed; chosen on {chosen_on}, frozen for test; handed on"
    return [(figure.cut_name.capitalize() if figure.cut_name.islower() else figure.cut_name, told)]


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
    rows = list_ballparks(problem, evaluation)
    figures = list_figures(rows)
    own = rows[-1] if evaluation is not None and rows[-1].name == OWN else None
    with_cut = [name for name in figures if name != "AUC"]
    head = ("Who", *(name if name == "AUC" else name.capitalize() for name in figures), "Measured on", "Source")
    written = [
        (
            f"{row.name}, to beat" if row.to_beat else row.name,
            *(_write_figure(row.figures.get(name)) for name in figures),
            row.split or _DASH,
            f"the {name_handed_on(evaluation)}" if row is own and evaluation is not None else row.source,
        )
        for row in rows
    ]
    marked = None if own is None else len(rows) - 1
    blocks: list[Block] = [Table(caption="What others reached", head=head, rows=written, marked=marked)]
    said = [] if own is None else [told for name in figures if (told := _compare(rows[:-1], own, name))]
    cut = f" {join_words(with_cut).capitalize()} of this study are those at its working point." if with_cut else ""
    compared = f" {' '.join(said)} {_GUIDE}{cut}" if said else ""
    return [*blocks, Text(f"{_AS_TOLD}{compared}")]


_DASH = "\N{EN DASH}"
_AS_TOLD = (
    "The others' figures are those that the study names, as their source tells them, with its events, weights and "
    "settings: nothing of them was measured here."
)
_GUIDE = (
    "Take that as a rough guide: the others come without an interval and may rest on other splits or events; "
    "differences up to two standard deviations may be chance, if theirs are as uncertain as this study's. Step 7 "
    "compares candidates on equal events."
)


def _write_figure(figure: float | Measurement | None) -> str:
    """Return a figure, with its error where one is known."""
    if figure is None:
        return _DASH
    return stack_error(figure) if isinstance(figure, Measurement) else f"{figure:.4g}"


def _compare(others: Sequence[BallparkRow], own: BallparkRow, name: str) -> str:
    """Return which ballparks this study is above, below, or too close to in a figure; nothing where nobody can tell."""
    measured = own.figures.get(name)
    if not isinstance(measured, Measurement) or not measured.error > 0:
        return ""
    clear = 2 * math.sqrt(2) * measured.error
    sides: dict[str, list[str]] = {"is above": [], "is below": [], "cannot be told from": []}
    for row in others:
        figure = row.figures.get(name)
        if isinstance(figure, float):
            lead = measured.value - figure
            side = "cannot be told from" if abs(lead) <= clear else "is above" if lead > 0 else "is below"
            sides[side].append(f"“{row.name}”{', the one to beat' if row.to_beat else ''}")
    told = [f"{verb} {join_words(names)}" for verb, names in sides.items() if names]
    return f"In {name} this study {'; '.join(told)} (two standard deviations: {write_number(clear, 2)})."


def write_data(search: Search) -> Section:
    """Return step 1: where the events come from, and how many there are."""
    splits, problem = search.splits, search.study.problem
    parts = (splits.train, splits.validation, splits.test)
    n_events = sum(len(part.labels) for part in parts)
    source = hide_passwords(find_event_source(problem).describe())
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
    blocks += _write_findings(search)
    return Section(number="1", name="Data", title=f"{n_events:,} events", blocks=blocks)


def _write_selection(search: Search) -> list[Block]:
    """Return how new columns are made, and what each part of the selection left; nothing where there is neither."""
    problem = search.study.problem
    blocks: list[Block] = []
    if problem.columns:
        made = [(name, write_formula(formula)) for name, formula in problem.columns.items()]
        blocks.append(Table(caption="New columns", head=("Column", "Made by"), rows=made))
    flow = load_cut_flow(search.folder.events)
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


def _write_findings(search: Search) -> list[Block]:
    """Return whether the events can be trusted: what checks found, and what to do about it."""
    try:
        findings = open_findings(search)
    except EventsError as error:
        return [Notice(f"Whether the events can be trusted cannot be told. {error}")]
    told = [one for one in findings if not one.is_accepted]
    rows = [(f"{one.code}\n{one.severity}", one.sentence, one.advice) for one in told]
    accepted = dict.fromkeys(one.code for one in findings if one.is_accepted)
    blocks: list[Block] = []
    if rows:
        head = ("Finding", "What it means", "What to do")
        caption = "Can the events be trusted? Training events in full, of the others only how their features compare"
        blocks.append(Table(caption=caption, head=head, rows=rows))
    elif not accepted:
        blocks.append(Text("Can the events be trusted? Checks found nothing that speaks against it."))
    if accepted:
        blocks.append(Text(f"Findings that the study has looked into and accepts: {', '.join(accepted)}."))
    return blocks


def write_preparation(search: Search) -> Section:
    """Return step 3: how the events became tensors."""
    splits, preparation = search.splits, search.study.preparation
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    n_events = sum(len(part.labels) for part in parts.values())
    rows = [
        (name, write_share(len(part.labels) / n_events, 0), *_count_classes(part), splits.fingerprints[name][:12])
        for name, part in parts.items()
    ]
    head = ("Part", "Share", "Signal", "Effective signal", "Background", "Effective background", "Fingerprint")
    undefined = _list_undefined(search.study.problem)
    transformed = {"azimuths": "none found" if preparation.azimuths == "auto" else "left as they are"}
    facts = [
        ("parts", _describe_split(search)),
        *((name, value) for name, value in list_settings(preparation) if name in _TOLD_AS_SET),
        *(transformed | splits.preprocessing.describe()).items(),
        ("undefined values", ", ".join([*undefined, "not a number"])),
        ("inputs", f"{splits.d_in} (an indicator is added for each feature that is undefined in some events)"),
    ]
    blocks: list[Block] = [
        Table(caption="Parts", head=head, rows=rows),
        Facts(facts),
        Text(
            "Everything is fitted on the training part alone. Undefined values become the feature's training median; a "
            "category that is undefined has none of its values."
        ),
    ]
    return Section(number="3", name="Prepare", title="Train, validation and test", blocks=blocks)


_TOLD_AS_SET = ("seed", "scaling", "training weights", "negative weights")
"""Settings of the preparation that the page tells as they are."""


def _describe_split(search: Search) -> str:
    """Return how the parts were chosen."""
    problem, preparation = search.study.problem, search.study.preparation
    named = {"validation": problem.validation_events, "test": problem.test_events}
    files = " and ".join(name for name, events in named.items() if events is not None)
    told = f"{files} by files of their own, the rest at random" if files else "at random, each class alike"
    if preparation.split is not None:
        told = preparation.split.describe()
    together = [name for name in (problem.event_id, preparation.keep_together) if name is not None]
    return told + (f"; events that share {' or '.join(together)} in one part" if together else "")


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
