"""Values of expressions against Python, NumPy, pandas and awkward."""

import math

import awkward as ak
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import EventsError
from tuner.events.expressions.evaluation import evaluate
from tuner.events.expressions.syntax import read_expression

N = 500
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "pt": RNG.exponential(30, N),
        "eta": RNG.normal(0, 2, N),
        "n": RNG.integers(0, 5, N),
        "flag": RNG.integers(0, 2, N),
        "is_good": RNG.random(N) > 0.5,
        "kind": RNG.choice(["ttH", "ttbar", "other"], N),
    }
)
JETS = ak.Array([RNG.exponential(30, k).tolist() for k in RNG.integers(0, 4, N)])
ETAS = ak.unflatten(RNG.normal(0, 2, int(ak.count(JETS))), ak.num(JETS))


def get_column(name):
    if name in ("jet_pt", "jet_eta"):
        return JETS if name == "jet_pt" else ETAS
    column = TABLE[name]
    return column if name == "kind" else column.to_numpy()


def find(text, columns=get_column):
    return evaluate(read_expression(text), columns).value


def refuse(text):
    with pytest.raises(EventsError) as caught:
        find(text)
    return str(caught.value)


NUMBERS = st.recursive(
    st.one_of(st.sampled_from(["x", "y", "z"]), st.integers(0, 9).map(str), st.sampled_from(["0.5", "2.25", "1e1"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - ", "*", "/", " // ", " % "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("-{}".format),
        inner.map("abs({})".format),
        st.tuples(inner, inner).map("max({0[0]}, {0[1]})".format),
        inner.map("({})**2".format),
    ),
    max_leaves=8,
)
CONDITIONS = st.recursive(
    st.tuples(NUMBERS, st.sampled_from([" < ", " <= ", " > ", " >= ", " == ", " != "]), NUMBERS).map("".join),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or ", " & ", " | ", " && ", " || "]), inner).map("".join),
        inner.map("({})".format),
        inner.map("not ({})".format),
        inner.map("!({})".format),
    ),
    max_leaves=5,
)
VALUES = st.tuples(*[st.sampled_from([-3, -1.5, 0.0, 0.25, 1, 2, 7.5])] * 3)


def run_python(text, values):
    """Return what Python itself makes of an expression; None where it cannot divide or the number is too large."""
    for ours, python in (("&&", "and"), ("||", "or"), (" & ", " and "), (" | ", " or "), ("!(", " not (")):
        text = text.replace(ours, python)
    try:
        return eval(text, {"abs": abs, "max": max}, dict(zip("xyz", values, strict=True)))
    except (ZeroDivisionError, OverflowError):
        return None


@settings(max_examples=150, deadline=None)
@given(NUMBERS, VALUES)
def test_numbers_are_those_of_python(text, values):
    expected = run_python(text, values)
    value = float(np.ravel(find(text, dict(zip("xyz", np.array(values)[:, None], strict=True)).__getitem__))[0])
    if expected is None or not math.isfinite(expected):
        assert math.isnan(value)
    else:
        assert value == pytest.approx(expected, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, VALUES)
def test_conditions_are_those_of_python_with_and_and_or_for_the_signs(text, values):
    expected = run_python(text, values)
    value = find(text, dict(zip("xyz", np.array(values)[:, None], strict=True)).__getitem__)
    if expected is not None:
        assert np.broadcast_to(value, 1).tolist() == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "pt > 20 & abs(eta) < 2.5",
        "pt > 20 and abs(eta) < 2.5 | n == 3",
        "20 < pt < 40",
        "not (pt > 20)",
        'kind == "ttH" & pt > 10',
        'kind != "ttH"',
        'kind in ("ttH", "ttbar")',
        'kind not in ["ttH"]',
        "n in (1, 3)",
        "is_good & n >= 2",
        "~is_good",
    ],
)
def test_a_selection_is_that_of_pandas_query(text):
    kept = np.zeros(N, bool)
    kept[TABLE.query(text, engine="python").index] = True
    np.testing.assert_array_equal(find(text), kept)
    assert 0 < kept.sum() < N


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqrt(pt) * sin(eta)", lambda t: np.sqrt(t.pt) * np.sin(t.eta)),
        ("log1p(pt) - exp(-abs(eta))", lambda t: np.log1p(t.pt) - np.exp(-np.abs(t.eta))),
        ("arctan2(pt, eta) + hypot(pt, n)", lambda t: np.arctan2(t.pt, t.eta) + np.hypot(t.pt, t.n)),
        ("where(pt > 20, pt, -eta)", lambda t: np.where(t.pt > 20, t.pt, -t.eta)),
        ("minimum(pt, 20) + maximum(eta, n)", lambda t: np.minimum(t.pt, 20) + np.maximum(t.eta, t.n)),
        ("(pt > 20) + (eta > 0) * 2", lambda t: (t.pt > 20) * 1.0 + (t.eta > 0) * 2.0),
        ("floor(pt) // 7 + n % 2", lambda t: np.floor(t.pt) // 7 + t.n % 2),
        ("-pt**2", lambda t: -(t.pt**2)),
        ("flag & pt > 20", lambda t: (t.flag == 1) & (t.pt > 20)),
        ("!is_good", lambda t: ~t.is_good),
    ],
)
def test_functions_are_those_of_numpy(text, expected):
    np.testing.assert_allclose(find(text), expected(TABLE), rtol=1e-14)


def test_the_difference_of_azimuths_is_within_half_a_turn():
    angles = np.linspace(-20, 20, 401)
    columns = {"a": angles, "b": angles[::-1]}
    found = find("delta_phi(a, b)", columns.__getitem__)
    assert (found >= -np.pi).all()
    assert (found <= np.pi).all()
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * (angles - angles[::-1])), atol=1e-12)


def pad(lists, place):
    return ak.fill_none(ak.pad_none(lists, place + 1)[:, place], np.nan)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("index(jet_pt, 0)", lambda: pad(JETS, 0)),
        ('index("jet_pt", 1)', lambda: pad(JETS, 1)),
        ("jet_pt[2]", lambda: pad(JETS, 2)),
        ("jet_pt[-1]", lambda: ak.fill_none(ak.firsts(JETS[:, ::-1]), np.nan)),
        ("len(jet_pt)", lambda: ak.num(JETS)),
        ("sum(jet_pt)", lambda: ak.sum(JETS, axis=1)),
        ("min(jet_pt)", lambda: ak.fill_none(ak.min(JETS, axis=1), np.nan)),
        ("max(jet_pt * cosh(jet_eta))", lambda: ak.fill_none(ak.max(JETS * np.cosh(ETAS), axis=1), np.nan)),
        ("mean(jet_pt)", lambda: ak.fill_none(ak.mean(JETS, axis=1), np.nan)),
        ("any(jet_pt > 30 & abs(jet_eta) < 2)", lambda: ak.any((JETS > 30) & (np.abs(ETAS) < 2), axis=1)),
        ("all(jet_pt > pt)", lambda: ak.all(TABLE["pt"].to_numpy() < JETS, axis=1)),
        ("count_nonzero(jet_pt > 30)", lambda: ak.sum(JETS > 30, axis=1)),
        ("len(jet_pt[jet_pt > 30])", lambda: ak.sum(JETS > 30, axis=1)),
        ("sum(jet_pt[jet_eta > 0])", lambda: ak.sum(JETS[ETAS > 0], axis=1)),
        (
            "jet_eta[argmax(jet_pt)]",
            lambda: ak.fill_none(ak.firsts(ETAS[ak.argmax(JETS, axis=1, keepdims=True)]), np.nan),
        ),
        ("max(pt, eta, 3)", lambda: np.maximum(np.maximum(TABLE["pt"], TABLE["eta"]), 3)),
    ],
)
def test_functions_of_lists_are_those_of_awkward(text, expected):
    np.testing.assert_allclose(find(text), ak.to_numpy(expected()), rtol=1e-14)


def test_what_is_undefined_stays_so_and_no_comparison_holds_with_it():
    columns = {
        "a": np.array([1.0, np.nan, 3.0]),
        "b": np.array([0.0, 1.0, -1.0]),
        "l": ak.Array([[1.0, np.nan], [], [np.nan]]),
        "t": pd.Series(["x", None, "y"]),
    }
    given = {
        "a + 1": [2, np.nan, 4],
        "a > 0": [True, False, True],
        "a != 1": [False, False, True],
        "~(a > 0)": [False, True, False],
        "isfinite(a)": [True, False, True],
        "a / b": [np.nan, np.nan, -3],
        "log(b)": [np.nan, 0, np.nan],
        "where(b > 0, a / b, 7)": [7, np.nan, 7],
        "a in (1, 2)": [True, False, False],
        "a not in (1, 2)": [False, False, True],
        't != "x"': [False, False, True],
        't not in ("x", "z")': [False, False, True],
        "sum(l)": [1, 0, 0],
        "len(l)": [2, 0, 1],
        "max(l)": [1, np.nan, np.nan],
        "mean(l)": [1, np.nan, np.nan],
        "count_nonzero(l)": [1, 0, 0],
        "argmax(l)": [0, np.nan, np.nan],
        "l[1]": [np.nan, np.nan, np.nan],
        "any(l > 0)": [True, False, False],
        "all(l > 0)": [False, True, False],
    }
    for text, expected in given.items():
        np.testing.assert_array_equal(find(text, columns.__getitem__), expected, err_msg=text)


def test_where_something_becomes_undefined_is_told_by_operation():
    columns = {"a": np.array([1.0, np.nan, 3.0, 0.0]), "b": np.array([0.0, 0.0, -1.0, 2.0]), "l": JETS[:4]}
    evaluated = evaluate(read_expression("sqrt(b) + a / b + l[0]"), columns.__getitem__)
    told = {text: where.tolist() for text, where in evaluated.undefined_by.items()}
    assert told == {
        "sqrt(b)": [False, False, True, False],
        "a / b": [True, False, False, False],
        "l[0]": (ak.num(JETS[:4]) == 0).tolist(),
    }


def test_whole_numbers_are_compared_and_divided_exactly():
    columns = {
        "run": np.array([2**60, 2**60 + 1]),
        "event": np.array([2**63, 2**63 + 1], np.uint64),
        "u": np.uint8([3, 255]),
    }
    assert find(f"run == {2**60 + 1}", columns.__getitem__).tolist() == [False, True]
    assert find("run % 2", columns.__getitem__).tolist() == [0, 1]
    assert find("event % 2", columns.__getitem__).tolist() == [0, 1]
    assert np.isnan(find("run // 0", columns.__getitem__)).all()
    assert find("u + u", columns.__getitem__).tolist() == [6, 510]
    assert find("-u", columns.__getitem__).tolist() == [-3, -255]


def test_a_power_that_is_too_large_is_undefined_at_once():
    assert np.isnan(find("9**9**9**9"))
    assert np.isnan(find("pt**99999")).any()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind + 1", '`kind` in `kind + 1` must be a number, but is a text. Compare it: `process == "tt'),
        ('pt == "a"', '`pt` in `pt == "a"` must be a text, as it is compared with one, but is a number.'),
        ('kind < "a"', "compares texts, which can be only `==` or `!=`."),
        ("n & pt > 1", "`n` in `n & pt > 1` must be a condition, or 0 or 1 in each event, but is "),
        ("pt > 1 & 4", "`4` in `pt > 1 & 4` must be a condition, such as `pt > 20`, but is a number."),
        ("~jet_pt", "must be a condition, such as `pt > 20`, but is a list of numbers for each event."),
        ("sum(pt)", "`pt` in `sum(pt)` must be a list for each event, but is one value."),
        ("pt[0]", "must be a list for each event to have elements, but is one value."),
        ("any(jet_pt)", "must be conditions, such as `any(jet_pt > 30)`, but is numbers."),
        ("jet_pt + jet_eta[jet_eta > 0]", "must join lists of one length in each event, but their lengths differ."),
        ("jet_pt in (1, 2)", "must be one value for each event, but is a list for each event."),
    ],
)
def test_values_of_the_wrong_kind_are_told(text, told):
    assert told in refuse(text)
