"""Azimuths are found without labels, and what a network is given of them does not change when an event is turned."""

import itertools

import numpy as np
import pytest

from tuner.errors import SplitsError, StudyError
from tuner.events.simulation import FEATURES, simulate_table
from tuner.preparation import Preparation
from tuner.preparation.azimuths import find_azimuths
from tuner.preparation.preprocessing import Preprocessing, fit_preprocessing

N = 3_000
AZIMUTHS = ["lepton1_phi", "lepton2_phi"]


@pytest.fixture(scope="module")
def table():
    return simulate_table(N, list(FEATURES), seed=3, variant="nominal")


def fit(table, **settings):
    return fit_preprocessing(table.to_numpy(), tuple(table.columns), Preparation(**settings))


def find(**columns):
    names = list(columns)
    found = find_azimuths(np.stack([columns[name] for name in names], axis=1), names)
    return [names[i] for i in found]


def draw_angles(seed=0, n=N):
    """Return a first azimuth, one that lies mostly opposite of it, and one that has nothing to do with it."""
    rng = np.random.default_rng(seed)
    first, independent = rng.uniform(-np.pi, np.pi, (2, n))
    return first, wrap(first + np.pi + rng.normal(0, 0.7, n)), independent


def wrap(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def test_azimuths_of_leptons_are_found_and_an_event_may_be_turned_round_the_beam(table):
    fitted = fit(table)
    assert [fitted.features[i] for i in fitted.azimuths] == AZIMUTHS
    turned = table.copy()
    turn = np.random.default_rng(0).uniform(-np.pi, np.pi, N)
    for name in AZIMUTHS:
        turned[name] = wrap(table[name] + turn).astype(np.float32)
    np.testing.assert_allclose(fitted.transform(turned), fitted.transform(table), atol=2e-6)


def test_inputs_are_cosine_and_sine_of_the_angle_to_the_axis(table):
    fitted = fit(table)
    x = dict(zip(fitted.inputs, fitted.transform(table).T, strict=True))
    angle = (table["lepton2_phi"] - table["lepton1_phi"]).to_numpy(np.float64)
    np.testing.assert_allclose(x["cos(lepton2_phi - lepton1_phi)"], np.sqrt(2) * np.cos(angle), atol=2e-6)
    np.testing.assert_allclose(x["sin(lepton2_phi - lepton1_phi)"], np.sqrt(2) * np.sin(angle), atol=2e-6)
    assert not set(AZIMUTHS) & set(fitted.inputs)
    assert fitted.d_in == len(fitted.inputs) == len(FEATURES)


@pytest.mark.parametrize("names", [("MET_phi", "tauPhi"), ("phi1", "jet2_PHI"), ("muon azimuth", "jet1phi")])
def test_names_of_azimuths(names):
    first, opposite, _ = draw_angles()
    assert find(pt=first, **dict(zip(names, (first, opposite), strict=True))) == list(names)
    assert find(**dict(zip(names, (first % (2 * np.pi), opposite % (2 * np.pi)), strict=True))) == list(names)


def test_what_only_resembles_an_azimuth_stays_as_it_is():
    first, opposite, independent = draw_angles()
    assert find(a_phi=first) == []
    assert find(a_phi=first, decay_phi=independent) == []  # all round, but no symmetry shows
    assert find(a_phi=first, b_phi=opposite, decay_phi=independent) == ["a_phi", "b_phi"]
    assert find(a_phi=first, delta_phi=opposite) == find(a_phi=first, dPhi=opposite) == []
    assert find(a_eta=first, b_eta=opposite) == find(a_phi=first, b_graphite=opposite) == []
    assert find(a_phi=np.degrees(first), b_phi=np.degrees(opposite)) == []
    assert find(a_phi=first / 2, b_phi=opposite / 2) == []  # half a circle
    assert find(a_phi=first[:50], b_phi=opposite[:50]) == []


def test_the_axis_is_always_defined():
    first, opposite, _ = draw_angles()
    gaps = np.where(np.arange(N) % 3 == 0, np.nan, first)
    assert find(a_phi=gaps, b_phi=opposite) == ["b_phi", "a_phi"]
    assert find(a_phi=gaps, b_phi=np.where(np.isnan(gaps), np.nan, opposite)) == []


def test_an_angle_that_is_undefined_is_zero_and_has_an_indicator(table):
    table = table.copy()
    table.loc[::4, "lepton2_phi"] = np.nan
    fitted = fit(table)
    later = table.copy()
    later.loc[1, "lepton1_phi"] = np.nan  # the axis, which train always knew
    x = dict(zip(fitted.inputs, fitted.transform(later).T, strict=True))
    for function in ("cos", "sin"):
        zero = x[f"{function}(lepton2_phi - lepton1_phi)"] == 0
        np.testing.assert_array_equal(np.flatnonzero(zero), np.sort([1, *range(0, N, 4)]))
    np.testing.assert_array_equal(x["lepton2_phi is undefined"], np.arange(N) % 4 == 0)


def test_named_azimuths_are_taken_in_their_order_and_none_are_if_none_are_named(table):
    fitted = fit(table, azimuths=("lepton2_phi", "lepton1_phi"))
    assert "cos(lepton1_phi - lepton2_phi)" in fitted.inputs
    assert fit(table, azimuths=()).inputs == (*FEATURES,)


def test_named_azimuths_must_be_features_in_radian(table):
    degrees = table.assign(lepton1_phi=np.degrees(table["lepton1_phi"]))
    with pytest.raises(SplitsError) as raised:
        fit(degrees, azimuths=("lepton1_phi", "lepton2_fi"))
    assert 'in radian, from -pi to pi or from 0 to 2 pi, but "lepton1_phi" goes from -1' in str(raised.value)
    assert "They look like degrees: write them as radian, with `numpy.deg2rad`." in str(raised.value)
    assert '"lepton2_fi" is none. Did you mean "lepton2_phi"?' in str(raised.value)
    for wrong in (("a",), ("a", "a")):
        with pytest.raises(StudyError, match="two or more features, each once, or none"):
            Preparation(azimuths=wrong)
    with pytest.raises(StudyError, match="azimuths"):
        Preparation(azimuths="none")


def test_an_axis_that_is_undefined_for_some_events_is_refused(table):
    undefined = table.assign(lepton1_phi=table["lepton1_phi"].where(np.arange(len(table)) % 4 > 0))
    n = f"{len(table[::4]):,} of {len(table):,} events of the train part"
    with pytest.raises(SplitsError, match=f'"lepton1_phi" is undefined for {n}. Name "lepton2_phi" first'):
        fit(undefined, azimuths=("lepton1_phi", "lepton2_phi"))
    assert "cos(lepton1_phi - lepton2_phi)" in fit(undefined, azimuths=("lepton2_phi", "lepton1_phi")).inputs


def test_columns_of_the_inputs_that_belong_to_a_feature(table):
    table = table.copy()
    table.loc[::4, "lepton2_phi"] = np.nan
    fitted = fit(table)
    columns = {name: [fitted.inputs[i] for i in places] for name, places in fitted.list_columns().items()}
    angle = ["cos(lepton2_phi - lepton1_phi)", "sin(lepton2_phi - lepton1_phi)"]
    assert columns["lepton1_pt"] == ["lepton1_pt"]
    assert columns["lepton2_phi - lepton1_phi"] == [*angle, "lepton2_phi is undefined"]
    assert sorted(itertools.chain(*columns.values())) == sorted(fitted.inputs), "an input belongs to one"


def test_round_trip_through_a_file_and_what_an_older_version_wrote(tmp_path, table):
    fitted = fit(table)
    fitted.save(tmp_path / "now.npz")
    np.testing.assert_array_equal(Preprocessing.load(tmp_path / "now.npz").transform(table), fitted.transform(table))
    with np.load(tmp_path / "now.npz") as arrays:
        np.savez(tmp_path / "before.npz", **{name: array for name, array in arrays.items() if name != "azimuths"})
    with pytest.raises(Exception, match='another version, which differs in "azimuths"'):
        Preprocessing.load(tmp_path / "before.npz")
