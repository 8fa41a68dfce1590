"""Every pruner of Optuna prunes a search where it would prune the same curves alone."""

import numpy as np
import optuna
import pytest
from samples import make_settings, make_study

import tuner
from tuner.trackers import NoTracker
from tuner.training.pack_size import PackSize
from tuner.tuning.trial_reporter import space_reports

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

TRIALS, EPOCHS = 12, 8
PRUNERS = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=3),
    "percentile": lambda: optuna.pruners.PercentilePruner(60.0, n_startup_trials=2, n_warmup_steps=2, interval_steps=2),
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    "halving, automatic": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=2),
    "hyperband, automatic": optuna.pruners.HyperbandPruner,
    "threshold": lambda: optuna.pruners.ThresholdPruner(lower=0.75, n_warmup_steps=3),
    "patient": lambda: optuna.pruners.PatientPruner(None, patience=1),
    "patient median": lambda: optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(n_startup_trials=1), patience=0),
    "wilcoxon": lambda: optuna.pruners.WilcoxonPruner(p_threshold=0.3, n_startup_steps=2),
    "nop": optuna.pruners.NopPruner,
}


def suggest(trial):
    return make_settings(lr=trial.suggest_float("lr", 1e-5, 1.0, log=True), batch_size=32)


def sweep(folder, make):
    study = make_study(
        trials=TRIALS,
        epochs=EPOCHS,
        n_events=400,
        search_space=suggest,
        sampler=lambda seed: optuna.samplers.RandomSampler(seed=seed),
        pruner=lambda n_epochs: make(),
    )
    return tuner.sweep(study, folder=folder, tracker=NoTracker(), workers=1)


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Packs of one, not measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(1, {}, "test"))
        yield


@pytest.fixture(scope="module")
def curves(tmp_path_factory, quick):
    """Validation AUC of each epoch of each trial, none of them pruned."""
    search = sweep(tmp_path_factory.mktemp("runs"), PRUNERS["nop"])
    return [search.curve(trial.number)["validation_auc"].to_numpy() for trial in search.trials]


def replay(curves, make, *, is_patient):
    """Return the epochs of each curve after which the pruner alone would end it."""
    study = optuna.create_study(study_name="small", direction="maximize", pruner=make())
    epochs = []
    for curve in curves:
        trial = study.ask()
        reported = curve if is_patient else np.maximum.accumulate(curve)
        for epoch, value in enumerate(reported, 1):
            trial.report(float(value), epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, float(curve.max()))
        epochs.append(epoch)
    return epochs


@pytest.mark.parametrize("kind", PRUNERS)
def test_every_pruner_prunes_where_it_does_alone(tmp_path, curves, kind):
    expected = replay(curves, PRUNERS[kind], is_patient=kind.startswith("patient"))
    search = sweep(tmp_path, PRUNERS[kind])
    assert [trial.epochs for trial in search.trials] == expected
    if kind != "nop":
        assert "pruned" in {trial.state for trial in search.trials}, "nothing was pruned: the curves show nothing"


def test_a_pruner_is_asked_at_the_epochs_that_are_reported_and_at_no_other(tmp_path):
    seen = []

    class Asked(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            seen.append((trial.last_step, len(trial.intermediate_values)))
            return False

    study = make_study(trials=1, epochs=40, n_events=300, search_space=suggest_long, pruner=Asked())
    tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)
    epochs = sorted(space_reports(40))
    assert len(epochs) < 40
    assert seen == [(epoch, number) for number, epoch in enumerate(epochs, 1)]


def suggest_long(trial):
    return make_settings(lr=trial.suggest_float("lr", 1e-4, 1e-3), batch_size=64, patience=100)
