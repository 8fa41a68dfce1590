"""Choices of a search space, as the storage keeps them: numbers, text, True, False and None; others by their text.

Storages write JSON, which knows no tuples, enumerations or numbers of NumPy: a choice would not be found again among
the choices. Parameters are kept as text where they are none of the above, and the search space is given its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from tuner.errors import StudyError
from tuner.fields import to_plain


class PlainTrial:
    """A trial as a search space sees it: its choices may be of any kind, its bounds NumPy's numbers."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of the choices; the one that was given, NumPy's numbers as Python's."""
        given: dict[tuple[type, str], Any] = {}
        for choice in map(_soften, choices):
            encoded = encode_choice(choice, name)
            if given.setdefault(_tell_apart(encoded), choice) is not choice and not _is_storable(choice):
                raise StudyError(f'Choices of parameter "{name}" must differ as text, but two are "{encoded}".')
        chosen = self._trial.suggest_categorical(name, tuple(encode_choice(choice, name) for choice in given.values()))
        return given[_tell_apart(chosen)]

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        """Suggest a number."""
        plain = {key: to_plain(value) for key, value in options.items()}
        return float(self._trial.suggest_float(name, to_plain(low), to_plain(high), **plain))

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> int:
        """Suggest a whole number."""
        plain = {key: to_plain(value) for key, value in options.items()}
        return int(self._trial.suggest_int(name, to_plain(low), to_plain(high), **plain))


def encode_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the storage keeps them."""
    return {str(name): encode_choice(value, name) for name, value in params.items()}


def encode_choice(choice: Any, name: str) -> Any:
    """Return a choice as the storage keeps it. Raise `StudyError` where it has no text of its own."""
    choice = _soften(choice)
    return choice if _is_storable(choice) else _write(choice, name)


def _write(choice: Any, name: str) -> str:
    """Return the text of a choice."""
    if isinstance(choice, Enum):
        return choice.name
    if isinstance(choice, tuple | list):
        inner = ", ".join(repr(item) if _is_storable(item) else _write(item, name) for item in map(_soften, choice))
        return f"({inner},)" if len(choice) == 1 else f"({inner})"
    name_of_code = getattr(choice, "__qualname__", None)
    if callable(choice) and isinstance(name_of_code, str) and "<lambda>" not in name_of_code:
        return name_of_code
    raise StudyError(
        f'Choices of parameter "{name}" must be numbers, text, True, False, None, members of an enumeration, classes, '
        f"functions, or tuples of these, but one is {choice!r}. Use text as the choice, and turn it into what it "
        "stands for inside the search space."
    )


def _soften(choice: Any) -> Any:
    """Return NumPy's numbers as Python's, in tuples and lists too."""
    if isinstance(choice, Enum):
        return choice
    if isinstance(choice, tuple | list):
        softened = [_soften(item) for item in choice]
        unchanged = all(a is b for a, b in zip(softened, choice, strict=True))
        return choice if unchanged or type(choice) not in (tuple, list) else type(choice)(softened)
    return to_plain(choice)


def _is_storable(choice: Any) -> bool:
    return choice is None or (isinstance(choice, bool | int | float | str) and not isinstance(choice, Enum))


def _tell_apart(encoded: Any) -> tuple[type, str]:
    """Return a key for a stored value: 1, 1.0 and True are three, and not-a-number is itself."""
    return type(encoded), repr(encoded)
