"""The simulated resonance, against the distributions that it was specified by and against kinematics."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from sklearn.metrics import roc_auc_score

from tuner.errors import EventsError
from tuner.events import Resonance
from tuner.events.simulation import CHUNK, COLUMNS, FEATURES

N = 40_000
RARE = 1e-4  # a right simulation fails one of these tests once in ten thousand seeds


@pytest.fixture(scope="module")
def events():
    return Resonance(N, seed=3).read()


@pytest.fixture(scope="module")
def signal(events):
    return events[events["label"] == "signal"]


@pytest.fixture(scope="module")
def background(events):
    return events[events["label"] == "background"]


def add_leptons(events):
    """Return the four-momenta [4, n] of both leptons: px, py, pz, E."""
    leptons = []
    for k in (1, 2):
        pt, eta, phi = (events[f"lepton{k}_{v}"].to_numpy(float) for v in ("pt", "eta", "phi"))
        leptons.append(np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]))
    return leptons


def reconstruct(events):
    """Return mass, pt, rapidity of the pair, and cos theta* of one lepton, from the two leptons alone."""
    first, second = add_leptons(events)
    px, py, pz, energy = pair = first + second
    pt = np.hypot(px, py)
    mass = np.sqrt(energy**2 - px**2 - py**2 - pz**2)
    gamma_beta = pair[:3] / mass
    gamma = energy / mass
    along = (gamma_beta * first[:3]).sum(0)
    rest = first[:3] + gamma_beta * (along / (gamma + 1) - first[3])
    return mass, pt, np.arctanh(pz / energy), rest[2] / np.linalg.norm(rest, axis=0)


def test_columns_types_and_halves(events):
    assert tuple(events.columns) == COLUMNS
    assert all(events[name].dtype == np.float32 for name in FEATURES)
    assert (events["label"] == "signal").sum() == N // 2
    assert np.isfinite(events.drop(columns="label")).all().all()


def test_pair_mass_from_leptons_is_the_generated_mass(events):
    mass, *_ = reconstruct(events)
    assert np.abs(mass / events["mass"] - 1).max() < 1e-4


def test_leading_lepton_leads(events):
    assert (events["lepton1_pt"] >= events["lepton2_pt"]).all()


def test_signal_follows_its_distributions(signal):
    mass, pt, rapidity, cosine = reconstruct(signal)
    assert stats.kstest(mass, stats.norm(125, 6).cdf).pvalue > RARE
    assert stats.kstest(pt, stats.expon(scale=45).cdf).pvalue > RARE
    assert stats.kstest(rapidity, stats.norm(0, 1.0).cdf).pvalue > RARE
    # Which lepton leads depends on the sign of the cosine's projection: only its magnitude is free of that.
    assert stats.kstest(np.abs(cosine), lambda c: (c**3 + 3 * c) / 4).pvalue > RARE
    assert np.mean(cosine**2) == pytest.approx(0.4, abs=4 * np.std(cosine**2) / np.sqrt(len(cosine)))


def test_background_follows_its_distributions(background):
    _, pt, rapidity, cosine = reconstruct(background)
    assert stats.kstest(pt, stats.expon(scale=30).cdf).pvalue > RARE
    assert stats.kstest(rapidity, stats.norm(0, 1.4).cdf).pvalue > RARE
    assert stats.kstest(np.abs(cosine), stats.uniform().cdf).pvalue > RARE


def test_background_mass_is_generated_flat_and_weighted_to_a_truncated_exponential(background):
    mass, weight = background["mass"].to_numpy(), background["weight"].to_numpy()
    assert stats.kstest(mass, stats.uniform(60, 120).cdf).pvalue > RARE
    edges = np.linspace(60, 180, 25)
    counts, _ = np.histogram(mass, edges, weights=weight)
    squares, _ = np.histogram(mass, edges, weights=weight**2)
    expected = len(mass) * np.diff(stats.truncexpon(120 / 45, loc=60, scale=45).cdf(edges))
    chi_square = ((counts - expected) ** 2 / squares).sum()
    assert stats.chi2(len(counts)).sf(chi_square) > RARE


@pytest.mark.parametrize(("kind", "share", "mean"), [("signal", 0.6, 60), ("background", 0.4, 35)])
def test_jets(events, kind, share, mean):
    jet_pt = events.loc[events["label"] == kind, "jet_pt"]
    found = jet_pt[jet_pt != -999]
    assert stats.binomtest(len(found), len(jet_pt), share).pvalue > RARE
    assert stats.kstest(found, stats.expon(25, mean).cdf).pvalue > RARE


def test_optimum_is_where_it_is_known_to_be():
    events = Resonance(N).read()
    found = roc_auc_score(events["label"] == "signal", events["log_likelihood_ratio"], sample_weight=events["weight"])
    assert 0.960 < found < 0.963


def test_likelihood_ratio_has_expectation_one_in_background(background):
    """E_b[p_s / p_b] = 1, whatever the densities: an error in a normalisation would show here."""
    product = np.exp(background["log_likelihood_ratio"]) * background["weight"]
    assert product.mean() == pytest.approx(1, abs=4 * product.std() / np.sqrt(len(product)))


def test_probability_from_the_likelihood_ratio_is_calibrated(events):
    """Of events with ratio r, the share r / (1 + r) is signal, in every bin of it."""
    weight = events["weight"].to_numpy()
    is_signal = (events["label"] == "signal").to_numpy(float)
    probability = 1 / (1 + np.exp(-events["log_likelihood_ratio"].to_numpy()))
    place = np.digitize(probability, np.linspace(0, 1, 11)[1:-1])
    total = np.bincount(place, weight)
    pull = np.bincount(place, weight * (is_signal - probability)) / np.sqrt(
        np.bincount(place, weight**2 * probability * (1 - probability))
    )
    assert (total > 0).all()
    assert stats.chi2(10).sf((pull**2).sum()) > RARE


def test_likelihood_ratio_is_that_of_densities_integrated_numerically(events):
    """Rebuild the ratio from what is measured and from scipy's densities."""
    mass, pt, rapidity, cosine = reconstruct(events)
    jet_pt = events["jet_pt"].to_numpy(float)
    shape, _ = quad(lambda c: 1 + c**2, -1, 1)

    def density(mass_density, angle, mean_pt, sd, p_jet, mean_jet):
        jet = np.where(jet_pt < 0, np.log(1 - p_jet), np.log(p_jet) + stats.expon(25, mean_jet).logpdf(jet_pt))
        return (
            mass_density.logpdf(mass) + np.log(angle) + stats.expon(0, mean_pt).logpdf(pt)
            + stats.norm(0, sd).logpdf(rapidity) + jet
        )  # fmt: skip

    signal = density(stats.norm(125, 6), (1 + cosine**2) / shape, 45, 1.0, 0.6, 60)
    background = density(stats.truncexpon(120 / 45, 60, 45), np.full_like(cosine, 0.5), 30, 1.4, 0.4, 35)
    inside = (mass > 60.001) & (mass < 179.999)
    np.testing.assert_allclose((signal - background)[inside], events["log_likelihood_ratio"][inside], atol=2e-2)


def test_seed_decides():
    first = Resonance(500, seed=1).read()
    assert first.equals(Resonance(500, seed=1).read())
    assert not first.equals(Resonance(500, seed=2).read())


def test_chunks_are_the_table_and_each_has_its_own_events():
    source = Resonance(CHUNK + 1001, seed=5)
    chunks = list(source.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK, 1001]
    table = source.read()
    assert table[CHUNK:].reset_index(drop=True).equals(chunks[1])
    assert table[:CHUNK].equals(chunks[0])
    assert table[:1001]["mass"].ne(chunks[1]["mass"]).all()
    assert table["label"].eq("signal").sum() == (len(table) + 1) // 2


@pytest.mark.parametrize(("variant", "scale"), [("scale_up", 1.01), ("scale_down", 0.99)])
def test_momentum_scale(variant, scale):
    nominal, varied = Resonance(2000).read(), Resonance(2000, variant=variant).read()
    for name in ("lepton1_pt", "lepton2_pt", "mass"):
        np.testing.assert_allclose(varied[name], scale * nominal[name], rtol=1e-6)
    has_jet = nominal["jet_pt"] != -999
    np.testing.assert_allclose(varied["jet_pt"][has_jet], scale * nominal["jet_pt"][has_jet], rtol=1e-6)
    assert (varied["jet_pt"][~has_jet] == -999).all()
    unchanged = ["lepton1_eta", "lepton2_phi", "label", "weight", "log_likelihood_ratio"]
    assert varied[unchanged].equals(nominal[unchanged])
    mass, *_ = reconstruct(varied)
    assert np.abs(mass / varied["mass"] - 1).max() < 1e-4


def test_bad_settings_are_told_at_once():
    with pytest.raises(EventsError, match=r"(?s)`n` must be.*`variant` must be one of nominal, scale_up"):
        Resonance(1, variant="scale_sideways")
