"""Scores of files: every format in, every format out, in stretches, out of fold by event id."""

from __future__ import annotations

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

import tuner
from tuner.errors import EventsError, FolderError
from tuner.prediction.score_files import list_inputs, name_outputs, predict_files
from tuner.prediction.scoring import EventScorer

TEXTS = ("channel", "truth")


def write_events(table, path):
    """Write events as a user's program would; ROOT with its texts as strings."""
    match path.suffix:
        case ".parquet":
            table.to_parquet(path, row_group_size=70)
        case ".csv":
            table.to_csv(path, index=False)
        case ".h5":
            with h5py.File(path, "w") as file:
                for name in table:
                    values = table[name].to_numpy()
                    file.create_dataset(name, data=values if name not in TEXTS else values.astype(bytes))
        case ".root":
            kinds = {name: "string" if name in TEXTS else table[name].dtype for name in table}
            with uproot.recreate(path) as file:
                tree = file.mktree("Events", kinds)
                tree.extend({n: ak.Array(table[n].tolist()) if n in TEXTS else table[n].to_numpy() for n in table})
    return path


def read_scores(path):
    match "".join(path.suffixes):
        case ".parquet":
            return pd.read_parquet(path)
        case ".csv" | ".csv.gz":
            return pd.read_csv(path)
        case ".h5":
            with h5py.File(path) as file:
                table = pd.DataFrame({name: values[()] for name, values in file["scores"].items()})
        case ".root":
            with uproot.open(f"{path}:scores") as tree:
                table = pd.DataFrame({branch.name: branch.array(library="np") for branch in tree.branches})
    return table


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(".parquet", ".root"), (".root", ".parquet"), (".h5", ".csv"), (".csv", ".h5"), (".root", ".csv.gz")],
)
def test_each_format_in_and_out_gives_the_scores_of_the_table(
    handed_on_search, new_events, tmp_path, monkeypatch, given, wanted
):
    monkeypatch.setattr("tuner.prediction.score_files.EVENTS_AT_ONCE", 150)
    path = write_events(new_events, tmp_path / f"events{given}")
    done = []
    scored = predict_files(
        handed_on_search,
        [path],
        [tmp_path / f"scores{wanted}"],
        keep=("run", "chan*"),
        on_progress=lambda *told: done.append(told),
    )
    expected = tuner.predict(handed_on_search, new_events)
    table = read_scores(tmp_path / f"scores{wanted}")
    np.testing.assert_allclose(table["score"], expected, atol=1e-6)
    np.testing.assert_array_equal(table["decision"].astype(bool), expected >= scored.cut)
    np.testing.assert_array_equal(table["event"], new_events["event"])
    np.testing.assert_array_equal(table["run"], new_events["run"])
    np.testing.assert_allclose(table["mass"], new_events["mass"])
    texts = table["channel"].map(lambda text: text.decode() if isinstance(text, bytes) else text)
    assert texts.tolist() == new_events["channel"].tolist()
    assert scored.n_events == len(new_events) == done[-1][0]
    assert len(done) == (2 if given == ".csv" else 5), "in stretches where the format can be cut"
    assert scored.files[0].n_signal == table["decision"].sum()


def test_the_scores_are_a_friend_of_the_events_tree(handed_on_search, new_events, tmp_path):
    path = write_events(new_events, tmp_path / "events.root")
    predict_files(handed_on_search, [f"{path}:Events"], [tmp_path / "scores.root"])
    with uproot.open(path) as events, uproot.open(tmp_path / "scores.root") as scores:
        assert scores["scores"].num_entries == events["Events"].num_entries
        np.testing.assert_array_equal(
            scores["scores"]["event"].array(library="np"), events["Events"]["event"].array(library="np")
        )
        assert scores["scores"].title == "scores by the blend"
        assert "candidate" not in scores["scores"]


def test_events_that_were_trained_on_are_scored_by_what_did_not_see_them(handed_on_search, new_events):
    search = handed_on_search
    known = search.study.problem.events.table
    mixed = pd.concat([known.iloc[::-1], new_events], ignore_index=True)
    table = pd.read_parquet(search.folder.bag_out_of_fold).set_index("row")
    rows = len(known) - 1 - table.index.to_numpy()
    scores = tuner.predict(search, mixed, candidate="bag")
    np.testing.assert_allclose(scores[rows], table["score"], atol=1e-6)
    mean = tuner.predict(search, mixed, candidate="bag", out_of_fold=False)
    assert np.abs(mean[rows] - table["score"]).max() > 1e-3
    others = np.setdiff1d(np.arange(len(mixed)), rows)
    np.testing.assert_allclose(scores[others], mean[others], atol=1e-6)
    assert f"{len(table):,} events of {len(mixed):,} were in train or validation, by id: each was" in scores.notes[-1]
    assert "too good" in mean.notes[-1]
    assert "too good" in tuner.predict(search, mixed, candidate="single").notes[-1]


def test_events_that_only_share_ids_with_those_of_training_are_new(handed_on_search, new_events):
    """An independent sample may number its events as the training sample did; several events may share one id."""
    known = handed_on_search.study.problem.events.table
    others = new_events.assign(event=known["event"].to_numpy()[: len(new_events)])
    scores = tuner.predict(handed_on_search, others, candidate="bag")
    mean = tuner.predict(handed_on_search, others, candidate="bag", out_of_fold=False)
    np.testing.assert_array_equal(scores, mean)
    (note,) = scores.notes
    assert note.startswith("500 events of 500 have the id of an event of the study, but other features: taken for new.")
    table = known[["event", "x", "jet_pt", "channel", "y"]].astype({"event": str})
    table.loc[1, "event"] = "no number"
    again = tuner.predict(handed_on_search, table, candidate="bag")
    np.testing.assert_array_equal(
        np.delete(again, 1), np.delete(np.asarray(tuner.predict(handed_on_search, known, candidate="bag")), 1)
    )


def test_a_blend_out_of_fold_is_what_its_cut_was_chosen_on(handed_on_search):
    search = handed_on_search
    cut = pd.read_parquet(search.folder.cut_scores)
    scores = tuner.predict(search, search.study.problem.events.table)
    np.testing.assert_allclose(scores[cut["row"]], cut["score"], atol=1e-6)


def test_findings_and_notes_of_stretches_are_those_of_all_events(handed_on_search, new_events, tmp_path, monkeypatch):
    new_events.loc[[3, 400], "x"] = 1e9
    new_events.loc[[5, 450], "mass"] = np.inf
    path = write_events(new_events, tmp_path / "events.parquet")
    whole = tuner.predict(handed_on_search, path)
    monkeypatch.setattr("tuner.prediction.score_files.EVENTS_AT_ONCE", 100)
    scored = predict_files(handed_on_search, [path], [tmp_path / "scores.csv"])
    assert [str(finding) for finding in scored.findings] == [str(finding) for finding in whole.findings]
    assert scored.findings[0].figures == {"x": 2}


def test_notes_that_stretches_tell_alike_are_told_once_for_each_column(handed_on_search):
    scorer = EventScorer(handed_on_search)
    scorer.notes.update(f'Feature "jet{jet}" is infinite in {n} events.' for jet in (1, 2) for n in (3, 1_200))
    assert [note.partition(". ")[0] for note in scorer.list_notes()] == [
        'Feature "jet1" is infinite in 3 events',
        'Feature "jet2" is infinite in 3 events',
    ]
    assert "(Likewise in 1 other part of the events.)" in scorer.list_notes()[0]


def test_several_files_go_into_a_folder_one_by_one(handed_on_search, new_events, tmp_path):
    halves = [new_events[:200], new_events[200:]]
    paths = [str(write_events(half, tmp_path / f"part{n}.parquet")) for n, half in enumerate(halves)]
    inputs = list_inputs([str(tmp_path / "part*.parquet")])
    assert inputs == paths
    outputs = name_outputs(inputs, tmp_path / "out", ".root")
    assert [output.name for output in outputs] == ["part0.root", "part1.root"]
    scored = predict_files(handed_on_search, inputs, outputs)
    assert [file.n_events for file in scored.files] == [200, 300]
    joined = pd.concat(map(read_scores, outputs))
    np.testing.assert_allclose(joined["score"], tuner.predict(handed_on_search, new_events), atol=1e-6)
    with pytest.raises(FolderError, match=r"several would be written to .*part0\.root"):
        name_outputs([paths[0], "elsewhere/part0.root:tree"], tmp_path, ".root")


def test_what_cannot_be_kept_or_read_is_told_and_leaves_no_file(handed_on_search, new_events, tmp_path):
    path = write_events(new_events, tmp_path / "events.parquet")
    with pytest.raises(EventsError, match=r'"runn", which is to be kept, is not there\. Did you mean "run"'):
        predict_files(handed_on_search, [path], [tmp_path / "scores.csv"], keep=("runn",))
    with pytest.raises(FolderError, match="must not overwrite"):
        predict_files(handed_on_search, [path], [path])
    with pytest.raises(FolderError, match=r"must end in \.parquet or \.root"):
        predict_files(handed_on_search, [path], [tmp_path / "scores.xlsx"])
    assert [file.name for file in tmp_path.iterdir()] == ["events.parquet"]


def test_the_scores_are_an_array(handed_on_search, new_events):
    scores = tuner.predict(handed_on_search, new_events)
    assert scores.shape == (500,)
    assert (scores > 0.5).dtype == bool
    np.testing.assert_allclose(np.log(scores) + 1 - scores, np.log(np.asarray(scores)) + 1 - np.asarray(scores))
    assert scores.decisions.sum() == (scores >= scores.cut).sum()
