from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.prediction.scores import Scores

VALUES = np.array([0.1, 0.9, 0.4])


def test_scores_behave_as_the_array_of_their_values():
    scores = Scores(VALUES, labels=np.array(["h", "g", "h"]), by="trial 3")
    assert len(scores) == 3
    assert scores[1] == 0.9
    assert list(scores[1:]) == [0.9, 0.4]
    assert list(scores[VALUES < 0.5]) == [0.1, 0.4]
    assert list(scores) == [0.1, 0.9, 0.4]
    assert np.asarray(scores).dtype == np.float64
    assert np.asarray(scores, dtype=np.float32).dtype == np.float32
    assert np.mean(scores) == pytest.approx(VALUES.mean())
    assert list(scores.frame().columns) == ["score", "label"]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_the_table_names_events_and_candidate_and_keeps_columns_of_one_name_apart(tmp_path, ending):
    scores = Scores(
        VALUES,
        weights=np.ones(3),
        event_id=pd.Series([7, 3, 5], name="weight"),
        observers=pd.DataFrame({"mass": [1.0, 2.0, 3.0], "score": [4.0, 5.0, 6.0]}),
        candidate="bag",
    )
    path = scores.save(tmp_path / f"scores.{ending}")
    read = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path)
    assert list(read) == ["event id weight", "score", "weight", "mass", "observer score", "candidate"]
    assert list(read["event id weight"]) == [7, 3, 5]
    assert list(read["observer score"]) == [4.0, 5.0, 6.0]
    assert set(read["candidate"]) == {"bag"}


def test_a_copy_of_the_array_is_a_copy():
    own = VALUES.copy()
    scores = Scores(own)
    np.array(scores)[0] = 7.0
    assert scores[0] == 0.1
    assert np.asarray(scores) is own


def test_the_repr_is_short():
    assert repr(Scores(VALUES, by="bag of 3 networks")) == "Scores(3 events by bag of 3 networks, 0.1 to 0.9)"
    assert repr(Scores(np.array([]))) == "Scores(0 events)"
