"""What is done with each feature by the rules and by request, against scikit-learn; the same in an exported network."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from tuner import Preparation, Problem
from tuner.errors import SplitsError, StudyError
from tuner.models import MLPSettings
from tuner.prediction.exported_network import ExportedNetwork
from tuner.prediction.network import score_events
from tuner.prediction.onnx_files import write_network
from tuner.preparation.preprocessing import Preprocessing, fit_preprocessing
from tuner.preparation.transformations import has_long_tail
from tuner.training.building import build_network

N = 3_000
TEXTS = {"channel": ("ee", "em", "mm", "tt")}
PROBLEM = Problem(question="?", events="none.csv", label="y", signal=1, undefined=(-999.0, 0.0))


@pytest.fixture(scope="module")
def columns():
    """A mass of long tails, a momentum, angles in radian and degrees, a category of texts and one of numbers."""
    rng = np.random.default_rng(0)
    return {
        "mass": rng.lognormal(0, 2, N) * np.where(rng.random(N) < 0.3, -40, 40),
        "pt": np.where(rng.random(N) < 0.1, np.nan, rng.exponential(30, N)),
        "decay_phi": np.where(rng.random(N) < 0.1, np.nan, rng.uniform(-np.pi, np.pi, N)),
        "azimuth": rng.uniform(0, 360, N),
        "channel": np.where(rng.random(N) < 0.1, np.nan, rng.choice(4, N, p=[0.5, 0.3, 0.199, 0.001])),
        "phi_1": (axis := rng.uniform(-np.pi, np.pi, N)),
        "phi_2": np.where(rng.random(N) < 0.2, np.nan, (axis + rng.normal(0, 1, N)) % (2 * np.pi)),
        "pdg": rng.choice([-13.0, -11.0, 11.0, 13.0, 211.0], N, p=[0.3, 0.3, 0.2, 0.199, 0.001]),
    }


def fit(columns, names=None, **settings):
    names = tuple(names or columns)
    values = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    categories = [name for name in ("channel", "pdg") if name in names]
    codes = {name: texts for name, texts in TEXTS.items() if name in names}
    return values, fit_preprocessing(values, names, Preparation(**settings), categories=categories, codes=codes)


@pytest.mark.parametrize("max_categories", [32, 2])
def test_categories_are_as_scikit_learn_has_them(columns, max_categories):
    values, fitted = fit(columns, ["pdg"], max_categories=max_categories)
    later = np.r_[values, [[99.0]]].astype(np.float32)
    encoder = OneHotEncoder(
        min_frequency=10, max_categories=max_categories + 1, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    theirs = encoder.fit(values).transform(later)
    np.testing.assert_array_equal(fitted.transform(later), theirs)
    assert fitted.inputs[-1] == "pdg = other"


def test_undefined_and_unseen_categories(columns):
    values, fitted = fit(columns, ["channel"])
    assert fitted.inputs == ("channel = ee", "channel = em", "channel = mm", "channel = other", "channel is undefined")
    found = fitted.transform(np.array([[0], [2], [3], [-1], [np.nan]], np.float32))
    np.testing.assert_array_equal(found, np.eye(5)[[0, 2, 3, 3, 4]])
    np.testing.assert_array_equal(fitted.transform(values).sum(axis=1), 1)
    often = fit({"pdg": np.repeat([1.0, 2.0], 50)})[1]
    later = often.transform(np.array([[1], [7], [np.nan]], np.float32))
    np.testing.assert_array_equal(later, [[1, 0, 0], [0, 0, 1], [0, 0, 1]])


def test_robust_scaling_is_scikit_learns(columns):
    names = ["azimuth", "pdg"]
    values = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    fitted = fit_preprocessing(values, tuple(names), Preparation(scaling="robust", features={"*": "robust"}))
    np.testing.assert_allclose(fitted.transform(values), RobustScaler().fit_transform(values), atol=1e-5)


def test_a_signed_logarithm_is_standard_after_it(columns):
    values, fitted = fit(columns, ["mass"], features={"mass": "log"})
    x = values[:, 0].astype(np.float64)
    logged = np.sign(x) * np.log1p(np.abs(x) / np.median(np.abs(x)))
    np.testing.assert_allclose(fitted.transform(values), StandardScaler().fit_transform(logged[:, None]), atol=1e-5)


def test_long_tails_are_taken_by_their_logarithm_where_scaling_is_linear(columns):
    rng = np.random.default_rng(1)
    tails = {"normal": rng.normal(size=N), "exponential": rng.exponential(size=N), "flat": rng.random(N),
             "lognormal": rng.lognormal(0, 1.5, N), "power": -rng.pareto(3, N), "same": np.ones(N)}  # fmt: skip
    assert [name for name, x in tails.items() if has_long_tail(x)] == ["lognormal", "power"]
    for scaling, described in (("standard", {"long tails": "mass: signed logarithm"}), ("quantile", {})):
        assert fit(columns, ["mass", "pt"], scaling=scaling)[1].describe() == described
    asked = fit(columns, ["mass", "pt"], scaling="standard", features={"mass": "robust", "*": "log"})[1]
    assert asked.describe() == {"long tails": "pt: signed logarithm"}


def test_angles_that_go_round_become_cosine_and_sine(columns):
    values, fitted = fit(columns, ["decay_phi", "azimuth"])
    assert fitted.describe() == {"angles": "decay_phi, azimuth: cosine and sine"}
    x = dict(zip(fitted.inputs, fitted.transform(values).T, strict=True))
    known = ~np.isnan(values[:, 0])
    np.testing.assert_allclose(x["cos(azimuth)"], np.sqrt(2) * np.cos(np.radians(columns["azimuth"])), atol=1e-5)
    np.testing.assert_allclose(x["sin(decay_phi)"][known], np.sqrt(2) * np.sin(columns["decay_phi"][known]), atol=1e-5)
    assert not x["cos(decay_phi)"][~known].any()
    np.testing.assert_array_equal(x["decay_phi is undefined"], ~known)
    for name in ("psi", "dphi", "decayAngle", "RA", "longitude"):  # those that `tuner explore` draws as angles, too
        assert fit({name: columns["decay_phi"]})[1].describe() == {"angles": f"{name}: cosine and sine"}
    half = {"delta_phi": np.abs(columns["decay_phi"]), "phi_centrality": np.cos(columns["azimuth"])}
    assert fit(half)[1].describe() == {}
    assert fit(columns, ["decay_phi"], azimuths=())[1].describe() == {}
    assert fit(columns, ["decay_phi"], features={"*phi": "quantile"})[1].describe() == {}
    assert fit(half, features={"delta_phi": "angle"})[1].describe() == {"angles": "delta_phi: cosine and sine"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"pt": "angle"}, r'"pt" must be an angle in radian, from -pi to pi .*Is it "degrees", or no angle\?'),
        ({"ptt": "log"}, r'names "ptt", but no feature has that name. Did you mean "pt"\?'),
        ({"channel": "log"}, '"channel" is a category, which has an input for each'),
    ],
)
def test_what_cannot_be_done_is_told(columns, asked, told):
    with pytest.raises(SplitsError, match=told):
        fit(columns, features=asked)


def test_what_may_be_asked_is_told():
    with pytest.raises(StudyError, match=r'asks \'logs\' of "pt".*Did you mean "log"'):
        Preparation(features={"pt": "logs"})
    with pytest.raises(StudyError, match='"a" is named in `azimuths` and in `features`'):
        Preparation(features={"a": "log"}, azimuths=("a", "b"))


def make_later(values):
    """Make events of which some have categories that training never saw, are undefined, or lie far outside."""
    later = values.copy()
    later[::9, 4], later[1::9, 7], later[2::9, 7] = -1, 22, np.nan
    later[::7, 5], later[1::7, 5] = np.nan, 1e6  # the axis of the azimuths, which training always knew
    later[::50, [0, 1]] = np.nan
    later[1::50, [0, 1]] *= 1e4
    return later


@pytest.mark.parametrize("scaling", ["quantile", "standard", "robust", "none"])
def test_a_file_and_what_is_exported_agree_to_the_last_digit(tmp_path, columns, scaling):
    values, fitted = fit(columns, scaling=scaling, features={"mass": "log"})
    fitted.save(tmp_path / "preprocessing.npz")
    loaded = Preprocessing.load(tmp_path / "preprocessing.npz")
    assert (loaded.inputs, loaded.codes) == (fitted.inputs, TEXTS)
    assert loaded.describe()["azimuths"] == "phi_2: cosine and sine of the angle to phi_1"
    later = make_later(values)
    expected = fitted.transform(later)
    np.testing.assert_array_equal(loaded.transform(later), expected)
    network = build_network(MLPSettings(widths=(4,)), fitted.d_in).eval()
    found = ExportedNetwork(network, fitted, PROBLEM, for_trees=True)(torch.tensor(later))[1].numpy()
    np.testing.assert_array_equal(found, expected)
    single = ExportedNetwork(torch.nn.Linear(fitted.d_in, 1), fitted, PROBLEM).eval()
    single.network = torch.nn.Flatten(0)  # the inputs themselves, computed in single precision
    scores = single(torch.tensor(later)).detach().numpy()
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-expected.ravel().astype(np.float64))), atol=1e-5)


def test_an_exported_file_agrees_on_what_is_undefined_or_unseen(tmp_path, columns):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    columns = columns | {"pdg": np.repeat([11.0, 13.0], [N // 2, N - N // 2])}  # training knows no other values
    values, fitted = fit(columns, features={"mass": "log", "pt": "robust"})
    assert fitted.inputs[fitted.inputs.index("pdg = 13") + 1] == "pdg = other"
    network = build_network(MLPSettings(widths=(16,), activation="silu"), fitted.d_in).eval()
    write_network(network, fitted, PROBLEM, tmp_path / "network.onnx", {})
    later = make_later(values)
    raw = np.where(np.isnan(later), -999.0, later)
    raw[:, 4] = later[:, 4]  # codes: what stands for undefined elsewhere does not here
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    (scores,) = session.run(["score"], {"features": raw.astype(np.float32)})
    np.testing.assert_allclose(scores, score_events(network, fitted.transform(later), "cpu"), atol=1e-5)
