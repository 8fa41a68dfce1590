"""An evaluation on disk is taken only where it still is of this search: each part of it, altered, opens test again."""

import json

import pytest
from samples import make_study

import tuner
from tuner.evaluate.openings import read_openings
from tuner.trackers import NoTracker


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    study = make_study(trials=1, epochs=1, n_events=800)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


@pytest.fixture
def search(swept, monkeypatch):
    """The search, evaluated once."""
    monkeypatch.setattr("tuner.evaluate.step.N_BOOTSTRAP", 5)
    swept.folder.evaluation.unlink(missing_ok=True)
    swept.folder.openings.unlink(missing_ok=True)
    tuner.evaluate(swept)
    return swept


def alter(search, **changes):
    content = json.loads(search.folder.evaluation.read_text())
    search.folder.evaluation.write_text(json.dumps(content | changes))


def test_an_evaluation_that_still_holds_is_read(search):
    content = json.loads(search.folder.evaluation.read_text())
    content["parts"][1]["measurements"]["AUC"]["value"] = 0.125
    alter(search, parts=content["parts"])
    assert tuner.evaluate(search).part("test")["AUC"].value == 0.125
    assert len(read_openings(search)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"winner": 7}, "trial 0 took the place of trial 7 as winner"),
        ({"events_digest": "0" * 64}, "other events"),
        ({"figure_of_merit": "significance"}, "other figure of merit or working point"),
        ({"opening": None}, "the last evaluation had left the test part closed"),
    ],
)
def test_what_does_not_hold_any_more_opens_test_again_with_its_reason(search, changes, reason):
    alter(search, **changes)
    found = tuner.evaluate(search)
    assert (found.opening, found.openings) == (2, 2)
    assert [opening.reason for opening in read_openings(search)] == ["first evaluation", reason]
    assert (found.winner, found.events_digest) == (0, search.splits.events_digest)
    assert found.figure_of_merit == search.study.problem.figure_of_merit.name


@pytest.mark.parametrize("place", [0, 1])
def test_the_rule_of_each_part_must_be_the_studys(search, place):
    parts = json.loads(search.folder.evaluation.read_text())["parts"]
    parts[place]["threshold_rule"] = "by eye"
    alter(search, parts=parts)
    assert tuner.evaluate(search).opening == 2
    assert read_openings(search)[1].reason == "other figure of merit or working point"


@pytest.mark.parametrize("changes", [{"winner": 7}, {"events_digest": "0" * 64}, {"figure_of_merit": "other"}])
def test_with_test_closed_it_is_measured_anew_on_validation_only(search, changes):
    alter(search, **changes)
    found = tuner.evaluate(search, open_test=False)
    assert (found.opening, found.openings, len(found.parts)) == (None, 1, 1)
    assert found.winner == 0
    assert len(read_openings(search)) == 1
