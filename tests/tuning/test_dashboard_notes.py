"""Notes as the real Optuna Dashboard reads and writes them."""

from __future__ import annotations

import optuna
import optuna_dashboard
import pytest

from tuner.tuning.dashboard_notes import CHUNK, read_note, save_note


@pytest.fixture(params=["study", "running trial", "finished trial"])
def subject(request):
    """What a note is on."""
    study = optuna.create_study()
    if request.param == "study":
        return study
    study.ask()
    trial = study.ask()
    if request.param == "finished trial":
        study.tell(trial, 0.5)
    return trial


def test_the_dashboard_reads_what_is_saved(subject) -> None:
    for text in ("| a | b |\n|---|---|\n| 1 | 2 |", "ü" * (2 * CHUNK + 7), "short again"):
        save_note(subject, text)
        read = optuna_dashboard.get_note(subject)
        assert text in read
        assert read == read_note(subject)
        assert read.count("tuner: the rest is yours") == 1


def test_what_a_person_wrote_is_kept(subject) -> None:
    save_note(subject, "First.")
    optuna_dashboard.save_note(subject, f"Above.\n\n{read_note(subject)}\n\nBelow (see 3).")
    save_note(subject, "Second.")
    read = read_note(subject)
    assert read.startswith("Above.\n\n")
    assert read.endswith("\n\nBelow (see 3).")
    assert "Second." in read
    assert "First." not in read


def test_an_edit_of_our_part_is_kept_once(subject) -> None:
    save_note(subject, "The width is 8.")
    optuna_dashboard.save_note(subject, read_note(subject).replace("is 8.", "is 8, but should be 16."))
    for text in ("The width was 8.", "The width was 8, then.", "The width was 8 for long."):
        save_note(subject, text)
    assert read_note(subject).count("is 8, but should be 16.") == 1
    assert "for long." in read_note(subject)


def test_a_note_without_our_part_is_kept(subject) -> None:
    optuna_dashboard.save_note(subject, "Mine.")
    save_note(subject, "Ours.")
    assert "Ours." in read_note(subject)
    assert read_note(subject).endswith("\n\nMine.")


def test_the_same_note_is_not_written_again(subject) -> None:
    save_note(subject, "Ours.")
    study = getattr(subject, "study", subject)
    before = dict(study._storage.get_study_system_attrs(study._study_id))
    save_note(subject, "Ours.\n")
    assert study._storage.get_study_system_attrs(study._study_id) == before


def test_an_edit_that_began_before_is_refused(subject) -> None:
    """The dashboard saves a note as the next version of the one that it loaded."""
    from optuna_dashboard._note import version_is_incremented

    study, trial_id = getattr(subject, "study", subject), getattr(subject, "_trial_id", None)
    save_note(subject, "Ours.")
    save_note(subject, "Ours, later.")
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert not version_is_incremented(attributes, trial_id, 2)
    assert version_is_incremented(attributes, trial_id, 3)


def test_a_long_note_fits_the_columns_of_a_database(tmp_path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/trials.db")
    save_note(study, "ü" * (2 * CHUNK + 7))
    assert "ü" * (2 * CHUNK + 7) in optuna_dashboard.get_note(study)
