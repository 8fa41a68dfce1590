"""A comparison has one subject, the winner, one sign and one level, wherever it is told: text, tile, table, figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.cli.tables import print_evaluation
from tuner.evaluation.statistics.nuisances import NuisanceEffect, NuisanceEffects, Shift
from tuner.evaluation.statistics.systematics import Survival, SurvivalRow
from tuner.evaluation.statistics.template_comparison import TemplateComparison, TemplateFit, TemplateRules
from tuner.evaluation.statistics.templates import ScoreTemplates, Template
from tuner.figures import draw_survival
from tuner.metrics.measurement import Measurement
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.reporting.highlights import highlight
from tuner.reporting.sections.evaluation import write_evaluation
from tuner.reporting.sections.systematics import write_nuisances, write_survival, write_templates
from tuner.reporting.summary import answer

ERRORS = {"68": 1.0, "95": 1.96}


@pytest.mark.parametrize(
    ("verdict", "ahead", "told", "sign", "winner_is"),
    [
        ("worse", True, "it beats boosted trees by 0.0143 ± 0.0011", "+0.0143", "better"),
        ("better", False, "it is behind boosted trees by 0.0041 ± 0.0011", "-0.0041", "worse"),
        (
            "not distinguishable",
            True,
            "boosted trees (it is ahead by 0.0012 ± 0.0011)",
            "+0.0012",
            "not distinguishable",
        ),
    ],
)
def test_the_trees_are_told_alike_everywhere(make_search, judge, capsys, verdict, ahead, told, sign, winner_is):
    search, found = make_search(complete=3), judge(trees=verdict)
    sentences = answer(search, search.best_trial, found)
    assert told in sentences[1]
    assert ("is behind by" in sentences[0]) == (verdict == "better")
    tile = next(tile for tile in highlight(search, found, None) if tile.name == "AUC over boosted trees")
    assert (tile.value, tile.note) == (sign, f"± 0.0011, {winner_is}")
    table = write_evaluation(search, found, {}).blocks[0]
    row = next(row for row in table.rows if row[0] == "boosted trees")
    assert row[2] == f"{sign}\n± 0.0011"
    assert row[3].startswith(f"{winner_is}\n")
    print_evaluation(search, found)
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("boosted trees ")]
    assert f"{sign} ± 0.0011" in line
    assert line.rstrip().endswith(winner_is)
    standing = next(s for s in found.standings_on("test") if s.candidate == "boosted trees")
    assert (standing.lead.value > 0) == ahead


def measure(value: float, error: float, level: str) -> Measurement:
    return Measurement(value, value - ERRORS[level] * error, value + ERRORS[level] * error)


def make_survival(d: float) -> Survival:
    """The 68 % interval of the third row leaves out 0, that of 95 % does not."""
    z = {0.0: d, 0.05: d, 0.1: 0.3 * d}
    rows = tuple(
        SurvivalRow(
            share, *(measure(v, 0.2, "68") for v in (5.0, 5.0 - z[share], z[share])), measure(z[share], 0.2, "95")
        )
        for share in z
    )
    d_auc = measure(0.01 * d, 0.0011, "68"), measure(0.01 * d, 0.0011, "95")
    return Survival(*d_auc, rows, s=10.0, b=100.0, n_replicas=20)


def hand_on_bag(evaluation, *, examined):
    """The evaluation with a bag of networks handed on, and a candidate of whom survival and nuisances are."""
    networks = tuple(TrainedNetwork(2, "fold", fold, 0.5) for fold in range(2))
    shift = Shift(0.93, -0.004, 0.01, 0.02)
    effects = NuisanceEffects("AUC", 0.934, 0.61, (NuisanceEffect("scale", shift, shift, symmetrised=True),))
    bag = (Predictor("bag", networks), *evaluation.predictors)
    return replace(evaluation, predictors=bag, survival=make_survival(1.0), nuisances=effects, examined=examined)


@pytest.mark.parametrize(("examined", "named"), [("bag", "bag handed on"), ("single network", "single network")])
def test_whoever_was_examined_is_named_where_that_is_told(make_search, judge, examined, named):
    search, found = make_search(complete=3), hand_on_bag(judge(), examined=examined)
    sentences = answer(search, search.best_trial, found)
    assert f"the lead of the {named} over boosted trees survives a cut" in sentences[2]
    of_it = " of the single network" if examined == "single network" else ""
    assert f"nuisances move the AUC{of_it} by +0" in sentences[3]
    told, table = write_survival(found, None)
    assert f"The gain of the {named} over boosted trees survives" in told.text
    assert table.head[1] == f"Z, {'handed on' if examined == 'bag' else named}"
    caption = write_nuisances(found)[0].caption
    assert (
        caption == f"Nuisance variants on the test part: the {named} and the cut of the working point stay as they are"
    )


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("baseline", ["boosted trees, refitted", "LightGBM (bagged)"])
def test_a_figure_that_ranks_the_two_otherwise_than_the_significance_is_pointed_out(judge, baseline, ahead):
    found = judge()
    standings = tuple(
        replace(standing, candidate=baseline) if standing.candidate == "boosted trees" else standing
        for standing in found.standings
    )
    own = found.part("test")
    figures = {"single network": 3.4, baseline: 3.1 if ahead else 3.7}
    parts = tuple(
        replace(own, candidate=name, measurements={"AMS": Measurement(value, value - 0.1, value + 0.1)})
        for name, value in figures.items()
    )
    found = replace(
        found,
        figure_of_merit="AMS",
        standings=standings,
        parts=parts,
        survival=make_survival(1.0),
        examined=own.candidate,
    )
    told = write_survival(found, None)[0].text
    assert ("By AMS the order is the other one" in told) == (not ahead)
    assert ahead or "the network handed on minus" in told.partition("By AMS")[2]
    assert ahead or "is -0.3." in told


@pytest.mark.parametrize("d", [1.0, -1.0])
def test_survival_has_the_sign_and_the_level_of_its_figure_and_table(judge, d):
    """The 68 % interval of the third row leaves out 0, that of 95 % does not: no marker, sign or word says more."""
    z, survival = {0.1: 0.3 * d}, make_survival(d)
    told, _ = write_survival(replace(judge(), survival=survival), None)
    assert f"the network handed on minus boosted trees is {0.01 * d:+.4f}" in told.text
    assert f"{d:+.2f} [{d - 0.2:.2f}, {d + 0.2:.2f}] in significance at 0 %" in told.text
    assert "survives at a background systematic of 0 to 5 %, but not at the others" in told.text
    _, table = write_survival(replace(judge(), survival=survival), None)
    assert table.head[-1] == "Handed on minus it"
    assert table.rows[0][-1].startswith(f"{d:.2f}\n")
    drawing = draw_survival(survival.frame(), names=("the network", "boosted trees"), d_auc=survival.d_auc)
    title = drawing.figure.axes[0].get_title(loc="left").replace("\N{MINUS SIGN}", "-").replace("\n", " ")
    assert f"{0.01 * d:+.4f} ± 0.0011; the network minus boosted trees, 68 % intervals" in title
    marked = {
        c.lines[0].get_marker(): np.asarray(c.lines[0].get_ydata(), float) for c in drawing.figure.axes[0].containers
    }
    np.testing.assert_allclose(marked["s"], [z[0.1]])
    np.testing.assert_allclose(np.ravel(marked["o" if d > 0 else "v"]), [d] * len(marked["o" if d > 0 else "v"]))


def test_a_significance_at_the_floor_of_background_is_marked_in_the_table_and_in_the_figure(judge):
    survival = make_survival(1.0)
    tight = replace(survival.rows[1], at_floor=(True, False))
    found = replace(
        judge(), survival=replace(survival, rows=(survival.rows[0], tight, survival.rows[2]), min_background=20)
    )
    _, table, explained = write_survival(found, None)
    marked = [[cell.endswith(", at the floor") for cell in row] for row in table.rows]
    assert marked == [[False] * 4, [False, True, False, False], [False] * 4]
    assert explained.text.startswith("At the floor: the cut leaves 20 effective background events or hardly more")
    axes = draw_survival(found.survival.frame()).figure.axes[0]
    lines = {float(c.lines[0].get_xdata()[0]): c.lines[0].get_markerfacecolor() for c in axes.containers}
    assert [lines[share] == "white" for share in (0, 5, 10)] == [False, True, False]


@pytest.mark.parametrize(
    ("systematics", "scope", "head"),
    [
        (("energy scale",), "all systematics", "Z, all systematics"),
        (
            (),
            "the templates' statistical error alone (no systematics are declared)",
            "Z, statistical error of templates",
        ),
    ],
)
def test_a_fit_claims_the_systematics_that_are_declared(judge, systematics, scope, head):
    template = Template((10.0, 5.0), (1.0, 1.0), {})
    templates = ScoreTemplates("single network", (-np.inf, 0.5, np.inf), template, template)
    fit = TemplateFit(templates, Measurement(2.0, 1.9, 2.1), 2.5, 0.02, 1.1)
    rules = TemplateRules(s=15.0, b=15.0)
    told, table, _ = write_templates(replace(judge(), templates=TemplateComparison("test", rules, systematics, (fit,))))
    assert told.text.startswith(f"A fit of the score with {scope} expects a significance of 2.00 ± 0.10 from the")
    assert table.head[1] == head
