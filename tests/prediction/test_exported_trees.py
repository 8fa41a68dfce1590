"""A network and boosted trees in one ONNX file against the packages that grew the trees, on events as they are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples import make_study
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from torch import nn

from tuner.evaluation.baselines.scikit_learn_trees import read_scikit_learn
from tuner.events.reading import read_events
from tuner.prediction.network import Blend, Ensemble, score_events
from tuner.prediction.onnx_files import write_network
from tuner.preparation.preprocessing import fit_preprocessing
from tuner.preparation.settings import Preparation

N = 20_000
SHARE = 0.35


@pytest.fixture(scope="module")
def raw():
    """Features [n, 4] as they are read, -999 where they are not defined; of the last there are few values."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 4)) * (1, 30, 1e-3, 1) + (0, 100, 0, 0)
    x[:, 3] = rng.integers(0, 4, N)
    labels = (x[:, 0] + (x[:, 1] - 100) / 30 * x[:, 3] + rng.normal(size=N) > 0).astype(np.float32)
    x[rng.random((N, 4)) < (0, 0.2, 0, 0.1)] = -999.0
    return x.astype(np.float32), labels


def grow_lightgbm(x, labels, seed):
    lightgbm = pytest.importorskip("lightgbm")
    from tuner.evaluation.baselines.lightgbm_trees import read_lightgbm

    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": seed, "feature_fraction": 0.5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, labels), 40)
    return read_lightgbm(booster), booster.predict


def grow_xgboost(x, labels, seed):
    xgboost = pytest.importorskip("xgboost")
    from tuner.evaluation.baselines.xgboost_trees import read_xgboost

    parameters = {"objective": "binary:logistic", "nthread": 1, "seed": seed, "colsample_bynode": 0.5}
    booster = xgboost.train(parameters, xgboost.DMatrix(x, labels), 40)
    return read_xgboost(booster), lambda inputs: booster.predict(xgboost.DMatrix(inputs))


def grow_scikit_learn(x, labels, seed):
    model = HistGradientBoostingClassifier(max_iter=40, max_features=0.5, random_state=seed).fit(x, labels)
    return read_scikit_learn(model), lambda inputs: model.predict_proba(inputs)[:, 1]


@pytest.mark.parametrize(
    ("grow", "scaling"),
    [
        (grow_scikit_learn, "quantile"),
        (grow_lightgbm, "standard"),
        (grow_xgboost, "none"),
    ],
)
def test_the_file_gives_the_mean_of_the_logits_of_the_network_and_of_the_packages_trees(
    raw, make_problem, tmp_path, grow, scaling
):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    features, labels = raw
    read = np.where(features == -999, np.nan, features)
    preprocessing = fit_preprocessing(read, tuple("abcd"), Preparation(scaling=scaling))
    inputs = preprocessing.transform(read)
    grown = [grow(inputs[seed::2].copy(), labels[seed::2].copy(), seed) for seed in range(2)]
    torch.manual_seed(0)
    networks = [
        nn.Sequential(nn.Linear(preprocessing.d_in, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0)) for _ in "ab"
    ]
    network = Ensemble(networks, [0.25, 0.75]).eval()
    blend = Blend(network, [trees for trees, _ in grown], SHARE)
    path = tmp_path / "blend.onnx"
    write_network(blend, preprocessing, make_problem(undefined=-999.0, events=tmp_path), path, {"study": "s"})

    session = onnxruntime.InferenceSession(str(path))
    (scores,) = session.run(["score"], {"features": features})
    of_trees = logit(np.mean([predict(inputs) for _, predict in grown], axis=0))
    of_networks = logit(score_events(network, inputs, "cpu"))
    expected = expit((1 - SHARE) * of_networks + SHARE * of_trees)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(score_events(blend, inputs, "cpu"), expected, atol=5e-6)
    assert [output.name for output in session.get_outputs()] == ["score"]
    assert session.run(["score"], {"features": features[:1]})[0].shape == (1,)


def test_a_mean_of_scores_next_to_1_has_the_logit_that_it_has_in_double_precision():
    class Constant(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return torch.full((len(x),), self.value)

    network = Ensemble([Constant(20.0), Constant(24.0)], [0.5, 0.5])
    expected = -np.log(np.mean([expit(-20.0), expit(-24.0)]))
    assert network(torch.zeros(1, 1)).item() == pytest.approx(expected, rel=1e-6)


def test_inputs_come_out_of_the_file_to_the_last_digit_with_azimuths_too(tmp_path):
    onnx, onnxruntime = (pytest.importorskip(name, reason='needs the extra "onnx"') for name in ("onnx", "onnxruntime"))
    problem = make_study(n_events=5_000).problem
    events = read_events(problem)
    preprocessing = fit_preprocessing(events.table.to_numpy()[:1_000], events.features, Preparation())
    assert len(preprocessing.azimuths) == 2
    network = nn.Sequential(nn.Linear(preprocessing.d_in, 1), nn.Flatten(0))
    trees = read_scikit_learn(HistGradientBoostingClassifier(max_iter=1).fit(np.zeros((9, 1)), np.arange(9) % 2))
    path = tmp_path / "blend.onnx"
    write_network(Blend(network, [trees], SHARE), preprocessing, problem, path, {})
    model = onnx.load(str(path))
    model.graph.output.append(onnx.helper.make_tensor_value_info("inputs", onnx.TensorProto.FLOAT, None))
    raw = problem.events.read()[list(events.features)].to_numpy(np.float32)
    (inputs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(["inputs"], {"features": raw})
    np.testing.assert_array_equal(inputs, preprocessing.transform(events.table))
