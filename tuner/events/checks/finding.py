"""What a check found: a code, a sentence that teaches, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import Any, Literal

from tuner.errors import EventsError, StudyError, raise_together, suggest_name

Severity = Literal["error", "warning", "note"]

CODES = {
    "undefined-throughout": "a feature is defined in no event",
    "constant": "a feature has the same value in all events",
    "label-in-feature": "a feature is the label in other words, by its values or by where it is defined",
    "observer-in-features": "a feature is an observer in the same numbers",
    "leak": "a feature alone separates signal from background",
    "index-as-feature": "a feature counts the events, or rises from each to the next",
    "weight-in-features": "a feature is the event weight, up to a factor",
    "observer-function": "a feature is a function of an observer",
    "sculpting": "an observer goes with a feature in background",
    "undeclared-sentinel": "a value seems to stand for “not defined” and is not declared",
    "mostly-undefined": "a feature is defined in hardly any event",
    "empty-events": "events in which no feature is defined",
    "near-constant": "a feature has one value in nearly all events",
    "outliers": "single values far beyond all others",
    "identical-features": "features that have the same values in each event",
    "correlated-features": "features that say nearly the same",
    "copies": "events that are equal in every feature",
    "copies-across-parts": "events of the test part that are also in training",
    "parts-differ": "features tell the test part from the train part",
    "drift": "features change along the file or the event id",
    "sorted-by-class": "the events come sorted by class",
    "id-tells-label": "the event id goes with the class",
    "negative-weights": "events of negative weight",
    "zero-weights": "events of weight zero",
    "uneven-weights": "a class is dominated by few events of large weight",
    "imbalance": "a class is rare",
    "few-events": "a class has so few effective events that figures are hardly known",
    "newly-undefined": "of new events, a feature is undefined that never was in training",
    "far-outside": "of new events, a feature lies far outside of what training had",
    "unseen-values": "of new events, a category or a small count has a value that training never had",
    "shifted-feature": "of new events, most lie where the outermost 1 % of training was",
}
"""Each code, and what it stands for. A code keeps its meaning."""

WIDTH = 80
"""Columns of a terminal."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""An error stops a sweep, a warning deserves a look before one, a note is good to know. In this order."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found."""

    code: str
    """Of `CODES`. `Problem(accepted=(...))` names those that a study has looked into."""
    severity: Severity
    """Whether it stops a sweep."""
    sentence: str
    """What was found, with its figures, and what it means."""
    advice: str
    """What to do."""
    columns: tuple[str, ...] = ()
    """The columns that it is about, the worst first."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name."""
    is_accepted: bool = False
    """Whether the study has looked into it: then it stops nothing, and is listed by its code only."""

    def __str__(self) -> str:
        """Return severity, code, sentence and advice on one line."""
        return f"{self.severity.capitalize()} [{self.code}]: {self.sentence} {self.advice}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain objects."""
        return {
            "code": self.code,
            "severity": self.severity,
            "sentence": self.sentence,
            "advice": self.advice,
            "columns": list(self.columns),
            "figures": dict(self.figures),
            "accepted": self.is_accepted,
        }


def arrange_findings(found: Iterable[Finding], accepted: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Return findings, errors first and what is accepted last, marked.

    Args:
        found: In any order; among those of one severity it is kept.
        accepted: Codes that the study has looked into.

    Raises:
        StudyError: A code is none.
    """
    problems = [
        f'`accepted` must name codes of findings, but "{code}" is none.{suggest_name(code, CODES)}'
        for code in accepted
        if code not in CODES
    ]
    raise_together(problems, StudyError, "This problem")
    marked = [replace(finding, is_accepted=finding.code in accepted) for finding in found]
    return tuple(sorted(marked, key=lambda one: (one.is_accepted, SEVERITIES.index(one.severity))))


def list_findings(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a line for each finding that is not accepted, and one for the codes of all that are."""
    findings = list(findings)
    yield from (str(finding) for finding in findings if not finding.is_accepted)
    if accepted := dict.fromkeys(finding.code for finding in findings if finding.is_accepted):
        yield f"Accepted by the study: {', '.join(accepted)}."


def wrap_told(line: str) -> list[str]:
    """Return a line of `list_findings` as lines of a terminal of 80 columns, the later ones indented."""
    return wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def refuse_errors(findings: Iterable[Finding], source: str) -> None:
    """Raise `EventsError` that tells all errors which the study has not accepted; nothing where there are none."""
    problems = [
        f'{finding.sentence} {finding.advice} If it is meant, accept it: `Problem(accepted=("{finding.code}",))`.'
        for finding in findings
        if finding.severity == "error" and not finding.is_accepted
    ]
    raise_together(problems, EventsError, source)
