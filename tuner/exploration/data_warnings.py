"""What may go wrong with these events, and what one does about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tuner.errors import name_all
from tuner.events.table import Events
from tuner.exploration.correlation import correlate_ranks
from tuner.metrics.arrays import effective_number, negative_fraction

LEAK_AUC = 0.995
STRONG = 0.98
SCULPTING = 0.3
RARE_CLASS = 0.05
UNEVEN = 0.1


def find_cautions(events: Events, features: pd.DataFrame, correlations: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Return sentences. features: as `explore_events` measures them; correlations: [d, d] of each class."""
    return (
        *_find_leaks(features),
        *_find_repeated(events),
        *_find_pairs(correlations),
        *_find_sculpted(events),
        *_find_weights(events),
        *_find_rare(events),
    )


def _find_leaks(features: pd.DataFrame) -> Iterator[str]:
    """Find features that nearly separate by themselves: by their value, or by being undefined."""
    for name, row in features.iterrows():
        if row["auc"] > LEAK_AUC:
            yield (
                f'Feature "{name}" alone separates signal from background (AUC {row["auc"]:.4f}). That is rarely '
                "physics: is it known only in simulation, or made from the label? If so, leave it out with `ignored`."
            )
        elif abs(row["undefined_signal"] - row["undefined_background"]) > LEAK_AUC:
            yield (
                f'Feature "{name}" is defined for one class only. Its being there gives the label away: leave it out '
                "with `ignored`."
            )


def _find_repeated(events: Events) -> Iterator[str]:
    """Find events that repeat another in every feature."""
    repeated = events.table.duplicated().to_numpy()
    if not repeated.any():
        return
    n = int(repeated.sum())
    kept = "They share no event id here" if events.event_id is None else "Only those of one event id stay together"
    yield (
        f"{n:,} {'event repeats' if n == 1 else 'events repeat'} another in every feature. Copies that come into train "
        f"and test make the test figures too good. {kept}: remove copies, or name an `event_id`."
    )


def _find_pairs(correlations: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Find pairs of features that go together in both classes."""
    strength = np.fmin.reduce([matrix.abs().to_numpy() for matrix in correlations.values()])
    names = list(next(iter(correlations.values())).columns)
    first, second = np.nonzero(np.triu(np.nan_to_num(strength), 1) > STRONG)
    if len(first):
        pairs = [f"{names[i]} with {names[j]}" for i, j in zip(first, second, strict=True)]
        yield (
            f"These features say nearly the same (|correlation| above {STRONG:g} in both classes): {name_all(pairs)}. "
            "That does no harm to a network, but one of each pair may do, and importances are shared between them."
        )


def _find_sculpted(events: Events) -> Iterator[str]:
    """Find observers that go with a feature in background: a cut on the score would then shape them."""
    background = events.labels == 0
    for name in events.observers.columns:
        if name == events.optimum or not pd.api.types.is_numeric_dtype(events.observers[name].dtype):
            continue
        observer = events.observers[name].to_numpy(np.float64)[background]
        strength = correlate_ranks(observer, events.table[background], events.weights[background]).abs()
        if strength.max() > SCULPTING:
            yield (
                f'Observer "{name}" goes with feature "{strength.idxmax()}" in background (rank correlation '
                f"{strength.max():.2f}). A cut on the score will shape its distribution: look at it after the cut "
                "before a bump is believed."
            )


def _find_weights(events: Events) -> Iterator[str]:
    """Find negative and very uneven weights."""
    if (negative := negative_fraction(events.weights)) > 0:
        yield (
            f"{(events.weights < 0).mean():.1%} of the events have negative weights ({negative:.1%} of the absolute "
            "weight). Validation and test keep them; `negative_weights` of Preparation says what training does."
        )
    for kind, label in (("signal", 1), ("background", 0)):
        weights = events.weights[events.labels == label]
        effective = effective_number(weights)
        if effective < UNEVEN * len(weights):
            yield (
                f"Weights of {kind} are very uneven: {len(weights):,} events count statistically as {effective:,.0f}. "
                "Figures of merit are as uncertain as with that few; mind their intervals."
            )


def _find_rare(events: Events) -> Iterator[str]:
    """Find a class that is rare."""
    share = events.labels.mean()
    if min(share, 1 - share) < RARE_CLASS:
        kind, rarer = ("signal", share) if share < 0.5 else ("background", 1 - share)
        yield (
            f"Only {rarer:.2%} of the events are {kind}: accuracy is {1 - rarer:.1%} for a network that has learnt "
            "nothing. Judge by AUC, efficiencies or significance; training weighs both classes the same by default."
        )
