"""Templates and their fits: sums against numpy, significance and limit against pyhf's own, the workspace by others."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from tuner.evaluation.statistics.template_comparison import CandidateScores, TemplateRules, compare_templates
from tuner.evaluation.statistics.template_fits import check_workspace, fit_limit, fit_significance, write_workspace
from tuner.evaluation.statistics.templates import ScoredEvents, approximate_significance, fill_templates
from tuner.metrics import asimov_significance

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
S, B, EDGES = 40.0, 500.0, (-np.inf, 0.7, 0.93, np.inf)


def draw(n=3_000, seed=5, blur=0.0, shift=0.1):
    """Events of two Gaussians; the nuisance "scale" shifts both, "one way" is known upwards alone."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x, weights = generator.normal(labels * 1.5), generator.uniform(0.5, 1.5, n)
    x = x + blur * np.random.default_rng(9).normal(size=n)
    variants = {"scale": (norm.cdf(x + shift), norm.cdf(x - shift)), "one way": (norm.cdf(x + 0.05), None)}
    return ScoredEvents(np.arange(n), labels, weights, norm.cdf(x), variants)


@pytest.fixture(scope="module")
def workspace():
    return write_workspace(fill_templates("bag", draw(), edges=EDGES, s=S, b=B), relative_systematic=0.1)


def test_templates_hold_what_is_expected_with_its_error_and_each_shift():
    events = draw()
    found = fill_templates("bag", events, edges=EDGES, s=S, b=B)
    for template, label, total in ((found.signal, 1, S), (found.background, 0, B)):
        own = events.labels == label
        scale = total / events.weights[own].sum()
        up = events.variants["scale"][0]
        sums, squares, moved = (
            np.histogram(values[own], EDGES, weights=weights[own])[0]
            for values, weights in (
                (events.scores, events.weights),
                (events.scores, events.weights**2),
                (up, events.weights),
            )
        )
        assert template.events == pytest.approx(scale * sums)
        assert template.errors == pytest.approx(scale * np.sqrt(squares))
        assert template.variants["scale"][0] == pytest.approx(scale * moved)
        up, down = map(np.array, template.variants["one way"])
        np.testing.assert_allclose(up + down, 2 * np.array(template.events))


def test_a_bin_without_events_or_of_negative_sum_counts_as_one_event():
    events = draw(400)
    weights = np.where((events.labels == 0) & (events.scores >= 0.93), -1.0, events.weights)
    for edges in ((-np.inf, 0.93, np.inf), (-np.inf, 0.5, 0.999999, np.inf)):
        odd = ScoredEvents(events.rows, events.labels, weights, events.scores, events.variants)
        background = fill_templates("bag", odd, edges=edges, s=S, b=B).background
        own = weights[events.labels == 0]
        assert background.events[-1] == background.errors[-1] == pytest.approx(B * (own**2).sum() / own.sum() ** 2)
        assert min(background.variants["scale"][1]) >= 0


def test_significance_and_limit_are_those_of_pyhfs_own_tests(workspace):
    significance, limit = fit_significance(workspace), fit_limit(workspace)
    made = pyhf.Workspace(workspace)
    model = made.model()
    p_value = float(pyhf.infer.hypotest(0.0, made.data(model), model, test_stat="q0"))
    assert significance == pytest.approx(norm.isf(p_value), rel=1e-3)
    without = model.config.suggested_init()
    without[model.config.poi_index] = 0.0
    data = pyhf.tensorlib.tolist(model.expected_data(without))
    bounds = [(0, 10) if i == model.config.poi_index else b for i, b in enumerate(model.config.suggested_bounds())]
    observed = pyhf.infer.hypotest(limit, data, model, par_bounds=bounds)
    assert float(observed) == pytest.approx(0.05, rel=0.02)


def test_exact_templates_of_one_bin_have_the_closed_form():
    one = fill_templates("bag", replace(draw(), variants={}), edges=(-np.inf, np.inf), s=S, b=B)
    exact = fit_significance(write_workspace(one, is_exact=True))
    assert exact == pytest.approx(float(asimov_significance(S, B)), rel=1e-4)
    known_to = one.background.errors[0]
    with_errors = fit_significance(write_workspace(one))
    assert with_errors == pytest.approx(float(asimov_significance(S, B, known_to)), rel=0.03)


def test_systematics_cost_significance_and_the_cheap_formula_follows(workspace):
    quiet = fill_templates("bag", draw(shift=0.0), edges=EDGES, s=S, b=B)
    loud = fill_templates("bag", draw(shift=0.2), edges=EDGES, s=S, b=B)
    fitted = [fit_significance(write_workspace(each)) for each in (quiet, loud)]
    cheap = [approximate_significance(each) for each in (quiet, loud)]
    assert fitted[1] < fitted[0]
    assert fitted[1] / fitted[0] == pytest.approx(cheap[1] / cheap[0], abs=0.1)


def test_the_workspace_is_one_for_others(workspace, tmp_path):
    check_workspace(workspace)
    names = {name for name, _ in pyhf.Workspace(workspace).model().config.modifiers}
    assert names == {"mu", "mc_statistics", "scale", "one way", "background_normalisation"}
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(workspace))
    cabinetry = pytest.importorskip("cabinetry")
    read = cabinetry.workspace.load(path)
    model, data = cabinetry.model_utils.model_and_data(read)
    results = cabinetry.fit.fit(model, data)
    at = results.labels.index("mu")
    assert results.bestfit[at] == pytest.approx(1.0, abs=0.01)
    assert results.uncertainty[at] == pytest.approx(1 / fit_significance(workspace), rel=0.4)


def test_a_candidate_that_loses_information_is_told_from_one_that_does_not():
    rules = TemplateRules(s=400.0, b=5_000.0, n_replicas=60)
    sharp, blurred = (
        CandidateScores(name, draw(4_000, 1, blur), draw(8_000, 2, blur))
        for name, blur in (("bag", 0.0), ("trees", 1.5))
    )
    found = compare_templates("test", (sharp, blurred), rules)
    assert found.verdict == "ahead"
    assert found.difference.value > 2 * found.difference.error
    assert found.fits[0].limit < found.fits[1].limit
    assert found.fits[0].of_exact_templates > found.fits[0].significance.value
    assert found.fits[0].p_value == pytest.approx(norm.sf(found.fits[0].significance.value))
    assert "the gain of the bag survives" in found.sentence()
    assert compare_templates("test", (blurred, sharp), rules).verdict == "behind"
    same = compare_templates("test", (sharp, sharp), rules)
    assert (same.verdict, same.difference.value) == ("cannot be told apart", 0.0)
    assert same.sentence().startswith("A fit of the score with all systematics expects")


def test_without_systematics_none_are_claimed_and_events_that_chose_give_no_verdict():
    rules = TemplateRules(s=400.0, b=5_000.0, n_replicas=5)
    events = replace(draw(2_000), variants={})
    pair = tuple(CandidateScores(name, events, events) for name in ("bag", "trees"))
    begin = "A fit of the score with the templates' statistical error alone (no systematics are declared) expects a"
    found = compare_templates("test", pair, rules)
    assert found.sentence().startswith(begin)
    assert "flatters" not in found.sentence()
    declared = compare_templates("test", pair, replace(rules, relative_systematic=0.1))
    assert "with all systematics expects" in declared.sentence()
    closed = replace(found, part="validation")
    assert closed.verdict == "open"
    assert ": there is no verdict (difference" in closed.sentence()
    assert closed.sentence().endswith(
        "which also chose the bins, the network and the baseline, so all of this flatters."
    )
    alone = replace(closed, fits=closed.fits[:1], difference=None, p_value=None)
    assert alone.sentence().endswith("so all of this flatters.")
