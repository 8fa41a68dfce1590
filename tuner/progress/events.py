"""What happened between two looks at a search, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.progress.snapshot import EndedTrial, Status
from tuner.progress.wording import (
    say_estimate,
    say_figure,
    say_rate,
    say_states,
    write_count,
    write_duration,
)


def list_events(before: Status | None, now: Status) -> Iterator[str]:
    """Yield a line for each trial that ended since, with its figure and reason, and for a best that improved.

    Of a search that is seen for the first time, what ended before is not told.
    """
    if before is None:
        return
    known = {trial.number for trial in before.ended}
    for trial in now.ended:
        if trial.number not in known:
            yield describe_end(trial, now.figure_of_merit)
    if now.best_value is not None and (now.best_trial, now.best_value) != (before.best_trial, before.best_value):
        figure = say_figure(now.best_value, now.best_low, now.best_high)
        best = f"{now.best_trial}, {now.figure_of_merit} {figure} on validation"
        yield f"Best complete trial: {best}. {describe_progress(now)}"


def describe_end(trial: EndedTrial, figure_of_merit: str) -> str:
    """Return how a trial ended as a line."""
    figure = ""
    if trial.value is not None and trial.state != "failed":
        name = figure_of_merit if trial.state == "complete" else "best validation AUC"
        figure = f", {name} {say_figure(trial.value)}"
    reason = f": {trial.reason}" if trial.reason else ""
    return f"Trial {trial.number} {trial.state}{figure}{reason}"


def describe_progress(status: Status) -> str:
    """Return how far a search has come as a sentence."""
    states = ", ".join(text for text, _ in say_states(status.states, len(status.stale_leases))) or "none yet"
    line = f"{status.finished:,} of {write_count(status.budget_trials, 'trial')} ({states})"
    if status.elapsed is not None:
        line += f" in {write_duration(status.elapsed)}"
    if status.rate:
        line += f", {say_rate(status.rate)}"
    if status.seconds_left and status.finished < status.budget_trials:
        line += f", {say_estimate(status.seconds_left)} left"
        if status.evaluation_seconds is not None:
            line += f", then evaluation, {say_estimate(status.evaluation_seconds)}"
    return line
