import math

from tuner.models.mlp import MLPSettings
from tuner.training.early_stopping import has_stalled, note_epoch
from tuner.training.member import Member
from tuner.training.settings import Settings, TrainingSettings


def test_a_member_stalls_after_its_patience_without_a_better_epoch():
    member = Member(0, Settings(network=MLPSettings(), training=TrainingSettings(patience=2)), seed=0)
    course = []
    for age, auc in enumerate([0.6, 0.7, 0.7, math.nan], start=1):
        member.age = age
        course.append((note_epoch(member, auc), has_stalled(member)))
    assert course == [(True, False), (True, False), (False, False), (False, True)]
    assert (member.best, member.best_epoch) == (0.7, 2)


def test_a_fixed_number_of_epochs_is_trained_whatever_the_figures_and_the_last_is_kept():
    settings = Settings(network=MLPSettings(), training=TrainingSettings(patience=1))
    member = Member(0, settings, seed=0, n_epochs=3)
    course = []
    for age, auc in enumerate([0.9, 0.7, 0.6], start=1):
        member.age = age
        course.append((note_epoch(member, auc), has_stalled(member)))
    assert course == [(False, False), (False, False), (True, False)]
    assert (member.best, member.best_epoch) == (0.6, 3)
