"""The expressions of a problem, read: its selection, its new columns, its weight."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.errors import StudyError, name_all, raise_together
from tuner.events.expressions.syntax import Expression, read_expression
from tuner.fields import show_value
from tuner.problem import Problem

FILE = "file"
"""Stands in expressions for the name of the file, with its tree, that an event comes from, where no column has it."""


@dataclass(frozen=True)
class Lookup:
    """A number for each value of another column, such as a cross section for each process."""

    column: str
    numbers: Mapping[Any, float]
    """Value, or a pattern of texts such as "tt*", to number."""

    def list_columns(self) -> tuple[str, ...]:
        """Return the column whose values are looked up."""
        return (self.column,)


@dataclass(frozen=True, eq=False)
class Formulas:
    """What a problem says by expressions."""

    selection: Expression | None
    columns: Mapping[str, Expression | Lookup]
    """New columns by name; a weight that is an expression is one, too, and has its text as its name."""
    parts: tuple[str, ...] = ()
    """Columns that label and weight are made of: no features unless the problem says so."""
    weights: tuple[str, ...] = ()
    """The weight, where it is an expression."""
    weight_problem: str = ""
    """Why the weight cannot be read as an expression; it may be the name of a column nevertheless."""

    def list_made(self, names: Iterable[str]) -> set[str]:
        """Return the new columns among some columns, and those that they are made of."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self.columns and name not in found:
                found.add(name)
                waiting += self.columns[name].list_columns()
        return found

    def list_raw(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the columns of the source that some columns are made of; those that are not new are themselves."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self.columns[name].list_columns() if name in self.columns else ()
        return tuple(name for name in found if name not in self.columns)

    def list_ordered(self) -> list[str]:
        """Return the new columns, each after those that it is made of."""
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            for other in self.columns[name].list_columns():
                if other in self.columns and other not in ordered:
                    visit(other)
            ordered[name] = None

        for name in self.columns:
            visit(name)
        return list(ordered)

    def list_selection(self) -> tuple[str, ...]:
        """Return the columns of the source that the selection needs."""
        return () if self.selection is None else self.list_raw(self.selection.list_columns())

    def list_all(self) -> tuple[str, ...]:
        """Return the columns of the source that any expression needs."""
        return tuple(dict.fromkeys((*self.list_selection(), *self.list_raw(self.columns))))


def read_formulas(problem: Problem) -> Formulas:
    """Return the expressions of a problem, read and checked without the events.

    Raises:
        StudyError: With everything that does not hold: what cannot be read, and where; new columns that are made of
            themselves.
    """
    problems: list[str] = []
    columns: dict[str, Expression | Lookup] = {}
    for name, formula in problem.columns.items():
        read = _read_column(name, formula, problems)
        if read is not None:
            columns[name] = read
    selection = None
    if problem.selection is not None:
        selection = _read(problem.selection, "`selection`", problems)
    weight, weight_problem = _read_weight(problem)
    if weight is not None and problem.weight is not None:
        columns[problem.weight] = weight
    problems += _find_circles(columns)
    raise_together(problems, StudyError, "This problem")
    weights = () if weight is None or problem.weight is None else (problem.weight,)
    return Formulas(selection, columns, _find_parts(problem, columns), weights, weight_problem)


def _find_parts(problem: Problem, columns: Mapping[str, Expression | Lookup]) -> tuple[str, ...]:
    """Return the columns that the label is made of, all the way, and those that the weight is made of at once.

    A weight may depend on a feature through a column, such as a momentum that is reweighted; a table of numbers is
    looked up in what says the process.
    """
    formulas = Formulas(None, columns)
    parts = {*formulas.list_made([problem.label]), *formulas.list_raw([problem.label])} - {problem.label}
    if problem.weight is not None and problem.weight in columns:
        of_weight = columns[problem.weight].list_columns()
        looked_up = (columns[name] for name in of_weight if isinstance(columns.get(name), Lookup))
        parts |= {*of_weight, *(lookup.column for lookup in looked_up if isinstance(lookup, Lookup))}
    return tuple(parts)


def _read(text: str, subject: str, problems: list[str]) -> Expression | None:
    try:
        return read_expression(text, subject)
    except StudyError as error:
        problems.append(str(error))
        return None


def _read_column(name: str, formula: Any, problems: list[str]) -> Expression | Lookup | None:
    """Return what makes a new column; add a sentence where it cannot be read."""
    subject = f'New column "{name}"'
    if not isinstance(name, str) or not name.strip():
        problems.append(f"`columns` must name each new column by a text, but has {name!r}.")
        return None
    if isinstance(formula, str):
        return _read(formula, subject, problems)
    table = next(iter(formula.items())) if isinstance(formula, Mapping) and len(formula) == 1 else (None, None)
    column, numbers = table
    if isinstance(column, str) and isinstance(numbers, Mapping) and numbers:
        wrong = [v for v in numbers.values() if isinstance(v, bool) or not isinstance(v, int | float) or v - v != 0]
        if not wrong:
            return Lookup(column, dict(numbers))
        problems.append(f"{subject} must give each value of `{column}` a finite number, but gives {wrong[0]!r}.")
        return None
    problems.append(
        f'{subject} must be an expression, "m_jj / m_bb", or the numbers for the values of a column, '
        f'{{"process": {{"ttH": 0.5, "tt*": 832}}}}, but is {show_value(formula)}.'
    )
    return None


def _read_weight(problem: Problem) -> tuple[Expression | None, str]:
    """Return the weight as an expression; None, and why, where it is none but the name of a column."""
    if problem.weight is None or problem.weight in problem.columns:
        return None, ""
    try:
        read = read_expression(problem.weight, "`weight`")
    except StudyError as error:
        return None, str(error)
    is_name = isinstance(read.tree, ast.Name) and read.get_name(read.tree) == problem.weight
    return (None if is_name else read), ""


def _find_circles(columns: Mapping[str, Expression | Lookup]) -> list[str]:
    """Return a sentence for each new column that is made of itself."""
    problems = []
    for name, formula in columns.items():
        seen: set[str] = set()
        waiting = list(formula.list_columns())
        while waiting:
            other = waiting.pop()
            if other == name:
                through = f", through {name_all(sorted(seen))}" if seen else ""
                problems.append(
                    f'New column "{name}" must not be made of itself{through}. A column that is there cannot be '
                    "changed: give the new one a name of its own."
                )
                break
            if other in columns and other not in seen:
                seen.add(other)
                waiting += columns[other].list_columns()
    return problems
