"""The quantile map against scikit-learn's; what is undefined; the round trip through a file."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from tuner.errors import SplitsError
from tuner.preparation import Preparation, Preprocessing
from tuner.preparation.preprocessing import fit_preprocessing

N = 20_000


def fit(values, **settings):
    values = np.asarray(values, np.float32)
    return fit_preprocessing(values, tuple(f"x{i}" for i in range(values.shape[1])), Preparation(**settings))


@pytest.fixture(scope="module")
def skewed():
    rng = np.random.default_rng(0)
    columns = [
        rng.exponential(40, N),
        rng.normal(1e4, 3, N),
        rng.lognormal(0, 2, N),
        np.hypot(*rng.normal(size=(2, N))),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def test_quantile_map_makes_normal_distributions_as_scikit_learn_does(skewed):
    ours = fit(skewed).transform(skewed)
    theirs = QuantileTransformer(n_quantiles=256, subsample=None, output_distribution="normal").fit_transform(skewed)
    for i in range(skewed.shape[1]):
        assert stats.kstest(ours[:, i], "norm").statistic < 0.004
        # Beyond the outermost inner knot (2.66 sd) both interpolate towards the extremes, each in its own way.
        centre = np.abs(theirs[:, i]) < 2.6
        assert np.abs(ours[centre, i] - theirs[centre, i]).max() < 0.06
        assert np.abs(ours[centre, i] - theirs[centre, i]).mean() < 0.003


def test_extremes_have_the_scores_of_half_an_event_and_are_not_exceeded(skewed):
    fitted = fit(skewed)
    edge = stats.norm.ppf(0.5 / N)
    beyond = fitted.transform(np.array([[-1e30] * 4, [1e30] * 4], np.float32))
    np.testing.assert_allclose(beyond, [[edge] * 4, [-edge] * 4], rtol=1e-5)
    np.testing.assert_array_equal(fitted.transform(skewed).min(0), beyond[0])


def test_map_rises(skewed):
    fitted = fit(skewed)
    grid = np.sort(skewed, axis=0)
    assert (np.diff(fitted.transform(grid), axis=0) >= 0).all()


def test_a_discrete_feature_gets_the_score_of_the_middle_of_its_levels():
    values = np.repeat([0.0, 1.0, 2.0], [5000, 3000, 2000])[:, None]
    mapped = fit(values, n_quantiles=1001).transform(np.array([[0.0], [1.0], [2.0]], np.float32))[:, 0]
    np.testing.assert_allclose(mapped, stats.norm.ppf([0.25, 0.65, 0.9]), atol=0.01)


def test_standard_scaling_is_scikit_learns(skewed):
    theirs = StandardScaler().fit_transform(skewed.astype(np.float64))
    fitted = fit(skewed, scaling="standard", features={"*": "standard"})
    np.testing.assert_allclose(fitted.transform(skewed), theirs, atol=2e-3)
    above = fitted.transform(skewed + 1e5)
    assert above.min() > 100  # not clamped


def test_no_scaling_is_the_identity(skewed):
    np.testing.assert_array_equal(fit(skewed, scaling="none").transform(skewed), skewed)


@pytest.mark.parametrize("scaling", ["quantile", "standard", "none"])
def test_undefined_values_become_the_median_and_an_indicator(scaling):
    rng = np.random.default_rng(1)
    values = rng.exponential(size=(1001, 3)).astype(np.float32)
    values[::3, 1] = np.nan
    fitted = fit(values, scaling=scaling)
    assert fitted.inputs == ("x0", "x1", "x2", "x1 is undefined")
    x = fitted.transform(values)
    assert x.shape == (1001, fitted.d_in) == (1001, 4)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x[:, 3], np.isnan(values[:, 1]))
    assert fitted.fill[1] == np.nanmedian(values[:, 1])
    as_median = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    np.testing.assert_array_equal(x[:, :3], fitted.transform(as_median)[:, :3])


def test_a_feature_that_train_always_knew_has_no_indicator_and_may_be_undefined_later():
    values = np.random.default_rng(2).normal(size=(500, 2)).astype(np.float32)
    fitted = fit(values)
    later = values.copy()
    later[0, 0] = np.nan
    assert fitted.d_in == 2
    assert fitted.transform(later)[0, 0] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("scaling", ["quantile", "standard", "none"])
@pytest.mark.parametrize("column", [np.full(50, 7.0), np.full(50, np.nan), np.r_[np.full(49, np.nan), 3.0]])
def test_a_train_part_may_lack_variety(scaling, column):
    values = np.stack([np.linspace(0, 1, 50), column], axis=1)
    fitted = fit(values, scaling=scaling)
    assert np.isfinite(fitted.transform(np.array([[0.5, 7.5], [np.nan, np.nan]], np.float32))).all()


def test_large_numbers_with_little_spread_do_not_overflow():
    values = (1e9 + np.arange(400).reshape(200, 2) % 3 * 64).astype(np.float32)
    for scaling in ("quantile", "standard"):
        assert np.isfinite(fit(values, scaling=scaling).transform(values)).all()


@pytest.mark.parametrize("scaling", ["quantile", "standard", "none"])
def test_round_trip_through_a_file(tmp_path, skewed, scaling):
    skewed = skewed.copy()
    skewed[::4, 2] = np.nan
    fitted = fit(skewed, scaling=scaling)
    fitted.save(tmp_path / "preprocessing.npz")
    loaded = Preprocessing.load(tmp_path / "preprocessing.npz")
    assert (loaded.features, loaded.inputs, [*loaded.clamped]) == (fitted.features, fitted.inputs, [*fitted.clamped])
    np.testing.assert_array_equal(loaded.transform(skewed), fitted.transform(skewed))


def test_a_table_may_have_its_columns_in_any_order_but_must_have_all(skewed):
    fitted = fit(skewed)
    table = pd.DataFrame(skewed, columns=fitted.features)
    expected = fitted.transform(skewed)
    np.testing.assert_array_equal(fitted.transform(table[["x3", "x0", "x2", "x1"]].assign(more=1)), expected)
    with pytest.raises(SplitsError, match=r'there is no "x1"'):
        fitted.transform(table.drop(columns="x1"))
    with pytest.raises(SplitsError, match=r"must be an array \[n, 4\], but have shape"):
        fitted.transform(skewed[:, :3])


def test_it_is_fill_interpolate_append_and_nothing_else(skewed):
    """What an exported network does, written out."""
    skewed = skewed.copy()
    skewed[::5, 0] = np.nan
    fitted = fit(skewed)
    filled = np.where(np.isnan(skewed), fitted.fill, skewed)
    mapped = [np.interp(filled[:, i], fitted.x_knots[i], fitted.z_knots[i]) for i in range(4)]
    by_hand = np.column_stack([*mapped, np.isnan(skewed[:, 0])]).astype(np.float32)
    np.testing.assert_array_equal(fitted.transform(skewed), by_hand)
    assert (np.diff(fitted.x_knots, axis=1) >= 0).all()
