import math

from tuner.models.mlp import MLPSettings
from tuner.training.early_stopping import has_stalled, note_best
from tuner.training.member import Member
from tuner.training.settings import Settings, TrainingSettings


def test_a_member_stalls_after_its_patience_without_a_better_epoch():
    member = Member(0, Settings(network=MLPSettings(), training=TrainingSettings(patience=2)), seed=0)
    course = []
    for age, auc in enumerate([0.6, 0.7, 0.7, math.nan], start=1):
        member.age = age
        course.append((note_best(member, auc), has_stalled(member)))
    assert course == [(True, False), (True, False), (False, False), (False, True)]
    assert (member.best, member.best_epoch) == (0.7, 2)
