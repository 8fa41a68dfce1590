"""An evaluation on disk is taken only where it rests on what the search is now; else test is opened again, and why."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from samples import make_study

import tuner
from tuner.checked_files import read_json, write_json
from tuner.errors import DamagedFileError, SearchError
from tuner.evaluation.evaluate import read_evaluation
from tuner.evaluation.finalists import choose_finalists
from tuner.evaluation.test_set_log import read_openings
from tuner.evaluation.validity import still_holds
from tuner.events import read_events
from tuner.metrics import Custom, FixedSignalEfficiency, SignalEfficiency
from tuner.prediction.networks import Predictor, TrainedNetwork, choose_predictor
from tuner.prediction.predict import score_part
from tuner.problem import EventSource, Nuisance
from tuner.trackers import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings

QUICK = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    study = make_study(trials=1, epochs=1, n_events=800, evaluation=QUICK)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


@pytest.fixture
def search(swept):
    """The search, evaluated once."""
    swept.folder.evaluation.unlink(missing_ok=True)
    swept.folder.openings.unlink(missing_ok=True)
    tuner.evaluate(swept)
    return swept


def alter(search, **changes):
    write_json(search.folder.evaluation, read_json(search.folder.evaluation) | changes)


def flip(path):
    """Flip a bit in the middle of a file, or among the numbers of a tensor; return what it held before."""
    whole = path.read_bytes()
    place = whole.index(b"data/0") + 200 if path.suffix == ".pt" else len(whole) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    return whole


def rests_on(search):
    """Return what the evaluation on disk rests on."""
    return json.loads(search.folder.evaluation.read_text())["rests_on"]


def change_problem(search, **changes):
    """Return the search with another problem in its study."""
    problem = replace(search.study.problem, **changes)
    return tuner.Search(replace(search.study, problem=problem), search.folder)


def test_an_ensemble_of_one_network_is_no_candidate_beside_it(search):
    found = read_evaluation(search)
    assert {standing.candidate for standing in found.standings} == {"trial 0"}
    assert [predictor.name for predictor in found.predictors] == ["single network"] == [c.name for c in found.costs]


def test_an_evaluation_that_still_holds_is_read(search):
    content = json.loads(search.folder.evaluation.read_text())
    content["parts"][0]["measurements"]["AUC"]["value"] = 0.125
    alter(search, parts=content["parts"])
    assert tuner.evaluate(search).part("validation")["AUC"].value == 0.125
    assert len(read_openings(search)) == 1
    assert still_holds(read_evaluation(search), search)


GONE = [{"name": "single network", "networks": [{"trial": 7, "training": "seed", "number": 0, "weight": 1.0}]}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"winner": 7, "predictors": GONE},
            "the handed-on network's parameters are not there any more; trial 0 took the place of trial 7 as winner; "
            "other complete trials",
        ),
        ({}, "other complete trials"),
        ({"opening": None}, "the last evaluation had left the test part closed"),
    ],
)
def test_what_does_not_hold_any_more_opens_test_again_with_its_reason(search, changes, reason):
    alter(search, rests_on=rests_on(search) | {"complete trials": "0" * 64}, **changes)
    assert not still_holds(read_evaluation(search), search)
    found = tuner.evaluate(search)
    assert (found.opening, found.openings) == (2, 2)
    assert [opening.reason for opening in read_openings(search)] == ["first evaluation", reason]
    assert (found.winner, found.events_digest) == (0, search.splits.events_digest)
    assert found.figure_of_merit == search.study.problem.figure_of_merit.name


def test_other_seeds_are_another_judgement(search):
    assert tuner.evaluate(search, settings=QUICK).opening == 1
    found = tuner.evaluate(search, settings=replace(QUICK, seeds=2))
    assert (found.opening, found.settings.seeds) == (2, 2)
    assert read_openings(search)[1].reason == "other finalists, seeds or baselines"
    (finalist,) = [standing for standing in found.standings_on("test") if standing.kind == "finalist"]
    assert len(finalist.singles) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"working_point": FixedSignalEfficiency(eps_s=0.5)}, "other working point"),
        ({"figure_of_merit": SignalEfficiency(eps_b=0.1)}, "other figure of merit"),
        ({"observers": ("mass", "log_likelihood_ratio"), "optimum": None}, "other names of observers"),
    ],
)
def test_the_rules_must_be_the_studys(search, changes, reason):
    changed = change_problem(search, **changes)
    assert not still_holds(read_evaluation(search), changed)
    assert tuner.evaluate(changed).opening == 2
    assert read_openings(search)[-1].reason == reason


def make_cut(share):
    def select(labels, scores, weights=None):
        return float((scores[labels == 1] > share).mean())

    return Custom(function=select, name="efficiency")


def test_a_custom_figure_counts_by_what_its_function_does(search):
    """Name, module and qualified name are the same; only a constant in the closure differs."""
    before = change_problem(search, figure_of_merit=make_cut(0.4))
    first = tuner.evaluate(before)
    assert tuner.evaluate(change_problem(search, figure_of_merit=make_cut(0.4))).opening == first.opening == 2
    after = change_problem(search, figure_of_merit=make_cut(0.6))
    assert not still_holds(first, after)
    found = tuner.evaluate(after)
    assert found.opening == 3
    assert read_openings(search)[-1].reason == "other figure of merit"
    assert found.part("validation")["efficiency"].value < first.part("validation")["efficiency"].value


def write_variants(search, folder, up, down):
    """Write the search's events with one feature scaled up and down; return them as a nuisance."""
    table = search.study.problem.events.read()
    name = read_events(search.study.problem).features[0]
    for direction, factor in (("up", up), ("down", down)):
        table.assign(**{name: table[name] * factor}).to_parquet(folder / f"{direction}.parquet")
    return Nuisance(name="scale", up=folder / "up.parquet", down=folder / "down.parquet")


def test_a_nuisance_counts_by_the_events_of_its_variants(search, tmp_path):
    nuisance = write_variants(search, tmp_path, 1.2, 0.8)
    first = tuner.evaluate(change_problem(search, nuisances=(nuisance,)))
    assert read_openings(search)[-1].reason == 'other names of nuisances; other nuisance "scale"'
    assert tuner.evaluate(change_problem(search, nuisances=(nuisance,))) == first
    exchanged = replace(nuisance, up=nuisance.down, down=nuisance.up)
    found = tuner.evaluate(change_problem(search, nuisances=(exchanged,)))
    assert read_openings(search)[-1].reason == 'other nuisance "scale"'
    assert found.nuisances.effects[0].up == first.nuisances.effects[0].down
    write_variants(search, tmp_path, 1.3, 0.8)  # the same files, with other events in them, as a sweep notices
    assert tuner.evaluate(change_problem(search, nuisances=(exchanged,))) == found
    swept = change_problem(search, nuisances=(exchanged,)).study
    tuner.sweep(swept, folder=search.folder.path.parent, tracker=NoTracker())
    assert tuner.evaluate(change_problem(search, nuisances=(exchanged,))).opening == found.opening + 1
    assert read_openings(search)[-1].reason == 'other nuisance "scale"'


def test_a_nuisance_or_an_observer_that_is_gone_is_noticed(search, tmp_path):
    """Nothing but the nuisance, or the observer, has the events read."""
    bare = {"observers": (), "optimum": None, "ignored": ("mass", "log_likelihood_ratio")}
    nuisance = write_variants(search, tmp_path, 1.2, 0.8)
    tuner.evaluate(change_problem(search, nuisances=(nuisance,), **bare))
    assert tuner.evaluate(change_problem(search, **bare)).nuisances is None
    assert read_openings(search)[-1].reason == 'other names of nuisances; other nuisance "scale"'
    tuner.evaluate(change_problem(search, **bare | {"observers": ("mass",), "ignored": ("log_likelihood_ratio",)}))
    tuner.evaluate(change_problem(search, **bare))
    assert read_openings(search)[-1].reason == "other names of observers; other observers or event ids"


def test_values_of_an_observer_count(search):
    other = change_problem(search, events=MovedMass(search.study.problem.events))
    assert read_events(other.study.problem).digest == search.splits.events_digest
    assert tuner.evaluate(other).opening == 2
    assert read_openings(search)[-1].reason == "other observers or event ids"


@dataclass(frozen=True)
class MovedMass:
    """The events of another source, with another mass, which is no feature."""

    source: EventSource

    def read(self):
        table = self.source.read()
        return table.assign(mass=table["mass"] + 1.0)

    def describe(self):
        return "moved"

    def at(self, path):
        return self


def test_events_that_are_away_leave_an_evaluation_as_it_is(search, tmp_path):
    nuisance = write_variants(search, tmp_path, 1.2, 0.8)
    judged = change_problem(search, nuisances=(nuisance,))
    first = tuner.evaluate(judged)
    nuisance.up.unlink()
    assert tuner.evaluate(judged) == first
    assert still_holds(first, judged)


def test_with_test_closed_it_is_measured_anew_on_validation_only(search):
    alter(search, rests_on=rests_on(search) | {"events": "0" * 64}, winner=7)
    found = tuner.evaluate(search, open_test=False)
    assert (found.opening, found.openings) == (None, 1)
    assert {part.part for part in found.parts} == {standing.part for standing in found.standings} == {"validation"}
    assert found.winner == 0
    assert len(read_openings(search)) == 1


@pytest.mark.parametrize("older", [{"study": "small", "winner": 0, "parts": []}, {"settings": 3}])
def test_an_evaluation_of_an_older_form_is_told(search, older):
    kept = read_json(search.folder.evaluation) if "settings" in older else {}
    search.folder.evaluation.write_text(json.dumps(kept | older))
    for step in (tuner.evaluate, read_evaluation, tuner.report):
        with pytest.raises(SearchError, match=r'evaluation\.json" must be an evaluation (?s:.*)Move it away'):
            step(search)
    assert len(read_openings(search)) == 1
    search.folder.evaluation.unlink()
    assert tuner.evaluate(search).opening == 2


def test_a_network_whose_parameters_were_deleted_is_judged_anew(search):
    found = tuner.evaluate(search)
    search.checkpoint_path(*found.handed_on.networks).unlink()
    again = tuner.evaluate(search)
    assert again.openings == 2
    assert read_openings(search)[-1].reason == "the handed-on network's parameters are not there any more"
    assert search.checkpoint_path(*again.handed_on.networks).exists()


@pytest.mark.parametrize("content", [b"", b"{", None])
def test_a_damaged_evaluation_is_told_and_does_not_open_the_test_part_again(search, content):
    path = search.folder.evaluation
    if content is None:
        flip(path)
    else:
        path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r'evaluation\.json" must be .* delete it and run `tuner evaluate`'):
        tuner.evaluate(search)
    assert len(read_openings(search)) == 1
    path.unlink()
    assert tuner.evaluate(search).opening == 2


def test_a_damaged_line_of_the_log_counts_as_an_opening(search, caplog):
    search.folder.openings.write_bytes(search.folder.openings.read_bytes()[:-60])
    problem = replace(search.study.problem, working_point=FixedSignalEfficiency(eps_s=0.75))
    again = tuner.evaluate(tuner.Search(replace(search.study, problem=problem), search.folder))
    assert (again.opening, again.openings) == (2, 2)
    (opening,) = read_openings(search)
    assert opening.number == 2
    assert f'Line 1 of "{search.folder.openings}" is damaged. It counts as an opening' in caplog.text


@pytest.mark.parametrize("damage", [flip, lambda path: path.unlink()])
def test_what_was_handed_on_is_written_down_again_by_an_evaluation(search, damage):
    path = search.folder.finalists / "handed_on.json"
    handed_on = choose_predictor(search), choose_predictor(search, name="single")
    whole = path.read_bytes()
    damage(path)
    with pytest.raises(DamagedFileError, match=r"Run `tuner evaluate`, which writes it again\.$"):
        choose_predictor(search)
    tuner.evaluate(search)
    assert path.read_bytes() == whole
    assert (choose_predictor(search), choose_predictor(search, name="single")) == handed_on
    assert len(read_openings(search)) == 1


def test_a_finalist_whose_files_are_damaged_is_refused_and_then_trained_to_the_same(search, caplog):
    parameters = search.checkpoint_path(TrainedNetwork(0, "seed", 0))
    scores, whole = score_part(search, "validation"), flip(parameters)
    with pytest.raises(DamagedFileError, match=r'trial_00000-seed_0\.pt" must be as it was written'):
        score_part(search, "validation")
    search.folder.evaluation.unlink()
    tuner.evaluate(search)
    assert "It is trained again." in caplog.text
    assert parameters.read_bytes() == whole
    np.testing.assert_array_equal(score_part(search, "validation"), scores)


def test_a_trial_whose_parameters_are_damaged_is_no_finalist(search, caplog):
    path = search.checkpoint_path(0)
    whole = flip(path)
    try:
        with pytest.raises(SearchError, match="those of all 1 are damaged"):
            choose_finalists(search, most=1)
        assert f'Trial 0 cannot be a finalist: "{path}" must be' in caplog.text
        with pytest.raises(DamagedFileError, match=r'trial_00000\.pt" must be as it was written'):
            score_part(search, "validation", predictor=Predictor("trial 0", (TrainedNetwork(0),)))
    finally:
        path.write_bytes(whole)
