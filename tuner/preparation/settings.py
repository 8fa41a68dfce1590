"""How events are split, scaled and weighted for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Settings of step 3."""

    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    """Shares of the events for training, validation and test; each class is split alike."""
    seed: int = 0
    """Seed of the split. Not the study's: studies with other seeds are judged on the same events."""
    scaling: Literal["quantile", "standard", "none"] = "quantile"
    """Map each feature to a normal distribution by its quantiles; or subtract mean and divide by sd; or neither."""
    n_quantiles: int = 256
    """Knots of the quantile map."""
    azimuths: tuple[str, ...] | Literal["auto"] = "auto"
    """Features that are angles round the beam, in radian: two or more, or none.

    A network is given cosine and sine of their angles to the first of them, as beams and detectors look alike all
    round. "auto": those whose name says "phi" or "azimuth", which fill the circle evenly, and whose angles to each
    other do not (`tuner.preparation.azimuths`).
    """
    balance: bool = True
    """Scale training weights so that signal and background count the same in the loss."""
    negative_weights: Literal["keep", "absolute", "drop"] = "keep"
    """What training does with events of negative weight. Validation and test always keep them."""

    def __post_init__(self) -> None:
        settle_fields(self, "Preparation")
        problems = [f"`seed` must not be negative, but is {self.seed}."] if self.seed < 0 else []
        if len(self.fractions) != 3 or min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            problems.append(f"`fractions` must be three shares above 0 that add up to 1, but is {self.fractions}.")
        if self.scaling not in ("quantile", "standard", "none"):
            problems.append(f'`scaling` must be "quantile", "standard" or "none", but is {self.scaling!r}.')
        if self.negative_weights not in ("keep", "absolute", "drop"):
            problems.append(
                f'`negative_weights` must be "keep", "absolute" or "drop", but is {self.negative_weights!r}.'
            )
        if self.n_quantiles < 2:
            problems.append(f"`n_quantiles` must be at least 2, but is {self.n_quantiles}.")
        if self.azimuths != "auto" and (len(self.azimuths) == 1 or len(set(self.azimuths)) < len(self.azimuths)):
            problems.append(f"`azimuths` must be two or more features, each once, or none, but is {self.azimuths}.")
        raise_together(problems, StudyError, "Preparation")
