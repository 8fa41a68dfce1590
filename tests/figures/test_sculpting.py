"""The sculpting figure: densities of area one, and the divergence that it tells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tuner.errors import EventsError
from tuner.figures import draw_sculpting
from tuner.metrics import measure_sculpting


def make_events(n=800):
    generator = np.random.default_rng(0)
    labels, scores = np.tile([0, 1], n // 2), generator.random(n)
    mass = generator.normal(100, 10, n) + 40 * scores
    mass[::40] = np.nan
    return mass, labels, scores, generator.exponential(1.0, n)


def test_shapes_are_numpys_densities_of_background_alone():
    mass, labels, scores, weights = make_events()
    frame = draw_sculpting(mass, labels, scores, weights, threshold=0.7, name="m", part="test").frame()
    inside = (labels == 0) & np.isfinite(mass)
    edges = [*frame["low"], frame["high"].iloc[-1]]
    kept = np.clip(mass, edges[0], edges[-1])
    for column, chosen in (("before", inside), ("after", inside & (scores >= 0.7))):
        expected, _ = np.histogram(kept[chosen], edges, weights=weights[chosen], density=True)
        np.testing.assert_allclose(frame[column], expected)


def test_the_divergence_is_told_against_chance_and_the_undefined_are_counted():
    mass, labels, scores, weights = make_events()
    drawing = draw_sculpting(mass, labels, scores, weights, threshold=0.7, name="mass [GeV]", part="test")
    found = measure_sculpting(mass, labels, scores, weights, threshold=0.7)
    assert f"JSD {found.divergence} bits; random subsamples of this size: {found.chance.value:.2g}" in drawing.alt
    assert "more than chance" in drawing.alt
    assert "no more than chance" not in drawing.alt
    background = (labels == 0) & np.isfinite(mass)
    share = weights[background & (scores >= 0.7)].sum() / weights[background].sum()
    assert found.share_after == pytest.approx(share)
    assert drawing.alt.endswith(" Left out: 20 events without a value.")
    assert (
        f"{100 * share:.1f} % of the weighted background passes ({found.n_after} of {found.n_before} events)."
        in drawing.alt
    )
    upper, _, lower = drawing.figure.axes
    assert "beyond" in lower.get_xlabel()
    assert "20 undefined" in " ".join(text.get_text() for text in upper.get_legend().get_texts())


@pytest.mark.parametrize("case", ["one value", "counts", "negative weights", "three events", "long name"])
def test_unusual_observers_are_drawn(case):
    mass, labels, scores, weights = make_events()
    threshold, name = 0.7, "m"
    if case == "one value":
        mass = np.full(len(mass), 3.0)
    elif case == "counts":
        mass = np.random.default_rng(1).poisson(2, len(mass))
    elif case == "negative weights":
        weights[::4] *= -0.5
    elif case == "three events":
        threshold = np.sort(scores[(labels == 0) & np.isfinite(mass)])[-3]
    else:
        name = "m_jj_of_the_leading_and_the_subleading_jet_after_the_kinematic_fit [GeV]"
    drawing = draw_sculpting(
        mass, labels, scores, weights, threshold=threshold, name=name, part="test", n_subsamples=20
    )
    assert drawing.png_bytes(dpi=40)


def test_a_cut_that_nothing_passes_is_told():
    with pytest.raises(EventsError, match=r"passes the cut at 2 .* Loosen the cut"):
        draw_sculpting(*make_events(), threshold=2.0, name="m", part="test")


def test_every_bin_of_the_ratio_is_on_its_axis():
    rng = np.random.default_rng(0)
    observer = rng.uniform(0, 100, 40_000)
    labels = np.repeat([0, 1], 20_000)
    for width, scale in ((20, "linear"), (2, "symlog")):
        scores = np.where(np.abs(observer - 50) < width / 2, 0.9, 0.1)
        drawing = draw_sculpting(observer, labels, scores, threshold=0.5, name="m", part="test", n_subsamples=20)
        frame, axes = drawing.frame(), drawing.figure.axes[1]
        low, high = axes.get_ylim()
        assert ((frame["after"] / frame["before"]).between(low, high)).all()
        assert axes.get_yscale() == scale


def test_efficiencies_against_the_observer_are_shares_of_each_class_with_clopper_and_pearsons_interval():
    mass, labels, scores, _ = make_events()
    frame = draw_sculpting(mass, labels, scores, threshold=0.7, name="m", unit="GeV", part="test").frame()
    edges = [*frame["low"], frame["high"].iloc[-1]]
    for name, label in (("eps_b", 0), ("eps_s", 1)):
        inside = (labels == label) & np.isfinite(mass)
        kept = np.clip(mass, edges[0], np.nextafter(edges[-1], 0))
        n, k = (np.histogram(kept[chosen], edges)[0] for chosen in (inside, inside & (scores >= 0.7)))
        few = n < 3
        assert frame.loc[few, name].isna().all()
        np.testing.assert_allclose(frame.loc[~few, name], (k / np.maximum(n, 1))[~few])
        place = int(np.flatnonzero(~few & (k > 1)).max())
        exact = binomtest(int(k[place]), int(n[place])).proportion_ci(0.6826894921370859, "exact")
        assert (frame[f"{name}_low"][place], frame[f"{name}_high"][place]) == pytest.approx(tuple(exact))


@pytest.mark.parametrize(("name", "unit"), [("mass", "GeV"), ("mass [GeV]", ""), ("mass_GeV", "")])
def test_the_unit_stands_on_the_axis_once(name, unit):
    mass, labels, scores, _ = make_events()
    drawing = draw_sculpting(mass, labels, scores, threshold=0.7, name=name, unit=unit, part="test", n_subsamples=2)
    assert drawing.figure.axes[-1].get_xlabel().startswith("mass (GeV)")


def test_a_divergence_that_was_measured_elsewhere_is_told_as_it_is():
    mass, labels, scores, weights = make_events()
    events, cut = (mass, labels, scores, weights), {"threshold": 0.7, "name": "m", "part": "test"}
    known = measure_sculpting(*events, threshold=0.7, n_subsamples=50, n_replicas=50, seed=9)
    told, own = draw_sculpting(*events, **cut, known=known), draw_sculpting(*events, **cut)
    assert f"JSD {known.divergence} bits" in told.alt
    assert f"JSD {known.divergence} bits" not in own.alt
    assert f"p = {known.p_value:.2g}: more than chance" in told.alt
    assert told.frame().equals(own.frame())
