"""Scores: the network's answer for events."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from tuner.checked_files import write_atomically
from tuner.events.checks.finding import Finding, list_findings
from tuner.notebook_cards import SIGNAL, draw_steps, write_card, write_lines
from tuner.progress.wording import write_count
from tuner.run_folder import check_ending, make_parent

ENDINGS = (".parquet", ".csv", ".csv.gz")
"""Formats that scores are written in."""
OWN_COLUMNS = ("score", "label", "weight", "selected", "candidate")
"""Names of columns in the table of scores that are not those of the events."""
N_DRAWN_BINS = 40
"""Of the histogram in a notebook."""


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """The network's output for events, in the order of the events: higher is more signal-like.

    It behaves as the array of its values: `len`, indices and slices, `numpy.asarray`.
    """

    values: np.ndarray
    """Float64 [n], in (0, 1): the probability of signal where both classes were as likely; not-a-number for an event
    that does not fulfil the problem's selection."""
    labels: np.ndarray | None = None
    """The label column as it came [n]; None where the events have none."""
    weights: np.ndarray | None = None
    """Event weights [n]; None where the events have none."""
    event_id: pd.Series | None = None
    """What names each event [n], by the name of its column; None where there is none."""
    observers: pd.DataFrame | None = None
    """Columns that are looked at but are never inputs [n, n_observers]; None where there are none."""
    candidate: str = ""
    """Name of the candidate that gave them: "single network", "bag", "trial 3", ..."""
    by: str = ""
    """What that is made of, such as "trial 3, seed 0" or "bag of 8 networks"."""
    notes: tuple[str, ...] = ()
    """What a person should know of the events, such as what counts as undefined."""
    findings: tuple[Finding, ...] = ()
    """In what the events are unlike those of training, with counts."""
    selected: np.ndarray | None = None
    """Whether an event fulfils the problem's selection, bool [n]; None where it has none."""

    @property
    def _told(self) -> np.ndarray:
        """The scores of events that are selected."""
        return self.values if self.selected is None else self.values[self.selected]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        """Return the score of an event; for a slice, a mask or several indices an array."""
        return self.values[index]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy asks for them."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        """Return who gave how many scores, and their range."""
        by = f" by {self.by}" if self.by else ""
        told = self._told
        between = f", {told.min():.3g} to {told.max():.3g}" if len(told) else ""
        among = "" if self.selected is None else f" ({len(told):,} selected)"
        return f"Scores({len(self):,} events{among}{by}{between})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: how many scores, their histogram, what a person should know."""
        shares = [float(count) for count in np.histogram(self._told, bins=N_DRAWN_BINS, range=(0.0, 1.0))[0]]
        title = write_count(len(self._told), "score") + (f" by {self.by}" if self.by else "")
        picture = draw_steps({SIGNAL: shares}, width=320, height=64, label="Histogram of the scores, from 0 to 1")
        below = "From 0, like background, to 1, like signal. The table: `.frame()`"
        return write_card(title, *([picture] if len(self) else []), write_lines([below], faint=True), *self.notes,
                          write_lines(list_findings(self.findings)))  # fmt: skip

    def frame(self) -> pd.DataFrame:
        """Return a table: event id, score, label, weight, `selected` and observers, as far as known; the candidate.

        An id or observer that has the name of another column is named "event id ..." or "observer ...".
        """
        columns: dict[str, Any] = {}
        if self.event_id is not None:
            columns[_set_apart("event id", self.event_id.name, OWN_COLUMNS)] = self.event_id.to_numpy()
        known = (self.values, self.labels, self.weights, self.selected)
        columns |= {name: column for name, column in zip(OWN_COLUMNS, known, strict=False) if column is not None}
        for name, column in () if self.observers is None else self.observers.items():
            columns[_set_apart("observer", name, (*OWN_COLUMNS, *columns))] = column.to_numpy()
        if self.candidate:
            columns["candidate"] = pd.Series(self.candidate, range(len(self)), "category")
        return pd.DataFrame(columns)

    def save(self, path: str | Path) -> Path:
        """Write the table as Parquet or CSV, by the path's ending, whole or not at all; return the path.

        Raise `FolderError` for other endings, and where the file cannot be written.
        """
        path = Path(path)
        check_ending(path, ENDINGS)
        make_parent(path)
        if path.suffix.lower() == ".parquet":
            content: bytes = self.frame().to_parquet(index=False)
        else:
            content = self.frame().to_csv(index=False).encode()
        write_atomically(path, gzip.compress(content) if path.suffix.lower() == ".gz" else content)
        return path


def _set_apart(role: str, name: object, taken: Sequence[str]) -> str:
    """Return a column's name, with its role before it where another column has that name."""
    return f"{role} {name}" if name in taken else str(name)
