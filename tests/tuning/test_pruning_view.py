"""What pruners see: one reading an epoch, and the answers that Optuna gives trial by trial."""

import optuna
import pytest
from optuna.pruners import HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

from tuner.tuning.pruning_view import PruningView

PRUNERS = {
    "hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3),
    "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "median": lambda: MedianPruner(n_startup_trials=1, n_warmup_steps=1),
}
N_TRIALS, N_EPOCHS = 8, 9


def make(kind):
    study = optuna.create_study(study_name="pruned", direction="maximize", pruner=PRUNERS[kind]())
    for number in range(6):  # of another worker, and told
        trial = study.ask()
        for epoch in range(1, N_EPOCHS + 1):
            trial.report(find_value(number + 3, epoch), epoch)
            trial.should_prune()
        study.tell(trial, find_value(number + 3, N_EPOCHS))
    return study, [study.ask() for _ in range(N_TRIALS)]


def find_value(number, epoch):
    return (number * 37 % 11) / 11 + epoch / 100 + (number * epoch % 5) / 20


def find_ends(answer):
    """Return the epoch at which each trial is pruned, all of them a pack."""
    ends = {}
    for epoch in range(1, N_EPOCHS + 1):
        for number in [n for n in range(N_TRIALS) if n not in ends]:
            if answer(number, epoch, find_value(number, epoch)):
                ends[number] = epoch
    return ends


@pytest.mark.parametrize("kind", PRUNERS)
def test_the_answers_are_those_of_trial_by_trial(kind, monkeypatch):
    _, trials = make(kind)

    def ask_optuna(number, epoch, value):
        trials[number].report(value, epoch)
        return trials[number].should_prune()

    expected = find_ends(ask_optuna)
    study, others = make(kind)
    view, reads, reported, began = PruningView(study), [], [{} for _ in range(N_TRIALS)], []
    read = study._storage.get_all_trials
    monkeypatch.setattr(study._storage, "get_all_trials", lambda *given, **how: reads.append(1) or read(*given, **how))
    for trial in others:
        view.follow(study._storage.get_trial(trial._trial_id))

    def ask_view(number, epoch, value):
        if epoch not in began:
            began.append(epoch)
            view.forget_others()
        reported[number][epoch] = value
        return view.should_prune(others[number]._trial_id, reported[number])

    assert find_ends(ask_view) == expected
    assert 0 < len(expected) < N_TRIALS, "some are pruned, some are not"
    assert 0 < len(reads) <= N_EPOCHS
    written = {t._trial_id: t.system_attrs for t in (trial._get_latest_trial() for trial in trials)}
    noted = {other._trial_id: view.notes.get(other._trial_id, {}) for other in others}
    assert list(noted.values()) == [dict(written[trial._trial_id].items()) for trial in trials]


def test_what_a_trial_that_left_had_noted_is_forgotten():
    study, (trial, *_) = make("halving")
    view = PruningView(study)
    view.follow(study._storage.get_trial(trial._trial_id))
    view.should_prune(trial._trial_id, {1: 0.9})
    assert view.notes[trial._trial_id] == {"completed_rung_0": 0.9}
    view.leave(trial._trial_id)
    assert view.notes == {}
    assert not view.is_followed(trial._trial_id)
