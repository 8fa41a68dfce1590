"""How a search is judged at its end. No torch and no Optuna imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields

HandOn = Literal["auto", "single", "refit", "bag", "ensemble", "ensemble of bags", "blend"]

OR_NONE = {"bag": ", or 0 for no bag", "baseline_trials": " (0 for no baselines)"}
"""What a setting may be besides, in words."""


@check_keywords
@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Settings of step 7."""

    finalists: int = 5
    """Settings that are trained anew, the best by their lower confidence bound."""
    seeds: int = 5
    """Trainings of each finalist, with other first parameters, order of events and dropout."""
    baseline_trials: int = 12
    """Settings of boosted trees that are tried, of each kind that is installed; 0 for no baselines."""
    baseline_minutes: float = 10.0
    """Limit on the time of each kind of baseline: no further setting begins after it, which the evaluation tells."""
    bag: int | None = 8
    """Folds of train + validation, for each of which the winner's configuration is trained once; their mean is the bag.
    None, or 0, for no bag."""
    bags: int = 1
    """Finalists, the winner and the next best, that get a bag; of several the greedy ensemble is a candidate, too."""
    refit: bool = True
    """Whether the winner's configuration is also trained once on all of train + validation."""
    hand_on: HandOn = "auto"
    """What `predict` and `export` use unless told otherwise: the winner's best network on validation ("single"), one
    trained on train + validation ("refit"), the mean over folds ("bag"), the greedy "ensemble" of the finalists, the
    greedy "ensemble of bags", or the "blend" of the bag with boosted trees on the same folds. "auto": the single
    network, or the bag or the ensemble where that is better, by validation and out-of-fold scores alone. Where the one
    asked for gives the same scores as a simpler one, the simpler one is handed on."""
    folds: int | None = None
    """Folds of a cross-validation with the winner's setting, in which every event is scored; None for none."""
    replicas: int = 200
    """Bootstrap replicas behind each interval."""

    def __post_init__(self) -> None:
        settle_fields(self, "EvaluationSettings")
        if self.bag == 0:
            object.__setattr__(self, "bag", None)
        least = {"finalists": 1, "seeds": 1, "baseline_trials": 0, "bag": 2, "bags": 1, "folds": 3, "replicas": 20}
        problems = [
            f"`{name}` must be a whole number of at least {number}{OR_NONE.get(name, '')}, but is {value!r}."
            for name, number in least.items()
            if (value := getattr(self, name)) is not None and value < number
        ]
        if self.hand_on in ("bag", "ensemble of bags", "blend") and self.bag is None:
            problems.append(
                f'`hand_on="{self.hand_on}"` needs a bag, but `bag` is 0, which means none. Set it to a number of '
                "folds, such as 8."
            )
        if self.hand_on == "ensemble of bags" and self.bags == 1:
            problems.append('`hand_on="ensemble of bags"` needs several bags, but `bags` is 1. Set it to 3, say.')
        if self.hand_on == "blend" and self.baseline_trials == 0:
            problems.append('`hand_on="blend"` needs boosted trees, but `baseline_trials` is 0. Set it to 12, say.')
        if self.hand_on == "refit" and not self.refit:
            problems.append('`hand_on="refit"` needs a refit, but `refit` is False. Set it to True.')
        if not self.baseline_minutes > 0:
            problems.append(f"`baseline_minutes` must be above 0, but is {self.baseline_minutes!r}.")
        raise_together(problems, StudyError, "EvaluationSettings")
