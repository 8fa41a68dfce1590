"""Scores: the network's answer for events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from tuner.events.checks.finding import Finding, list_findings
from tuner.notebook_cards import SIGNAL, draw_steps, write_card, write_lines
from tuner.prediction.score_writers import open_writer
from tuner.progress.wording import write_count

OWN_COLUMNS = ("score", "decision", "probability", "label", "weight", "selected", "candidate")
"""Names of columns in the table of scores that are not those of the events."""
N_DRAWN_BINS = 40
"""Of the histogram in a notebook."""


@dataclass(frozen=True, eq=False, repr=False)
class Scores(np.lib.mixins.NDArrayOperatorsMixin):
    """The network's output for events, in the order of the events: higher is more signal-like.

    It behaves as the array of its values: `len`, indices and slices, arithmetic and comparisons, NumPy's functions.
    """

    values: np.ndarray
    """Float64 [n], in (0, 1). Taken for a probability of signal it is one at signal's share of the training weights,
    which is 1/2 where these are balanced; not-a-number for an event that does not fulfil the problem's selection."""
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
    cut: float | None = None
    """The frozen cut; None where it is not known."""
    probabilities: np.ndarray | None = None
    """Calibrated probabilities of signal, float64 [n], where a calibration or a prior was asked for."""
    kept: pd.DataFrame | None = None
    """Other columns that were asked for, as they came [n, k]."""

    @property
    def decisions(self) -> np.ndarray | None:
        """Whether an event is taken for signal, bool [n]: its score is at least the frozen cut; None without a cut."""
        return None if self.cut is None else self.values >= self.cut

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

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Return what a function of NumPy makes of the values: an array."""
        arrays = [np.asarray(each) if isinstance(each, Scores) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array, (n,)."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """Dimensions of the array: 1."""
        return 1

    @property
    def dtype(self) -> np.dtype:
        """Type of the array: float64."""
        return self.values.dtype

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
        """Return a table: event id, score, decision, probability, label, weight, `selected`, observers, candidate.

        Each is there as far as it is known; columns that were kept come last. An id, observer or kept column that has
        the name of another is named "event id ...", "observer ..." or "kept ...".
        """
        columns: dict[str, Any] = {}
        if self.event_id is not None:
            columns[_set_apart("event id", self.event_id.name, OWN_COLUMNS)] = self.event_id.to_numpy()
        known = (self.values, self.decisions, self.probabilities, self.labels, self.weights, self.selected)
        columns |= {name: column for name, column in zip(OWN_COLUMNS, known, strict=False) if column is not None}
        for name, column in () if self.observers is None else self.observers.items():
            columns[_set_apart("observer", name, (*OWN_COLUMNS, *columns))] = column.to_numpy()
        for name, column in () if self.kept is None else self.kept.items():
            if name in OWN_COLUMNS or name not in columns:
                columns[_set_apart("kept", name, (*OWN_COLUMNS, *columns))] = column.to_numpy()
        if self.candidate:
            columns["candidate"] = pd.Series(self.candidate, range(len(self)), "category")
        return pd.DataFrame(columns)

    def save(self, path: str | Path) -> Path:
        """Write the table as Parquet, ROOT, HDF5 or CSV, by the path's ending, whole or not at all; return the path.

        A ROOT file holds a tree "scores" of which the n-th entry is the n-th event, so that it can be a friend of the
        events' tree; an HDF5 file holds a group "scores" with a data set for each column.

        Raises:
            FolderError: The ending is another, or the file cannot be written.
            MissingPackage: The format's package is not installed.
        """
        path = Path(path)
        with open_writer(path) as writer:
            writer.write(self.frame())
        return path


def _set_apart(role: str, name: object, taken: Sequence[str]) -> str:
    """Return a column's name, with its role before it where another column has that name."""
    return f"{role} {name}" if name in taken else str(name)
