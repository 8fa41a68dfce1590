"""What a trial leaves behind: figures equal to the evaluation's, a picture, a note; in the tracker and in Optuna."""

import json
import signal
import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import optuna_dashboard
import pytest
from optuna.trial import TrialState
from PIL import Image
from samples import make_study

import tuner
from tuner.evaluation.statistics.metrics_table import evaluate_scores
from tuner.metrics.figures_of_merit import Custom
from tuner.metrics.working_points import choose_cut
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.prediction.predict import score_part
from tuner.run_folder import RunFolder
from tuner.trackers import Memory
from tuner.tuning.picture_process import PictureProcess
from tuner.tuning.trial_pictures import Drawn

pytestmark = pytest.mark.usefixtures("real_pictures")


def spread(labels, scores, weights=None):
    return float(scores[labels == 1].mean() - scores[labels == 0].mean())


@pytest.fixture(scope="module")
def swept(tmp_path_factory, real_pictures):
    """A sweep with complete and pruned trials, whose figure of merit is the user's own; and its tracker."""
    tracker = Memory()
    study = make_study(trials=6, epochs=6, n_events=2000)
    figure = Custom(function=spread, name="spread")
    study = replace(study, problem=replace(study.problem, figure_of_merit=figure))
    search = tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=tracker, workers=1, device="cpu")
    return search, tracker.trials


def records(swept, state):
    search, tracked = swept
    return [tracked[search.study.name, t.number] for t in search.trials if t.state == state]


def test_figures_of_a_complete_trial_are_those_of_the_evaluation(swept):
    search, _ = swept
    validation, study = search.splits.validation, search.study
    assert records(swept, "complete")
    for record in records(swept, "complete"):
        candidate = Predictor("", (TrainedNetwork(record.number),))
        scores = score_part(search, "validation", predictor=candidate)
        cut = choose_cut(study.problem.working_point, validation.labels, scores, validation.weights)
        expected = evaluate_scores(
            validation.labels,
            scores,
            validation.weights,
            candidate="",
            part="validation",
            threshold=cut,
            threshold_rule="",
            figure_of_merit=study.problem.figure_of_merit,
            n_bootstrap=study.evaluation.replicas,
            seed=study.seed,
        ).measurements
        assert {"AUC", "sensitivity", "specificity", "spread"} < set(expected)
        assert record.summary["validation/cut"] == pytest.approx(cut, abs=1e-6)
        for name, measured in expected.items():
            found = [record.summary[f"validation/{name}{end}"] for end in ("", "/low", "/high")]
            assert found == pytest.approx([measured.value, measured.low, measured.high], rel=1e-5)


def test_every_trial_has_a_picture_in_the_tracker_and_in_the_dashboard(swept):
    search, tracked = swept
    assert records(swept, "pruned")
    for trial in search.optuna_study.get_trials():
        record = tracked[search.study.name, trial.number]
        (path,) = record.pictures.values()
        (artifact,) = [json.loads(v) for k, v in trial.system_attrs.items() if k.startswith("artifacts:")]
        assert artifact["mimetype"] == "image/png"
        assert (search.folder.artifacts / artifact["artifact_id"]).read_bytes() == path.read_bytes()
        width, height = Image.open(BytesIO(path.read_bytes())).size
        assert (width > 900) == (record.state == "complete")
        assert height > 200


def test_every_trial_has_the_same_note_in_the_tracker_and_in_the_dashboard(swept):
    search, tracked = swept
    for trial in search.optuna_study.trials:
        note = tracked[search.study.name, trial.number].notes
        shown = optuna_dashboard._note.get_note_from_system_attrs(
            search.optuna_study._storage.get_study_system_attrs(search.optuna_study._study_id), trial._trial_id
        )["body"]
        assert note in shown
        assert trial.user_attrs["reason"] in note
    complete, pruned = (records(swept, state)[0].notes for state in ("complete", "pruned"))
    assert "| spread |" in complete
    assert "| sensitivity |" in complete
    assert pruned.startswith("**Pruned.**")


def test_the_tracker_is_told_the_frame_and_where_a_trial_trained(swept):
    search, _ = swept
    record = records(swept, "complete")[0]
    about = record.config["tuner"]
    assert set(record.config) == {*search.trials[record.number].params, "tuner"}
    assert about["frame"] | {"question": ""} == {
        "question": "",
        "label": "label",
        "signal": "signal",
        "weight": "weight",
        "figure_of_merit": "spread",
        "working_point": "largest eps_S - eps_B",
        "selection": None,
    }
    assert about["events_digest"] == search.splits.events_digest
    assert about["split_fingerprint"] == search.splits.fingerprint
    assert about["preparation"]["scaling"] == "quantile"
    assert {"study_seed", "seed", "git_commit", "host", "device"} < set(about)
    assert record.tags == ("MLP", about["host"])
    assert set(record.epochs[1]) == {
        "train_loss",
        "validation_loss",
        "validation_auc",
        "best_validation_auc",
        "lr",
        "epochs_per_minute",
    }


def test_where_too_many_pictures_wait_a_trial_has_none_and_says_so(tmp_path, monkeypatch, caplog):
    drawing = threading.Event()

    def draw(self, job):
        drawing.wait(60)
        return Drawn(picture=b"a picture")

    monkeypatch.setattr(PictureProcess, "draw", draw)
    monkeypatch.setattr("tuner.tuning.trial_artifacts.MAX_WAITING", 2)
    tracker = Memory()
    end = tracker.start_trial

    def start_trial(**about):
        if about["trial"] == 4:
            drawing.set()
        return end(**about)

    monkeypatch.setattr(tracker, "start_trial", start_trial)
    search = tuner.sweep(
        make_study(trials=5, epochs=1, n_events=400), folder=tmp_path, tracker=tracker, workers=1, device="cpu"
    )
    trials = search.optuna_study.get_trials()
    assert all(t.state == TrialState.COMPLETE for t in trials)
    announced = [sum(name.startswith("artifacts:") for name in t.system_attrs) for t in trials]
    assert announced[:4] == [1, 1, 0, 0]
    assert [path.read_bytes() for path in search.folder.artifacts.iterdir()] == [b"a picture"] * sum(announced)
    notes = [tracker.trials[search.study.name, number].notes for number in range(4)]
    assert ["no picture" in note for note in notes] == [False, False, True, True]
    said = [record.getMessage() for record in caplog.records if "picture" in record.getMessage()]
    assert len(said) == 2
    assert "2 wait" in said[0]
    assert "2 trials have no picture." in said[1]


def test_a_note_that_a_person_wrote_while_the_trial_ran_is_kept(tmp_path):
    tracker = Memory()
    begin = tracker.start_trial
    study = make_study(trials=1, epochs=1, n_events=400)

    def start_trial(**about):
        search = tuner.open_search(study, tmp_path)
        optuna_dashboard._note.save_note_with_version(
            search.optuna_study._storage, search.optuna_study._study_id, about["trial"], 1, "Looks odd to me."
        )
        return begin(**about)

    tracker.start_trial = start_trial
    search = tuner.sweep(study, folder=tmp_path, tracker=tracker, workers=1, device="cpu")
    note = optuna_dashboard._note.get_note_from_system_attrs(
        search.optuna_study._storage.get_study_system_attrs(search.optuna_study._study_id), 0
    )["body"]
    assert "**Complete.**" in note
    assert "Looks odd to me." in note
    assert np.isfinite(search.trials[0].figure)


def test_where_no_picture_can_be_written_trials_go_on_without(tmp_path, caplog):
    study = make_study(trials=2, epochs=1, n_events=400)
    RunFolder(tmp_path / study.name).create().artifacts.write_text("no folder")
    tracker = Memory()
    search = tuner.sweep(study, folder=tmp_path, tracker=tracker, workers=1, device="cpu")
    assert [trial.state for trial in search.trials] == ["complete", "complete"]
    assert ["its file could not be written" in record.notes for record in tracker.trials.values()] == [True, True]
    assert len([message for message in caplog.messages if "cannot be written" in message]) == 1


class Pressing(Memory):
    """Presses Ctrl-C when the fifth trial begins."""

    def __init__(self, presses):
        super().__init__()
        self.presses = presses

    def start_trial(self, **about):
        if about["trial"] == 4:
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)
        return super().start_trial(**about)


@pytest.mark.parametrize("presses", [1, 2])
def test_who_leaves_waits_for_no_picture_and_the_tracker_knows_how_trials_ended(tmp_path, monkeypatch, caplog, presses):
    """Pictures hang; after the first Ctrl-C the worker waits for them a while, after the second not at all."""
    monkeypatch.setattr("tuner.tuning.picture_process.PROGRAM", "import time; time.sleep(90)")
    monkeypatch.setattr("tuner.tuning.worker.PICTURE_SECONDS", 0.1 if presses == 1 else 90)
    tracker, study = Pressing(presses), make_study(trials=9, epochs=1, n_events=400)
    with pytest.raises(KeyboardInterrupt):
        tuner.sweep(study, folder=tmp_path, tracker=tracker, workers=1, device="cpu")
    search = tuner.open_search(study, tmp_path)
    states = {number: search.trials[number].state for _, number in tracker.trials}
    assert {number: record.state for (_, number), record in tracker.trials.items()} == states
    ended = [record for record in tracker.trials.values() if record.state == "complete"]
    assert len(ended) > 1
    assert all("no time left" in record.notes and not record.pictures for record in ended)
    n_drawn = len([record for record in tracker.trials.values() if record.epochs])
    assert f"{n_drawn} trials without a picture" in caplog.text


def test_parameters_that_fell_behind_are_deleted_once(tmp_path, monkeypatch):
    deleted, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **options: (deleted.append(path), unlink(path, **options)))
    monkeypatch.setattr("tuner.tuning.trial_artifacts.MAX_CHECKPOINTS", 1)
    search = tuner.sweep(
        make_study(trials=5, epochs=1, n_events=400), folder=tmp_path, tracker=Memory(), workers=1, device="cpu"
    )
    counts = [deleted.count(search.checkpoint_path(trial.number)) for trial in search.trials]
    assert search.trials[0].warm_start
    assert counts[0] == 0  # it is compared with what was sampled at the end
    best = {0, search.best_trial.number, search.trials[-1].number}  # the last one's rank was not known when it ended
    assert [number for number, count in enumerate(counts) if count == 0] == sorted(best)
    assert max(counts) == 1
