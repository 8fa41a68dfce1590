"""What of a judgement there is time for once the finalists are trained."""

import time

import pytest

from tuner.evaluation.time_table import TimeTable
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.judgement_time import JudgementCosts

SETTINGS = EvaluationSettings(finalists=2, seeds=3, refit=False)


@pytest.mark.parametrize(
    ("held", "holds", "bag"),
    [
        (2.0, 1.0, 8),  # baselines held half of the machine, and have ended: 7 trainings of 2 s
        (2.0, 2.0, 5),  # they go on: 4 s each
        (1.0, 1.0, 5),  # nobody held it: trainings are twice as slow as the trials were
    ],
)
def test_the_pace_of_finalists_counts_without_what_baselines_took_of_the_machine(held, holds, bag):
    """Six trainings took 24 s where 12 s were expected; 25 s are left, of which a fifth is the baselines'."""
    now = time.time()
    costs = JudgementCosts(training=2.0, joined=2.0, n_candidates=20)
    table = TimeTable(
        wanted=SETTINGS, settings=SETTINGS, baseline_minutes=1.0, trained=now + 25, began=now - 24, costs=costs
    )
    assert table.shorten_rest(SETTINGS, held=held, holds=holds).bag == bag
