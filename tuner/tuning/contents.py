"""What a setting is by its contents, as text: a function is its code, not its name.

Two processes describe the same setting alike, and a setting whose function, constant or helper has changed otherwise.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from pathlib import Path, PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_CODE = re.compile(r" \[code (\d+\.\d+) [0-9a-f]+\]")
_MODULE = re.compile(r"(?<![\w.])(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_<])")
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))
_OF_A_CLASS = ("__call__", "__init__", "__post_init__")
"""Methods with a name of Python's own that belong to what a class does."""


def describe_contents(value: Any) -> str:
    """Return settings as text that is the same in every process.

    A function or class of the user's own is told by name and by a hash of its bytecode, constants, defaults, closure,
    and of the global names that it uses, in depth; not by its module, which is known by another name in a program that
    imports it than in a worker that reads its file. What comes from an installed package, from Python or from tuner is
    told by module and name, so that an upgrade is no change. What a function imports only when it runs is not seen.
    """
    return _Describer().tell(value)


def agree(before: str, now: str) -> bool:
    """Return whether two descriptions are of the same contents.

    Bytecode of different versions of Python, or one that was never told, cannot be compared: names without their
    modules and values count.
    """
    if set(_CODE.findall(before)) != set(_CODE.findall(now)):
        before, now = (_MODULE.sub("", _CODE.sub("", told)) for told in (before, now))
    return before == now


def differ_in_code(before: str, now: str) -> bool:
    """Return whether two descriptions differ in the code of functions or classes of the same names, and in no more."""
    return not agree(before, now) and agree(_CODE.sub("", before), _CODE.sub("", now))


class _Describer:
    """Tells values; knows what it is inside of, so that what refers to itself comes to an end."""

    def __init__(self) -> None:
        self.inside: list[int] = []

    def tell(self, value: Any) -> str:
        """Return a value's contents."""
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, _PLAIN):
            return repr(value)
        if id(value) in self.inside:
            return f"<{type(value).__name__} that this is part of>"
        self.inside.append(id(value))
        try:
            return self._tell_compound(value)
        finally:
            self.inside.pop()

    def _tell_compound(self, value: Any) -> str:  # noqa: PLR0911 - a kind of value each
        if isinstance(value, Enum):
            return f"{type(value).__name__}.{value.name}"
        if isinstance(value, PurePath):
            return repr(str(value))
        if isinstance(value, Mapping):
            return "{" + ", ".join(sorted(f"{self.tell(k)}: {self.tell(v)}" for k, v in value.items())) + "}"
        if isinstance(value, tuple | list):
            inner = ", ".join(map(self.tell, value)) + ("," if len(value) == 1 and isinstance(value, tuple) else "")
            return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
        if isinstance(value, set | frozenset):
            return "{" + ", ".join(sorted(map(self.tell, value))) + "}"
        if isinstance(value, np.ndarray) and value.dtype != object:
            return f"array {value.dtype} {value.shape} {_hash(np.ascontiguousarray(value).tobytes())}"
        if isinstance(value, ModuleType):
            return "a module" if _is_own(value.__name__) else value.__name__
        if isinstance(value, type | FunctionType):
            own = _is_own(value.__module__)
            return value.__qualname__ + self._tell_code(value) if own else _name(value)
        return self._tell_object(value)

    def _tell_object(self, value: Any) -> str:  # noqa: PLR0911 - a kind of object each
        """Return an object by its parts and by the code of its class."""
        kind = type(value)
        if isinstance(value, partial):
            return f"partial({', '.join(map(self.tell, (value.func, value.args, value.keywords)))})"
        if isinstance(value, MethodType):
            return f"{self.tell(value.__self__)}.{self.tell(value.__func__)}"
        if hasattr(value, "__wrapped__"):
            return self.tell(value.__wrapped__)
        if is_dataclass(value):
            inner = ", ".join(f"{f.name}={self.tell(getattr(value, f.name))}" for f in fields(value) if f.compare)
            return f"{kind.__name__}({inner}){self._tell_code(kind)}"
        if _is_own(kind.__module__):
            return f"{kind.__name__}({self.tell(getattr(value, '__dict__', {}))}){self._tell_code(kind)}"
        if callable(value):
            return _name(value)
        try:
            return f"{_name(kind)} {_hash(pickle.dumps(value, protocol=4))}"
        except Exception:  # pickling runs the object's own code
            return _name(kind)

    def _tell_code(self, value: type | FunctionType) -> str:
        """Return a hash of the code of a function or class of the user's own; nothing for others."""
        if not _is_own(value.__module__):
            return ""
        parts = _list_function(value) if isinstance(value, FunctionType) else _list_class(value)
        return f" [code {_PYTHON} {_hash(self.tell([*parts]).encode())[:16]}]"


def _list_function(function: FunctionType) -> Iterator[Any]:
    """Yield all that a function's result follows from, but its arguments."""
    names: set[str] = set()
    yield _list_code(function.__code__, names, function.__doc__)
    yield (function.__defaults__, function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            yield None
    for name in sorted(names & function.__globals__.keys()):
        used = function.__globals__[name]
        yield (name, used)
        if isinstance(used, ModuleType) and _is_own(used.__name__):
            yield from ((name, vars(used)[inner]) for inner in sorted(names & vars(used).keys()))


def _list_code(code: CodeType, names: set[str], documentation: str | None = None) -> tuple[Any, ...]:
    """Return bytecode with its constants, the documentation left out; add the names that it uses."""
    names.update(code.co_names)
    documented = documentation is not None and code.co_consts[:1] == (documentation,)
    inner = (_list_code(one, names) if isinstance(one, CodeType) else one for one in code.co_consts[documented:])
    return (code.co_code, code.co_names, code.co_varnames, code.co_argcount, code.co_kwonlyargcount, *inner)


def _list_class(kind: type) -> Iterator[Any]:
    """Yield methods and constants of a class and of what it inherits from, those of the user's own."""
    for base in kind.__mro__:
        if not _is_own(base.__module__):
            continue
        for name, value in sorted(vars(base).items()):
            if name.startswith("__") and (name not in _OF_A_CLASS or (name == "__init__" and is_dataclass(base))):
                continue
            if isinstance(value, property):
                yield (name, value.fget)
            elif not name.startswith("_abc_"):
                yield (name, getattr(value, "__func__", value))


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def _is_own(module: str | None) -> bool:
    """Return whether a module is the user's own: not Python's, not tuner's, not an installed package's."""
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", "tuner"):
        return False
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    return file is None or not {"site-packages", "dist-packages"} & {*Path(file).parts}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
