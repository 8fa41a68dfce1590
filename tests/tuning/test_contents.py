"""Settings by their contents: what a function does is seen however it is hidden, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from tuner.metrics import Auc, Custom, SignalEfficiency, Significance
from tuner.models import MLPSettings
from tuner.tuning.contents import agree, describe_contents

BEFORE = """
import numpy as np
from dataclasses import dataclass
from functools import partial

CUT = 0.5
TABLE = {"a": [0.1, 0.2]}
EDGES = np.array([0.1, 0.2])


def helper(x, power=2):
    return x**power


class Base:
    scale = 1.0

    def measure(self, x):
        return self.scale * x


@dataclass(frozen=True)
class Figure(Base):
    eps: float = 0.1
    name = "mine"

    def __call__(self, labels, scores, weights=None):
        return self.measure(scores.mean()) + self.eps


def figure(labels, scores, weights=None):
    "Documented."
    inner = [score > CUT for score in scores if "x" != "y"]
    return helper(np.mean(inner)) + TABLE["a"][0] + EDGES[0]


def make(bound):
    return lambda labels, scores, weights=None: float((scores > bound).mean())


def recursive(n):
    return n and recursive(n - 1)


given = figure
"""

CHANGES = {
    "its body": ("np.mean(inner)", "np.median(inner)"),
    "a constant": ("+ EDGES[0]", "+ 2 * EDGES[0]"),
    "a text within": ('"x" != "y"', '"x" != "z"'),
    "a global number": ("CUT = 0.5", "CUT = 0.6"),
    "a global table": ("[0.1, 0.2]}", "[0.1, 0.3]}"),
    "a global array": ("array([0.1, 0.2])", "array([0.1, 0.3])"),
    "a helper": ("return x**power", "return x * power"),
    "a helper's default": ("power=2", "power=3"),
}
OF_OBJECTS = {
    "a method that is inherited": ("self.scale * x", "self.scale + x", "Figure()"),
    "a constant that is inherited": ("scale = 1.0", "scale = 2.0", "Figure()"),
    "a field": ("eps: float = 0.1", "eps: float = 0.2", "Figure()"),
    "how it is called": (" + self.eps", " - self.eps", "Figure()"),
    "a closure": ("make(0.5)", "make(0.6)", "make(0.5)"),
    "a partial's argument": ("power=4", "power=5", "partial(helper, power=4)"),
    "a partial's function": ("return x**power", "return x * power", "partial(helper, power=4)"),
    "a bound method": ("self.scale * x", "self.scale + x", "Figure().measure"),
}
NO_CHANGES = {
    "documentation": ('"Documented."', '"Documented otherwise."'),
    "a comment and the place": ("CUT = 0.5", "\n\n# the cut\nCUT = 0.5"),
    "what it does not use": ("def recursive(n):", "def recursive(n, m=1):"),
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that runs a source as a module and describes its `given`."""

    def describe(source, name="own_figure"):
        module = ModuleType(name)
        module.__file__ = str(tmp_path / "own_figure.py")
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, module.__file__, "exec", dont_inherit=True), vars(module))
        return describe_contents(module.given)

    return describe


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_function_does_is_seen(load, change):
    old, new = CHANGES[change]
    assert old in BEFORE
    assert not agree(load(BEFORE), load(BEFORE.replace(old, new)))


@pytest.mark.parametrize("change", OF_OBJECTS)
def test_whatever_an_object_does_is_seen(load, change):
    old, new, given = OF_OBJECTS[change]
    source = BEFORE.replace("given = figure", f"given = {given}")
    assert old in source
    assert not agree(load(source), load(source.replace(old, new)))


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_makes_no_difference_is_none(load, change):
    old, new = NO_CHANGES[change]
    assert old in BEFORE
    assert load(BEFORE) == load(BEFORE.replace(old, new))


@pytest.mark.parametrize("given", ["figure", "Figure()", "make(0.5)", "recursive", "Figure().measure", "Figure"])
def test_the_name_of_the_module_makes_no_difference(load, given):
    """A program imports `study`, a worker reads the same file as `tuner_study_study`, a script is `__main__`."""
    source = BEFORE.replace("given = figure", f"given = {given}")
    assert len({load(source, name) for name in ("study", "tuner_study_study", "package.study")}) == 1


@pytest.mark.parametrize("given", ["figure", "Figure()", "make(0.5)", "recursive", "{'b': {2, 'a'}, 'a': Figure}"])
def test_another_process_says_the_same(tmp_path, given):
    (tmp_path / "own.py").write_text(BEFORE.replace("given = figure", f"given = {given}"))
    program = "from own import given; from tuner.tuning.contents import describe_contents as d; print(d(given))"
    root = str(Path(__file__).parents[2])
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{tmp_path}:{root}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert " at 0x" not in told.pop()


def test_plain_settings_read_as_they_are_written():
    for value in (
        Auc(),
        SignalEfficiency(eps_b=0.1),
        Significance(s=1, b=2.5),
        MLPSettings(widths=(8, 8)),
        ("a",),
        1.5,
    ):
        assert describe_contents(value) == repr(value)
    assert describe_contents(np.float64(0.1)) == describe_contents(0.1)


def test_installed_packages_are_told_by_name():
    told = "sklearn.metrics._ranking.average_precision_score"
    assert describe_contents(average_precision_score) == told


def test_odd_values_have_a_description_that_stays():
    @lru_cache
    def cached(x):
        return x

    @dataclass
    class Holder:
        table: pd.DataFrame

    itself: list[object] = []
    itself.append(itself)
    for make in (
        lambda: cached,
        lambda: Holder(pd.DataFrame({"a": [1.0]})),
        lambda: itself,
        lambda: partial(cached, 1),
        lambda: Path("a"),
        lambda: np.mean,
    ):
        assert describe_contents(make()) == describe_contents(make())
        assert " at 0x" not in describe_contents(make())
    assert describe_contents(Holder(pd.DataFrame({"a": [1.0]}))) != describe_contents(
        Holder(pd.DataFrame({"a": [2.0]}))
    )


def test_code_of_another_python_or_of_none_is_not_compared():
    now = describe_contents(Custom(function=helper_of_this_test, name="f"))
    assert textwrap.shorten(now, 200).count("[code 3.") == 1
    assert agree(now.replace("[code 3.", "[code 2."), now)
    before = now.replace(now[now.index(" [code") : now.index("]") + 1], "")
    assert agree(before, now)
    assert agree(before.replace("function=", "function=tests.tune."), now)
    assert not agree(now.replace("name='f'", "name='g'").replace("[code 3.", "[code 2."), now)


def helper_of_this_test(labels, scores, weights=None):
    return 1.0


def test_what_a_property_and_a_cached_function_do_is_seen():
    def make(factor):
        class Holder:
            @property
            def share(self):
                return factor

        @lru_cache
        def scale(x):
            return factor * x

        return Holder(), scale

    for before, now, same in zip(make(1), make(2), make(1), strict=True):
        assert describe_contents(before) != describe_contents(now)
        assert describe_contents(before) == describe_contents(same)
