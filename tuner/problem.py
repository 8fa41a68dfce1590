"""Step 0, frame: the question, the events that may answer it, and what counts as a good answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields, show_value, to_plain
from tuner.given_events import GivenEvents, take_given
from tuner.metrics.figures_of_merit import Auc, Custom, CutFigure, FigureOfMerit
from tuner.metrics.working_points import WorkingPoint, Youden
from tuner.passwords import hide_passwords

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = "weights"
"""Stands for an expectation that the weights of all events add up to."""


BALLPARK_FIGURES = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
"""Figures of a ballpark, and the names that evaluations have for them."""


@runtime_checkable
class EventSource(Protocol):
    """Where events come from: a file, a download, a simulation."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError` where that is not possible."""
        ...

    def describe(self) -> str:
        """Return the source in a few words, for messages and the report."""
        ...

    def at(self, path: Path) -> EventSource:
        """Return the same source, read from another file or folder (`--events`)."""
        ...


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Ballpark:
    """A result that others had on the same problem: what to expect before any training. It has one figure at least."""

    name: str
    """Who or what reached it."""
    auc: float | None = None
    """Area under the ROC curve, 0 to 1."""
    accuracy: float | None = None
    """Share of the events on the right side of a cut, 0 to 1."""
    sensitivity: float | None = None
    """Share of signal above a cut, 0 to 1."""
    specificity: float | None = None
    """Share of background below it, 0 to 1."""
    source: str
    """Where the figures come from."""
    split: str = ""
    """Which events they were measured on, such as "test part of this split", or "ten-fold cross-validation"."""
    to_beat: bool = False
    """Whether it is the reference that this study must pass to be of use."""

    def __post_init__(self) -> None:
        settle_fields(self, "This ballpark")
        problems = [] if self.figures else [f"Give one of {', '.join(f'`{name}`' for name in BALLPARK_FIGURES)}."]
        problems += [
            f"`{name}` must be a share from 0 to 1, but is {value:g}."
            for name in BALLPARK_FIGURES
            if (value := getattr(self, name)) is not None and not 0 <= value <= 1
        ]
        raise_together(problems, StudyError, f'Ballpark "{self.name}"')

    @property
    def figures(self) -> dict[str, float]:
        """Those that are known, by the name that an evaluation has for them."""
        known = ((told, getattr(self, name)) for name, told in BALLPARK_FIGURES.items())
        return {told: value for told, value in known if value is not None}


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """Something that is known only so well, such as a momentum scale: the same events, measured otherwise.

    A variant is a source of the same events in the same order with the quantity moved by one standard deviation, or
    the columns, in the events themselves, that hold the shifted values of features. A `selection` is made by the
    nominal values alone: a shift moves no event across a cut.
    """

    name: str
    """What is uncertain, in a few words."""
    up: EventSource | str | Path | Mapping[str, str]
    """Moved up: a source or a path, or feature to column: `{"jet_pt": "jet_pt_up"}`."""
    down: EventSource | str | Path | Mapping[str, str] | None = None
    """Moved down. None: taken as the opposite of `up`."""

    def __post_init__(self) -> None:
        settle_fields(self, "This nuisance")
        problems = [] if self.name.strip() else ["`name` is empty. Say in a few words what is uncertain."]
        for direction in ("up", "down"):
            variant = getattr(self, direction)
            if isinstance(variant, Mapping) and len(set(variant.values())) < len(variant):
                problems.append(f"`{direction}` gives two features the same column: {dict(variant)}.")
            if isinstance(variant, Mapping) and not variant:
                problems.append(
                    f'`{direction}` names no column. Write {{"feature": "column with its shifted values"}}.'
                )
        raise_together(problems, StudyError, "This nuisance")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that hold shifted values: never inputs themselves."""
        variants = (variant for variant in (self.up, self.down) if isinstance(variant, Mapping))
        return tuple(dict.fromkeys(column for variant in variants for column in variant.values()))

    @property
    def shifted(self) -> tuple[str, ...]:
        """Features that `columns` hold the shifted values of."""
        variants = (variant for variant in (self.up, self.down) if isinstance(variant, Mapping))
        return tuple(dict.fromkeys(feature for variant in variants for feature in variant))


@check_keywords
@dataclass(frozen=True, kw_only=True, repr=False)
class Problem:
    """The framed question. Each column of the events has one role; columns without one are features."""

    question: str
    """What a person wants to know, as a sentence."""
    events: EventSource | str | Path | GivenEvents
    """Where the events are: a source, or a path such as `events.parquet`, `"events/*.root:tree"`; or the events: a
    DataFrame, a mapping of names to arrays or a structured array, which are copied. Workers read them from the study's
    file, which must make the same events each time that it is run."""
    validation_events: EventSource | str | Path | GivenEvents | None = None
    """Where the events of the validation part are, or these events, if not among `events`."""
    test_events: EventSource | str | Path | GivenEvents | None = None
    """Where the events of the test part are, or these events, if not among `events`."""
    label: str
    """Column that says what an event is."""
    signal: object
    """Value of the label column that means signal; the one other value means background."""
    features: tuple[str, ...] | None = None
    """Columns that are inputs, by name or by pattern, `("lepton*", "jet_[0-3]_pt")`; a pattern passes over columns that
    have another role. None: all columns that have no other role, and that label and weight are not made of."""
    weight: str | None = None
    """Column of event weights, or an expression, `"mc_weight * scale"`. None: every event counts as one."""
    observers: tuple[str, ...] = ()
    """Columns that are looked at but are never inputs, such as a mass; patterns, too."""
    event_id: str | None = None
    """Column that names the event; rows that share it never come into different parts."""
    ignored: tuple[str, ...] = ()
    """Columns that are left out; patterns, too. Expressions may name them nevertheless."""
    categories: tuple[str, ...] = ()
    """Features whose values are names, not sizes, by name or by pattern: a network is given an input for each value.
    Features of 2 to 32 different texts are categories without being named, numbers are not."""
    selection: str | None = None
    """Condition that an event must fulfil, `"pt > 20 & abs(eta) < 2.5"`, before anything else is done with it. None:
    all events are taken. How expressions are written, and what functions there are: `tuner.events.expressions`."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """New columns, of any role: name to expression, `{"m_ratio": "m_jj / m_bb", "lead_pt": "index(jet_pt, 0)"}`; or to
    the numbers for the values of a column, `{"scale": {"process": {"ttH": 0.51, "tt*": 832.0}}}`, to be used in
    `weight`. `file` stands for the name of an event's file where no column has that name."""
    undefined: float | tuple[float, ...] | Mapping[str, float | tuple[float, ...]] | None = None
    """Value that stands for "not defined", such as -999; or several, `(-999, -99)`; or those of each column,
    `{"jet_pt": -999, "tau": (-9, -99)}`. Values are compared as float32, so that -999.9 is found whatever the width of
    a file's numbers. Not-a-number, infinities and numbers too large for float32 always stand for it."""
    optimum: str | None = None
    """Observer that no network can beat (an exact likelihood ratio), where it is known."""
    figure_of_merit: FigureOfMerit = field(default_factory=Auc)
    """What the winner is chosen by, on validation: a figure of `tuner.metrics`, or a function of your own that takes
    labels [n] in {0, 1}, scores [n] and event weights [n] (in this order, or weights as `sample_weight`) and returns a
    number, higher for better. Its name is the function's; a search is resumed only with the same code."""
    working_point: WorkingPoint = field(default_factory=Youden)
    """Rule for the cut on the score; chosen on events that were not trained on, frozen for test."""
    ballparks: tuple[Ballpark, ...] = ()
    """What others reached, and the reference to beat among it."""
    before: str = ""
    """What the events went through before they come here, such as simulation, trigger and selection, as a sentence."""
    after: str = ""
    """What happens with the scores afterwards, such as a cut and a count, or a fit, as a sentence."""
    worse_error: str = ""
    """Which error hurts more, background that is selected or signal that is lost, and why, as a sentence."""
    expected_signal: float | Literal["weights"] | None = None
    """Signal events that the analysis expects, before the cut. None: those of a figure of merit that names them.
    "weights": the weights are physical, and those of all signal events add up to it. Without signal and background no
    significance is told."""
    expected_background: float | Literal["weights"] | None = None
    """Background events that the analysis expects, before the cut. None and "weights": as for signal."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of features and observers by column, {"jet_pt": "GeV"}, for the axes of figures. Of columns that are not
    named the unit counts that stands in the name, "jet_pt [GeV]"."""
    nuisances: tuple[Nuisance, ...] = ()
    """What is known only so well, and what that costs the frozen network at its frozen cut."""
    accepted: tuple[str, ...] = ()
    """Codes of findings that you have looked into, such as `("copies",)`: they are listed, and stop nothing.
    `tuner.events.checks.finding` has all codes."""
    gamma_telescope: bool = False
    """Whether to tell gamma efficiencies at fixed hadron efficiencies, and Q (doi:10.1016/j.nima.2003.08.157)."""

    def __post_init__(self) -> None:
        for name in ("events", "validation_events", "test_events"):
            object.__setattr__(self, name, take_given(getattr(self, name)))
        object.__setattr__(self, "figure_of_merit", _make_figure(self.figure_of_merit))
        if isinstance(self.working_point, type):
            object.__setattr__(self, "working_point", make_default(self.working_point, "`working_point`"))
        raise_together(_find_text_problems(self), StudyError, "This problem")
        if isinstance(self.columns, Mapping):
            object.__setattr__(self, "columns", {name: _make_plain(formula) for name, formula in self.columns.items()})
        problems: list[str] = []
        object.__setattr__(self, "undefined", _coerce_undefined(self.undefined, problems))
        raise_together(problems, StudyError, "This problem")
        settle_fields(self, "This problem")
        problems = _find_role_problems(self) + _find_nuisance_problems(self)
        problems += _find_yield_problems(self)
        problems += [
            f'`units` must give columns a unit, {{"jet_pt": "GeV"}}, but gives {show_value(column)} {show_value(unit)}.'
            for column, unit in self.units.items()
            if not (isinstance(column, str) and isinstance(unit, str) and unit.strip())
        ]
        if not self.question.strip():
            problems.append("`question` is empty. Say in a sentence what the events are to tell.")
        raise_together(problems, StudyError, "This problem")

    @property
    def roles(self) -> dict[str, str]:
        """Column name to role, for every column that the problem names."""
        named = {self.label: "label"}
        for role in ("weight", "event_id"):
            if (column := getattr(self, role)) is not None:
                named[column] = role.replace("_", " ")
        named |= dict.fromkeys(self.ignored, "ignored") | dict.fromkeys(self.observers, "observer")
        if self.optimum is not None:
            named[self.optimum] = "observer"
        for nuisance in self.nuisances:
            named |= dict.fromkeys(nuisance.columns, "nuisance variant")
        return named | dict.fromkeys(self.features or (), "feature")

    @property
    def facts(self) -> dict[str, str]:
        """The frame in words, by name: label, roles of columns, figure of merit, cut, what others reached."""
        told = {
            "Events": _describe_events(self.events),
            "Validation events": _describe_events(self.validation_events),
            "Test events": _describe_events(self.test_events),
            "Signal": f"{self.label} = {self.signal!r}",
            "Features": "all columns without another role" if self.features is None else ", ".join(self.features),
            "Weight": self.weight or "",
            "Event id": self.event_id or "",
            "Never an input": ", ".join(self.all_observers),
            "Ignored": ", ".join(self.ignored),
            "Categories": ", ".join(self.categories),
            "Selection": self.selection or "",
            "New columns": ", ".join(f"{name} = {write_formula(formula)}" for name, formula in self.columns.items()),
            "Undefined": _write_undefined(self.undefined),
            "Optimum": "" if self.optimum is None else f"{self.optimum}: no network can do better",
            "Figure of merit": f"{self.figure_of_merit.name}, on validation{', weighted' if self.weight else ''}",
            "Working point": f"{self.working_point.name}; chosen on events that were not trained on, frozen for test",
            "Accepted findings": ", ".join(self.accepted),
            "Nuisances": ", ".join(nuisance.name for nuisance in self.nuisances),
        }
        for known in self.ballparks:
            values = ", ".join(f"{name} {value:.4g}" for name, value in known.figures.items())
            said = "; ".join(filter(None, [known.source, known.split]))
            told[f"{'To beat' if known.to_beat else 'Ballpark'}: {known.name}"] = f"{values} ({said})"
        return {name: text for name, text in told.items() if text}

    def __repr__(self) -> str:
        """Return the question, the events and what is signal, on one line."""
        return f"Problem({self.question!r}, {self.facts['Events']}, signal: {self.facts['Signal']})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from tuner.notebook_cards import write_card, write_facts

        return write_card(self.question, write_facts(self.facts))

    @property
    def yields(self) -> tuple[float | Literal["weights"] | None, float | Literal["weights"] | None]:
        """Signal and background events that are expected before the cut; None where nobody said.

        "weights" where the weights of all events add up to them: see `tuner.preparation.yields.find_yields`.
        """
        named = self.figure_of_merit if isinstance(self.figure_of_merit, CutFigure) else None
        signal = self.expected_signal if named is None or self.expected_signal is not None else named.s
        background = self.expected_background if named is None or self.expected_background is not None else named.b
        return signal, background

    def list_undefined(self, column: str) -> tuple[float, ...]:
        """Return the values that stand for "not defined" in a column; in a new column only those given for it."""
        if isinstance(self.undefined, Mapping):
            values = self.undefined.get(column)
        else:
            values = None if column in self.columns else self.undefined
        if values is None:
            return ()
        return values if isinstance(values, tuple) else (values,)

    @property
    def all_observers(self) -> tuple[str, ...]:
        """Observers, the optimum among them."""
        extra = () if self.optimum is None or self.optimum in self.observers else (self.optimum,)
        return self.observers + extra


def _describe_events(source: EventSource | str | Path | GivenEvents | None) -> str:
    """Return where events are, without passwords; an empty text for nowhere."""
    if source is None:
        return ""
    return hide_passwords(source.describe() if isinstance(source, EventSource) else str(source))


def _make_plain(formula: Any) -> Any:
    """Return what a new column is made by with Python's own numbers in a table, as values and as what is looked up."""
    if isinstance(formula, Mapping):
        return {to_plain(key): _make_plain(value) for key, value in formula.items()}
    return to_plain(formula)


def write_formula(formula: Any) -> str:
    """Return what a new column is made by: an expression, or process: ttH 0.51, tt* 832."""
    if not isinstance(formula, Mapping):
        return str(formula)
    return "; ".join(
        f"{column}: " + ", ".join(f"{value} {number:g}" for value, number in numbers.items())
        for column, numbers in formula.items()
    )


def _write_undefined(undefined: Any) -> str:
    """Return the values that stand for "not defined" in words: -999; jet_pt -999, tau -9 or -99."""
    if isinstance(undefined, Mapping):
        return ", ".join(f"{column} {_write_undefined(values)}" for column, values in undefined.items())
    values = undefined if isinstance(undefined, tuple) else () if undefined is None else (undefined,)
    return " or ".join(f"{value:g}" for value in values)


def _coerce_undefined(given: Any, problems: list[str]) -> Any:
    """Return what `undefined` was given in Python's own numbers; add a sentence for each value that is none."""
    if isinstance(given, Mapping):
        return {column: _coerce_values(values, problems) for column, values in given.items()}
    return None if given is None else _coerce_values(given, problems)


def _coerce_values(given: Any, problems: list[str]) -> float | tuple[float, ...]:
    plain = given.tolist() if hasattr(given, "tolist") else given
    values = tuple(plain) if isinstance(plain, (tuple, list)) else (plain,)
    values = tuple(value.item() if hasattr(value, "item") else value for value in values)
    problems += [
        "`undefined` must be a number, several of them, (-999, -99), or those of each column, "
        f'{{"jet_pt": -999}}, but holds {show_value(value)}.'
        for value in values
        if isinstance(value, bool) or not isinstance(value, (int, float))
    ]
    return values if isinstance(plain, (tuple, list)) else values[0]


def _make_figure(given: Any) -> FigureOfMerit:
    """Return what was given as figure of merit, a class of figures as its default, a function as `Custom`."""
    if isinstance(given, type):
        return cast("FigureOfMerit", make_default(given, "`figure_of_merit`"))
    if not isinstance(given, FigureOfMerit) and callable(given):
        function = given.func if isinstance(given, partial) else given
        name = getattr(function, "__name__", type(function).__name__)
        return Custom(function=given, name="custom figure" if name == "<lambda>" else name.replace("_", " "))
    return cast("FigureOfMerit", given)


def make_default(kind: type, subject: str) -> object:
    """Return an instance of a class that was given instead of one. Raise `StudyError` where it needs arguments."""
    try:
        return kind()
    except TypeError as error:
        raise StudyError(
            f"{subject} must be an instance, but is the class {kind.__name__}. Write {kind.__name__}(...): {error}."
        ) from error


def _find_text_problems(problem: Problem) -> list[str]:
    """Return a sentence for each tuple of names that was given as a text."""
    names = ("features", "observers", "ignored", "categories", "accepted")
    texts = {role: getattr(problem, role) for role in names}
    return [
        f'`{role}` must be a tuple of names, but is the text "{text}". Write ("{text}",).'
        for role, text in texts.items()
        if isinstance(text, str)
    ]


def _find_role_problems(problem: Problem) -> list[str]:
    """Return a sentence for each column that was given two roles."""
    given: dict[str, list[str]] = {}
    for role in ("label", "weight", "event_id"):
        if (column := getattr(problem, role)) is not None:
            given.setdefault(column, []).append(role)
    for role in ("features", "observers", "ignored"):
        for column in getattr(problem, role) or ():
            given.setdefault(column, []).append(role)
    if problem.optimum is not None and "observers" not in given.get(problem.optimum, []):
        given.setdefault(problem.optimum, []).append("optimum")
    for column in {column: None for nuisance in problem.nuisances for column in nuisance.columns}:
        given.setdefault(column, []).append("nuisance variant")
    problems = [
        f'Column "{column}" has more than one role: {", ".join(roles)}. Leave one.'
        for column, roles in given.items()
        if len(roles) > 1
    ]
    others = {column: role for column, role in problem.roles.items() if role != "feature"}
    return problems + [
        f'`categories` must be features, but "{name}" is {others[name]}.'
        for name in problem.categories
        if name in others
    ]


def _find_yield_problems(problem: Problem) -> list[str]:
    """Return a sentence for each expectation that cannot be meant."""
    problems = []
    for name in ("expected_signal", "expected_background"):
        value = getattr(problem, name)
        if value == WEIGHTS and problem.weight is None:
            problems.append(f'`{name}` is "weights", but no column of weights is named. Say `weight`, or a number.')
        elif (
            value is not None
            and value != WEIGHTS
            and not (isinstance(value, (int, float)) and 0 < value < float("inf"))
        ):
            problems.append(
                f"`{name}` must be a number of events above 0, but is {show_value(value)}. "
                'Where the weights of all events add up to it, say "weights".'
            )
    return problems


def _find_nuisance_problems(problem: Problem) -> list[str]:
    """Return a sentence for each nuisance that comes twice or shifts what is no feature."""
    names = [nuisance.name for nuisance in problem.nuisances]
    problems = [f'There is more than one nuisance "{name}". Give each a name of its own.'
                for name in dict.fromkeys(names) if names.count(name) > 1]  # fmt: skip
    others = {column: role for column, role in problem.roles.items() if role != "feature"}
    for nuisance in problem.nuisances:
        for name in nuisance.shifted:
            is_listed = problem.features is None or name in problem.features
            # What expressions are made of may be shifted, too: the events tell.
            may_be_made = bool(problem.columns) or any(
                sign in name for name in problem.features or () for sign in "*?["
            )
            if name in others or not (is_listed or may_be_made):
                role = others.get(name, "not among `features`")
                problems.append(f'Nuisance "{nuisance.name}" must shift features, but "{name}" is {role}.')
    return problems
