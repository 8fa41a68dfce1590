"""What an evaluation found, in a few numbers, kept in the storage: whoever reaches that can tell who has won."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tuner.tuning.trial_attributes import read_evaluated, write_evaluated

if TYPE_CHECKING:
    from tuner.tuning.search import Search


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Who has won an evaluation, what it hands on, and the figures of that on the test part."""

    winner: int
    """Number of the trial whose configuration has won."""
    handed_on: str = ""
    """What is handed on, such as "bag of 8 networks"; empty where that was not kept."""
    verdict: str
    """Who won, and against whom, in a sentence."""
    test: Mapping[str, tuple[float | None, float | None, float | None]] | None
    """Figure of what is handed on to value, low and high of its 68 % interval; None for what is not finite.

    None altogether while the test part is closed."""
    openings: int
    """How often the test part was opened."""
    fingerprint: str
    """That of the search which was judged: another one means that trials have completed since."""

    def holds_for(self, search: Search) -> bool:
        """Return whether the search's complete trials are those that were judged."""
        return self.fingerprint == search.fingerprint


def write_outcome(search: Search, outcome: Outcome) -> None:
    """Keep an outcome in the search's storage, in the place of an earlier one; the same again writes nothing."""
    if read_outcome(search) != outcome:
        write_evaluated(search.optuna_study, asdict(outcome))


def read_outcome(search: Search) -> Outcome | None:
    """Return what the last evaluation found; None where there was none, or where another version wrote it."""
    content = read_evaluated(search.optuna_study)
    if content is None:
        return None
    try:
        test = content["test"]
        if test is not None:
            test = {name: (value, low, high) for name, (value, low, high) in test.items()}
        return Outcome(**content | {"test": test})
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def keep_finite(value: float) -> float | None:
    """Return a number that JSON has; None for any other."""
    return float(value) if math.isfinite(value) else None
