"""The simulated resonance: a source of events that needs no file, with an optimum that is known exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tuner.errors import EventsError, raise_together
from tuner.events.listing import Wanted
from tuner.events.sources import File

if TYPE_CHECKING:
    import pandas as pd

Variant = Literal["nominal", "scale_up", "scale_down"]


@dataclass(frozen=True)
class Resonance:
    """A heavy particle that decays to two massless leptons, over a continuum; half of the events are signal.

    Columns: pt [GeV], eta and phi [rad] of the leading and the subleading lepton; pt of a leading jet, -999 where
    there is none; `label` "signal" or "background"; `weight`, the event weight; `mass` [GeV] of the lepton pair as
    measured; `log_likelihood_ratio`, ln(p_signal / p_background), which no network can beat (Neyman and Pearson 1933,
    doi:10.1098/rsta.1933.0009). The map from what is generated to what is measured is one to one, for variants too:
    the ratio of densities is that of the generated quantities.
    """

    n: int
    """Number of events."""
    seed: int = 0
    """The same seed gives the same events."""
    variant: Variant = "nominal"
    """`scale_up` and `scale_down` measure each momentum 1 % too high or too low; otherwise the same events."""

    def __post_init__(self) -> None:
        problems = []
        if not isinstance(self.n, int) or self.n < 2:
            problems.append(f"`n` must be a whole number of at least 2, but is {self.n!r}.")
        if self.variant not in get_args(Variant):
            problems.append(f"`variant` must be one of {', '.join(get_args(Variant))}, but is {self.variant!r}.")
        raise_together(problems, EventsError, "Resonance")

    def read(self) -> pd.DataFrame:
        """Return all events, one a row."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns. Memory: the table, and one chunk of 65,536 events beside it."""
        from tuner.events.simulation import COLUMNS, simulate_table

        columns = [name for name in COLUMNS if wanted(name)]
        return simulate_table(self.n, columns, seed=self.seed, variant=self.variant)

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Yield the same events in tables of at most 65,536, for more events than memory holds."""
        from tuner.events.simulation import simulate_chunks

        return simulate_chunks(self.n, seed=self.seed, variant=self.variant)

    def describe(self) -> str:
        """Return number, seed and variant."""
        changed = "" if self.variant == "nominal" else f", {self.variant.replace('_', ' ')}"
        return f"simulated resonance ({self.n:,} events, seed {self.seed}{changed})"

    def at(self, path: Path) -> File:
        """Return a file of such events that was written before."""
        return File(path)
