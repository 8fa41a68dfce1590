"""Real searches side by side: what differs, who was ahead, verdicts that anyone can compute again, and clear words."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from samples import make_study
from sklearn.metrics import roc_auc_score

import tuner
from tuner.errors import DamagedFileError, SearchError
from tuner.metrics.figures_of_merit import Significance
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings

JUDGEMENT = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=3, baseline_trials=0, replicas=40)


def sweep(folder, **changes):
    study = make_study(trials=3, n_events=1200, evaluation=JUDGEMENT, pruner=lambda n: optuna.pruners.NopPruner())
    return tuner.sweep(replace(study, **changes), folder=folder, workers=1, device="cpu", tracker=NoTracker())


@pytest.fixture(scope="session")
def searches(tmp_path_factory):
    """Two searches of one study with other seeds and samplers, both evaluated."""
    folder = tmp_path_factory.mktemp("searches")
    first = sweep(folder / "runs")
    other = sweep(folder / "random", seed=1, sampler=optuna.samplers.RandomSampler)
    for search in (first, other):
        tuner.evaluate(search)
    return first, other


def copy_search(search, folder: Path, **changes):
    """Return a copy of a search in another folder, of a study that may be changed."""
    shutil.copytree(search.folder.path, folder / search.study.name)
    return tuner.Search(replace(search.study, **changes), RunFolder(folder / search.study.name))


def read_areas(search):
    """Return the AUC of each training of the winner on test, from the scores that were written."""
    winner = json.loads(search.folder.evaluation.read_text())["winner"]
    table = pd.read_parquet(search.folder.scores)
    own = [name for name in table if name.startswith(f"score: trial {winner}, seed ")]
    assert len(own) == JUDGEMENT.seeds
    return [roc_auc_score(table["label"], table[name], sample_weight=table["weight"]) for name in own]


def test_the_verdict_is_computed_again_from_the_written_scores(searches):
    first, other = searches
    found = tuner.compare(first, other)
    versus = found.others[0].versus
    assert versus.ground == "same test events"
    assert versus.n_events == len(pd.read_parquet(first.folder.scores))
    assert versus.standing.singles == pytest.approx(read_areas(other))
    assert versus.standing.difference.value == pytest.approx(np.mean(read_areas(other)) - np.mean(read_areas(first)))
    told = tuner.evaluate(first).standings_on("test")
    assert found.first.versus.standing.figure.value == next(s.figure.value for s in told if s.verdict == "winner")
    assert any("event by event on the same" in sentence for sentence in found.sentences)
    assert any("another seed may end elsewhere" in sentence for sentence in found.sentences)
    assert repr(found).endswith(str(found))
    assert all(text in found._repr_html_() for text in ("event by event on the same", "sampler", "RandomSampler"))


def test_only_what_differs_is_listed(searches):
    first, other = searches
    rows = {difference.name: difference.shown for difference in tuner.compare(first, other).differences}
    assert rows["sampler"] == ("BatchedTPESampler", "RandomSampler")
    assert rows["seed"] == ("0", "1")
    same = {"search space", "pruner", "events", "events digest", "preparation: scaling", "budget: trials", "label"}
    assert not same & set(rows)


def test_another_search_space_shows_its_ranges_and_its_own_parameters(searches, tmp_path):
    def suggest(trial):
        return searches[0].study.space(trial)

    wider = copy_search(searches[0], tmp_path, search_space=suggest)
    study, best = wider.optuna_study, wider.optuna_study.best_trial
    ranges = {"lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True)}
    extra = {"depth": optuna.distributions.IntDistribution(1, 4)}
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL,
            params=dict(best.params) | {"depth": 2},
            distributions=best.distributions | ranges | extra,
        )
    )
    rows = {difference.name: difference.shown for difference in tuner.compare(searches[0], wider).differences}
    assert rows["search space"][1].endswith("suggest")
    assert rows["range of lr"] == ("0.001 to 0.1, log", "1e-05 to 0.1, log")
    assert rows["parameters of its own"] == ("\N{EN DASH}", "depth")
    assert "range of width" not in rows


def test_the_best_so_far_is_that_of_the_trials(searches):
    found = tuner.compare(*searches)
    assert [search.name for search in found.searches] == ["runs/small", "random/small"]
    table = found.frame()
    for search, compared in zip(searches, found.searches, strict=True):
        own = table[table["search"] == compared.name]
        assert own["best"].iloc[-1] == max(t.figure for t in search.trials if t.state == "complete")
        assert own["seconds"].is_monotonic_increasing
        assert own["trials"].tolist() == [1, 2, 3]
    best = {name: own["best"].iloc[-1] for name, own in table.groupby("search", sort=False)}
    assert found.after_same_trials == best
    leader = max(best, key=best.__getitem__)
    assert f"After the first 3 trials: {leader} was ahead" in str(found)


def test_a_search_against_its_own_copy_differs_by_nothing(searches, tmp_path):
    found = tuner.compare(searches[0], copy_search(searches[0], tmp_path))
    standing = found.others[0].versus.standing
    assert standing.difference.value == 0.0
    assert standing.verdict == "not distinguishable"
    assert found.differences == ()
    assert "its AUC is the same" in found.sentences[0]
    assert "none was ahead" in str(found)


def test_a_search_whose_scores_were_shuffled_loses(searches, tmp_path):
    shuffled = copy_search(searches[0], tmp_path)
    table = pd.read_parquet(shuffled.folder.scores)
    rng = np.random.default_rng(2)
    scores = {name: rng.permutation(table[name]) for name in table if name.startswith("score")}
    table.assign(**scores).to_parquet(shuffled.folder.scores)
    assert tuner.compare(searches[0], shuffled).others[0].versus.standing.verdict == "worse"
    assert tuner.compare(shuffled, searches[0]).others[0].versus.standing.verdict == "better"


def test_without_an_evaluation_validation_is_told_with_a_warning(searches, tmp_path):
    unjudged = copy_search(searches[1], tmp_path)
    unjudged.folder.evaluation.unlink()
    found = tuner.compare(*searches, unjudged)
    assert [search.versus is None for search in found.searches] == [False, False, True]
    sentence = found.sentences[1]
    assert sentence.startswith(f"There is no verdict on {found.others[1].name} against {found.first.name}")
    assert "the best of many trials is partly the luckiest" in sentence
    assert f"{unjudged.best_trial.figure:.4g}" in sentence
    assert "Holm" not in found.sentences[0]
    reverse = tuner.compare(unjudged, *searches)
    assert all(search.versus is None for search in reverse.searches)


def test_an_evaluation_of_other_trials_does_not_count(searches, tmp_path):
    grown = copy_search(searches[1], tmp_path)
    study = grown.optuna_study
    best = study.best_trial
    study.add_trial(optuna.trial.create_trial(value=0.5, params=best.params, distributions=best.distributions))
    assert tuner.compare(searches[0], grown).others[0].versus is None


def test_another_split_is_not_paired_and_other_figures_are_told(searches, tmp_path):
    moved = copy_search(
        searches[1], tmp_path, problem=replace(searches[1].study.problem, figure_of_merit=Significance(s=50, b=500))
    )
    tuner.evaluate(moved)
    table = pd.read_parquet(moved.folder.scores)
    table.assign(row=table["row"] + 1).to_parquet(moved.folder.scores)
    found = tuner.compare(searches[0], moved)
    assert found.others[0].versus.ground == "other split"
    assert found.others[0].versus.standing.singles == pytest.approx(read_areas(moved))
    assert any("two independent" in sentence for sentence in found.sentences)
    assert any(sentence.startswith("The figures of merit differ") for sentence in found.sentences)
    assert found.progress_name == "AUC on validation"
    by_cut = tuner.compare(moved, searches[0])
    assert by_cut.figure_of_merit == "significance, s=50, b=500"
    stored = next(s for s in tuner.evaluate(moved).standings_on("test") if s.verdict == "winner")
    assert by_cut.first.versus.standing.singles == pytest.approx(stored.singles)


def test_what_cannot_be_compared_is_refused_in_clear_words(searches, tmp_path):
    with pytest.raises(SearchError, match="at least two searches to compare, but 1 was given"):
        tuner.compare(searches[0])
    with pytest.raises(SearchError, match="must be different ones"):
        tuner.compare(searches[0], tuner.Search(searches[0].study, searches[0].folder))
    empty = RunFolder(tmp_path / "small").create()
    storage = tuner.tuning.storage.open_storage(empty.journal)
    optuna.create_study(study_name="small", storage=storage, direction="maximize").enqueue_trial({})
    with pytest.raises(SearchError, match=r'must hold a complete trial, but ".*small" holds none yet \(1 waiting\)'):
        tuner.compare(searches[0], tuner.Search(searches[0].study, empty))


def test_damaged_scores_are_told_by_name(searches, tmp_path):
    damaged = copy_search(searches[1], tmp_path)
    damaged.folder.scores.write_bytes(damaged.folder.scores.read_bytes()[:-100])
    with pytest.raises(DamagedFileError, match=r"scores\.parquet"):
        tuner.compare(searches[0], damaged)


def test_a_search_that_goes_on_is_said_to(searches, tmp_path):
    longer = copy_search(searches[1], tmp_path, budget=tuner.Budget(trials=5, epochs=3))
    told = tuner.compare(searches[0], longer).sentences
    assert told[-1].endswith("is not over: 2 trials of its budget are left.")


def test_it_is_drawn_and_written_and_all_of_it_is_json(searches, tmp_path):
    found = tuner.compare(*searches)
    drawing = found.draw()
    by_trials, by_time, differences = drawing.figure.axes
    table = found.frame()
    for axes, column in ((by_trials, "trials"), (by_time, "seconds")):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 1]
        for line, compared in zip(lines, found.searches, strict=True):
            own = table[table["search"] == compared.name]
            np.testing.assert_allclose(line.get_xdata(), own[column])
            np.testing.assert_allclose(line.get_ydata(), own["best"])
    difference = found.others[0].versus.standing.difference
    drawn = [list(line.get_xdata()) for line in differences.lines]
    assert [difference.low, difference.high] in drawn
    assert [difference.value] in drawn
    assert found.others[0].name in drawing.alt
    assert [path.name for path in found.save(tmp_path / "out")] == ["compare.png", "compare.pdf"]
    content = json.loads(json.dumps(found.to_json(), default=str))
    assert content["searches"][1]["verdict"]["difference"]["value"] == difference.value
    assert content["after_same_trials"]["trials"] == 3
    assert math.isfinite(content["searches"][0]["progress"]["best"][-1])
    assert content["differences"]["seed"] == ["0", "1"]
