"""Values of an expression: arrays of numbers, conditions, texts, or lists of numbers, one an event."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.events.expressions.functions import FUNCTIONS, is_list
from tuner.events.expressions.syntax import Expression, get_quoted_column

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class Columns(Protocol):
    """Gives columns by name."""

    def __call__(self, name: str) -> Any:
        """Return a column [n]: numbers (undefined ones not-a-number), texts as a Series, or an awkward array of lists.

        Raise `EventsError` where it is not there, or holds something else.
        """
        ...


@dataclass(frozen=True)
class Evaluated:
    """What an expression, or a part of it, gave."""

    value: Any
    """Numbers or conditions [n], texts [n], an awkward array of lists [n], or one number, condition or text."""
    undefined_by: dict[str, np.ndarray] = field(default_factory=dict)
    """Text of an operation to where it made something undefined of what is defined, bool [n]."""

    @property
    def kind(self) -> str:
        """Return what the value is: "numbers", "conditions", "texts" or "lists"."""
        return _name_kind(self.value)


def evaluate(expression: Expression, columns: Columns, part: ast.expr | None = None) -> Evaluated:
    """Return the values of an expression, or of a part of it.

    Numbers are computed in double precision; whole numbers are compared, and divided with `//` and `%`, exactly. What
    has no finite result is undefined; a comparison with something undefined is false, `!=` as well.

    Args:
        expression: What `read_expression` returned.
        columns: Gives the columns that it names.
        part: A node of its tree. None: all of it.

    Raises:
        EventsError: A column is not there, or values are of the wrong kind: a list where a number must be, and so on.
    """
    evaluator = _Evaluator(expression, columns)
    values = evaluator.evaluate(part or expression.tree)
    return Evaluated(values, evaluator.undefined_by)


def _name_kind(value: Any) -> str:
    if is_list(value):
        return "lists"
    if isinstance(value, str | pd.Series):
        return "texts"
    return "conditions" if np.asarray(value).dtype == bool else "numbers"


class _Evaluator:
    """Evaluates the nodes of one expression."""

    def __init__(self, expression: Expression, columns: Columns) -> None:
        self.expression, self.columns = expression, columns
        self.undefined_by: dict[str, np.ndarray] = {}

    def evaluate(self, node: ast.expr) -> Any:
        """Return the value of a node; `read_expression` lets no other kinds of nodes through."""
        match node:
            case ast.Constant():
                value = self._get_constant(node)
            case ast.Name():
                value = self.columns(self.expression.get_name(node))
            case ast.BoolOp():
                value = self._join(node)
            case ast.UnaryOp(op=ast.Not() | ast.Invert()):
                value = np.logical_not(self._get_condition(node.operand))
            case ast.UnaryOp():
                number = self._get_number(node.operand)
                value = np.negative(number) if isinstance(node.op, ast.USub) else number
            case ast.BinOp():
                value = self._compute_arithmetic(node)
            case ast.Compare():
                value = self._compare(node)
            case ast.Call():
                value = self._call(node)
            case ast.Subscript():
                value = self._take(node)
        return value

    def _join(self, node: ast.BoolOp) -> Any:
        """Return where all, or any, of several conditions hold."""
        function = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        conditions = [
            self._get_condition(operand) for operand in ast.iter_child_nodes(node) if isinstance(operand, ast.expr)
        ]
        result = conditions[0]
        for condition in conditions[1:]:
            result = self._compute(node, function, result, condition)
        return result

    def _get_constant(self, node: ast.Constant) -> Any:
        token = self.expression.find_token(node)
        return token.text[1:-1] if token.kind == "text" else node.value

    def _fail(self, node: ast.expr, why: str) -> EventsError:
        whole, part = self.expression.text, self.expression.cut_out(node)
        inside = "" if part == whole else f" in `{whole}`"
        return EventsError(f"`{part}`{inside} {why}")

    def _get_number(self, node: ast.expr, *, exact: bool = False) -> Any:
        """Return a node as numbers: one, [n], or lists; in double precision, but for whole numbers where exact."""
        value = self.evaluate(node)
        if isinstance(value, pd.Series | str):
            example = value if isinstance(value, str) else next((str(text) for text in value if pd.notna(text)), "")
            raise self._fail(node, f'must be a number, but is a text. Compare it: `process == "{example[:20]}"`.')
        if is_list(value):
            import awkward as ak

            return ak.values_astype(value, np.float64)
        if exact and isinstance(value, int) and not isinstance(value, bool):
            return value  # Python's numbers take the width of what they meet
        value = np.asarray(value)
        return value if exact and value.dtype.kind in "iu" else value.astype(np.float64, copy=False)

    def _get_condition(self, node: ast.expr) -> Any:
        """Return a node as conditions; numbers that are 0 or 1 are, and what is undefined is false."""
        value = self.evaluate(node)
        kind = _name_kind(value)
        if kind == "conditions" or (kind == "lists" and _is_boolean(value)):
            return value
        if kind == "numbers" and np.ndim(value):
            odd = ~np.isin(value, (0, 1)) & ~np.isnan(value)
            if not odd.any():
                return value == 1
            row = int(odd.argmax())
            raise self._fail(
                node, f"must be a condition, or 0 or 1 in each event, but is {value[row]:g} in some. Compare it: `> 0`."
            )
        what = {"lists": "a list of numbers for each event", "texts": "a text", "numbers": "a number"}[kind]
        raise self._fail(node, f"must be a condition, such as `pt > 20`, but is {what}.")

    def _compute(self, node: ast.expr, function: Callable[..., Any], *values: Any) -> Any:
        """Return what a function makes of values; what is not finite is undefined, and remembered."""
        with np.errstate(all="ignore"):
            try:
                result = function(*values)
            except (ValueError, TypeError, OverflowError) as error:
                if any(map(is_list, values)):
                    raise self._fail(
                        node, "must join lists of one length in each event, but their lengths differ."
                    ) from error
                raise self._fail(node, f"cannot be computed: {error}.") from error
            return self._mark(node, result, values)

    def _mark(self, node: ast.expr, result: Any, values: Sequence[Any]) -> Any:
        """Return numbers with not-a-number for what is not finite; remember where all that went in is defined."""
        if is_list(result):
            if _is_boolean(result):
                return result
        elif np.asarray(result).dtype.kind != "f":
            return result
        is_undefined = ~np.isfinite(result)
        if not _any(is_undefined):
            return result
        fresh = is_undefined
        for value in values:
            if is_list(fresh) or not is_list(value):
                fresh = fresh & np.isfinite(value)
        self._remember(node, fresh)
        if is_list(result):
            import awkward as ak

            return ak.where(is_undefined, np.nan, result)
        return np.where(is_undefined, np.nan, result)

    def _remember(self, node: ast.expr, fresh: Any) -> None:
        if is_list(fresh):
            import awkward as ak

            fresh = ak.to_numpy(ak.any(fresh, axis=1))
        fresh = np.asarray(fresh)
        if fresh.any():
            text = self.expression.cut_out(node)
            self.undefined_by[text] = self.undefined_by.get(text, np.zeros(1, bool)) | fresh

    def _compute_arithmetic(self, node: ast.BinOp) -> Any:
        exact = isinstance(node.op, ast.FloorDiv | ast.Mod)
        left, right = (self._get_number(side, exact=exact) for side in (node.left, node.right))
        if exact and not is_list(right) and np.any(right == 0):
            right = np.asarray(right, np.float64)
        return self._compute(node, _ARITHMETIC[type(node.op)], left, right)

    def _compare(self, node: ast.Compare) -> Any:
        """Return whether all of the comparisons `a < b < c` hold."""
        sides = [node.left, *node.comparators]
        result: Any = None
        for operation, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
            holds = self._compare_two(node, operation, left, right)
            result = holds if result is None else self._compute(node, np.logical_and, result, holds)
        return result

    def _compare_two(self, node: ast.Compare, operation: ast.cmpop, left: ast.expr, right: ast.expr) -> Any:
        if isinstance(operation, ast.In | ast.NotIn):
            assert isinstance(right, ast.Tuple | ast.List)
            equal = [self._compare_two(node, ast.Eq(), left, value) for value in right.elts]
            holds = np.any(equal, axis=0) if not any(map(is_list, equal)) else None
            if holds is None:
                raise self._fail(left, "must be one value for each event, but is a list for each event.")
            return holds if isinstance(operation, ast.In) else ~holds & self._is_defined(left)
        compare = _COMPARISONS[type(operation)]
        if self._is_text(left, right) or self._is_text(right, left):
            return self._compare_texts(node, operation, left, right)
        first, second = (self._get_number(side, exact=True) for side in (left, right))
        holds = self._compute(node, compare, first, second)
        if isinstance(operation, ast.NotEq):
            for value in (first, second):
                holds = holds & np.isfinite(value)
        return holds

    def _is_defined(self, node: ast.expr) -> Any:
        value = self.evaluate(node)
        return value.notna().to_numpy() if isinstance(value, pd.Series) else np.isfinite(value)

    def _is_text(self, node: ast.expr, other: ast.expr) -> bool:
        """Return whether a node is a text and the other is compared with it as such: a text, or a column of texts."""
        return self._is_text_constant(node) or (
            isinstance(node, ast.Name)
            and isinstance(other, ast.Name)
            and all(isinstance(self.evaluate(side), pd.Series) for side in (node, other))
        )

    def _is_text_constant(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Constant) and self.expression.find_token(node).kind == "text"

    def _compare_texts(self, node: ast.Compare, operation: ast.cmpop, left: ast.expr, right: ast.expr) -> Any:
        values = [self.evaluate(side) for side in (left, right)]
        for side, value in zip((left, right), values, strict=True):
            if not isinstance(value, pd.Series | str):
                raise self._fail(side, "must be a text, as it is compared with one, but is a number.")
        if not isinstance(operation, ast.Eq | ast.NotEq):
            raise self._fail(node, "compares texts, which can be only `==` or `!=`.")
        both = all(isinstance(value, pd.Series) for value in values)
        first, second = (value.astype(object) if both else value for value in values)
        holds = np.asarray(_COMPARISONS[type(operation)](first, second), bool)
        for value in values:
            holds = holds & (value.notna().to_numpy() if isinstance(value, pd.Series) else True)
        return holds

    def _call(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        function = FUNCTIONS[self.expression.get_name(node.func)]
        takes = function.takes
        if takes == "either":
            takes = "list" if len(node.args) == 1 else "numbers"
        if takes == "list":
            return self._call_of_list(node, function.compute)
        first, *others = node.args
        values = [
            self._get_condition(first) if takes == "conditions" else self._get_argument(first),
            *map(self._get_argument, others),
        ]
        return self._compute(node, function.compute, *values)

    def _get_argument(self, node: ast.expr) -> Any:
        """Return numbers that a function takes; a text names a column."""
        if self._is_text_constant(node):
            assert isinstance(node, ast.Constant)
            return _to_float(self.columns(get_quoted_column(self.expression, node)))
        return self._get_number(node)

    def _call_of_list(self, node: ast.Call, compute: Callable[..., Any]) -> Any:
        first, *others = node.args
        if self._is_text_constant(first):
            assert isinstance(first, ast.Constant)
            value = self.columns(get_quoted_column(self.expression, first))
        else:
            value = self.evaluate(first)
        if not is_list(value):
            raise self._fail(first, "must be a list for each event, but is one value.")
        name = self.expression.find_token(node).text
        if name in ("any", "all") and not _is_boolean(value):
            raise self._fail(first, f"must be conditions, such as `{name}(jet_pt > 30)`, but is numbers.")
        result = self._compute(node, compute, value, *map(self._get_number, others))
        if np.asarray(result).dtype.kind == "f":
            self._remember(node, np.isnan(result))
        return result

    def _take(self, node: ast.Subscript) -> Any:
        """Return elements of lists: one, `jet_pt[0]`, or those for which a condition holds, `jet_pt[jet_pt > 30]`."""
        lists = self.evaluate(node.value)
        if not is_list(lists):
            raise self._fail(node.value, "must be a list for each event to have elements, but is one value.")
        chosen = self.evaluate(node.slice)
        if is_list(chosen) and _is_boolean(chosen):
            return self._compute(node, lambda values, kept: values[kept], lists, chosen)
        result = self._compute(node, FUNCTIONS["index"].compute, lists, self._get_number(node.slice))
        self._remember(node, np.isnan(result))
        return result


def _to_float(value: Any) -> Any:
    return value if is_list(value) else np.asarray(value, np.float64)


def _any(flags: Any) -> bool:
    if is_list(flags):
        import awkward as ak

        return bool(ak.any(flags, axis=None))
    return bool(np.any(flags))


def _is_boolean(lists: Any) -> bool:
    """Return whether lists hold conditions."""
    import awkward as ak

    return bool(ak.to_numpy(ak.flatten(lists, axis=1)).dtype == bool)
