"""What the judgement at a search's end takes by its trials' own pace, and what of it fits into less time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tuner.checked_files import read_json
from tuner.errors import DamagedFileError
from tuner.tuning.best_so_far import COUNTED, measure_elapsed
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.ranking import rank_trials
from tuner.tuning.search import Search, TrialRecord

BASELINE_SHARE = 0.2
"""Share of the machine that baselines get at the least where time is short."""

LADDER: tuple[Mapping[str, int | None], ...] = (
    {"seeds": 3},
    {"bags": 1},
    {"refit": 0},
    {"folds": None},
    {"finalists": 3},
    {"bag": 5},
    {"finalists": 2},
    {"seeds": 2},
    {"bag": 3},
    {"finalists": 1},
    {"seeds": 1},
    {"bag": None},
)
"""What is given up where time is short, one after the other: most of what is handed on is worth comes from the bag."""


@dataclass(frozen=True, kw_only=True)
class JudgementCosts:
    """Seconds of wall time for each training, while all processes train."""

    training: float
    """Of a finalist, on the train part."""
    joined: float
    """Of one on all of train + validation."""
    n_candidates: int
    """Complete trials: there are no more finalists than these."""


def measure_costs(
    trials: Sequence[TrialRecord],
    settings: EvaluationSettings,
    *,
    growth: float,
    now: datetime,
    n_left: int = 0,
) -> JudgementCosts | None:
    """Return what trainings cost, by those trials that would be the finalists; None before one is complete.

    A training takes as long as its trial did, and one on more events longer by as much; as many train at a time as
    did in the search.

    Args:
        trials: Trials of the search, without those whose worker has died.
        settings: How many finalists there are to be.
        growth: What `find_growth` returns.
        now: When this is asked, as the storage tells the time.
        n_left: Trials that are still to come, so that there may be more finalists.
    """
    complete = [trial for trial in trials if trial.state == "complete" and trial.seconds]
    elapsed = measure_elapsed(trials, now)
    if not complete or not elapsed:
        return None
    ended = sum(trial.seconds or 0.0 for trial in trials if trial.state in COUNTED)
    running = sum((now - t.started).total_seconds() for t in trials if t.state == "running" and t.started is not None)
    at_a_time = max(1.0, (ended + running) / elapsed)
    candidates = [trial for trial in rank_trials(complete) if trial.seconds][: settings.finalists] or complete
    training = sum(trial.seconds or 0.0 for trial in candidates) / len(candidates) / at_a_time
    return JudgementCosts(training=training, joined=training * growth, n_candidates=len(complete) + n_left)


def find_growth(search: Search) -> float:
    """Return how many times as many events as train has train and validation have together.

    The parts' own sizes count, which need not be those of the fractions; the latter where no sizes are written down.
    """
    train, validation, _ = search.study.preparation.fractions
    with suppress(DamagedFileError, KeyError):
        parts = read_json(search.folder.provenance)["parts"]
        train, validation = parts["train"]["events"], parts["validation"]["events"]
    return (train + validation) / train


def estimate_trainings(settings: EvaluationSettings, costs: JudgementCosts, *, are_retrained: bool = False) -> float:
    """Return the seconds that the networks of a judgement take.

    are_retrained: whether the finalists are trained already.
    """
    n_finalists = min(settings.finalists, costs.n_candidates)
    n_alone = (0 if are_retrained else n_finalists * settings.seeds) + (settings.folds or 0)
    n_bags = min(settings.bags, n_finalists)
    n_joined = n_bags * max(0, (settings.bag or 0) - 1) + settings.refit  # each of K folds is left out once
    return n_alone * costs.training + n_joined * costs.joined


def shorten(
    settings: EvaluationSettings, costs: JudgementCosts, seconds: float, *, are_retrained: bool = False
) -> EvaluationSettings:
    """Return the fullest judgement whose networks leave baselines their share of so many seconds; else the least.

    What `hand_on` asks for is never given up.

    Args:
        settings: The judgement that is wanted.
        costs: What trainings take.
        seconds: Wall time for networks and baselines.
        are_retrained: Whether the finalists are trained already, so that their number stays what it is.
    """
    most = seconds * (1 - BASELINE_SHARE) if settings.baseline_trials else seconds
    plan = settings
    for plan in _list_plans(settings, are_retrained=are_retrained):
        if estimate_trainings(plan, costs, are_retrained=are_retrained) <= most:
            break
    return plan


def _list_plans(settings: EvaluationSettings, *, are_retrained: bool) -> Iterator[EvaluationSettings]:
    """Yield the judgement that is wanted, then ever smaller ones."""
    needed = {"refit": int(settings.hand_on == "refit")}
    if settings.hand_on in ("bag", "blend", "ensemble of bags"):
        needed["bag"] = 2
    if settings.hand_on == "ensemble of bags":
        needed |= {"bags": 2, "finalists": 2}
    if settings.hand_on == "ensemble":
        needed |= {"finalists": 2, "seeds": 2}
    yield settings
    for step in LADDER:
        ((name, most),) = step.items()
        value, least = getattr(settings, name), needed.get(name, 0)
        if not value or (are_retrained and name in ("finalists", "seeds")):
            continue
        capped = least or None if most is None else min(int(value), max(least, most))
        changes: dict[str, Any] = {name: bool(capped) if name == "refit" else capped}
        settings = replace(settings, **changes)
        yield settings


def limit_baselines(
    settings: EvaluationSettings, costs: JudgementCosts, seconds: float, *, n_processes: int, n_kinds: int
) -> float:
    """Return the minutes that tuning each kind of baseline may take, beside the networks of a judgement.

    Half of what baselines may take is for what no limit binds: the first setting of each, refits and their bag.

    Args:
        settings: The judgement.
        costs: What trainings take.
        seconds: Wall time for networks and baselines.
        n_processes: Processes that share the work, of which the baselines use one.
        n_kinds: Kinds of baselines, one after the other.
    """
    free = max(BASELINE_SHARE * seconds, seconds - estimate_trainings(settings, costs))
    own = min(free * n_processes, (1 - BASELINE_SHARE) * seconds)
    return min(settings.baseline_minutes, max(own, 1.0) / 2 / n_kinds / 60)
