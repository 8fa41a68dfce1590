"""How many events are expected before any cut: as the problem declares, or as physical weights add up to."""

from __future__ import annotations

from tuner.preparation.splits import Splits
from tuner.problem import WEIGHTS, Problem


def find_yields(problem: Problem, splits: Splits) -> tuple[float, float] | None:
    """Return the signal and background events that are expected before the cut; None where nobody said.

    What is declared as "weights" is the sum of the weights of all parts together: a part holds a share of the events,
    and its weights add up to less.
    """
    found: list[float] = []
    for label, declared in zip((1, 0), problem.yields, strict=True):
        if declared is None:
            return None
        if declared == WEIGHTS:
            parts = (splits.train, splits.validation, splits.test)
            found.append(sum(float(part.weights[part.labels == label].sum()) for part in parts))
        else:
            found.append(float(declared))
    return found[0], found[1]
