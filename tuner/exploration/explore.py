"""Step 2, visualize: what each feature tells by itself, how features go together, and what may go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tuner.events.checks.check import check_events
from tuner.events.checks.finding import Finding, list_findings
from tuner.events.table import Events
from tuner.exploration.binning import fill_histogram
from tuner.exploration.correlation import correlate, correlate_by_rank
from tuner.exploration.exploration import Exploration
from tuner.exploration.feature import describe_feature, sort_feature
from tuner.exploration.overview import list_columns, list_events, name_kind
from tuner.exploration.pairs import N_PAIRED, fill_pairs
from tuner.metrics.arrays import effective_number
from tuner.progress.wording import write_count

CLASSES = {"signal": 1, "background": 0}


def explore_events(
    events: Events, parts: Mapping[str, np.ndarray] | None = None, findings: Sequence[Finding] | None = None
) -> Exploration:
    """Measure features and classes of events, with event weights; no network and no preparation.

    Args:
        events: What `read_events` returned.
        parts: Rows of "train", "validation" and "test" [n_part]: nothing is shown of the last two. None: all events
            are shown, as no study says which are for training.
        findings: What checks found of the events. None: they are checked here.

    Returns:
        Tables of columns, classes and features, correlations, histograms and warnings, all by event weights.
    """
    found = check_events(events, parts) if findings is None else tuple(findings)
    shown = events if parts is None else _take(events, np.sort(parts["train"]))
    measures, histograms, kinds = {}, {}, {}
    for name in shown.features:
        texts = shown.codes.get(name, ())
        feature = sort_feature(name, shown.table[name].to_numpy(), shown.labels, shown.weights, texts=texts)
        measures[name], histograms[name] = describe_feature(feature), fill_histogram(feature)
        special = "category" if texts else "angle" if histograms[name].axis == "angle" else ""
        kinds[name] = len(feature.distinct), special or name_kind(feature.distinct)
    features = pd.DataFrame(measures).T.rename_axis("feature")
    ranked = features.sort_values("separation", ascending=False, kind="stable")
    chosen = {name: shown.labels == label for name, label in CLASSES.items()}
    # Codes of three texts or more follow no order: nothing correlates with them.
    ordered = shown.table.assign(**{name: np.nan for name, texts in shown.codes.items() if len(texts) > 2})
    correlations, ranks = (
        {name: compute(ordered[own], shown.weights[own]) for name, own in chosen.items()}
        for compute in (correlate, correlate_by_rank)
    )
    return Exploration(
        source=events.source,
        shown=_tell_all(events) if parts is None else _tell_shown(len(shown.labels), len(events.labels)),
        classes=_describe_classes(shown),
        columns=list_columns(shown, kinds),
        rows=list_events(shown),
        features=ranked,
        correlations=correlations,
        histograms=tuple(histograms.values()),
        rank_correlations=ranks,
        pairs=fill_pairs(shown, [histograms[str(name)] for name in ranked.index[:N_PAIRED]]),
        warnings=(*(f"Note: {note}" for note in events.notes), *list_findings(found)),
        findings=found,
        cut_flow=events.cut_flow,
    )


def _take(events: Events, rows: np.ndarray) -> Events:
    """Return some of the events."""
    return replace(
        events,
        table=events.table.iloc[rows].reset_index(drop=True),
        labels=events.labels[rows],
        weights=events.weights[rows],
        observers=events.observers.iloc[rows].reset_index(drop=True),
        event_id=None if events.event_id is None else events.event_id[rows],
        rows=None if events.rows is None else events.rows[rows],
        given_parts=None if events.given_parts is None else events.given_parts[rows],
    )


def _tell_shown(n_shown: int, n_events: int) -> str:
    return (
        f"{write_count(n_shown, 'training event')} of {n_events:,} {'is' if n_shown == 1 else 'are'} shown; "
        "validation and test stay closed."
    )


def _tell_all(events: Events) -> str:
    return f"All {write_count(len(events.labels), 'event')} are shown: no study says which are for training."


def _describe_classes(events: Events) -> pd.DataFrame:
    """Return counts and sums of weights of both classes, and their shares."""
    rows = {}
    for name, label in CLASSES.items():
        weights = events.weights[events.labels == label]
        rows[name] = {
            "events": len(weights),
            "weight": float(weights.sum()),
            "effective": effective_number(weights),
            "negative": float((weights < 0).mean()) if len(weights) else np.nan,
        }
    classes = pd.DataFrame(rows).T.rename_axis("class")
    for column in ("events", "weight"):
        total = classes[column].sum()
        classes[f"share_{column}"] = classes[column] / total if total else np.nan
    return classes
