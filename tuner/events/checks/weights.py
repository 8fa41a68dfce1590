"""Event weights and classes: negative, zero, dominated by few; a class that is rare or small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.events.checks.examined import Examined
from tuner.events.checks.finding import Finding
from tuner.metrics.arrays import effective_number, negative_fraction
from tuner.progress.wording import join_words, write_count

RARE_CLASS = 0.05
UNEVEN = 0.1
"""Effective events a true event below which weights are very uneven."""
DOMINATED = 0.05
"""Share of a class's weight that a single event may have, where there are `MIN_EVENTS` of the class."""
MIN_EVENTS = 100
FEW = 50.0
"""Effective events of a class in the test part below which an efficiency of 50 % is known to worse than 7 %."""
TEST_SHARE = 0.2
"""Of the events, where no parts are given: that of `Preparation`."""

CLASSES = (("signal", 1), ("background", 0))


def check_weights(examined: Examined, test_share: float = TEST_SHARE) -> Iterator[Finding]:
    """Check event weights and the sizes of the classes.

    Args:
        examined: The events.
        test_share: How many test events there are for each event that could be looked at; classes are taken to be
            alike there, so no label of theirs is read.
    """
    yield from _find_negative(examined)
    yield from _find_zero(examined)
    for kind, label in CLASSES:
        weights = examined.weights[examined.labels == label]
        yield from _find_uneven(kind, weights)
    yield from _find_few(examined, test_share)
    yield from _find_rare(examined)


def _find_negative(examined: Examined) -> Iterator[Finding]:
    if (negative := negative_fraction(examined.weights)) > 0:
        yield Finding(
            code="negative-weights",
            severity="note",
            sentence=f"{(examined.weights < 0).mean():.1%} of the events have negative weights ({negative:.1%} of the "
            "absolute weight). Validation and test keep them.",
            advice="`negative_weights` of Preparation says what training does.",
            figures={"share": float((examined.weights < 0).mean()), "weight": negative},
        )


def _find_zero(examined: Examined) -> Iterator[Finding]:
    n_zero = int((examined.weights == 0).sum())
    if n_zero:
        yield Finding(
            code="zero-weights",
            severity="warning",
            sentence=f"{write_count(n_zero, 'event')} ({n_zero / len(examined.weights):.1%}) "
            f"{'has' if n_zero == 1 else 'have'} weight zero: read and scored, but counted nowhere.",
            advice="Leave them out of the file, or look why they have none.",
            figures={"events": n_zero},
        )


def _find_uneven(kind: str, weights: np.ndarray) -> Iterator[Finding]:
    n, effective = len(weights), effective_number(weights)
    largest = float(np.abs(weights).max() / weights.sum()) if n and weights.sum() > 0 else 0.0
    is_dominated = n >= MIN_EVENTS and largest > DOMINATED
    if effective < UNEVEN * n or is_dominated:
        one = f"; one event alone has {largest:.1%} of the weight" if is_dominated else ""
        yield Finding(
            code="uneven-weights",
            severity="warning",
            sentence=f"Weights of {kind} are very uneven: {n:,} events count statistically as {effective:,.0f}{one}. "
            "Figures of merit are as uncertain as with that few.",
            advice="Mind their intervals, and look at the events of the largest weights.",
            figures={"effective": effective, "largest": largest},
        )


def _find_few(examined: Examined, test_share: float) -> Iterator[Finding]:
    in_test = {
        kind: effective_number(examined.weights[examined.labels == label]) / examined.share * test_share
        for kind, label in CLASSES
    }
    few = {kind: n for kind, n in in_test.items() if n < FEW}
    if few:
        least = min(few.values())
        told = join_words([f"{n:,.0f} effective events of {kind}" for kind, n in few.items()])
        yield Finding(
            code="few-events",
            severity="warning",
            sentence=f"The test part will have about {told}. With {least:,.0f}, an efficiency of 50 % is known to "
            f"± {50 / np.sqrt(max(least, 1)):.0f} %: settings that are better cannot be told from settings that had "
            "luck.",
            advice="Use more events, or larger validation and test `fractions`; read figures with their intervals.",
            figures=few,
        )


def _find_rare(examined: Examined) -> Iterator[Finding]:
    sums = [float(examined.weights[examined.labels == label].sum()) for label in (0, 1)]
    share = sums[1] / sum(sums) if min(sums) > 0 else float(examined.labels.mean())
    if min(share, 1 - share) < RARE_CLASS:
        kind, rarer = ("signal", share) if share < 0.5 else ("background", 1 - share)
        yield Finding(
            code="imbalance",
            severity="note",
            sentence=f"Only {rarer:.2%} of the events, by weight, are {kind}: accuracy is {1 - rarer:.1%} for a "
            "network that has learnt nothing. Training weighs both classes the same by default.",
            advice="Judge by AUC, efficiencies or significance.",
            figures={"share": rarer},
        )
