"""Can these events be trusted? All checks, in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tuner.events.checks.examined import examine
from tuner.events.checks.finding import Finding, arrange_findings
from tuner.events.checks.leaks import check_leaks, find_counters
from tuner.events.checks.order import check_order
from tuner.events.checks.parts import check_parts
from tuner.events.checks.relations import check_relations
from tuner.events.checks.values import check_values
from tuner.events.checks.weights import TEST_SHARE, check_weights
from tuner.events.table import Events


def check_events(
    events: Events, parts: Mapping[str, np.ndarray] | None = None, *, accepted: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Check whether events can be trusted. Errors are returned like all findings; who must stop at them does.

    The test part stays closed: where parts are given, labels and weights of the train part alone are read, and across
    parts features only are compared. Of more than 100,000 events a random sample is looked at, the same each time.

    Args:
        events: As they were read.
        parts: Rows of "train", "validation" and "test" [n_part]. None: the events were not split; all are looked at.
        accepted: Codes that the study has looked into (`Problem.accepted`).

    Returns:
        Findings, errors first, what is accepted last.

    Raises:
        StudyError: `accepted` names what is no code.
    """
    arrange_findings((), accepted)
    parts = parts or {}
    examined = examine(events, parts.get("train"))
    counters = find_counters(examined)
    test_share = len(parts["test"]) / len(parts["train"]) if parts else TEST_SHARE
    found = [
        *check_leaks(examined, counters),
        *check_parts(events, parts),
        *check_values(examined),
        *check_relations(examined),
        *check_order(examined, counters),
        *check_weights(examined, test_share),
    ]
    return arrange_findings(found, accepted)
