"""The same events in a TTree, an RNTuple, Parquet and HDF5 give the same splits and the same trained parameters."""

import h5py
import numpy as np
import torch
import uproot
from samples import make_settings

from tuner.events.reading import read_events
from tuner.preparation.splits import prepare_splits
from tuner.training.data import load_training_data
from tuner.training.member import Member
from tuner.training.pack import Pack


def write_tree(table, path):
    with uproot.recreate(path) as file:
        file.mktree("events", {name: table[name].to_numpy() for name in table.columns})


def write_ntuple(table, path):
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {name: table[name].to_numpy() for name in table.columns})


def write_records(table, path):
    with h5py.File(path, "w") as file:
        file.create_dataset("events", data=table.to_records(index=False), chunks=(33,), compression="gzip")


def write_big_endian_columns(table, path):
    with h5py.File(path, "w") as file:
        for name in table.columns:
            file[name] = table[name].to_numpy().astype(table[name].dtype.newbyteorder(">"))


TWINS = {
    "tree.root": write_tree,
    "ntuple.root": write_ntuple,
    "events.parquet": lambda table, path: table.to_parquet(path),
    "records.h5": write_records,
    "columns.h5": write_big_endian_columns,
}


def train(problem):
    """Return the splits of a problem, and the parameters of a network after two epochs."""
    splits = prepare_splits(read_events(problem), problem)
    pack = Pack(make_settings(), load_training_data(splits, torch.device("cpu")), n_epochs=2)
    pack.admit(Member(0, make_settings(), seed=3))
    pack.train_epoch()
    pack.train_epoch()
    return splits, {name: view.detach().clone() for name, view in pack.stack.views.items()}


def test_twins_are_split_and_trained_alike(tmp_path, make_events, make_problem):
    table = make_events(400).rename(columns={"a": "z", "b": "x"}).astype({"m": np.float32, "id": np.int64})
    table = table.assign(flag=table["z"] > 0.3, q=np.arange(400, dtype=np.uint64) + 2**60)
    trained = {}
    for name, write in TWINS.items():
        write(table, tmp_path / name)
        features = ("z", "x", "flag")  # in this order, whatever that of the file
        trained[name] = train(make_problem(events=tmp_path / name, event_id="q", ignored=("id",), features=features))
    splits, parameters = trained.pop("events.parquet")
    for name, (others, values) in trained.items():
        assert others.fingerprint == splits.fingerprint, name
        assert others.fingerprints == splits.fingerprints, name
        for key in parameters:
            assert torch.equal(values[key], parameters[key]), (name, key)
