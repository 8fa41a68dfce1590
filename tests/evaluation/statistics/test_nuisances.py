"""Nuisances of a frozen cut: closed forms of a shifted Gaussian, exact zeros, the resonance's real variants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json
from scipy.stats import norm

from studies.resonance import study
from tuner.errors import EventsError
from tuner.evaluation.statistics.nuisances import NuisanceEffects, measure_nuisances
from tuner.events import Resonance, read_events, read_variant
from tuner.metrics.figures_of_merit import Auc, Significance
from tuner.metrics.significance import asimov_significance
from tuner.problem import Nuisance

SHIFT, MOVED, CUT = 1.5, 0.1, 1.0


@pytest.fixture(scope="module")
def events():
    """Two Gaussians at their quantiles, so that closed forms hold but for the grid: labels, scores, weights."""
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    return np.repeat([0, 1], 20_000), np.concatenate([quantiles, quantiles + SHIFT]), np.repeat([5.0, 0.1], 20_000)


def test_a_shifted_scale_has_the_closed_form(events):
    labels, scores, weights = events
    figure = Significance(s=100, b=1_000, relative_systematic=0.05)
    variants = {"scale": (scores + MOVED, scores - MOVED)}
    found = measure_nuisances(labels, scores, weights, variants=variants, threshold=0.0, figure=figure, figure_cut=CUT)

    def expect(moved):
        s, b = 100 * norm.sf(CUT - SHIFT - moved), 1_000 * norm.sf(CUT - moved)
        return float(asimov_significance(s, b, 0.05 * b))

    assert found.nominal == pytest.approx(expect(0), rel=1e-3)
    (effect,) = found.effects
    for shift, moved in ((effect.up, MOVED), (effect.down, -MOVED)):
        assert shift.figure == pytest.approx(expect(moved), rel=1e-3)
        assert shift.d_figure == shift.figure - found.nominal
        assert shift.signal == pytest.approx(norm.sf(CUT - SHIFT - moved) / norm.sf(CUT - SHIFT) - 1, rel=1e-2)
        assert shift.background == pytest.approx(norm.sf(CUT - moved) / norm.sf(CUT) - 1, rel=1e-2)
    assert not effect.symmetrised
    assert found.total_up == max(effect.up.d_figure, effect.down.d_figure) > 0
    assert found.total_down == -min(effect.up.d_figure, effect.down.d_figure) > 0


def test_an_identical_variant_changes_nothing(events):
    labels, scores, weights = events
    found = measure_nuisances(labels, scores, weights, variants={"none": (scores, scores)}, threshold=CUT, figure=Auc())
    (effect,) = found.effects
    assert (effect.up.d_figure, effect.up.signal, effect.up.background) == (0, 0, 0)
    assert effect.up == effect.down
    assert found.total_up == found.total_down == 0


def test_without_a_figure_of_a_cut_efficiencies_are_those_of_the_working_point(events):
    labels, scores, weights = events
    background_moved = scores + MOVED * (labels == 0)
    found = measure_nuisances(
        labels, scores, weights, variants={"background": (background_moved, None)}, threshold=CUT, figure=Auc()
    )
    (effect,) = found.effects
    assert found.cut == CUT
    assert effect.up.figure == pytest.approx(norm.cdf((SHIFT - MOVED) / np.sqrt(2)), abs=1e-4)
    assert effect.up.signal == 0
    assert effect.up.background == pytest.approx(norm.sf(CUT - MOVED) / norm.sf(CUT) - 1, rel=1e-2)
    assert effect.symmetrised
    assert effect.down.d_figure == -effect.up.d_figure
    assert effect.down.figure == pytest.approx(2 * found.nominal - effect.up.figure)
    assert effect.down.background == -effect.up.background


def test_nuisances_add_in_quadrature_each_way_and_both_variants_may_go_the_same_way(events):
    labels, scores, weights = events
    noise = np.random.default_rng(0).normal(0, 0.5, len(scores))
    background = labels == 0
    variants = {
        "background": (scores + MOVED * background, scores - MOVED * background),
        "resolution": (scores + noise, scores + 2 * noise),
    }
    found = measure_nuisances(labels, scores, weights, variants=variants, threshold=CUT, figure=Auc())
    scale, resolution = found.effects
    assert max(resolution.up.d_figure, resolution.down.d_figure) < 0
    assert found.total_up == pytest.approx(scale.down.d_figure)
    assert found.total_down == pytest.approx(np.hypot(scale.up.d_figure, resolution.down.d_figure))


def test_a_cut_without_background_has_no_relative_change(events):
    labels, scores, weights = events
    found = measure_nuisances(
        labels, scores, weights, variants={"scale": (scores + 1, None)}, threshold=5.0, figure=Auc()
    )
    assert np.isnan(found.effects[0].up.background)
    assert found.effects[0].up.signal > 0


def test_variants_of_another_number_of_events_are_refused(events):
    labels, scores, weights = events
    with pytest.raises(EventsError, match="one value for each event"):
        measure_nuisances(labels, scores, weights, variants={"x": (scores[1:], None)}, threshold=CUT, figure=Auc())


def test_numbers_come_back_from_json_and_are_given_as_a_table(events):
    labels, scores, weights = events
    variants = {"a": (scores + 0.1, scores), "b": (scores * 1.01, None)}
    found = measure_nuisances(labels, scores, weights, variants=variants, threshold=CUT, figure=Auc())
    assert TypeAdapter(NuisanceEffects).validate_json(to_json(found, inf_nan_mode="strings")) == found
    table = found.frame()
    assert table["nuisance"].tolist() == ["a", "a", "b", "b"]
    assert table["direction"].tolist() == ["up", "down"] * 2
    assert list(table.columns) == ["nuisance", "direction", "figure", "d_figure", "signal", "background"]


def test_the_momentum_scale_of_the_resonance_moves_a_cut_on_a_momentum():
    """pt of the leading lepton as the score: 1 % more momentum is a cut 1 % lower."""
    (nuisance,) = study.problem.nuisances
    assert nuisance.name == "momentum scale, 1 %"
    up, down = (Resonance(3_000, variant=variant) for variant in ("scale_up", "scale_down"))
    problem = replace(study.problem, events=Resonance(3_000), nuisances=())
    events = read_events(problem)
    moved = {
        direction: read_variant(problem, Nuisance(name="scale", up=up, down=down), direction, events)
        for direction in ("up", "down")
    }
    changed = [name for name in events.features if not events.table[name].equals(moved["up"][name])]
    assert changed == ["lepton1_pt", "lepton2_pt", "jet_pt"]
    scores = events.table["lepton1_pt"].to_numpy(float)
    variants = {"scale": (moved["up"]["lepton1_pt"], moved["down"]["lepton1_pt"])}
    found = measure_nuisances(events.labels, scores, events.weights, variants=variants, threshold=60.0, figure=Auc())
    selected = {k: events.weights[(scores > 60 / k) & (events.labels == 0)].sum() for k in (1.0, 1.01, 0.99)}
    (effect,) = found.effects
    assert effect.up.background == pytest.approx(selected[1.01] / selected[1.0] - 1, abs=2e-3)
    assert effect.up.background > 0 > effect.down.background
    assert effect.up.d_figure == pytest.approx(0, abs=1e-4)
