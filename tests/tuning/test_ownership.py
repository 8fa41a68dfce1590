"""What lies in a run folder by number of trial belongs to one search: a new one begins at epoch 1."""

import json
import shutil
import signal
from pathlib import Path

import optuna
import pytest
from samples import make_settings, make_study, sweep_until_interrupted

import tuner
from tuner.errors import SearchError
from tuner.evaluation.test_set_log import explain_opening, log_opening, read_openings
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker
from tuner.tuning.ownership import check_owner, take_folder
from tuner.tuning.storage import open_storage

EPOCHS = 5


class Interrupting(Memory):
    """Interrupts the sweep after the second epoch of its only trial."""

    def start_trial(self, **about):
        log = super().start_trial(**about)
        tell = log.log_epoch

        def log_epoch(number, figures):
            tell(number, figures)
            if number == 2:
                signal.raise_signal(signal.SIGINT)

        log.log_epoch = log_epoch
        return log


def sweep(folder, *, interrupt=False, lr=0.01, trials=1, storage=None, name="small"):
    def suggest(trial):
        return make_settings(lr=trial.suggest_float("lr", lr, 1.01 * lr), batch_size=128, schedule="constant")

    study = make_study(
        name=name,
        trials=trials,
        epochs=EPOCHS,
        n_events=600,
        search_space=suggest,
        pruner=lambda n_epochs: optuna.pruners.NopPruner(),
    )
    tracker = Interrupting() if interrupt else NoTracker()
    return sweep_until_interrupted(study, folder=folder, tracker=tracker, storage=storage)


def delete_study(search):
    """Delete the Optuna study as Optuna Dashboard's button does."""
    optuna.delete_study(study_name=search.study.name, storage=open_storage(search.folder.journal))


def remove_journal(search):
    search.folder.journal.unlink()


@pytest.mark.parametrize("end", [delete_study, remove_journal])
def test_a_new_search_never_goes_on_with_the_files_of_an_old_one(tmp_path, caplog, end):
    old = sweep(tmp_path, interrupt=True)
    assert old.resume_path(0).exists()
    earlier = old.folder.earlier / old.search_id
    end(old)
    new = sweep(tmp_path, lr=1e-6)
    assert [trial.state for trial in new.trials] == ["complete"]
    assert list(new.curve(0)["epoch"]) == list(range(1, EPOCHS + 1))
    assert new.curve(0)["lr"].max() < 2e-6
    assert not new.resume_path(0).exists()
    assert "earlier search" in caplog.text
    assert (earlier / "checkpoints" / "trial_00000.resume.pt").exists()


@pytest.mark.parametrize("end", [delete_study, remove_journal])
def test_a_judgement_of_an_old_search_is_not_shown_for_a_new_one(tmp_path, end):
    old = sweep(tmp_path)
    for path in (old.folder.evaluation, old.folder.finalists / "handed_on.json", old.folder.wandb / "sweep_id"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    end(old)
    new = sweep(tmp_path)
    assert not new.folder.evaluation.exists()
    assert not new.folder.finalists.exists()
    assert not (new.folder.wandb / "sweep_id").exists()
    assert len(json.loads(new.folder.provenance.read_text())["calls"]) == 1


def test_openings_of_an_old_search_stay_in_the_log_and_are_told(tmp_path):
    old = sweep(tmp_path)
    log_opening(old, 0, reason="first evaluation")
    old_id = old.search_id
    delete_study(old)
    new = sweep(tmp_path)
    reason = explain_opening(new, new.study.evaluation, None, 0)
    assert reason == "first evaluation of this search; an earlier one of this folder had opened the test part before"
    assert log_opening(new, 0, reason=reason).number == 2
    assert [opening.search for opening in read_openings(new)] == [old_id, new.search_id]
    assert explain_opening(new, new.study.evaluation, None, 0).startswith("evaluation.json is not there")


def test_searches_in_two_storages_take_turns_in_one_folder(tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    here = sweep(tmp_path, interrupt=True)
    there = sweep(tmp_path, storage=url, lr=1e-6)
    assert list(there.curve(0)["epoch"]) == list(range(1, EPOCHS + 1))
    with pytest.raises(SearchError, match=r"must belong to the search in .*journal\.log.*another"):
        tuner.open_search(here.study, tmp_path)
    assert tuner.open_search(there.study, tmp_path, url).search_id == there.search_id
    again = sweep(tmp_path)
    assert [trial.state for trial in again.trials] == ["interrupted", "complete"]
    assert list(again.curve(1)["epoch"]) == list(range(1, EPOCHS + 1))
    assert again.curve(1)["lr"].min() > 5e-3
    assert len(again.curve(0)) == 2, "what was set aside comes back"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("n_moves", range(6))
def test_a_kill_while_files_change_places_mixes_nothing_up(tmp_path, monkeypatch, n_moves):
    """Two searches with three files each take turns, and the process dies after any number of moves."""
    folder = RunFolder(tmp_path).create()

    def fill(search):
        for path in (folder.curves / "trial_00000.csv", folder.checkpoints / "trial_00000.pt", folder.evaluation):
            path.parent.mkdir(exist_ok=True)
            path.write_text(search)

    def read():
        return [
            path.read_text() for path in (*folder.curves.iterdir(), *folder.checkpoints.iterdir(), folder.evaluation)
        ]

    take_folder(folder, "one", is_new=True)
    fill("one")
    take_folder(folder, "two", is_new=True)
    fill("two")
    moved = []
    rename = Path.rename

    def move(path, target):
        if path.is_relative_to(tmp_path) and not path.name.startswith("."):
            if len(moved) == n_moves:
                raise Killed
            moved.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", move)
    with pytest.raises(Killed):
        take_folder(folder, "one", is_new=False)
    monkeypatch.undo()
    take_folder(folder, "one", is_new=False)
    assert read() == ["one"] * 3
    take_folder(folder, "two", is_new=False)
    assert read() == ["two"] * 3


def test_a_kill_before_a_new_search_has_its_folder_leaves_it_nothing_of_the_old_one(tmp_path, monkeypatch):
    old = sweep(tmp_path)
    old.folder.owner.unlink()
    delete_study(old)
    monkeypatch.setattr("tuner.tuning.ownership._move", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        sweep(tmp_path)
    monkeypatch.undo()
    new = sweep(tmp_path, lr=1e-6)
    assert new.curve(0)["lr"].max() < 2e-6
    assert (new.folder.earlier / "unnamed-1" / "checkpoints" / "trial_00000.pt").exists()


def test_a_copied_folder_under_another_name_begins_anew(tmp_path):
    old = sweep(tmp_path, interrupt=True)
    shutil.copytree(old.folder.path, tmp_path / "other")
    new = sweep(tmp_path, name="other", lr=1e-6)
    assert list(new.curve(0)["epoch"]) == list(range(1, EPOCHS + 1))
    assert new.curve(0)["lr"].max() < 2e-6
    assert [trial.state for trial in sweep(tmp_path).trials] == ["interrupted", "complete"]


def test_a_copied_folder_goes_on_by_itself(tmp_path):
    old = sweep(tmp_path / "a", interrupt=True)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    search = sweep(tmp_path / "b", trials=2)
    assert [trial.state for trial in search.trials] == ["interrupted", "complete", "complete"]
    assert [trial.state for trial in old.trials] == ["interrupted", "waiting"]


def test_a_folder_of_an_older_version_is_taken_as_it_is(tmp_path):
    old = sweep(tmp_path)
    old.folder.owner.unlink()
    search = sweep(tmp_path, trials=2)
    assert search.checkpoint_path(0).exists()
    assert not search.folder.earlier.exists()


def test_every_file_of_an_unnamed_search_is_set_aside_for_a_new_one(tmp_path):
    folder = RunFolder(tmp_path)
    own = ("provenance", "evaluation", "scores", "out_of_fold", "report", "packs")
    for name in own:
        getattr(folder, name).write_text(name)
    folder.openings.write_text("{}")
    check_owner(folder, "a", "journal.log")
    take_folder(folder, "a", is_new=True)
    assert not any(getattr(folder, name).exists() for name in own)
    assert {path.name for path in (folder.earlier / "unnamed-1").iterdir()} == {getattr(folder, n).name for n in own}
    assert folder.openings.exists()
    with pytest.raises(SearchError, match="belong to another one"):
        check_owner(folder, "b", "journal.log")


def test_files_set_aside_never_take_the_place_of_others(tmp_path):
    folder = RunFolder(tmp_path).create()
    for search_id in ("first", "second"):
        folder.owner.unlink(missing_ok=True)
        folder.report.write_text(search_id)
        take_folder(folder, search_id, is_new=True)
    kept = [(folder.earlier / f"unnamed-{number}" / folder.report.name).read_text() for number in (1, 2)]
    assert kept == ["first", "second"]
    (folder.earlier / "second").mkdir()
    (folder.earlier / "second" / folder.report.name).write_text("old")
    folder.report.write_text("new")
    take_folder(folder, "second", is_new=False)
    assert folder.report.read_text() == "new"
