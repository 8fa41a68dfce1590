"""Each study that comes with the package holds, and is light to import."""

import math
import subprocess
import sys

import pytest

from tuner.events import read_events
from tuner.preparation import prepare_splits
from tuner.tuning.study_file import load_study

NAMES = ("resonance", "magic", "higgsml", "tutorial")


@pytest.mark.parametrize("name", NAMES)
def test_a_study_file_is_light_and_is_named_like_its_file(name):
    code = (
        f"import sys; from studies.{name} import study; assert study.name == {name!r};"
        "heavy = {'torch', 'pandas', 'sklearn', 'optuna', 'numpy', 'matplotlib', 'wandb'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(("name", "n_events"), [("magic", 19_020), ("higgsml", 22_800)])
def test_a_study_of_real_events_can_be_prepared(name, n_events, data_folder):
    splits, _ = prepare(name)
    parts = (splits.train, splits.validation, splits.test)
    assert sum(len(part.labels) for part in parts) == n_events
    assert all(set(part.labels) == {0, 1} for part in parts)


def test_the_default_study_needs_no_file(monkeypatch):
    monkeypatch.delenv("TUNER_DATA", raising=False)
    splits, study = prepare("resonance")
    assert splits.d_in == 8
    assert study.problem.optimum == "log_likelihood_ratio"


def test_the_significance_of_higgsml_is_that_of_the_whole_challenge(data_folder):
    """Whatever is in the file: without a cut, 692 signal and 411,000 background events are expected."""
    study = load_study("studies/higgsml.py")
    events = read_events(study.problem)
    scan = study.problem.figure_of_merit.scan(events.labels, events.labels + 0.0, events.weights)
    assert (scan.s[-1], scan.b[-1]) == pytest.approx((692, 411_000))
    s, b = 692, 411_010
    assert scan.significance[-1] == pytest.approx(math.sqrt(2 * ((s + b) * math.log1p(s / b) - s)))


def prepare(name):
    study = load_study(f"studies/{name}.py")
    splits = prepare_splits(read_events(study.problem), study.problem, study.preparation)
    assert splits.train.x.shape[1] == splits.d_in
    assert all(0.5 < ballpark.auc < 1 for ballpark in study.problem.ballparks)
    return splits, study
