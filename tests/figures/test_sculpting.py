"""The sculpting figure: densities of area one, and the divergence that it tells."""

from __future__ import annotations

import numpy as np
import pytest

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
    assert (
        f"JSD {found.divergence.value:.2g} bits; random subsamples of this size: {found.chance.value:.2g}"
        in drawing.alt
    )
    assert "more than chance" in drawing.alt
    assert "no more than chance" not in drawing.alt
    background = (labels == 0) & np.isfinite(mass)
    share = weights[background & (scores >= 0.7)].sum() / weights[background].sum()
    assert found.share_after == pytest.approx(share)
    assert drawing.alt.endswith(" 20 without a value are left out.")
    assert (
        f"{100 * share:.1f} % of the weighted background passes ({found.n_after} of {found.n_before} events)."
        in drawing.alt
    )
    upper, lower = drawing.figure.axes
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


def test_a_ratio_beyond_the_axis_is_marked_and_a_large_one_is_shown():
    rng = np.random.default_rng(0)
    observer = rng.uniform(0, 100, 40_000)
    labels = np.repeat([0, 1], 20_000)
    for width, beyond in ((20, False), (2, True)):
        scores = np.where(np.abs(observer - 50) < width / 2, 0.9, 0.1)
        drawing = draw_sculpting(observer, labels, scores, threshold=0.5, name="m", part="test", n_subsamples=20)
        lower = drawing.figure.axes[1]
        triangles = [line for line in lower.lines if line.get_marker() == "^"]
        assert sum(len(line.get_xdata()) for line in triangles) > 0 if beyond else lower.get_ylim()[1] > 5
        assert ("Triangles:" in drawing.alt) is beyond
