"""Measures of features and classes against scikit-learn, numpy and distributions with known answers."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import cauchy, expon, lognorm, norm, spearmanr, uniform
from sklearn.metrics import roc_auc_score

import tuner
from search_spaces import mlp
from tuner.events import read_events
from tuner.exploration import explore_events
from tuner.exploration.binning import fill_histogram
from tuner.exploration.correlation import correlate, correlate_by_rank, draw_rows
from tuner.exploration.feature import describe_feature, sort_feature
from tuner.preparation import prepare_splits
from tuner.problem import Problem
from tuner.tuning.study import Budget, Study


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
    raw = separate_by_value(values, labels, weights)
    assert raw - 0.005 < found < raw + 1e-9  # less what fluctuations add


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
    assert exploration.warnings[0] in " ".join(line.strip() for line in exploration.lines)
    assert exploration.to_json()["findings"][0]["columns"] == ["number"]


def test_it_prints_in_eighty_columns_and_becomes_json(explore):
    there = np.where(np.arange(2000) % 2, np.linspace(0, 1, 2000), -999.0)
    exploration = explore(there=there, **{"a_name_of_" * 6: there}, problem={"event_id": "id", "ignored": ()})
    ranked = exploration.lines[[line[:8] for line in exploration.lines].index("feature ") + 1 :]
    text = "\n".join(line for line in exploration.lines if line != exploration.source)
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


def test_rank_correlations_are_spearmans(make_events, make_problem):
    table = make_events(1500)
    table["c"] = np.exp(3 * table["a"]) + np.random.default_rng(1).normal(size=1500)
    table["n"] = np.round(2 * table["a"])
    events = read_events(make_problem(table[["a", "c", "n", "y", "w", "m", "id"]], weight=None, ignored=("id", "w")))
    found = explore_events(events).rank_correlations["signal"]
    expected = spearmanr(events.table[events.labels == 1]).statistic
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_weighted_ranks_count_an_event_of_weight_two_twice():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(400, 2)) + rng.normal(size=(400, 1)), columns=["a", "b"]).round(1)
    weights = np.where(table["a"] > 0.5, 9, rng.integers(1, 3, 400))
    copied = table.loc[np.repeat(table.index, weights)]
    expected = spearmanr(copied).statistic
    assert correlate_by_rank(table, weights.astype(float)).loc["a", "b"] == pytest.approx(expected, abs=1e-9)
    table.loc[::7, "a"] = np.nan
    both = copied[table["a"].notna().loc[copied.index]]
    by_rank = correlate_by_rank(table.where(table["a"].notna()), weights.astype(float)).loc["a", "b"]
    assert by_rank == pytest.approx(spearmanr(both).statistic, abs=1e-9)


def test_correlations_of_many_events_are_summed_in_stretches(monkeypatch):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(1000, 3)) + 50 * rng.normal(size=(1000, 1)) + 1e4, columns=list("abc"))
    table.iloc[700, 0] = np.nan
    weights = rng.uniform(0.1, 3, 1000)
    whole, by_rank = correlate(table, weights), correlate_by_rank(table, weights)
    monkeypatch.setattr("tuner.exploration.correlation._CHUNK", 300)
    np.testing.assert_allclose(correlate(table, weights), whole, atol=1e-10)
    monkeypatch.setattr("tuner.exploration.correlation.MAX_EVENTS", 400)
    assert len(np.unique(draw_rows(1000, 3))) == 400
    np.testing.assert_allclose(correlate_by_rank(table, weights), by_rank, atol=0.01)


def test_the_strongest_correlations_are_told_in_words(explore, make_events):
    table = make_events(2000)
    a, signal = table["a"].to_numpy(), table["y"].to_numpy() == 1
    rng = np.random.default_rng(4)
    told = "\n".join(
        explore(
            with_a=np.where(signal, -a, rng.normal(size=2000)) + 0.1 * rng.normal(size=2000),
            bent=np.exp(2.5 * a),
        ).strongest
    )
    assert "Signal: a with with_a -0.99" in told
    assert re.search(r"The classes differ most in a with with_a \(-0\.99 in signal, [+-]0\.0\d in background\)", told)
    assert re.search(r"ranks of a and bent have \+1\.00, but values \+0\.\d\d: the relation is bent", told)
    assert "beyond 0.3" in "\n".join(explore().strongest)


def test_planes_of_pairs_are_numpys_histograms(explore):
    exploration = explore(n_jets=np.arange(2000) % 4, c=np.random.default_rng(5).normal(size=2000))
    pair = next(p for p in exploration.pairs if {p.x.name, p.y.name} == {"a", "b"})
    assert len(exploration.pairs) == 6
    events = read_events_of(exploration)
    for shares, label in ((pair.signal, 1), (pair.background, 0)):
        own = events.labels == label
        expected, _, _ = np.histogram2d(
            events.table[pair.x.name][own],
            events.table[pair.y.name][own],
            bins=(pair.x_edges, pair.y_edges),
            weights=events.weights[own],
        )
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-12)


def read_events_of(exploration):
    """Return the events again."""
    frame = {"question": "Is it?", "label": "y", "signal": 1, "weight": "w", "observers": ("m",), "ignored": ("id",)}
    return read_events(Problem(events=exploration.source, undefined=-999.0, **frame))


def test_only_training_events_are_shown(make_events, make_problem):
    table = make_events(1000)
    parts = dict(zip(("train", "validation", "test"), np.split(np.arange(1000), [600, 800]), strict=True))
    hidden = table.copy()
    closed = np.arange(1000) >= 600
    hidden.loc[closed, ["a", "b", "w", "m"]] = np.random.default_rng(9).uniform(5e3, 6e3, (400, 4))
    looks = [explore_events(read_events(make_problem(t)), parts, findings=()) for t in (table, hidden)]
    assert looks[0].shown == "600 training events of 1,000 are shown; validation and test stay closed."
    first, second = (json.dumps(look.to_json()) for look in looks)
    assert first == second
    for one, other in zip(looks[0].pairs, looks[1].pairs, strict=True):
        np.testing.assert_array_equal(one.signal, other.signal)
    assert looks[0].n_events == 600
    assert explore_events(read_events(make_problem(table))).shown.startswith("All 1,000 events are shown: no study")


def test_a_study_is_explored_on_the_events_that_a_sweep_trains_on(make_events, make_problem):
    problem = make_problem(make_events(600))
    study = Study(name="look", problem=problem, search_space=mlp.suggest, budget=Budget(trials=1))
    exploration = tuner.explore(study)
    rows = prepare_splits(read_events(problem), problem, study.preparation).train.rows
    expected = read_events(problem).weights[np.sort(rows)]
    assert exploration.n_events == len(rows) < 600
    np.testing.assert_array_equal(exploration.rows["(weight)"].iloc[[0, -1]], expected[[0, -1]])


@pytest.mark.parametrize(
    ("name", "values", "axis", "n_bins"),
    [
        ("phi", np.linspace(-np.pi, np.pi, 3000), "angle", 48),
        ("x", np.linspace(0, 2 * np.pi, 3000), "angle", 48),
        ("x", norm(0, 1).ppf(np.linspace(0.0009, 0.9991, 3000)), "linear", 28),
        ("azimuth", np.linspace(-180, 180, 3000), "angle", 48),
        ("angle_like", np.linspace(0, 300, 3000), "linear", 28),
        ("share", np.linspace(0, 360, 3000), "linear", 28),
        ("flag", np.arange(3000) % 2, "values", 2),
        ("pdgId", np.array([-211, 13, 22])[np.arange(3000) % 3], "values", 3),
        ("tracks", np.arange(3000) % 101, "whole", 26),
        ("constant", np.full(3000, 0.7), "values", 1),
        ("nothing", np.full(3000, np.nan), "none", 1),
    ],
)
def test_bins_suit_the_values(name, values, axis, n_bins):
    histogram = fill(values, np.arange(3000) % 2, np.ones(3000), name)
    assert (histogram.axis, len(histogram.signal)) == (axis, n_bins)
    assert histogram.signal.sum() == pytest.approx(0 if axis == "none" else 1)
    located = histogram.locate(np.append(values[1::2], np.nan))
    assert located[-1] == -1
    counts = np.bincount(located[located >= 0], minlength=n_bins)
    if axis != "none":
        np.testing.assert_allclose(counts / counts.sum(), histogram.signal, atol=1e-12)


def test_a_class_whose_weights_cancel_has_no_shape_and_no_separation():
    values, labels = np.arange(100) / 7, np.arange(100) % 2
    weights = np.where(labels == 1, np.where(np.arange(100) % 4 == 1, 1.0, -1.0), 1.0)
    assert fill(values, labels, weights).signal.sum() == 0
    measures = describe(values, labels, weights)
    assert np.isnan([measures["separation"], measures["auc"], measures["mean_signal"]]).all()


def test_a_category_is_shown_by_its_texts_and_has_no_order(explore):
    texts = np.array(["mu", "e", "tau"])[np.arange(2000) // 2 % 3]
    exploration = explore(channel=texts, side=np.array(["left", "right"])[np.arange(2000) // 3 % 2])
    histogram = next(h for h in exploration.histograms if h.name == "channel")
    assert (histogram.axis, histogram.texts) == ("values", ("e", "mu", "tau"))
    assert np.isnan(exploration.features.loc["channel", ["auc", "mean_signal", "minimum"]].to_numpy(float)).all()
    assert exploration.features.loc["channel", "separation"] < 0.01
    assert np.isfinite(exploration.features.loc["side", "auc"])
    assert exploration.columns.loc["channel", "kind"] == "category"
    assert list(exploration.rows["channel"][:2]) == list(texts[:2])
    assert np.isnan(exploration.correlations["signal"].loc["channel", "a"])
    assert np.isfinite(exploration.rank_correlations["signal"].loc["side", "a"])
    assert "  mu" in exploration.lines[[line.split()[:1] for line in exploration.lines].index(["channel"])]


@pytest.mark.parametrize(("n_signal", "n_background", "most"), [(30, 30, 0.1), (100, 1900, 0.04), (1000, 1000, 0.008)])
def test_noise_has_little_separation_and_ranks_below_what_tells(n_signal, n_background, most):
    rng = np.random.default_rng(5)
    labels = np.r_[np.ones(n_signal, np.int8), np.zeros(n_background, np.int8)]
    found = [describe(rng.normal(size=len(labels)), labels, np.ones(len(labels)))["separation"] for _ in range(60)]
    assert np.mean(found) < most
    if n_signal >= 1000:
        telling = describe(rng.normal(size=len(labels)) + 0.3 * labels, labels, np.ones(len(labels)))
        assert telling["separation"] > max(found)


def test_whole_numbers_are_written_in_full(make_events, make_problem):
    table = make_events(300).assign(year=2016 + np.arange(300) % 3)
    seen = explore_events(read_events(make_problem(table)))
    (line,) = [line for line in seen.lines if line.startswith("year") and "whole" in line]
    assert line.split()[-3:] == ["2016", "2016", "2018"]
    assert "<td>2016</td>" in seen._repr_html_()
