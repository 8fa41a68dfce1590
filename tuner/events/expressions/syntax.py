"""The text of an expression: read into a tree of which every node is known, each with its position in the text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tuner.errors import StudyError, suggest_name
from tuner.events.expressions.functions import FOREIGN, FUNCTIONS

MAX_CHARACTERS, MAX_TOKENS, MAX_DEPTH = 4000, 1000, 100
"""Longest text, most words and signs in it, and deepest nesting: far beyond what a person writes."""

_TOKEN = re.compile(
    r"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<quoted>`[^`\n]+`)
    |(?P<name>[^\W\d]\w*(?:(?:\.|::)[^\W\d]\w*)*\$?)
    |(?P<sign>&&|\|\||==|!=|<=|>=|\*\*|//|[-+*/%<>()\[\],&|!~])
    |(?P<blank>\s+)
    |(?P<other>.)""",
    re.VERBOSE,
)
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_PYTHON = {"&": "and", "&&": "and", "|": "or", "||": "or", "!": "~"}
"""What signs are for Python's grammar. `and` and `or` bind less tightly than comparisons, as ROOT's `&&` does: in
Python itself `a > 1 & b < 2` is `a > (1 & b) < 2`."""
_WORDS = ("and", "or", "not", "in", "True", "False")
_ADVICE = {
    "=": "Compare with `==`.",
    "^": "Write a power as `**`.",
    "?": "Write `where(condition, a, b)` for a choice.",
    ":": "Write `where(condition, a, b)` for a choice.",
    "{": "Write several values in parentheses: `(1, 2)`.",
    "\\": "A text has no escapes: write it in the other kind of quotes.",
    ".": "Functions stand before what they take: `sum(jet_pt)`.",
    "`": "A name in backticks ends with one.",
    '"': "A text ends with the quote that it begins with.",
    "'": "A text ends with the quote that it begins with.",
}
_NODES = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Invert, ast.USub, ast.UAdd),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.In, ast.NotIn),
    *(ast.Call, ast.Subscript, ast.Constant, ast.Name, ast.Load, ast.Tuple, ast.List),
)
_SEVERAL = (ast.Tuple, ast.List)


@dataclass(frozen=True)
class Token:
    """A word or sign of an expression."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.text)


@dataclass(frozen=True, eq=False)
class Expression:
    """An expression that was read. The line of a node of its tree is the number of a token, counted from 1."""

    text: str
    tokens: tuple[Token, ...]
    tree: ast.expr

    def find_token(self, node: ast.expr) -> Token:
        """Return the word or sign that a node begins with."""
        return self.tokens[node.lineno - 1]

    def get_name(self, node: ast.expr) -> str:
        """Return the name of a column or function, as the events have it."""
        return self.find_token(node).text.strip("`")

    def cut_out(self, node: ast.expr) -> str:
        """Return the text of a node."""
        return self.text[self.find_token(node).start : self.tokens[(node.end_lineno or node.lineno) - 1].end]

    def split(self) -> list[ast.expr]:
        """Return the conditions that must all hold: the operands of the outermost `&`."""
        return list(_split_and(self.tree))

    def list_columns(self, part: ast.expr | None = None) -> tuple[str, ...]:
        """Return the columns that the expression, or a part of it, names: each once, in order."""
        found = sorted(
            (node for node in ast.walk(part or self.tree) if isinstance(node, ast.Name)), key=lambda node: node.lineno
        )
        called = {id(node.func) for node in ast.walk(part or self.tree) if isinstance(node, ast.Call)}
        names = [(node.lineno, self.get_name(node)) for node in found if id(node) not in called]
        names += [(node.lineno, get_quoted_column(self, node)) for node in _list_quoted(part or self.tree)]
        return tuple(dict.fromkeys(name for _, name in sorted(names)))


def get_quoted_column(expression: Expression, node: ast.Constant) -> str:
    """Return the column that a text names where a function takes it: `len("jet_pt")`."""
    return expression.find_token(node).text[1:-1]


@lru_cache(maxsize=256)
def read_expression(text: str, subject: str = "The expression") -> Expression:
    """Return an expression: names of columns, numbers, texts, comparisons, arithmetic, and functions of the table.

    Args:
        text: Python's grammar, in which `&` and `|` are `and` and `or`, as in `pandas.DataFrame.query`: they bind less
            tightly than comparisons. ROOT's `&&`, `||` and `!` are read, too. A name that is no word of letters, digits
            and underscores stands in backticks.
        subject: What it is, for messages.

    Raises:
        StudyError: It is empty, too long or too deep, has an unknown function or a sign without meaning, or is not
            whole; it tells where.
    """
    reader = _Reader(text, subject)
    return Expression(text, reader.tokens, reader.make_tree())


class _Reader:
    """Reads one expression."""

    def __init__(self, text: str, subject: str) -> None:
        self.text, self.subject = text, subject
        if not text.strip():
            raise StudyError(f"{subject} must be a text, but is empty.")
        if len(text) > MAX_CHARACTERS:
            raise StudyError(f"{subject} must have at most {MAX_CHARACTERS:,} characters, but has {len(text):,}.")
        self.tokens = tuple(self._list_tokens())
        if len(self.tokens) > MAX_TOKENS:
            raise StudyError(
                f"{subject} must have at most {MAX_TOKENS:,} words and signs, but has {len(self.tokens):,}. "
                "Split it into columns."
            )
        self._check_nesting()

    def fail(self, token: Token, why: str) -> StudyError:
        """Return the error that tells what cannot be read, and where."""
        rest = self.text[token.start :].strip()
        shown = rest if len(rest) <= 40 else f"{rest[:37]}..."
        where = f"at character {token.start + 1}, {shown!r}" if shown else "at its end"
        return StudyError(f"{self.subject} cannot be read {where}: {why}")

    def make_tree(self) -> ast.expr:
        """Return the tree. Each token is on a line of its own, so that a node's line tells its token."""
        source = "(" + "\n".join(self._write(token) for token in self.tokens) + "\n)"
        try:
            tree = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            number = getattr(error, "lineno", None) or len(self.tokens) + 1
            end = Token("end", "", len(self.text))
            token = self.tokens[number - 1] if number <= len(self.tokens) else end
            raise self.fail(token, "something is missing or too much.") from error
        if isinstance(tree, _SEVERAL):
            raise self.fail(self.tokens[0], "it must be one value, but is several.")
        self._check(tree)
        return tree

    def _list_tokens(self) -> Iterator[Token]:
        previous = Token("blank", "", 0)
        for match in _TOKEN.finditer(self.text):
            token = Token(match.lastgroup or "other", match[0], match.start())
            glued = token.start == previous.end and "number" in (previous.kind, token.kind)
            if token.kind == "other" or (glued and {previous.kind, token.kind} <= {"number", "name"}):
                raise self.fail(token, _ADVICE.get(token.text, "this has no meaning here."))
            if token.kind == "name":
                self._check_name(token)
            if token.kind != "blank":
                yield token
            previous = token

    def _check_name(self, token: Token) -> None:
        """Refuse names of ROOT's functions, with what they are here."""
        if token.text.endswith("$") or "::" in token.text:
            plain = re.sub(r"^.*::|\$$", "", token.text).lower()
            known = FOREIGN.get(plain, plain)
            advice = f" Write {known}." if known in FUNCTIONS or plain in FOREIGN else ""
            raise self.fail(token, f'"{token.text}" is not known here.{advice}')

    def _check_nesting(self) -> None:
        """Refuse what is nested so deep that Python's own parser could fail."""
        opened: list[Token] = []
        run = 0
        for token in self.tokens:
            if token.text in ("(", "["):
                opened.append(token)
            elif token.text in (")", "]") and (not opened or opened.pop().text != {")": "(", "]": "["}[token.text]):
                raise self.fail(token, "this closes nothing that is open.")
            run = run + 1 if token.text in ("-", "+", "~", "!", "not", "**") else 0
            if max(len(opened), run) > MAX_DEPTH // 2:
                raise self.fail(token, "it is nested too deep. Split it into columns.")
        if opened:
            raise self.fail(opened[-1], "this is not closed.")

    def _write(self, token: Token) -> str:
        """Return a token for Python's grammar; names and texts, which may be anything, as one and the same."""
        if token.kind == "number":
            value = float(token.text)
            if value in (float("inf"), float("-inf")):
                raise self.fail(token, "this number is too large.")
            return repr(int(token.text)) if token.text.isdigit() else repr(value)
        if token.kind in ("quoted", "name"):
            return token.text if token.text in _WORDS else "_"
        return '"_"' if token.kind == "text" else _PYTHON.get(token.text, token.text)

    def _check(self, tree: ast.expr) -> None:
        """Refuse every node that is not known."""
        waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
        while waiting:
            node, depth = waiting.pop()
            token = self.tokens[min(getattr(node, "lineno", 1), len(self.tokens)) - 1]
            if not isinstance(node, _NODES):
                raise self.fail(token, "this has no meaning here.")
            if depth > 2 * MAX_DEPTH:
                raise self.fail(token, "it is nested too deep. Split it into columns.")
            if isinstance(node, ast.Constant) and node.value not in ("_", True, False) and isinstance(node.value, str):
                raise self.fail(token, "two texts follow each other.")
            if isinstance(node, ast.Call):
                self._check_call(node, token)
            inner = [*node.args] if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
            if isinstance(node, ast.Compare):
                inner = [other for other in inner if not isinstance(other, _SEVERAL)] + self._open_lists(node, token)
            if any(isinstance(other, _SEVERAL) for other in inner):
                raise self.fail(token, "several values may stand only after `in`, and with functions.")
            waiting += [(other, depth + 1) for other in inner]

    def _check_call(self, node: ast.Call, token: Token) -> None:
        """Refuse functions that are not in the table, and wrong numbers of arguments."""
        if not isinstance(node.func, ast.Name) or token.kind != "name":
            raise self.fail(token, "only a function of the table can be called.")
        function = FUNCTIONS.get(token.text)
        if function is None:
            foreign = FOREIGN.get(token.text.lower())
            near = f" Write {foreign}." if foreign else suggest_name(token.text, FUNCTIONS)
            raise self.fail(token, f"there is no function `{token.text}`.{near or f' There are {name_functions()}.'}")
        if node.keywords or not function.least <= len(node.args) <= function.most:
            wanted = f"{function.least}" if function.least == function.most else f"{function.least} or more"
            values = "value" if wanted == "1" else "values"
            raise self.fail(token, f"`{token.text}` takes {wanted} {values}, but was given {len(node.args)}.")

    def _open_lists(self, node: ast.Compare, token: Token) -> list[ast.AST]:
        """Return the values of the lists after `in`; refuse a list elsewhere."""
        opened: list[ast.AST] = []
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn) != isinstance(right, _SEVERAL):
                raise self.fail(token, 'write several values after `in`, and only there: `process in ("a", "b")`.')
            if isinstance(right, _SEVERAL):
                if not all(isinstance(strip_sign(value), ast.Constant) for value in right.elts):
                    raise self.fail(token, "after `in` there must be numbers or texts.")
                opened += right.elts
        if isinstance(node.left, _SEVERAL):
            raise self.fail(token, "several values may stand only after `in`.")
        return opened


def quote_name(name: str) -> str:
    """Return a column's name as expressions have it: in backticks where it is no word."""
    is_plain = _NAME.fullmatch(name) and name not in (*_WORDS, *FUNCTIONS)
    return name if is_plain else f"`{name}`"


def strip_sign(node: ast.expr) -> ast.expr:
    """Return what a minus sign stands before."""
    return node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node


def name_functions() -> str:
    """Return the names of all functions."""
    return ", ".join(FUNCTIONS)


def _split_and(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        for value in node.values:
            yield from _split_and(value)
    else:
        yield node


def _list_quoted(node: ast.expr) -> Iterator[ast.Constant]:
    """Yield the texts that functions take: they name columns."""
    for call in ast.walk(node):
        for value in call.args if isinstance(call, ast.Call) else ():
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value
