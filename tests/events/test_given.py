"""Events given in Python are copied, are the same in every process, and need no file."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from optuna.trial import TrialState

import tuner
from tuner.errors import StudyError
from tuner.events import read_events, read_features
from tuner.given_events import take_given
from tuner.problem import Problem
from tuner.trackers.memory import Memory
from tuner.tuning.study_file import load_study

WAYS = {
    "frame": lambda table: table,
    "mapping": lambda table: {name: table[name].to_numpy() for name in table},
    "lists": lambda table: {name: table[name].tolist() for name in table},
    "records": lambda table: table.to_records(index=False),
    "big-endian records": lambda table: table.to_records(index=False).astype(
        [(name, table[name].dtype.newbyteorder(">")) for name in table]
    ),
    "arrow": lambda table: pa.Table.from_pandas(table, preserve_index=False),
    "another index": lambda table: table.set_axis(np.arange(len(table))[::-1] + 7),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_give_events_gives_those_of_a_file(make_events, make_problem, way):
    problem = make_problem(events=WAYS[way](make_events()), event_id="id", ignored=())
    events = read_events(problem)
    assert events.digest == read_events(make_problem(make_events(), event_id="id", ignored=())).digest
    assert events.source == "200 events given in Python (6 columns)"
    assert "200 events given in Python" in repr(problem)


@pytest.mark.parametrize("name", ["read", "iloc", "to_pandas", "describe"])
@pytest.mark.parametrize("way", ["frame", "records", "arrow"])
def test_columns_may_have_names_of_methods(make_events, make_problem, way, name):
    problem = make_problem(events=WAYS[way](make_events().rename(columns={"a": name})))
    assert read_events(problem).features == (name, "b")


def test_events_that_differ_within_long_arrays_differ():
    def digest(values):
        return take_given(pd.DataFrame({"x": [1.0, 2.0], "hits": [values, values]})).digest

    long = np.arange(3000.0)
    others = [long + 1e-9 * (np.arange(3000) == 1500), long.astype(np.float32), long[:-1], long.reshape(2, 1500)]
    nested = [[first, other] for first in (long, others[0]) for other in (long, "x", None)]
    found = [digest(values) for values in (long, long.tolist(), *others, *nested)]
    assert len({*found}) == len(found)
    assert digest(long.copy()) == found[0]


def test_what_is_changed_later_changes_no_study(make_events, make_problem):
    table, arrays = make_events(), {"a": np.arange(8.0), "y": np.arange(8) % 2}
    problem, other = make_problem(events=table), make_problem(events=arrays, weight=None, observers=(), ignored=())
    before = read_events(problem).digest, read_events(other).digest
    table.loc[:, "a"] = 0.0
    arrays["a"][:] = 0.0
    read = read_events(problem).table
    read.loc[:, "a"] = 0.0
    assert (read_events(problem).digest, read_events(other).digest) == before
    assert problem.events != make_problem(events=table).events


def test_the_same_events_are_equal_in_another_process(make_events, make_problem):
    table = make_events().assign(text="x", kind=pd.Categorical(["a", "b"] * 100), when=pd.Timestamp(1.5e18))
    problem = make_problem(events=table)
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).events.digest)"
    again = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(problem), capture_output=True, check=True)
    assert again.stdout.decode().strip() == problem.events.digest == make_problem(events=table.copy()).events.digest
    changed = {"a": table["a"] + 1e-12, "y": table["y"].astype(np.int8), "text": "y", "when": pd.Timestamp(0)}
    others = [table.assign(**{name: values}) for name, values in changed.items()]
    others += [table.rename(columns={"m": "n"}), table.iloc[1:]]
    assert len({make_problem(events=other, observers=()).events.digest for other in (table, *others)}) == 7


def test_columns_that_hold_more_than_a_number_are_left_out_and_times_are_seconds(make_events, make_problem):
    when = pd.Timestamp("1970-01-01 00:00:01.5", tz="UTC")
    lists, compound = [[1.0, 2.0]] * 200, np.full(200, 1 + 1j)
    n = pd.array([1, None] * 100, dtype="Int64")
    table = make_events().assign(jets=lists, amplitude=compound, when=when, dt=pd.Timedelta("2s"), n=n)
    table.loc[7, ["when", "dt"]] = None
    events = read_events(make_problem(events=table))
    assert events.features == ("a", "b", "when", "dt", "n")
    assert events.table.loc[0, ["when", "dt", "n"]].tolist() == [1.5, 2, 1]
    assert events.table.loc[7].isna().sum() == 3
    assert '"jets" holds a list or an array for each event; "amplitude" holds complex128' in events.notes[0]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (np.zeros((3, 4)), r"must have named fields and one dimension, but has shape \(3, 4\)"),
        ({"a": np.zeros((3, 4)), "y": np.zeros(3)}, r"must have one dimension.* \"a \(3, 4\)\""),
        ({"a": np.zeros(4), "y": np.zeros(3)}, "must be equally long.*a 4, y 3"),
        ({}, "must be equally long.*none"),
        (pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]), 'must name each column once, but have twice: "a"'),
        ([1.0, 2.0], "`events` must be"),
        (None, "`events` must be"),
    ],
)
def test_what_is_no_table_is_refused_when_the_problem_is_made(events, said):
    with pytest.raises(StudyError, match=said):
        Problem(question="?", events=events, label="y", signal=1)


STUDY = """
import numpy as np
import pandas as pd
from search_spaces import mlp
from tuner import Budget, Problem, Study

rng = np.random.default_rng(0)
y = np.arange(900) % 2
table = pd.DataFrame({"a": rng.normal(size=900) + y, "b": rng.normal(size=900), "y": y})
problem = Problem(question="Is it?", events=table, label="y", signal=1)
study = Study(name="given", problem=problem, search_space=mlp.suggest, budget=Budget(trials=2, epochs=1))
"""


def test_a_study_of_given_events_is_resumed_by_who_reads_its_file_again_and_scores_a_file(tmp_path):
    path = tmp_path / "given.py"
    path.write_text(STUDY)
    study = load_study(path)
    tuner.sweep(replace(study, budget=replace(study.budget, trials=1)), folder=tmp_path, tracker=Memory())
    again = load_study(path)
    assert again.problem.events is not study.problem.events
    search = tuner.sweep(again, folder=tmp_path, tracker=Memory())
    assert len(search.optuna_study.get_trials(states=[TrialState.COMPLETE])) == 2
    table = study.problem.events.table
    table.drop(columns="y").to_csv(tmp_path / "new.csv", index=False)
    assert len(read_features(study.problem, tmp_path / "new.csv").table) == 900
    other = replace(again.problem, events=table.assign(a=-table["a"]))
    with pytest.raises(tuner.errors.TunerError, match="given"):
        tuner.sweep(replace(again, problem=other), folder=tmp_path, tracker=Memory())
