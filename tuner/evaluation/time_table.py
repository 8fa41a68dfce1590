"""The time of a judgement: what of it there is time for, as a whole and again once the finalists are trained."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

from tuner.evaluation.baselines.kinds import list_kinds
from tuner.evaluation.shortening import Shortening
from tuner.tuning.call_end import CallEnd
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.judgement_time import JudgementCosts, find_growth, limit_baselines, measure_costs, shorten
from tuner.tuning.search import Search


@dataclass(frozen=True, kw_only=True)
class TimeTable:
    """What a judgement is to be, and until when its trainings may take."""

    wanted: EvaluationSettings
    """Those it would have without a limit."""
    settings: EvaluationSettings
    """Those that there is time for, as the judgement begins."""
    baseline_minutes: float
    """Limit on tuning each kind of baseline."""
    trained: float | None = None
    """When the last training is to end, in Unix time; None for no limit."""
    began: float = 0.0
    """When the judgement began, in Unix time."""
    costs: JudgementCosts | None = None
    """What trainings take by the trials' pace; None where that is not known, or nothing is limited."""

    @classmethod
    def draw_up(cls, search: Search, wanted: EvaluationSettings, end: CallEnd | None, *, n_processes: int) -> TimeTable:
        """Return what there is time for.

        Args:
            search: The search, with its trials as they are.
            wanted: What would be done without a limit.
            end: When judgement and report are to end; None for no limit.
            n_processes: Processes that share the work.
        """
        now = time.time()
        if end is None:
            return cls(wanted=wanted, settings=wanted, baseline_minutes=wanted.baseline_minutes, began=now)
        costs = measure_costs(search.trials, wanted, growth=find_growth(search), now=datetime.now())
        settings, minutes, left = wanted, wanted.baseline_minutes, max(0.0, end.trained - now)
        if costs is not None:
            settings = shorten(wanted, costs, left)
            minutes = limit_baselines(settings, costs, left, n_processes=n_processes, n_kinds=len(list_kinds()))
        return cls(
            wanted=wanted, settings=settings, baseline_minutes=minutes, trained=end.trained, began=now, costs=costs
        )

    def shorten_rest(self, settings: EvaluationSettings, *, held: float, holds: float) -> EvaluationSettings:
        """Return the settings that the time still allows now that the finalists are trained.

        The pace is that at which they were trained, where that is slower than the trials'.

        Args:
            settings: Those of the judgement until now.
            held: How many times as long a training took as it would have with the whole machine, as baselines held a
                process.
            holds: The same from now on.
        """
        if self.trained is None or self.costs is None:
            return settings
        now = time.time()
        n_trained = min(settings.finalists, self.costs.n_candidates) * settings.seeds
        factor = holds * max(1.0, (now - self.began) / n_trained / self.costs.training / held)
        costs = replace(self.costs, joined=factor * self.costs.joined, training=factor * self.costs.training)
        return shorten(settings, costs, max(0.0, self.trained - now), are_retrained=True)

    def tell(self, settings: EvaluationSettings) -> Shortening | None:
        """Return what was wanted where these settings, with which the judgement was made, are others; else None."""
        if self.trained is None or settings == self.wanted:
            return None
        return Shortening(wanted=self.wanted, seconds=max(0.0, self.trained - self.began))
