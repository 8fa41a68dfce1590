"""What is undefined in training is undefined in predictions and in the exported network, too."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from samples import make_study

import tuner
from tuner import Preparation, Problem
from tuner.prediction.exported_network import mark_undefined
from tuner.prediction.predict import score_part
from tuner.trackers import NoTracker

N = 900
MARKS = {"a": (-999.9, -99.0), "c": -1.0}


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(N) % 2
    table = pd.DataFrame(rng.normal(size=(N, 4)) + label[:, None], columns=list("abcd"))
    for column, values in {"a": [-999.9, -99.0], "b": [1e39, -np.inf, np.nan], "c": [-1.0], "d": [3.4e38]}.items():
        for number, value in enumerate(values):
            table.loc[rng.permutation(N)[: 60 + number], column] = value
    table.loc[rng.permutation(N)[:20], "d"] = np.resize([1e38, -1e38, 1e-38], 20)
    channel = rng.choice(["ee", "em", "mm"], N).astype(object)
    channel[rng.permutation(N)[:60]] = None
    return table.assign(channel=channel, label=label)


@pytest.fixture(scope="module", params=["quantile", "standard"])
def search(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_table().to_parquet(folder / "events.parquet")
    problem = Problem(question="?", events=folder / "events.parquet", label="label", signal=1, undefined=MARKS)
    study = make_study(trials=1, epochs=2, problem=problem, preparation=Preparation(scaling=request.param))
    return tuner.sweep(study, folder=folder, tracker=NoTracker())


def test_training_prediction_and_the_exported_network_agree_on_the_same_raw_events(search, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    table = make_table()
    predicted = tuner.predict(search, search.study.problem.events).frame()["score"].to_numpy()
    for part in ("train", "validation"):
        np.testing.assert_allclose(predicted[getattr(search.splits, part).rows], score_part(search, part), atol=1e-6)
    session = onnxruntime.InferenceSession(str(tuner.export(search, tmp_path / "network.onnx")))
    metadata = session.get_modelmeta().custom_metadata_map
    codes = json.loads(metadata["categories"])
    with np.errstate(over="ignore"):
        raw = table.assign(channel=table["channel"].map(dict(zip(codes["channel"], range(3), strict=True))))
        raw = raw.drop(columns="label").to_numpy(np.float64).astype(np.float32)
    (scores,) = session.run(["score"], {"features": raw})
    np.testing.assert_allclose(scores, predicted, atol=1e-6)
    table.iloc[:9].assign(channel="tt").to_parquet(tmp_path / "unseen.parquet")
    raw[:9, 4] = -1
    (unseen,) = session.run(["score"], {"features": raw[:9]})
    np.testing.assert_allclose(unseen, tuner.predict(search, tmp_path / "unseen.parquet").frame()["score"], atol=1e-6)
    assert (unseen != scores[:9]).any()
    assert metadata["undefined"] == '{"a": [-999.9, -99.0], "c": -1.0}'


def test_what_stands_for_undefined_is_tried_when_a_network_is_exported():
    nan = float("nan")
    marks = torch.tensor([[-999.0, -99.0], [nan, -9.0]])
    features = torch.full((6, 2), nan)
    features[5] = torch.tensor([1.0, 2.0])
    marked = mark_undefined(features, marks)
    expected = torch.tensor([[-999.0, -99.0], [nan, -9.0], [nan, nan], [-999.0, -99.0], [nan, -9.0], [1.0, 2.0]])
    torch.testing.assert_close(marked, expected, equal_nan=True)
