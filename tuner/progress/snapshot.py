"""What is known of a search at one moment. Numbers and text only, so that a machine may read it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Status:
    """A search at one moment, as `tuner status` and the progress display show it."""

    study: str
    """Name of the study."""
    question: str = ""
    """What the problem asks."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Number of trials by state: complete, pruned, failed, running, waiting."""
    budget_trials: int
    """Trials that the sweep is to finish, complete or pruned."""
    best_value: float | None = None
    """Best weighted validation AUC of any epoch of any complete trial; None before there is one."""
    best_trial: int | None = None
    """Number of the trial that has it."""
    best_params: Mapping[str, Any] = field(default_factory=dict)
    """Its parameters, by name."""
    history: Sequence[float] = ()
    """Best of the complete trials after each finished one, in the order they finished."""
    training: Sequence[int] = ()
    """Numbers of the trials that are being trained."""
    trained_epochs: int = 0
    """Epochs over all trials."""
    elapsed: float | None = None
    """Seconds in which at least one trial was running; pauses between two calls do not count."""
    rate: float | None = None
    """Finished trials per minute of `elapsed`."""
    seconds_left: float | None = None
    """Seconds until the budget is spent, at this rate."""
    stale_leases: Sequence[int] = ()
    """Trials that say they run but whose worker gives no sign of life."""
    workers: int = 0
    """Workers that give a sign of life."""
    winner_test: Mapping[str, float | None] | None = None
    """The winner's figures on the test part, by name, once it was opened; None for one that is infinite."""
    winner_test_intervals: Mapping[str, tuple[float | None, float | None]] | None = None
    """Low and high end of the 68 % interval of each of these figures."""
    verdict: str = ""
    """Who has won, once the search was evaluated; or that this was of fewer trials than there are now."""

    @property
    def finished(self) -> int:
        """Trials that count towards the budget: complete or pruned."""
        return self.states.get("complete", 0) + self.states.get("pruned", 0)

    def to_json(self) -> dict[str, Any]:
        """Return the status as one JSON object."""
        return asdict(self) | {"finished": self.finished}
