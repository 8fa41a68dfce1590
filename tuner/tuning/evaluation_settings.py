"""How a search is judged at its end. No torch and no Optuna imported here."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields


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
    baseline_minutes: float = 1.0
    """Wall time after which no further setting of a kind begins."""
    folds: int | None = None
    """Folds of a cross-validation with the winner's setting, in which every event is scored; None for none."""
    replicas: int = 200
    """Bootstrap replicas behind each interval."""

    def __post_init__(self) -> None:
        settle_fields(self, "EvaluationSettings")
        least = {"finalists": 1, "seeds": 1, "baseline_trials": 0, "folds": 3, "replicas": 20}
        problems = [
            f"`{name}` must be a whole number of at least {number}, but is {value!r}."
            for name, number in least.items()
            if not (name == "folds" and self.folds is None) and (value := getattr(self, name)) < number
        ]
        if not self.baseline_minutes > 0:
            problems.append(f"`baseline_minutes` must be above 0, but is {self.baseline_minutes!r}.")
        raise_together(problems, StudyError, "EvaluationSettings")
