"""The cut of each candidate, chosen on events that it was not trained on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest

import tuner
from tuner.checked_files import read_json, write_json
from tuner.errors import SearchError
from tuner.metrics.working_points import choose_cut
from tuner.prediction.frozen_cut import find_cut
from tuner.prediction.network import load_network
from tuner.prediction.networks import choose_predictor
from tuner.run_folder import RunFolder


@pytest.fixture
def copied(handed_on_search, tmp_path):
    """The judged search in a folder that may be changed."""
    shutil.copytree(handed_on_search.folder.path, tmp_path / "copy")
    return replace(handed_on_search, folder=RunFolder(tmp_path / "copy"))


def change(search, **changes):
    path = search.folder.evaluation
    write_json(path, read_json(path) | changes)


def test_the_cut_of_a_refit_is_not_chosen_on_what_it_was_trained_on(copied):
    refit = choose_predictor(copied, name="refit")
    network = load_network(copied, refit)
    evaluation = tuner.evaluate(copied)
    assert set(evaluation.cuts) == {predictor.name for predictor in evaluation.predictors}
    assert evaluation.cuts[evaluation.handed_on.name] == evaluation.handed_on_cut
    cut = evaluation.cuts["refit"]
    table = pd.read_parquet(copied.folder.bag_out_of_fold)
    rule = copied.study.problem.working_point
    assert cut.threshold == choose_cut(rule, table["label"], table["score"], table["weight"])
    change(copied, parts=[])  # as where the test part stays closed
    assert find_cut(copied, refit, network).threshold == cut.threshold
    assert find_cut(copied, refit, network).rule == f"{rule.name}, chosen on {cut.chosen_on}"
    change(copied, cuts={})
    with pytest.raises(SearchError, match=r"the refit has seen train and validation.*delete evaluation\.json and run"):
        find_cut(copied, refit, network)


def test_the_cut_of_a_bag_that_was_not_judged_is_chosen_out_of_fold(copied):
    bag = choose_predictor(copied, name="bag")
    judged = find_cut(copied, bag, load_network(copied, bag))
    change(copied, parts=[], cuts={})
    found = find_cut(copied, bag, load_network(copied, bag))
    assert found.threshold == pytest.approx(judged.threshold, abs=1e-6)
    assert "out of fold" in found.rule
