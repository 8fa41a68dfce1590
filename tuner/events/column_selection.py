"""Which columns of a source a problem needs, which of them are not there, and which events it selects."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.cut_flow import CutFlow, count_cuts
from tuner.events.diagnostics import Findings
from tuner.events.expressions.functions import is_list
from tuner.events.expressions.syntax import Expression
from tuner.events.formulas import FILE, Formulas, Lookup, read_formulas
from tuner.events.joining import ListSource, read_source
from tuner.events.labels import take_labels
from tuner.events.name_patterns import expand_names, fits
from tuner.events.new_columns import ColumnMaker
from tuner.problem import EventSource, Problem

MAX_TOLD = 8
"""Columns that a note names, at most."""
LEAST_LEFT = 3
"""Events of each class that a selection must leave: one for each part of the split."""


@dataclass
class FeatureGroup:
    """Some of the features, where memory does not take all of them at once."""

    at_most: int
    """How many of them are read."""
    done: frozenset[str] = frozenset()
    """Those that were read before."""
    with_roles: bool = True
    """Whether columns of other roles are read, and new columns made, too."""
    taken: dict[str, None] = field(default_factory=dict)
    """Those that are read."""

    def take(self, name: str) -> bool:
        """Return whether a feature is in the group; it is, if there still is room."""
        if name not in self.done and len(self.taken) < self.at_most:
            self.taken[name] = None
        return name in self.taken


@dataclass(frozen=True, eq=False)
class NeededColumns:
    """The columns that a problem needs, new ones among them, of the events that it selects."""

    problem: Problem
    """With the columns that its patterns of names stand for."""
    table: pd.DataFrame
    """One row an event. The index tells places among the events that were read."""
    names: list[str]
    """Of all columns that there are and may be needed."""
    features: list[str]
    """Names of the inputs that are there, in order."""
    named: frozenset[str]
    """Those that the problem names one by one, not by a pattern."""
    formulas: Formulas
    maker: ColumnMaker
    found: Findings
    """What does not hold of the expressions, and what a person should know."""
    cut_flow: CutFlow | None = None
    selected: np.ndarray | None = None
    """Whether an event fulfils the selection, bool [n], where the others stay in the table; None where they do not."""

    def shift(self, columns: Mapping[str, str]) -> pd.DataFrame:
        """Return the table, in which new features are made of other columns in place of some.

        columns: name to the name of the column that holds its shifted values. Raise `EventsError`.
        """
        moved = [n for n in self.features if n in self.formulas.columns and {*self.formulas.list_raw([n])} & {*columns}]
        if not moved:
            return self.table
        nominal = self.maker
        maker = ColumnMaker(
            nominal.table, nominal.lists, self.formulas, nominal.undefined, moved=columns, nominal=nominal
        )
        return self.table.assign(**{name: np.asarray(maker(name))[self.table.index] for name in moved})


def read_needed(
    source: EventSource,
    problem: Problem,
    *,
    with_variants: bool = False,
    only_roles: bool = False,
    to_score: bool = False,
    group: FeatureGroup | None = None,
    also: Sequence[str] = (),
) -> NeededColumns:
    """Return the columns that a problem needs of the events that it selects, and the new ones that it makes.

    The index of the frame that a file was written from is not among them, unless the problem gives it a role.

    Args:
        source: Where the events are.
        problem: Which columns have which role, what is selected, and what is made of them.
        with_variants: Read the shifted columns of nuisances, too.
        only_roles: Make only those new columns that have a role.
        to_score: Keep all events, and say which are selected; features must be there, other new columns are made where
            all that they are made of is there.
        group: Which of the features are read. None: all of them.
        also: Names, or patterns of names, of columns that are read whatever their role.

    Raises:
        EventsError: The source cannot be read, names a column twice, or holds no events.
        StudyError: An expression cannot be read.
    """
    formulas = read_formulas(problem)
    with_roles = group is None or group.with_roles
    used = formulas.list_all() if with_roles else formulas.list_selection()
    choice = _Choice(problem, with_variants, frozenset(used), group, tuple(also))
    table = read_source(source, choice)
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise EventsError(f"{source.describe()} must name each column once, but has twice: {name_all(twice)}.")
    if len(table) == 0:
        raise EventsError(f"{source.describe()} must hold events, but has none.")
    index = {name for name in table.attrs.get("index", ()) if name not in problem.roles}
    table = table.drop(columns=[name for name in table.columns if name in index]).reset_index(drop=True)
    names = [name for name in choice.names if name not in index]
    lists = _read_lists(source, table, [name for name in used if name not in table])
    if problem.weight in names and problem.weight in formulas.columns:
        formulas = _take_weight_as_name(problem, formulas)
    assembly = _Assembly(problem, formulas, table, names, lists, only_roles=only_roles, to_score=to_score)
    return assembly.assemble(with_new=with_roles)


def _read_lists(source: EventSource, table: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Return the columns of lists that expressions name, awkward arrays by name."""
    left_out = table.attrs.get("left_out", {})
    wanted = [name for name in names if name in left_out]
    return source.read_lists(wanted) if wanted and isinstance(source, ListSource) else {}


def _take_weight_as_name(problem: Problem, formulas: Formulas) -> Formulas:
    """Return the expressions without the weight: a column has its text as its name."""
    return Formulas(
        formulas.selection, {name: made for name, made in formulas.columns.items() if name != problem.weight}
    )


class _Assembly:
    """Makes the columns of a problem from those that were read."""

    def __init__(
        self,
        problem: Problem,
        formulas: Formulas,
        table: pd.DataFrame,
        names: list[str],
        lists: Mapping[str, Any],
        *,
        only_roles: bool,
        to_score: bool,
    ) -> None:
        self.original, self.formulas = problem, formulas
        self.only_roles, self.to_score = only_roles, to_score
        self.read, self.names = table, names
        self.found = Findings()
        table.attrs["names"] = [*names]
        self.maker = ColumnMaker(table, lists, formulas, problem.list_undefined)
        self.problem = problem

    def assemble(self, *, with_new: bool = True) -> NeededColumns:
        """Return what is needed; without new columns, where another pass has made them."""
        made = self._make_columns() if with_new else {}
        table = pd.concat([self.read, pd.DataFrame(made, index=self.read.index)], axis=1) if made else self.read
        table.attrs = self.read.attrs
        names = list(dict.fromkeys([*self.names, *(made if with_new else self.formulas.columns)]))
        self.problem = self._expand_patterns(names)
        features = self._list_features(names)
        self._refuse_label_in(features)
        self._note_weight_parts(names)
        kept, cut_flow = self._select(table)
        counted = np.ones(len(table), bool) if kept is None else kept
        self.found.problems += self.maker.find_unknown(counted, self._needed)
        self.found.notes += self.maker.list_notes(counted, self._needed)
        if kept is not None and not self.to_score:
            table = table[kept]
        return NeededColumns(
            self.problem,
            table,
            names,
            features,
            frozenset(self.original.features or ()),
            self.formulas,
            self.maker,
            self.found,
            cut_flow,
            kept if self.to_score else None,
        )

    def _expand_patterns(self, names: Sequence[str]) -> Problem:
        """Return the problem with names of columns in place of patterns."""
        problem = self.original
        problems = [] if self.to_score or self.found.problems else self.found.problems
        changes: dict[str, Any] = {}
        taken = {*problem.roles, *self.formulas.parts}
        for role in ("ignored", "observers", "features"):
            given = getattr(problem, role)
            if given is not None:
                others = taken - {*given}
                keep = self.to_score and role == "features"
                changes[role] = expand_names(given, names, taken=others, role=role, problems=problems, keep=keep)
                taken |= {*changes[role]}
        same = all(getattr(problem, role) == value for role, value in changes.items())
        return problem if same else replace(problem, **changes)

    def _list_features(self, names: list[str]) -> list[str]:
        """Return the inputs that are there: those that the problem names, or all columns without a role."""
        if self.problem.features is not None:
            return [name for name in self.problem.features if name in names]
        others = {*self.problem.roles, *self.formulas.parts}
        return [str(name) for name in names if name not in others]

    def _refuse_label_in(self, features: Sequence[str]) -> None:
        """Add a sentence for each feature that is made of the label."""
        label = self.problem.label
        for name in features:
            made_of = {*self.formulas.list_made([name]), *self.formulas.list_raw([name])}
            if name in self.formulas.columns and label in made_of:
                self.found.problems.append(
                    f'New column "{name}" must not be made of the label "{label}", as it is a feature. '
                    "Make it of something else, or name it among `ignored`."
                )

    def _note_weight_parts(self, names: Sequence[str]) -> None:
        """Add a note on columns that would be features, were the weight not made of them."""
        if self.to_score or self.only_roles:
            return
        formulas, problem = self.formulas, self.original
        others = {*self.problem.roles, *formulas.list_made([problem.label]), *formulas.list_raw([problem.label])}
        told = [
            name
            for name in names
            if name in formulas.parts
            and name not in others
            and not isinstance(formulas.columns.get(name), Lookup)
            and (problem.features is None or fits(name, problem.features))
        ]
        if told:
            one = len(told) == 1
            so, them = (
                ("is used by the weight and so is no feature", "it")
                if one
                else ("are used by the weight and so are no features", "them")
            )
            self.found.notes.append(f"{name_all(told, most=MAX_TOLD)} {so}; to keep {them}, name {them} in `features`.")

    def _make_columns(self) -> dict[str, Any]:
        """Return the new columns of one value an event; add a sentence for each that cannot be made."""
        made: dict[str, Any] = {}
        failed: set[str] = set()
        for name in self.formulas.list_ordered():
            if name in self.names and not self.to_score:
                self.found.problems.append(
                    f'New column "{name}" must have a name of its own, but the events have a column "{name}".'
                )
            if name in self.names or not self._is_wanted(name):
                continue
            if failed & {*self.formulas.columns[name].list_columns()}:
                failed.add(name)
                continue
            try:
                values = self.maker(name)
            except EventsError as error:
                failed.add(name)
                if name in self._needed:
                    self.found.problems.append(str(error))
                continue
            if not is_list(values):
                made[name] = values
            elif (role := self.problem.roles.get(name)) not in (None, "ignored"):
                self.found.problems.append(
                    f'New column "{name}" ({role}) must be one value for each event, but is a list of them. '
                    f"Write index(..., 0), sum(...), or what else you need of it."
                )
        unknown = {name for name in made if self.formulas.list_made([name]) & self.maker.unknown} - self._needed
        return {name: values for name, values in made.items() if name not in unknown}

    @cached_property
    def _needed(self) -> set[str]:
        """New columns that must be made; of events to be scored only the features, and what selects the events."""
        if not self.to_score:
            return {*self.formulas.columns}
        selection = self.formulas.selection
        selecting = () if selection is None else selection.list_columns()
        return self.formulas.list_made([*(self.original.features or self.formulas.columns), *selecting])

    def _is_wanted(self, name: str) -> bool:
        """Return whether a new column is to be made."""
        if self.only_roles and name not in self.problem.roles:
            return False
        there = {*self.names, *self.maker.lists, FILE}
        return not self.to_score or name in self._needed or {*self.formulas.list_raw([name])} <= there

    def _select(self, table: pd.DataFrame) -> tuple[np.ndarray | None, CutFlow | None]:
        """Return where the selection holds, bool [n], and what its parts left; None without a selection."""
        if self.formulas.selection is None:
            return None, None
        selection = self.formulas.selection
        try:
            parts = [(selection.cut_out(part), self.maker.test(part)) for part in self._list_parts(selection)]
        except EventsError as error:
            self.found.problems.append(str(error))
            return None, None
        kept: np.ndarray = np.logical_and.reduce([np.ones(len(table), bool), *(holds for _, holds in parts)])
        if self.to_score or self.problem.label not in table:
            return kept, None
        labels = take_labels(table, self.problem.label, self.problem.signal, Findings())
        weights = self._take_weights(table)
        flow = count_cuts(parts, labels, weights, is_weighted=self.problem.weight is not None)
        if min(flow.stages[-1].signal, flow.stages[-1].background) < LEAST_LEFT:
            told = "\n    ".join(flow.lines)
            self.found.problems.append(
                f"`selection` must leave at least {LEAST_LEFT} events of signal and of background, but leaves:\n"
                f"    {told}"
            )
            return None, flow
        return kept, flow

    def _list_parts(self, selection: Expression) -> list[ast.expr]:
        """Return the parts of the selection; for events to be scored those whose columns are there, others noted."""
        there = {*self.names, *self.maker.lists, FILE}
        known = []
        for part in selection.split():
            lacking = [n for n in self.formulas.list_raw(selection.list_columns(part)) if n not in there]
            if lacking and self.to_score:
                self.found.notes.append(
                    f"The selection's part `{selection.cut_out(part)}` was not applied: "
                    f"{'column' if len(lacking) == 1 else 'columns'} {name_all(lacking)} "
                    f"{'is' if len(lacking) == 1 else 'are'} not there."
                )
            else:
                known.append(part)
        return known

    def _take_weights(self, table: pd.DataFrame) -> np.ndarray:
        """Return event weights [n] for the cut flow, not-a-number where they are none; ones without a column."""
        if self.problem.weight is None or self.problem.weight not in table:
            return np.ones(len(table))
        return pd.to_numeric(table[self.problem.weight], errors="coerce").to_numpy(np.float64, na_value=np.nan)


@dataclass
class _Choice:
    """Which columns a problem needs; remembers the names of all that there are."""

    problem: Problem
    with_variants: bool = False
    used: frozenset[str] = frozenset()
    """Columns that expressions name."""
    group: FeatureGroup | None = None
    also: tuple[str, ...] = ()
    names: dict[str, None] = field(default_factory=dict)

    def __call__(self, name: str) -> bool:
        self.names[name] = None
        if name in self.used or fits(name, self.also):
            return True
        problem = self.problem
        role = problem.roles.get(name)
        if role == "nuisance variant":
            return self.with_variants
        if role == "ignored" or (role is None and fits(name, problem.ignored)):
            return False
        if role not in (None, "feature") or fits(name, problem.observers):
            return self.group is None or self.group.with_roles
        is_feature = role is not None or problem.features is None or fits(name, problem.features)
        return is_feature and (self.group is None or self.group.take(name))
