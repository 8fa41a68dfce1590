"""Exported files against the scores that were judged: ONNX of the newest and of an old runtime, .pt2, safetensors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors
import torch

import tuner
from tuner.errors import FolderError, SearchError
from tuner.prediction import tensor_files
from tuner.prediction.export import export_file
from tuner.prediction.exported_network import CalibratedLogits, build_exported
from tuner.prediction.network import score_events
from tuner.prediction.onnx_files import open_session
from tuner.prediction.torch_files import open_graph, write_graph
from tuner.preparation.preprocessing import fit_preprocessing
from tuner.preparation.settings import Preparation

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def files(handed_on_search, tmp_path_factory):
    """The blend in each format, with calibrated probabilities, and a single network as ONNX of one matrix."""
    folder = tmp_path_factory.mktemp("exported")
    wanted = {
        "matrix": ("matrix.onnx", {"candidate": "single"}),
        "named": ("named.onnx", {"inputs": "named", "calibration": "platt", "prior": 0.1, "licence": "MIT"}),
        "pt2": ("network.pt2", {"calibration": "isotonic"}),
        "safetensors": ("network.safetensors", {"calibration": "isotonic"}),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.prediction.export.ENOUGH_SECONDS", 0.01)
        return {name: export_file(handed_on_search, folder / path, **more) for name, (path, more) in wanted.items()}


@pytest.fixture
def raw(handed_on_search, new_events):
    """New events as C++ has them: float32, texts as codes, -999 where undefined."""
    preprocessing = handed_on_search.splits.preprocessing
    coded = new_events.assign(channel=new_events["channel"].map(preprocessing.codes["channel"].index))
    return coded[list(preprocessing.features)].to_numpy(np.float32)


@pytest.mark.parametrize("name", ["matrix", "named", "pt2"])
def test_each_graph_scores_raw_events_as_predict_does(handed_on_search, files, new_events, raw, name):
    path = files[name].path
    run = open_graph(path) if name == "pt2" else open_session(path)
    more = {
        "matrix": {"candidate": "single"},
        "named": {"calibration": "platt", "prior": 0.1},
        "pt2": {"calibration": "isotonic"},
    }[name]
    expected = tuner.predict(handed_on_search, new_events, **more)
    for n in (1, 7, len(raw)):
        scores, *probabilities = run(raw[:n])
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected[:n], atol=TOLERANCE, rtol=0)
        if probabilities:
            np.testing.assert_allclose(probabilities[0], expected.probabilities[:n], atol=TOLERANCE, rtol=0)
    assert len(probabilities) == (name != "matrix")
    assert files[name].agreement.largest <= TOLERANCE
    assert files[name].agreement.n_events == len(handed_on_search.splits.validation.labels)


@pytest.mark.parametrize("ending", ["onnx", "safetensors"])
def test_a_file_whose_probabilities_are_wrong_is_refused(handed_on_search, tmp_path, monkeypatch, ending):
    """What is written is of another prior than what was asked for."""
    init = CalibratedLogits.__init__
    monkeypatch.setattr(CalibratedLogits, "__init__", lambda self, each: init(self, replace(each, prior=0.3)))
    take = tensor_files._take_values
    monkeypatch.setattr(tensor_files, "_take_values", lambda product: take(product) | {"prior": 0.3})
    with pytest.raises(SearchError, match="must give the same probabilities, but"):
        export_file(handed_on_search, tmp_path / f"network.{ending}", calibration="platt", prior=0.1)
    assert not list(tmp_path.iterdir())


def test_safetensors_load_without_pickle_and_score_alike(handed_on_search, files, new_events, monkeypatch):
    expected = tuner.predict(handed_on_search, new_events, calibration="isotonic")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("pickle"))
    loaded = tuner.load(files["safetensors"].path, modules=("tuner",))
    np.testing.assert_allclose(loaded.score_events(new_events), expected, atol=TOLERANCE)
    np.testing.assert_allclose(loaded.predict_proba(new_events)[:, 1], expected.probabilities, atol=TOLERANCE)
    np.testing.assert_array_equal(loaded.predict(new_events), expected.decisions)
    assert loaded.card["study"] == "handed"


def test_a_file_of_tensors_imports_no_module_that_is_not_named(files, tmp_path):
    path = tmp_path / "network.safetensors"
    with safetensors.safe_open(str(files["safetensors"].path), framework="pt") as file:
        content = json.loads(file.metadata()["tuner"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    content["networks"][0]["settings"]["class"] = "antigravity:Settings"
    safetensors.torch.save_file(tensors, path, {"tuner": json.dumps(content)})
    with pytest.raises(SearchError, match='module "antigravity", which is not among those that may be imported'):
        tuner.load(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FolderError, match="must be as it was written"):
        tuner.load(path)


def test_the_model_card_tells_what_goes_in_and_how_good_it_is(handed_on_search, files):
    exported = files["named"]
    model = onnx.load(str(exported.path))
    card = json.loads({entry.key: entry.value for entry in model.metadata_props}["model_card"])
    beside = json.loads(exported.card.read_text())
    assert card.items() <= beside.items()
    assert beside["agreement_with_pytorch"]["largest_difference"] == exported.agreement.largest
    inputs = {entry["name"]: entry for entry in card["inputs"]}
    assert [*inputs] == list(handed_on_search.splits.preprocessing.features)
    assert inputs["jet_pt"]["undefined_values"] == [-999.0]
    assert 0.15 < inputs["jet_pt"]["undefined_share"] < 0.25
    assert 0 < inputs["jet_pt"]["range"][0] < inputs["jet_pt"]["range"][1]
    assert inputs["channel"]["categories"] == ["ee", "mm"]
    assert card["signal"] == {"label": "truth", "value": "signal"}
    assert card["licence"] == "MIT"
    assert [each["name"] for each in card["outputs"]] == ["score", "probability"]
    evaluation = tuner.evaluate(handed_on_search)
    test = evaluation.part("test")
    assert card["cut"]["threshold"] == test.threshold
    figure = card["figures"]["test"]["AUC"]
    assert (figure["value"], figure["low"], figure["high"]) == (test["AUC"].value, test["AUC"].low, test["AUC"].high)
    assert card["provenance"]["events_sha256"] == handed_on_search.splits.events_digest
    assert "torch" in card["provenance"]["versions"]
    assert "validation events and" in exported.lines[0]


def test_the_file_is_of_the_oldest_form_that_its_operators_need(files):
    model = onnx.load(str(files["named"].path))
    opsets = {each.domain: each.version for each in model.opset_import}
    assert opsets == {"": 18, "ai.onnx.ml": 3}
    assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import) == 8
    session = onnxruntime.InferenceSession(str(files["named"].path))
    assert {each.name: each.shape for each in session.get_inputs()}["jet_pt"] == ["events"]
    assert [each.type for each in session.get_outputs()] == ["tensor(float)"] * 2


@pytest.mark.skipif("TUNER_OLD_ONNXRUNTIME" not in os.environ, reason="no Python with onnxruntime 1.17 is named")
@pytest.mark.parametrize("name", ["matrix", "named"])
def test_an_old_runtime_gives_the_same_scores(files, raw, tmp_path, name):
    np.save(tmp_path / "raw.npy", raw)
    program = (
        "import sys, numpy as np, onnxruntime as ort; raw = np.load('raw.npy'); s = ort.InferenceSession(sys.argv[1]); "
        "n = [i.name for i in s.get_inputs()]; "
        "f = {'features': raw} if len(n) == 1 else {k: raw[:, i].copy() for i, k in enumerate(n)}; "
        "np.save('scores.npy', s.run(['score'], f)[0]); print(ort.__version__)"
    )
    python = os.environ["TUNER_OLD_ONNXRUNTIME"]
    done = subprocess.run(
        [python, "-c", program, str(files[name].path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (expected, *_) = open_session(files[name].path)(raw)
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=TOLERANCE, rtol=0)


def find_runtime():
    """Return the folders of onnxruntime's C++ headers and library; None where they are not here."""
    headers = [os.environ.get("ONNXRUNTIME_INCLUDE", ""), "/usr/include/onnxruntime", "/usr/local/include/onnxruntime"]
    include = next(
        (folder for folder in filter(None, headers) if (Path(folder) / "onnxruntime_cxx_api.h").exists()), None
    )
    libraries = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    compiler = shutil.which("g++") or shutil.which("c++")
    return (include, libraries[0], compiler) if include and libraries and compiler else None


@pytest.mark.skipif(find_runtime() is None, reason="no headers of onnxruntime: set ONNXRUNTIME_INCLUDE to their folder")
def test_the_c_plus_plus_example_scores_alike(files, raw, tmp_path):
    include, library, compiler = find_runtime()
    source = Path(__file__).parents[2] / "docs" / "cpp" / "score_events.cpp"
    command = [compiler, "-std=c++17", "-O1", str(source), f"-I{include}", str(library), "-o", "score_events"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "libonnxruntime.so.1").symlink_to(library)  # the name that the wheel's library asks for
    np.savetxt(tmp_path / "events.txt", raw[:20], fmt="%.9g")
    done = subprocess.run(
        ["./score_events", str(files["matrix"].path), "events.txt"],
        env={"LD_LIBRARY_PATH": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores = np.array(done.stdout.split(), dtype=float)
    np.testing.assert_allclose(scores, open_session(files["matrix"].path)(raw[:20])[0], atol=1e-6)


def test_a_graph_of_features_that_are_always_defined_is_read_back(tmp_path):
    """Without a value for "not defined", nor categories, nor angles, constants of the graph are empty."""
    events = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    preprocessing = fit_preprocessing(events, ("a", "b"), Preparation())
    problem = tuner.Problem(question="?", events="events.parquet", label="y", signal=1)
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Flatten(0))
    write_graph(build_exported(network, preprocessing, problem), preprocessing, tmp_path / "network.pt2", {})
    (scores,) = open_graph(tmp_path / "network.pt2")(events)
    np.testing.assert_allclose(scores, score_events(network, preprocessing.transform(events), "cpu"), atol=1e-6)


def test_another_ending_or_layout_is_refused(handed_on_search, tmp_path):
    for name in ("network.pkl", "network.pt", "network"):
        with pytest.raises(FolderError, match=r"must end in \.onnx or \.pt2 or \.safetensors"):
            tuner.export(handed_on_search, tmp_path / name)
    with pytest.raises(SearchError, match="Only ONNX has named inputs"):
        tuner.export(handed_on_search, tmp_path / "network.pt2", inputs="named")
    assert not list(tmp_path.iterdir())
