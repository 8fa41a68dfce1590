"""What is known of a search at one moment. Numbers and text only, so that a machine may read it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunningTrial:
    """A trial that is being trained."""

    number: int
    epoch: int = 0
    """Last epoch that was reported."""
    values: Sequence[float] = ()
    """Best weighted validation AUC so far, at each report."""


@dataclass(frozen=True, kw_only=True)
class EndedTrial:
    """A trial that is not trained any more."""

    number: int
    state: str
    """complete, pruned, failed, or interrupted (goes on in a later trial)."""
    value: float | None = None
    """The problem's figure of merit on validation of a complete trial; of others the best validation AUC."""
    reason: str | None = None
    """Why it ended."""


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """What a GPU does at the moment, whoever uses it."""

    index: int
    utilisation: float | None
    """Share of the time in which it was busy; None where the driver does not tell."""
    used: float
    """GiB of its memory that are taken."""
    total: float
    """GiB of its memory."""


@dataclass(frozen=True, kw_only=True)
class DeviceUse:
    """What the workers of this machine use."""

    cores: float | None = None
    """CPU time of the workers per wall time."""
    n_cores: int = 0
    """Cores that they may use."""
    gpus: Sequence[GpuUse] = ()


@dataclass(frozen=True, kw_only=True)
class Status:
    """A search at one moment, as `tuner status` and the progress display show it."""

    study: str
    """Name of the study."""
    question: str = ""
    """What the problem asks."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Number of trials by state: complete, pruned, failed, interrupted, running, waiting."""
    budget_trials: int
    """Trials that the sweep is to finish, complete or pruned."""
    budget_epochs: int | None = None
    """Epochs of a trial at the most."""
    figure_of_merit: str = "AUC"
    """Name of the figure that complete trials are ranked by."""
    best_value: float | None = None
    """Best figure of merit on validation of any complete trial; None before there is one."""
    best_low: float | None = None
    best_high: float | None = None
    """Ends of its 68 % interval, where they are known."""
    best_trial: int | None = None
    """Number of the trial that has it."""
    best_params: Mapping[str, Any] = field(default_factory=dict)
    """Its parameters, by name."""
    history: Sequence[float] = ()
    """Best figure of merit of the complete trials after each finished one, in the order they finished."""
    running: Sequence[RunningTrial] = ()
    """Trials that are being trained."""
    trained_epochs: int = 0
    """Epochs over all trials."""
    elapsed: float | None = None
    """Seconds in which at least one trial was running; pauses between two calls do not count."""
    rate: float | None = None
    """Finished trials per minute of `elapsed`."""
    seconds_left: float | None = None
    """Seconds until the search is over, at this rate."""
    evaluation_seconds: float | None = None
    """Seconds that the evaluation takes after that, by the time that complete trials took; None where not known."""
    stale_leases: Sequence[int] = ()
    """Trials that say they run but that no living worker trains."""
    workers: int = 0
    """Workers that give a sign of life."""
    ended: Sequence[EndedTrial] = ()
    """Trials that ended, in the order in which they did."""
    failure_kinds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By kind of failure ("out of memory", "hang", ...): how many trials `failed` by it, and how many it interrupted,
    which were `resumed` in later ones."""
    devices: DeviceUse | None = None
    """What the workers use at the moment; None where nobody looked."""
    winner: int | None = None
    """Number of the trial whose configuration has won, once the search was evaluated."""
    handed_on: str = ""
    """What is handed on, such as "bag of 8 networks"; empty where it is not known."""
    handed_on_test: Mapping[str, float | None] | None = None
    """Figures of what is handed on, on the test part, by name, once it was opened; None for one that is infinite."""
    handed_on_test_intervals: Mapping[str, tuple[float | None, float | None]] | None = None
    """Low and high end of the 68 % interval of each of these figures."""
    verdict: str = ""
    """Who has won, once the search was evaluated; or that this was of fewer trials than there are now."""

    @property
    def finished(self) -> int:
        """Trials that count towards the budget: complete or pruned."""
        return self.states.get("complete", 0) + self.states.get("pruned", 0)

    @property
    def failures(self) -> tuple[EndedTrial, ...]:
        """Trials that failed."""
        return tuple(trial for trial in self.ended if trial.state == "failed")

    def to_json(self) -> dict[str, Any]:
        """Return the status as one JSON object; of the trials that ended only those that failed."""
        content = asdict(self) | {"finished": self.finished}
        failures = [{"trial": trial.number, "reason": trial.reason} for trial in self.failures]
        return {name: value for name, value in content.items() if name != "ended"} | {"failures": failures}
