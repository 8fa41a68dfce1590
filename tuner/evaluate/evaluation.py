"""What the judgement found: figures with intervals, by candidate and part; and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite, nan
from typing import Any

from tuner.metrics.measurement import Measurement


@dataclass(frozen=True, kw_only=True)
class FigureCut:
    """The cut of a figure of merit that is one of a cut, and what lies above it on one part."""

    threshold: float
    """Events with score >= threshold are selected; chosen on validation, frozen for test."""
    estimator: str
    """What the figure's value on this part is."""
    s: float
    """Signal above the cut, rescaled to what is expected."""
    b: float
    """Background above the cut, rescaled to what is expected."""
    n_signal: int
    """Signal events above the cut, counted."""
    n_background: int
    """Background events above the cut, counted."""
    effective_background: float
    """(sum w)^2 / sum w^2 of the background above the cut."""


@dataclass(frozen=True, kw_only=True)
class PartEvaluation:
    """One candidate's figures on one part of the events."""

    candidate: str
    """Whose scores: "winner", a baseline, an ensemble."""
    part: str
    """"validation" or "test"."""
    n_signal: int
    """Signal events, counted."""
    n_background: int
    """Background events, counted."""
    effective_signal: float
    """(sum w)^2 / sum w^2 of the signal."""
    effective_background: float
    """(sum w)^2 / sum w^2 of the background."""
    negative_fraction: float
    """Share of the absolute weight that events of negative weight carry."""
    threshold: float
    """Events with score >= threshold are selected."""
    threshold_rule: str
    """How the threshold was chosen, and on which part."""
    selected_signal: int
    """Signal events above the threshold, counted."""
    selected_background: int
    """Background events above the threshold, counted."""
    measurements: Mapping[str, Measurement]
    """Figure by name, each with its 68 % interval: stratified weighted bootstrap over the events of the part."""
    figure_cut: FigureCut | None = None
    """The declared figure's own cut; None where it is not one of a cut."""

    def __getitem__(self, name: str) -> Measurement:
        """Return a measurement by name."""
        return self.measurements[name]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The judgement of a search."""

    study: str
    winner: int
    """Number of the winning trial."""
    figure_of_merit: str
    """Name of the figure that chose the winner, on validation."""
    opening: int | None
    """Number of the opening of the test part that these figures come from; None while it is closed."""
    openings: int
    """How often the test part was opened until then."""
    events_digest: str
    """Hash of the events that were judged."""
    parts: tuple[PartEvaluation, ...]

    def part(self, name: str, candidate: str = "winner") -> PartEvaluation | None:
        """Return a candidate's figures on a part; None where there are none."""
        return next((p for p in self.parts if p.part == name and p.candidate == candidate), None)

    def to_json(self) -> str:
        """Return all figures as JSON. A figure that is infinite or not a number is null: JSON knows neither."""
        content = asdict(self)
        for part in content["parts"]:
            part["threshold"] = _tell_finite(part["threshold"])
            part["measurements"] = {
                name: {field: _tell_finite(number) for field, number in measurement.items()}
                for name, measurement in part["measurements"].items()
            }
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Return the evaluation that `to_json` told."""
        content = json.loads(text)
        parts = tuple(
            PartEvaluation(
                **part
                | {"measurements": _read_measurements(part["measurements"])}
                | {"threshold": inf if part["threshold"] is None else part["threshold"]}
                | {"figure_cut": FigureCut(**part["figure_cut"]) if part.get("figure_cut") else None}
            )
            for part in content["parts"]
        )
        return cls(**content | {"parts": parts})


def _tell_finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _read_measurements(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement]:
    """Return measurements; a null above a finite lower bound was infinite, any other null not a number."""

    def read(record: Mapping[str, Any], field: str) -> float:
        number = record[field]
        unbounded = inf if field != "low" and record["low"] is not None else nan
        return unbounded if number is None else float(number)

    return {
        name: Measurement(read(record, "value"), read(record, "low"), read(record, "high"))
        for name, record in content.items()
    }
