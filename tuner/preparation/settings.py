"""How events are split, transformed and weighted for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tuner.errors import StudyError, raise_together, suggest_name
from tuner.fields import check_keywords, settle_fields, show_value
from tuner.preparation.split_rules import SplitRule

Scaling = Literal["quantile", "standard", "robust", "none"]
TRANSFORMATIONS = ("quantile", "standard", "robust", "none", "log", "angle", "degrees")
"""What may be asked for a feature: see `Preparation.features`."""
TrainingWeights = Literal["balanced", "physics", "none"]
NegativeWeights = Literal["keep", "absolute", "drop"]


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Settings of step 3."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the events for training, validation and test; each class is split alike."""
    counts: tuple[int | None, int | None, int | None] | None = None
    """Numbers of events for training, validation and test, in place of `fractions`; one of them may be None, which is
    all that is left: `(None, 5000, 5000)`. Where events share ids, these are numbers of ids."""
    split: SplitRule | None = None
    """How the parts are chosen: `SplitByRemainder`, `SplitByValue` or `SplitInOrder`. None: at random, each class
    alike, but for events of files of their own, `Problem(validation_events=..., test_events=...)`."""
    keep_together: str | None = None
    """The observer whose equal values stay in one part and in one fold, such as a run, beside those of the event id.
    Events drawn at random that are equal in all features stay together, too (`tuner.events.checks.copies`)."""
    seed: int = 0
    """Seed of the split. Not the study's: studies with other seeds are judged on the same events."""
    scaling: Scaling = "quantile"
    """Map each feature to a normal distribution by its quantiles; or subtract mean and divide by sd ("standard"); or
    subtract the median and divide by the range of the middle half ("robust"); or neither. With "standard" and "robust"
    a feature of long tails is taken by its signed logarithm, see "log" below; quantiles need none."""
    n_quantiles: int = 256
    """Knots of the quantile map."""
    features: Mapping[str, str] | None = None
    """What is done with features by name or pattern, `{"pt": "log", "*_phi": "angle"}`, whatever the rules say: a
    name goes before patterns, an earlier pattern before a later. Any `scaling`; "log": sign(x) log(1 + |x| / s), s the
    median of |x|, then as "standard"; "angle" and "degrees": cosine and sine of an angle in radian or degrees."""
    azimuths: tuple[str, ...] | Literal["auto"] = "auto"
    """Features that are angles round the beam, in radian: two or more, or none.

    A network is given cosine and sine of their angles to the first of them, as beams and detectors look alike all
    round. "auto": those whose name says "phi" or "azimuth", which fill the circle evenly, and whose angles to each
    other do not (`tuner.preparation.azimuths`); other features whose name tells an angle (`tuner.events.angles`) and
    that go all round, in radian or in degrees, become cosine and sine of themselves.
    """
    max_categories: int = 32
    """Values of a category that have an input each, at the most: the most frequent; all others share one."""
    training_weights: TrainingWeights = "balanced"
    """What an event counts in the loss: its weight, scaled so that signal and background count the same; its weight as
    it is, up to a factor; or one. Figures of merit always use event weights."""
    negative_weights: NegativeWeights = "keep"
    """What training does with events of negative weight. Validation and test always keep them."""

    def __post_init__(self) -> None:
        settle_fields(self, "Preparation")
        if self.features is not None:
            object.__setattr__(self, "features", dict(self.features))
        problems = [f"`seed` must not be negative, but is {self.seed}."] if self.seed < 0 else []
        if len(self.fractions) != 3 or min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            problems.append(f"`fractions` must be three shares above 0 that add up to 1, but is {self.fractions}.")
        if self.counts is not None:
            problems += _find_count_problems(self.counts)
        problems += [
            f"`{name}` must be at least {least}, but is {getattr(self, name)}."
            for name, least in (("n_quantiles", 2), ("max_categories", 1))
            if getattr(self, name) < least
        ]
        if self.azimuths != "auto" and (len(self.azimuths) == 1 or len(set(self.azimuths)) < len(self.azimuths)):
            problems.append(f"`azimuths` must be two or more features, each once, or none, but is {self.azimuths}.")
        problems += _find_feature_problems(self.features or {}, () if self.azimuths == "auto" else self.azimuths)
        raise_together(problems, StudyError, "Preparation")


def describe_preparation(preparation: Preparation) -> dict[str, Any]:
    """Return the settings by name; `features` as pairs, as of its patterns an earlier one goes before a later."""
    asked = preparation.features
    return asdict(preparation) | {"features": None if asked is None else [[*pair] for pair in asked.items()]}


def _find_count_problems(counts: tuple[int | None, ...]) -> list[str]:
    """Return a sentence where numbers of events cannot be meant."""
    given = [count for count in counts if count is not None]
    if len(given) < 2 or min(given) < 1:
        return [
            "`counts` must be three numbers of events of at least 1, of which one may be None for all that is left, "
            f"but is {counts}."
        ]
    return []


def _find_feature_problems(asked: Mapping[str, str], azimuths: tuple[str, ...]) -> list[str]:
    """Return a sentence for each transformation that is not known, or that is asked for an azimuth."""
    problems = [
        f'`features` asks {show_value(kind)} of "{name}", but must ask one of '
        f"{', '.join(TRANSFORMATIONS)}.{suggest_name(str(kind), TRANSFORMATIONS)}"
        for name, kind in asked.items()
        if kind not in TRANSFORMATIONS
    ]
    return problems + [
        f'"{name}" is named in `azimuths` and in `features`. Leave one.' for name in asked if name in azimuths
    ]
