"""An exported network takes azimuths from their axis as training did, wherever they are undefined, too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tuner import Preparation, Problem
from tuner.events.simulation import FEATURES, simulate_table
from tuner.models import MLPSettings
from tuner.prediction.export import ExportedNetwork, write_network
from tuner.prediction.network import score_events
from tuner.preparation.preprocessing import fit_preprocessing
from tuner.training.building import build_network


def test_an_exported_network_agrees_with_ours_on_events_as_they_were_read(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    table = simulate_table(2_000, list(FEATURES), seed=5, variant="nominal").replace(-999.0, np.nan)
    table.loc[::5, "lepton2_phi"] = np.nan
    preprocessing = fit_preprocessing(table.to_numpy(), FEATURES, Preparation())
    assert len(preprocessing.azimuths) == 2
    network = build_network(MLPSettings(widths=(32,), activation="silu"), preprocessing.d_in).eval()
    problem = Problem(question="?", events=tmp_path / "none.csv", label="y", signal=1, undefined=-999.0)
    write_network(network, preprocessing, problem, tmp_path / "network.onnx", {})

    later = table.copy()  # its axis is undefined or out of range in places
    later.loc[::7, "lepton1_phi"] = np.nan
    later.loc[1::7, "lepton1_phi"] = 1e6
    expected = score_events(network, preprocessing.transform(later), "cpu")
    for_trees = ExportedNetwork(network, preprocessing, problem, for_trees=True)
    inputs = for_trees(torch.tensor(later.to_numpy(np.float32)))[1].numpy()
    np.testing.assert_array_equal(inputs, preprocessing.transform(later))  # to the last digit
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    (scores,) = session.run(["score"], {"features": later.fillna(-999.0).to_numpy(np.float32)})
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert np.ptp(expected) > 0.05
