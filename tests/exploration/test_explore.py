"""Measures of features and classes against scikit-learn, numpy and distributions with known answers."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import cauchy, expon, lognorm, norm, uniform
from sklearn.metrics import roc_auc_score

from tuner.events import read_events
from tuner.exploration import explore_events
from tuner.exploration.binning import fill_histogram
from tuner.exploration.correlation import correlate, correlate_ranks
from tuner.exploration.feature import describe_feature, sort_feature


@pytest.fixture
def explore(make_events, make_problem):
    def read_and_explore(n=2000, problem=(), **columns):
        return explore_events(read_events(make_problem(make_events(n, **columns), **dict(problem))))

    return read_and_explore


def describe(values, labels, weights):
    return describe_feature(sort_feature("x", np.asarray(values), labels, weights))


def fill(values, labels, weights, name="x"):
    return fill_histogram(sort_feature(name, np.asarray(values), labels, weights))


def say(exploration):
    return "\n".join(exploration.warnings)


def test_each_feature_is_measured_with_weights(explore, make_events):
    table = make_events(2000)
    row = explore().features.loc["a"]
    signal = table[table["y"] == 1]
    assert row["mean_signal"] == pytest.approx(np.average(signal["a"], weights=signal["w"]), rel=1e-5)
    variance = np.cov(signal["a"], aweights=signal["w"], ddof=0)
    assert row["sd_signal"] == pytest.approx(np.sqrt(variance), rel=1e-5)
    assert row["auc"] == pytest.approx(roc_auc_score(table["y"], table["a"], sample_weight=table["w"]), abs=1e-6)
    assert (row["minimum"], row["maximum"]) == pytest.approx((table["a"].min(), table["a"].max()))
    assert row["undefined"] == 0


def test_undefined_values_are_counted_and_left_out(explore, make_events):
    table = make_events(2000)
    row = explore().features.loc["b"]
    undefined = table["b"] == -999
    assert row["undefined"] == pytest.approx(0.2)
    background = table["y"] == 0
    expected = table["w"][background & undefined].sum() / table["w"][background].sum()
    assert row["undefined_background"] == pytest.approx(expected)
    assert row["minimum"] > -5


def test_auc_is_that_of_the_better_direction():
    labels = np.arange(100) % 2
    assert describe(-labels.astype(float), labels, np.ones(100))["auc"] == 1


def separate_by_value(values, labels, weights):
    """Return 1/2 sum (S - B)^2/(S + B) over distinct values, what is undefined being one."""
    table = pd.DataFrame({"value": values, "label": labels, "weight": weights}).fillna({"value": np.inf})
    shares = table.pivot_table("weight", "value", "label", "sum", fill_value=0.0)
    shares /= shares.sum()
    return ((shares[1] - shares[0]) ** 2 / (shares[1] + shares[0])).sum() / 2


DISCRETE = {
    "two values": lambda rng, labels: rng.random(len(labels)) < 0.2 + 0.6 * labels,
    "two values, the upper one rare": lambda rng, labels: rng.random(len(labels)) < 0.001 + 0.01 * labels,
    "two values, neither a whole number": lambda rng, labels: np.where(
        rng.random(len(labels)) < 0.3 * labels, 0.7, 0.2
    ),
    "constant": lambda rng, labels: np.full(len(labels), 3.0),
    "integers": lambda rng, labels: rng.poisson(2 + 2 * labels),
    "far apart": lambda rng, labels: 10.0 ** rng.integers(-10, 10, len(labels)) * (1 + labels),
    "undefined in one class": lambda rng, labels: np.where(labels == 1, np.nan, rng.integers(0, 2, len(labels))),
    "undefined in many": lambda rng, labels: np.where(rng.random(len(labels)) < 0.3, np.nan, rng.poisson(1 + labels)),
    "the label": lambda rng, labels: labels,
    "minus the label": lambda rng, labels: -labels,
}


@pytest.mark.parametrize("share", [0.5, 0.02])
@pytest.mark.parametrize("kind", DISCRETE)
def test_separation_of_few_values_is_that_of_their_shares(kind, share):
    rng = np.random.default_rng(3)
    labels = (rng.random(20_000) < share).astype(np.int8)
    weights = rng.uniform(0.5, 2, 20_000)
    values = np.asarray(DISCRETE[kind](rng, labels), dtype=np.float32)
    found = describe(values, labels, weights)["separation"]
    assert found == pytest.approx(separate_by_value(values, labels, weights), abs=1e-9)


CONTINUOUS = {
    "heavy tails": (cauchy(0), cauchy(2)),
    "a long tail": (lognorm(1.5), lognorm(1.5, scale=3.0)),
    "spread only": (norm(0, 1), norm(0, 3)),
    "ends": (expon(), expon(scale=4.0)),
    "a narrow peak": (uniform(-1, 2), norm(0, 0.01)),
    "a narrower peak": (uniform(-1, 2), norm(0, 0.002)),
}


@pytest.mark.parametrize("share", [0.5, 0.05])
@pytest.mark.parametrize("kind", CONTINUOUS)
def test_separation_of_many_values_is_that_of_their_densities(kind, share):
    background, signal = CONTINUOUS[kind]
    labels = (np.random.default_rng(1).random(60_000) < share).astype(np.int8)
    values = np.where(labels == 1, signal.rvs(60_000, random_state=2), background.rvs(60_000, random_state=3))
    points = background.ppf(np.linspace(0.0005, 0.9995, 4000))
    points = np.unique(np.concatenate([points, signal.ppf(np.linspace(0.0005, 0.9995, 4000))]))
    s, b = np.diff(signal.cdf(points)), np.diff(background.cdf(points))
    expected = ((s - b) ** 2 / (s + b)).sum() / 2
    found = describe(values.astype(np.float32), labels, np.ones(60_000))["separation"]
    assert found == pytest.approx(expected, abs=0.015 if share == 0.5 else 0.03)


@pytest.mark.parametrize("share", [0.5, 0.002])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_leak_separates_perfectly_and_comes_first(explore, make_events, share, sign):
    rng = np.random.default_rng(0)
    labels = (rng.random(6000) < share).astype(int)
    leak = sign * (labels + rng.random(6000) * 0.9)
    exploration = explore(6000, y=labels, b=leak, a=rng.normal(size=6000))
    assert exploration.features.index[0] == "b"
    assert exploration.features.loc["b", "separation"] == pytest.approx(1)
    assert exploration.features.loc["b", "auc"] == pytest.approx(1)


def test_separation_has_its_known_values():
    rng = np.random.default_rng(0)
    labels, ones = np.arange(40_000) % 2, np.ones(40_000)
    same = rng.normal(size=40_000)
    assert describe(same, labels, ones)["separation"] < 0.002
    assert describe(same + 20 * labels, labels, ones)["separation"] == pytest.approx(1)
    # Two unit Gaussians at distance d, by numerical integration of 1/2 (S - B)^2 / (S + B).
    x = np.linspace(-8, 10, 20_001)
    s, b = (np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi) for mean in (1.5, 0))
    expected = np.trapezoid(0.5 * (s - b) ** 2 / (s + b), x)
    assert describe(same + 1.5 * labels, labels, ones)["separation"] == pytest.approx(expected, abs=0.015)


def test_being_defined_separates_too():
    labels = np.arange(1000) % 2
    values = np.where(labels == 1, np.nan, np.random.default_rng(0).normal(size=1000))
    measures = describe(values, labels, np.ones(1000))
    assert measures["separation"] == pytest.approx(1)
    assert np.isnan(measures["auc"])
    assert measures["undefined_signal"] == 1


def test_correlations_are_numpys_weighted_ones():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4)) @ rng.normal(size=(4, 4)) + 1e3
    weights = rng.uniform(0.2, 3, 3000)
    covariance = np.cov(x.T, aweights=weights)
    expected = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    found = correlate(pd.DataFrame(x, columns=list("abcd")), weights)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_correlations_of_undefined_values_are_over_the_pairs_that_are_defined():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(500, 3)) + rng.normal(size=(500, 1)), columns=list("abc"))
    table.loc[::3, "a"] = table.loc[1::4, "b"] = np.nan
    np.testing.assert_allclose(correlate(table, np.ones(500)), table.corr(), atol=1e-9)
    np.testing.assert_allclose(
        correlate_ranks(np.exp(table["c"].to_numpy()), table, np.ones(500))["c"], 1, atol=1e-9
    )  # fmt: skip
    assert np.isnan(correlate(table.assign(d=1.0), np.ones(500))["d"]).all()


@pytest.mark.parametrize(
    ("values", "axis"),
    [(np.arange(1000) % 4, "whole"), (np.linspace(-1, 1, 1000), "linear"), (np.geomspace(1, 1e5, 1000), "logarithmic")],
)
def test_histograms_hold_the_shares_of_events(values, axis):
    labels, weights = np.arange(1000) % 3 == 0, np.linspace(1, 2, 1000)
    values = values.astype(np.float32)
    values[::10] = np.nan
    histogram = fill(values, labels.astype(np.int8), weights)
    assert histogram.axis == axis
    assert [histogram.signal.sum(), histogram.background.sum()] == pytest.approx([1, 1])
    inside = labels & (values >= histogram.edges[0]) & (values <= histogram.edges[-1])
    expected = np.histogram(values[inside], histogram.edges, weights=weights[inside] ** 2)[0]
    np.testing.assert_allclose(histogram.signal_error, np.sqrt(expected) / weights[inside].sum())
    assert histogram.undefined[0] == pytest.approx(
        weights[labels & (np.arange(1000) % 10 == 0)].sum() / weights[labels].sum()
    )


@pytest.mark.parametrize(
    ("values", "axis", "steep"),
    [
        (norm().ppf(np.linspace(0.001, 0.999, 4000)), "linear", False),
        (expon().ppf(np.linspace(0, 0.9995, 4000)), "linear", True),
        (lognorm(1.5).ppf(np.linspace(0.001, 0.999, 4000)), "logarithmic", False),
        (30 + norm().ppf(np.linspace(0.001, 0.999, 4000)), "linear", False),
        (norm(50, 15).ppf(np.linspace(0.0005, 0.9995, 4000)).clip(0.1), "linear", False),
    ],
)
def test_axes_are_logarithmic_where_a_linear_one_would_hide_most(values, axis, steep):
    histogram = fill(values, np.arange(4000) % 2, np.ones(4000))
    assert (histogram.axis, histogram.is_steep) == (axis, steep)


def test_a_feature_that_one_class_lacks_has_an_empty_histogram_of_it():
    values, labels = np.linspace(0, 1, 1000), np.arange(1000) % 2
    values[labels == 1] = np.nan
    histogram = fill(values, labels, np.ones(1000))
    assert histogram.undefined == (1, 0)
    assert (histogram.signal.sum(), histogram.signal_error.sum()) == (0, 0)


def test_a_feature_that_is_nearly_always_the_same_has_bins_from_end_to_end():
    values, labels = np.full(20_000, 0.5), np.arange(20_000) % 2
    values[:20] = np.linspace(-1.5, -1, 20)
    histogram = fill(values, labels, np.ones(20_000))
    assert (histogram.edges[0], histogram.edges[-1]) == (-1.5, 0.5)
    assert histogram.signal.sum() == pytest.approx(1)


def test_classes_are_counted_with_their_effective_number(explore, make_events):
    weights = make_events(2000)["w"][1::2]
    row = explore().classes.loc["signal"]
    assert row["events"] == 1000
    assert row["effective"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert explore(w=np.where(np.arange(2000) % 4 == 0, -0.5, 1.0)).classes.loc["background", "negative"] == 0.5


def test_ordinary_events_give_no_warning(explore):
    assert explore().warnings == ()


def test_findings_are_told_with_code_and_severity(explore):
    exploration = explore(number=3 * np.arange(2000))
    assert exploration.warnings[0].startswith('Warning [index-as-feature]: Feature "number"')
    assert exploration.warnings[0] in "\n".join(exploration.lines)
    assert exploration.to_json()["findings"][0]["columns"] == ["number"]


def test_it_prints_in_eighty_columns_and_becomes_json(explore):
    there = np.where(np.arange(2000) % 2, np.linspace(0, 1, 2000), -999.0)
    exploration = explore(there=there, **{"a_name_of_" * 6: there}, problem={"event_id": "id", "ignored": ()})
    ranked = exploration.lines[[line[:8] for line in exploration.lines].index("feature ") + 1 :]
    text = "\n".join(
        line for line in exploration.lines if not line.startswith(("Note", "Warning", "Error", exploration.source))
    )
    assert "2,000 events, 4 features" in text
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[0] for line in ranked[:4]] == ["there", "a_name_of_a…f_a_name_of_", "a", "b"]
    content = json.loads(json.dumps(exploration.to_json(), allow_nan=False))
    assert content["features"]["there"]["auc"] is None
    assert content["features"]["a"]["auc"] == pytest.approx(exploration.features.loc["a", "auc"])
    assert content["correlations"]["signal"]["a"]["a"] == pytest.approx(1)
    assert content["columns"]["(event id)"]["distinct"] == 2000
    assert content["rows"]["1000"]["there"] == pytest.approx(there[999])
    assert list(exploration.frame()["feature"]) == list(exploration.features.index)
