"""Files, storages and names of other people run nothing, reach nothing outside the run folder, and tell no secret."""

import ast
import inspect
import io
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from samples import make_study

import tuner
from tuner.checked_files import read_json, write_json
from tuner.cli.dashboard import dashboard
from tuner.cli.server import is_loopback, open_server
from tuner.errors import DamagedFileError, SearchError, SplitsError, TunerError
from tuner.events.reading import read_events
from tuner.passwords import hide_in_source
from tuner.prediction.boosted_trees import load_trees
from tuner.preparation.splits import load_splits
from tuner.trackers import NoTracker
from tuner.training.checkpoints import read_checkpoint
from tuner.tuning.fork import plan_fork_file
from tuner.tuning.ownership import check_owner, take_folder
from tuner.tuning.provenance import record_call
from tuner.tuning.trial_attributes import write_search_id
from tuner.tuning.trial_states import TrialStates

ROOT = Path(__file__).parents[1]

TRUSTED = {
    "tuner/tuning/picture_process.py": {"pickle.load"},  # a pipe to a process of our own
    "tuner/tuning/trial_pictures.py": {"pickle.load"},
    "tuner/launchers/dask_pool.py": {"pickle.loads"},  # from a Dask worker, to which we send code as it is
    "tuner/launchers/pickled_call.py": {"pickle.loads"},  # in a folder of our own, which nobody else may enter
    "tuner/fields.py": {"eval"},  # annotations of our own dataclasses
}
"""Calls that run what they read, and why each may."""

RUNNING = ("eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads", "joblib.load")
RUNNING += ("pd.read_pickle", "pandas.read_pickle", "marshal.loads", "dill.load", "dill.loads", "yaml.load")


class Trap:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=1, epochs=1, n_events=600)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("secure"), tracker=NoTracker())


@pytest.fixture
def run(search, tmp_path):
    """A copy of a run folder, to be tampered with."""
    shutil.copytree(search.folder.path, tmp_path / "runs" / "small")
    return tuner.open_search(search.study, tmp_path / "runs").folder


def find_calls(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


def test_no_call_in_the_package_runs_what_it_reads():
    found = set()
    for top in ("tuner", "search_spaces", "studies"):
        for path in (ROOT / top).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            for call, words in find_calls(path):
                runs = call in RUNNING or words.get("allow_pickle") == "True" or words.get("shell") == "True"
                if runs or (call == "torch.load" and words.get("weights_only") != "True"):
                    found.add((name, call))
    assert found == {(name, call) for name, calls in TRUSTED.items() for call in calls}


def test_a_pickle_in_the_place_of_any_file_of_a_run_is_refused_and_runs_nothing(search, run, tmp_path):
    sprung, content = tmp_path / "sprung", io.BytesIO()
    torch.save({"state": Trap(sprung)}, content)
    objects = io.BytesIO()
    np.save(objects, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("names.npy", objects.getvalue())
    for kind in (content.getvalue(), pickle.dumps(Trap(sprung)), archive.getvalue()):
        path = tmp_path / "trial.pt"
        path.write_bytes(kind)
        with pytest.raises(DamagedFileError):
            read_checkpoint(path)
        with pytest.raises(DamagedFileError):
            load_trees(path, advice="")
        states = TrialStates(search)
        search.resume_path(7).write_bytes(kind)
        assert states.read(7) is None
    key = read_json(run.splits / "splits.json")
    (run.splits / "train-x.npy").write_bytes(objects.getvalue())
    write_json(run.splits / "splits.json", key | {"files": {}})  # as somebody who knows the checksums would
    with pytest.raises(SplitsError):
        load_splits(run.splits)
    (run.splits / "preprocessing.npz").write_bytes(archive.getvalue())
    with pytest.raises(SplitsError):
        load_splits(run.splits)
    assert not sprung.exists()


@pytest.mark.parametrize("ending", [".pkl", ".npy", ".npz", ".parquet", ".csv", ".json"])
def test_a_pickle_in_the_place_of_events_is_refused_and_runs_nothing(make_problem, tmp_path, ending):
    sprung, path = tmp_path / "sprung", tmp_path / f"events{ending}"
    path.write_bytes(pickle.dumps({"y": Trap(sprung)}))
    if ending == ".npy":
        np.save(path, np.array([Trap(sprung)] * 4, dtype=object), allow_pickle=True)
    if ending == ".npz":
        np.savez(path, y=np.array([Trap(sprung)] * 4, dtype=object))
    with pytest.raises(TunerError):
        read_events(make_problem(events=path))
    assert not sprung.exists()


def test_names_in_a_run_folder_and_a_storage_lead_nowhere_else(search, run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    write_json(run.owner, {"search": "../../outside"})
    for act in (lambda: take_folder(run, "abc", is_new=False), lambda: check_owner(run, "abc", "x")):
        with pytest.raises(SearchError, match="letters, digits and hyphens"):
            act()
    write_json(run.owner, {"search": search.search_id})
    with pytest.raises(SearchError, match="the storage has"):
        take_folder(run, "../../outside", is_new=False)
    write_search_id(tuner.open_search(search.study, run.path.parent).optuna_study, "../../outside")
    with pytest.raises(SearchError):
        tuner.sweep(search.study, folder=run.path.parent, tracker=NoTracker())
    assert not list(outside.iterdir())
    store = optuna.artifacts.FileSystemArtifactStore(str(run.artifacts))
    with pytest.raises(ValueError, match="Invalid artifact_id"):
        store.open_reader("../journal.log")


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", ".hidden", "", "a\\b"])
def test_a_study_or_a_fork_is_not_named_out_of_its_folder(name, tmp_path):
    with pytest.raises(TunerError, match="name of a folder"):
        make_study(name=name)
    with pytest.raises(SearchError, match="name of a folder"):
        plan_fork_file(tmp_path / "study.py", name)


def test_a_code_in_the_study_that_provenance_keeps_is_read_by_nobody_and_tells_no_secret(search, tmp_path):
    path = tmp_path / "study.py"
    path.write_text(
        'import os\napi_key = "hush1"\nlogin = {"password": \'hush2\', "user": "me"}\n'
        'url = "postgresql://me:hush3@host/db"\nWANDB_API_KEY: str = "hush4"\n'
        'os.environ["MY_TOKEN"] = "hush5"\nos.environ.setdefault("WANDB_API_KEY", "hush6")\n'
        f'os.mkdir("{tmp_path}/sprung")\n'
    )
    record_call(search.folder, search.study, events_digest="", device="cpu", workers=1, study_file=path)
    kept = read_json(search.folder.provenance)["study_source"]
    assert "hush" not in kept
    assert kept.splitlines()[1:3] == ['api_key = "***"', 'login = {"password": \'***\', "user": "me"}']
    tuner.open_search(search.study, search.folder.path.parent)
    assert not (tmp_path / "sprung").exists()


def test_a_source_without_secrets_stays_as_it_is():
    for name in ("studies/magic.py", "search_spaces/mlp.py", "tuner/passwords.py"):
        text = (ROOT / name).read_text()
        assert hide_in_source(text).splitlines()[:20] == text.splitlines()[:20]


def test_the_dashboard_serves_this_machine_alone_unless_told_otherwise():
    host = inspect.signature(dashboard).parameters["host"].default
    assert host == "127.0.0.1"
    with open_server(lambda environment, start: [], host, 0) as server:
        assert is_loopback(server)
        assert server.socket.getsockname()[0] == "127.0.0.1"
