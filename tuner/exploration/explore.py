"""Step 2, visualize: what each feature tells by itself, how features go together, and what may go wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tuner.events.table import Events
from tuner.exploration.correlation import correlate
from tuner.exploration.data_warnings import find_cautions
from tuner.exploration.exploration import Exploration
from tuner.exploration.feature import FeatureHistogram, describe_feature, fill_histogram
from tuner.metrics.arrays import effective_number

CLASSES = {"signal": 1, "background": 0}


def explore_events(events: Events) -> Exploration:
    """Measure features and classes of events, with event weights; no network, no preparation, no split.

    All events are looked at, those of the later test part too: only one feature at a time, and no choice is made.

    Args:
        events: What `read_events` returned.

    Returns:
        Tables of classes and features, correlations, histograms and warnings, all by event weights.
    """
    classes = pd.DataFrame({name: _describe_class(events, label) for name, label in CLASSES.items()}).T
    features = pd.DataFrame(
        {name: describe_feature(_column(events, name), events.labels, events.weights) for name in events.features}
    ).T
    features.index.name = "feature"
    correlations = {
        name: correlate(events.table[chosen := events.labels == label], events.weights[chosen])
        for name, label in CLASSES.items()
    }
    return Exploration(
        source=events.source,
        classes=classes.rename_axis("class"),
        features=features.sort_values("separation", ascending=False, kind="stable"),
        correlations=correlations,
        histograms=tuple(_fill(events, name) for name in events.features),
        warnings=(*events.notes, *find_cautions(events, features, correlations)),
        cut_flow=events.cut_flow,
    )


def _column(events: Events, name: str) -> np.ndarray:
    values: np.ndarray = events.table[name].to_numpy()
    return values


def _fill(events: Events, name: str) -> FeatureHistogram:
    return fill_histogram(name, _column(events, name), events.labels, events.weights)


def _describe_class(events: Events, label: int) -> dict[str, float]:
    """Return counts of one class."""
    weights = events.weights[events.labels == label]
    return {
        "events": len(weights),
        "weight": float(weights.sum()),
        "effective": effective_number(weights),
        "negative": float((weights < 0).mean()),
    }
