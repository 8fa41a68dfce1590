"""How parts are chosen, where not at random: by a whole number's remainder, by a column's values, or in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields
from tuner.progress.wording import join_words


@check_keywords
@dataclass(frozen=True, kw_only=True)
class SplitByRemainder:
    """Parts by the remainder of a whole number, as in `event_number % 10`: whatever else is in the file."""

    column: str
    """The event id or an observer, whole numbers."""
    divisor: int
    """What the number is divided by."""
    test: tuple[int, ...]
    """Remainders of the test part."""
    validation: tuple[int, ...] = ()
    """Remainders of the validation part. Empty: it is drawn from what is left, as `fractions` say."""

    def __post_init__(self) -> None:
        settle_fields(self, "SplitByRemainder")
        named = [*self.validation, *self.test]
        problems = [] if self.test else ["`test` names no remainder. Write the remainders of the test part, (9,)."]
        if self.divisor < 2:
            problems.append(f"`divisor` must be at least 2, but is {self.divisor}.")
        elif not all(0 <= remainder < self.divisor for remainder in named):
            problems.append(f"Remainders must be from 0 to {self.divisor - 1}, but are {named}.")
        if len(set(named)) < len(named):
            problems.append(f"Each remainder must belong to one part, but they are {named}.")
        elif len(named) == self.divisor:
            problems.append("All remainders are named: none is left to train on.")
        raise_together(problems, StudyError, "SplitByRemainder")

    def describe(self) -> str:
        """Return how the parts are chosen, in words."""
        return f"by {self.column} % {self.divisor}: {_describe_parts(self.validation, self.test)}"


@check_keywords
@dataclass(frozen=True, kw_only=True)
class SplitByValue:
    """Parts that a column names, such as the split of a published benchmark."""

    column: str
    """The event id or an observer."""
    train: tuple[str | float, ...]
    """Values of the train part."""
    test: tuple[str | float, ...]
    """Values of the test part."""
    validation: tuple[str | float, ...] = ()
    """Values of the validation part. Empty: it is drawn from the train part, as `fractions` say."""
    unused: tuple[str | float, ...] = ()
    """Values of events that come into no part."""

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test", "unused"):  # one value is meant as a tuple of it
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        settle_fields(self, "SplitByValue")
        named = [*self.train, *self.validation, *self.test, *self.unused]
        problems = [f"`{part}` names no value of the column." for part in ("train", "test") if not getattr(self, part)]
        if len(set(named)) < len(named):
            problems.append(f"Each value must belong to one part, but they are {named}.")
        raise_together(problems, StudyError, "SplitByValue")

    def describe(self) -> str:
        """Return how the parts are chosen, in words."""
        return f"by {self.column}: train {_write(self.train)}, {_describe_parts(self.validation, self.test)}"


@check_keywords
@dataclass(frozen=True, kw_only=True)
class SplitInOrder:
    """Parts one after the other along a column, such as time: trained on the first events, tested on the last.

    The sizes of the parts are those of `fractions` or `counts`. Events of one value, or of one id, stay together.
    Folds are not in order: a bag's networks see events before and after those of their fold, of train and validation.
    """

    column: str
    """An observer, a feature, or the event id: numbers, or times such as "2026-01-31 12:00"."""

    def __post_init__(self) -> None:
        settle_fields(self, "SplitInOrder")

    def describe(self) -> str:
        """Return how the parts are chosen, in words."""
        return f"in the order of {self.column}"


SplitRule = SplitByRemainder | SplitByValue | SplitInOrder


def _describe_parts(validation: Sequence[object], test: Sequence[object]) -> str:
    return f"validation {_write(validation) if validation else 'at random from train'}, test {_write(test)}"


def _write(values: Sequence[object]) -> str:
    return join_words([str(value) for value in values])
