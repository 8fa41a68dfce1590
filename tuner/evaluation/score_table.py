"""The scores of the test part as a table, so that anyone can compute its figures again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tuner.evaluation.candidates import Candidate, CutEvents
from tuner.preparation.splits import Part


def tabulate_scores(candidates: Iterable[Candidate], handed_on: np.ndarray, test: Part) -> pd.DataFrame:
    """Return row of the events, label, weight, the score of what is handed on, and the scores of all candidates.

    Args:
        candidates: Their columns are named "score: trial 12, seed 0", "score: ensemble", "score: boosted trees".
        handed_on: Scores [n] of what is handed on.
        test: The test part, n events.
    """
    columns = {
        "row": np.asarray(test.rows),
        "label": np.asarray(test.labels).astype(np.int8),
        "weight": np.asarray(test.weights, dtype=np.float64),
        "score": handed_on,
    }
    for candidate in candidates:
        names = [n.name for n in candidate.networks] if candidate.kind == "finalist" else [candidate.name]
        scores = candidate.scores("test", test)
        columns |= {f"score: {name}": one for name, one in zip(names, scores, strict=True)}
    return pd.DataFrame(columns)


def tabulate_cut_events(events: CutEvents) -> pd.DataFrame:
    """Return row of the events, label, weight and score of those that the cuts of a candidate with one scorer rest on.

    Args:
        events: Those events, with scores by networks and trees that did not train on them.
    """
    (scores,) = events.scores
    return pd.DataFrame(
        {
            "row": events.rows,
            "label": np.asarray(events.labels).astype(np.int8),
            "weight": np.asarray(events.weights, dtype=np.float64),
            "score": scores,
        }
    )


def add_observers(table: pd.DataFrame, observers: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the observers of its events; one that has the name of a column is named "observer ...".

    Args:
        table: With a column "row", as `tabulate_scores` makes it.
        observers: Of all events, in the order in which they were read.
    """
    rows = table["row"].to_numpy()
    named = {f"observer {name}" if name in table else str(name): observers[name].to_numpy()[rows] for name in observers}
    return table.assign(**named)
