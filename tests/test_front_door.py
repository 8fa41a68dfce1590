"""What `import tuner` gives: every public name at the first use, and nothing heavy before that."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import tuner

PACKAGES = ("events", "exploration", "figures", "metrics", "models", "preparation")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_public_name_and_submodule_is_listed_and_there():
    names = dir(tuner)
    for name in ("evaluate", "evaluation", "report", "reporting", "sweep", "trackers", "Study", "SweepInterrupted"):
        assert name in names
    for name in names:
        assert getattr(tuner, name) is not None
    assert "__version__" in vars(tuner)


FUNCTIONS = [name for name in dir(tuner) if inspect.isfunction(getattr(tuner, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_help_of_a_public_function_has_an_entry_for_each_argument(name):
    function = getattr(tuner, name)
    told = (inspect.getdoc(function) or "").partition("Args:\n")[2]
    assert [argument for argument in inspect.signature(function).parameters if f"    {argument}: " not in told] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_names_of_a_package_are_those_of_its_stub(package):
    module = getattr(tuner, package)
    stub = (files(f"tuner.{package}") / "__init__.pyi").read_text()
    named = {line.rpartition(" as ")[2] for line in stub.splitlines() if " as " in line}
    assert set(dir(module)) == named
    for name in named:
        assert getattr(module, name).__name__.endswith(name) or not hasattr(getattr(module, name), "__name__")


def test_steps_are_plain_functions_with_their_own_signatures():
    for name in ("sweep", "evaluate", "report", "predict", "export"):
        assert inspect.isfunction(getattr(tuner, name))
    assert list(inspect.signature(tuner.evaluate).parameters)[:2] == ["search", "settings"]
    plumbing = {"study_file", "options", "raise_interrupt"}
    assert not plumbing & inspect.signature(tuner.sweep).parameters.keys()
    assert not callable(tuner.evaluation)


def test_a_step_stays_a_function_once_its_file_was_imported():
    code = "import tuner.evaluation.evaluate, tuner.reporting.report, tuner; print(tuner.evaluate, tuner.report)"
    assert run(code).count("<function") == 2


def test_a_tracker_may_be_the_first_use():
    assert "NoTracker" in run("import tuner; print(tuner.trackers.NoTracker())")


def test_importing_is_light():
    heavy = "('torch', 'pandas', 'numpy', 'optuna', 'wandb', 'matplotlib', 'sklearn')"
    assert run(f"import sys, tuner; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="sweeep"):
        tuner.sweeep  # noqa: B018
