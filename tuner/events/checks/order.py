"""The order of the events: sorted by class, features that drift along the file or the event id."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.errors import name_all
from tuner.events.checks.examined import Examined
from tuner.events.checks.finding import Finding

SORTED = 0.02
"""Events are sorted by class where it changes along the file in so small a share of the places where it would by
chance."""
N_BLOCKS = 10
"""Blocks of equally many events, one after the other, that are compared."""
MIN_IN_BLOCK = 30
MIN_EFFECT = 0.02
"""Share of the variance of a feature's ranks that is between blocks, less what chance gives: from 0.01 on it is called
small, from 0.06 on medium (Cohen 1988, eta squared)."""
SIGNIFICANCE = 1e-3
"""Of one false alarm among all features and both classes (Bonferroni)."""


def check_order(examined: Examined, counters: list[str]) -> Iterator[Finding]:
    """Check the order of the events in their source; event weights do not enter.

    Args:
        examined: The events.
        counters: Features that name or order the events: that they change along the file is no news.
    """
    yield from _find_sorted(examined)
    yield from _find_drift(examined, counters, "file", np.arange(len(examined.rows)))
    ids = examined.event_id
    if ids is not None and np.issubdtype(ids.dtype, np.number) and (np.diff(ids) < 0).any():
        yield from _find_drift(examined, counters, "event id", np.argsort(ids, kind="stable"))


def _find_sorted(examined: Examined) -> Iterator[Finding]:
    labels = examined.labels
    n_background, n_signal = np.bincount(labels, minlength=2)
    expected = 2.0 * n_signal * n_background / len(labels)
    changes = int((np.diff(labels) != 0).sum())
    if expected >= 20 and changes < SORTED * expected:
        yield Finding(
            code="sorted-by-class",
            severity="note",
            sentence="The events come sorted by class. That does no harm to parts that are drawn at random; but where "
            "an event stands in the file tells its class, and so does whatever follows from it.",
            advice="Keep indices and times out of the features, and do not split by the place in the file.",
            figures={"changes": changes},
        )


def _find_drift(examined: Examined, counters: list[str], along: str, order: np.ndarray) -> Iterator[Finding]:
    """Find features whose distribution within a class changes along an order of the events [m] (Kruskal-Wallis)."""
    ids = examined.event_id
    if ids is not None:  # events of one id are alike: the first of each counts
        is_first = np.zeros(len(ids), bool)
        is_first[np.unique(ids, return_index=True)[1]] = True
        order = order[is_first[order]]
    effects: dict[str, float] = {}
    for label in (0, 1):
        chosen = order[examined.labels[order] == label]
        n_blocks = min(N_BLOCKS, len(chosen) // MIN_IN_BLOCK)
        if n_blocks < 3:
            continue
        block = np.arange(len(chosen)) * n_blocks // len(chosen)
        for name, values in examined.columns():
            if name in counters:
                continue
            effect, p = _compare_blocks(values[chosen], block, n_blocks)
            if effect > MIN_EFFECT and p < SIGNIFICANCE / (2 * len(examined.names)):
                effects[name] = max(effect, effects.get(name, 0.0))
    if effects:
        names = sorted(effects, key=lambda name: -effects[name])
        yield Finding(
            code="drift",
            severity="warning",
            sentence=f"{name_all(names, most=6)} {'changes' if len(names) == 1 else 'change'} along the {along} within "
            f"a class: {effects[names[0]]:.0%} of the variance of ranks lies between consecutive blocks of events. "
            "Files of other conditions do that, or a detector that ages. Parts that are drawn at random hide it, "
            "and later events may be unlike all of these.",
            advice="Compare the first events with the last; if the file is sorted by such a feature, accept the "
            "finding with `accepted`.",
            columns=tuple(names),
            figures={"effect": effects[names[0]]},
        )


def _compare_blocks(values: np.ndarray, block: np.ndarray, n_blocks: int) -> tuple[float, float]:
    """Return effect (eta squared of H) and p value of the Kruskal-Wallis test over blocks.

    values: [n]; undefined ones rank last. block: number of the block of each, int64 [n] in 0 .. n_blocks - 1.
    """
    from scipy.stats import chi2, rankdata

    n = len(values)
    ranks = rankdata(np.nan_to_num(values, nan=np.inf, posinf=np.inf))
    spread = float(ranks.var())
    if spread == 0:
        return 0.0, 1.0
    sizes = np.bincount(block, minlength=n_blocks)
    means = np.bincount(block, ranks, minlength=n_blocks) / sizes
    h = float((sizes * (means - ranks.mean()) ** 2).sum()) / (spread * n / (n - 1))
    return (h - n_blocks + 1) / (n - n_blocks), float(chi2.sf(h, n_blocks - 1))
