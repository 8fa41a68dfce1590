"""A judgement that was made smaller than what was wanted, so that it fits into the time of a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuner.progress.wording import join_words, write_count, write_duration
from tuner.tuning.evaluation_settings import EvaluationSettings


@dataclass(frozen=True, kw_only=True)
class Shortening:
    """What was wanted of a judgement, and the time that there was for it."""

    wanted: EvaluationSettings
    """What it would have been with more time."""
    seconds: float
    """What the trainings of the judgement had."""


def describe_shortening(settings: EvaluationSettings, shortening: Shortening | None) -> str:
    """Return in a sentence what a judgement was spared for want of time; empty where it was spared nothing.

    Args:
        settings: Those of the judgement that was made.
        shortening: What was wanted; None where that is the same.
    """
    if shortening is None:
        return ""
    spared = join_words(list(_list_spared(settings, shortening.wanted)))
    seconds = write_duration(shortening.seconds)
    return f"The judgement was shortened to fit into the {seconds} that its call had left: {spared}."


def _list_spared(made: EvaluationSettings, wanted: EvaluationSettings) -> Iterator[str]:
    if made.finalists < wanted.finalists:
        yield f"{write_count(made.finalists, 'finalist')} instead of {wanted.finalists}"
    if made.seeds < wanted.seeds:
        yield f"{write_count(made.seeds, 'seed')} each instead of {wanted.seeds}"
    if made.bag != wanted.bag:
        yield (
            f"no bag instead of one of {wanted.bag}"
            if made.bag is None
            else (f"a bag of {made.bag} instead of {wanted.bag}")
        )
    if made.bags < wanted.bags:
        yield f"{write_count(made.bags, 'bag')} instead of {wanted.bags}"
    if made.refit != wanted.refit:
        yield "no refit"
    if made.folds != wanted.folds:
        yield "no cross-validation"
    if made.baseline_minutes < wanted.baseline_minutes:
        yield f"{write_duration(60 * made.baseline_minutes)} for the settings of each kind of baseline"
