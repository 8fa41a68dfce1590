"""When a whole call is to end, and what of it no training takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

UNMEASURED_SECONDS = 20.0
"""What processes, figures and the report take, beside all training, where nothing is known of the machine."""

FIXED_SECONDS, PER_OPENING = 5.0, 5.0
"""The same where it is known what reading and preparing the events took: so long, and so many times that (MAGIC)."""

MOST_OVERHEAD = 0.3
"""Share of a call that is kept for these at the most."""


@dataclass(frozen=True)
class CallEnd:
    """When a whole call is to end, judgement and report included."""

    ends: float
    """Unix time."""
    overhead: float
    """Seconds of the judgement and the report that no training takes."""

    @classmethod
    def find(cls, minutes: float, *, began: float | None = None) -> CallEnd:
        """Return the end of a call.

        Args:
            minutes: How long it may take.
            began: When it began, in Unix time, where it has read and prepared its events since, which tells how fast
                the machine is; None for one that begins now.
        """
        now = time.time()
        overhead = UNMEASURED_SECONDS if began is None else FIXED_SECONDS + PER_OPENING * (now - began)
        return cls((now if began is None else began) + 60 * minutes, min(overhead, MOST_OVERHEAD * 60 * minutes))

    @property
    def trained(self) -> float:
        """When the last training is to end, in Unix time."""
        return self.ends - self.overhead
