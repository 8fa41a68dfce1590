"""Survival of a gain: closed forms of two Gaussians, exact zeros, few and negative weights, the verdict's words."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json
from scipy.stats import norm

from tuner.errors import EventsError
from tuner.evaluation.statistics.systematics import Survival, SurvivalRow, measure_survival
from tuner.metrics.measurement import Measurement
from tuner.metrics.significance import asimov_significance

SHIFT, NOISE = 2.0, 0.8
TOTALS = {"s": 100.0, "b": 1_000.0}


def draw_events(n=3_000, seed=0):
    """Return labels and the scores of two candidates: a Gaussian, and the same with noise on it; weights of mean 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    best = rng.normal(SHIFT * labels)
    return labels, norm.cdf(best), norm.cdf(best + rng.normal(0, NOISE, n)), rng.exponential(size=n)


def find_best_significance(shift, systematic, n_background):
    """Of the cuts that leave 50 effective events of so many background events."""
    cut = np.linspace(-3, 5, 4_001)
    cut = cut[norm.sf(cut) >= 50 / n_background]
    b = TOTALS["b"] * norm.sf(cut)
    return asimov_significance(TOTALS["s"] * norm.sf(cut - shift), b, systematic * b).max()


@pytest.mark.parametrize("weighted", [False, True])
def test_two_gaussians_have_the_closed_forms(weighted):
    labels, winner, baseline, weights = draw_events(20_000)
    found = measure_survival(labels, winner, baseline, weights if weighted else None, **TOTALS, n_replicas=20)
    shifts = SHIFT, SHIFT / np.hypot(1, NOISE)
    gain = norm.cdf(shifts[0] / np.sqrt(2)) - norm.cdf(shifts[1] / np.sqrt(2))
    assert found.d_auc.value == pytest.approx(gain, abs=4 * found.d_auc.error)
    assert found.d_auc.error < 0.1 * gain
    for row in found.rows:
        for z, shift in ((row.z_winner, shifts[0]), (row.z_baseline, shifts[1])):
            assert z.value == pytest.approx(
                find_best_significance(shift, row.relative_systematic, 5_000 if weighted else 10_000), abs=4 * z.error
            )
            assert z.error < 0.1 * z.value
        assert row.d_z.value == row.z_winner.value - row.z_baseline.value
        assert row.d_z_95.low <= row.d_z.low <= row.d_z.high <= row.d_z_95.high
    assert [row.relative_systematic for row in found.rows] == [0, 0.02, 0.05, 0.1, 0.2, 0.3]
    assert found.verdict == "survives"


def test_a_row_whose_cut_leaves_as_little_background_as_it_may_says_so():
    """Of 10,000 background events the best cuts leave 107 and 348 where the background is known, 17 and 31 at 30 %."""
    labels, winner, baseline, _ = draw_events(20_000)
    known = {"systematics": (0, 0.3), "n_replicas": 2}
    found = measure_survival(labels, winner, baseline, **TOTALS, **known)
    assert [row.at_floor for row in found.rows] == [(False, False), (True, True)]
    assert list(found.frame()["winner_at_floor"]) == [False, True]
    lower = measure_survival(labels, winner, baseline, **TOTALS, **known, min_background=5)
    assert lower.rows[1].at_floor == (False, False)
    assert (found.min_background, lower.min_background) == (50, 5)


def test_the_same_ranking_differs_by_exactly_nothing():
    labels, winner, _, weights = draw_events()
    found = measure_survival(labels, winner, winner**3, weights, **TOTALS, n_replicas=20)
    nothing = Measurement(0.0, 0.0, 0.0)
    assert found.d_auc == found.d_auc_95 == nothing
    assert all(row.d_z == row.d_z_95 == nothing and row.z_winner == row.z_baseline for row in found.rows)
    assert found.verdict == "no gain"


def test_exchanging_the_candidates_changes_the_sign():
    labels, winner, baseline, weights = draw_events(1_000)
    found, turned = (
        measure_survival(labels, *scores, weights, **TOTALS, n_replicas=20)
        for scores in ((winner, baseline), (baseline, winner))
    )
    for row, back in zip(found.rows, turned.rows, strict=True):
        assert back.d_z == Measurement(-row.d_z.value, -row.d_z.high, -row.d_z.low)
        assert back.z_winner == row.z_baseline
    verdict, verdict_turned = (s.sentence(names).split(":")[0] for s, names in ((found, "AB"), (turned, "BA")))
    assert verdict == verdict_turned
    written = (f"{'+' if each.value > 0 else ''}{each.bracketed} in AUC" for each in (found.d_auc, -found.d_auc))
    assert f"A minus B is {next(written)}" in found.sentence(("A", "B"))
    assert f"B minus A is {next(written)}" in turned.sentence(("B", "A"))


def test_units_of_weights_do_not_matter_and_the_expected_totals_do():
    labels, winner, baseline, weights = draw_events(1_000)
    in_units = weights * np.where(labels == 1, 7.0, 0.03)
    found, same, more = (
        measure_survival(labels, winner, baseline, w, s=k * 100, b=k * 1_000, systematics=(0,), n_replicas=20)
        for w, k in ((weights, 1), (in_units, 1), (weights, 100))
    )
    assert same.rows[0].z_winner.value == pytest.approx(found.rows[0].z_winner.value)
    # 100 times the luminosity is 10 times the significance, as long as nothing else is uncertain.
    assert more.rows[0].z_winner.value == pytest.approx(10 * found.rows[0].z_winner.value)


def test_a_half_without_background_above_the_cut_is_not_infinitely_significant():
    """60 background events lie above the signal's scores, but nearly all of their weight is that of one of them."""
    n_signal, n_background = 100, 400
    labels = np.repeat([1, 0], [n_signal, n_background])
    scores = np.concatenate([np.full(n_signal, 0.9), np.full(60, 0.9), np.full(n_background - 60, 0.1)])
    weights = np.ones(n_signal + n_background)
    weights[n_signal + 1 : n_signal + 60] = 1e-12
    found = measure_survival(labels, scores, scores, weights, **TOTALS, systematics=(0, 0.1), n_replicas=20)
    one_event = TOTALS["b"] / (n_background / 2)
    for row in found.rows:
        most = asimov_significance(TOTALS["s"], one_event, row.relative_systematic * one_event)
        assert 0 < row.z_winner.value <= most
        assert 0 < row.z_winner.low <= row.z_winner.high <= 1.2 * most


@pytest.mark.parametrize("weighted", [False, True])
def test_a_useless_score_wins_nothing_by_a_cut_that_the_other_half_chose(weighted):
    """No cut does better than s / sigma_b; chosen and tested on the same events, the luckiest gives more."""
    truth = float(asimov_significance(TOTALS["s"], TOTALS["b"], 0.3 * TOTALS["b"]))
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels, scores = np.arange(1_000) % 2, rng.random(1_000)
        weights = rng.uniform(0.5, 1.5, 1_000) if weighted else None
        survival = measure_survival(labels, scores, scores, weights, **TOTALS, systematics=(0.3,), n_replicas=10)
        found.append(survival.rows[0].z_winner.value)
    assert np.mean(found) == pytest.approx(truth, rel=0.05)


def test_negative_weights_are_kept():
    labels, winner, baseline, weights = draw_events(1_000)
    weights[::7] *= -1
    found = measure_survival(labels, winner, baseline, weights, **TOTALS, n_replicas=20)
    assert all(np.isfinite([*asdict(row.d_z).values(), row.z_winner.value]).all() for row in found.rows)


def test_halves_in_which_negative_weights_prevail_count_for_nothing():
    labels, winner, baseline, _ = draw_events(200)
    weights = np.ones(200)
    weights[labels == 1] = np.where(np.arange(100) == 0, 99.5, -1.0)
    found = measure_survival(labels, winner, baseline, weights, **TOTALS, systematics=(0,), n_replicas=10)
    assert np.isnan([*asdict(found.rows[0].z_winner).values(), *asdict(found.rows[0].d_z_95).values()]).all()
    assert found.signs == (0,)


def test_too_few_events_are_refused():
    labels, winner, baseline, _ = draw_events(98)
    with pytest.raises(EventsError, match=r"at least 50 effective background events.* there are 49 of 49"):
        measure_survival(labels, winner, baseline, **TOTALS)
    with pytest.raises(EventsError, match="at least 2 signal events"):
        measure_survival(np.arange(98) == 0, winner, baseline, **TOTALS)


def make(d_auc, d_z, declared=None):
    """Return a survival of given 95 % intervals (value +- 1, 68 %: +- 0.5) of d_auc and of the rows' d_z."""

    def measure(value, error=1.0):
        return Measurement(value, value - error, value + error)

    rows = tuple(SurvivalRow(k, measure(9), measure(9 - z), measure(z, 0.5), measure(z)) for k, z in d_z.items())
    return Survival(measure(d_auc, 0.5), measure(d_auc), rows, s=1.0, b=1.0, n_replicas=1, declared=declared)


@pytest.mark.parametrize(
    ("d_auc", "d_z", "declared", "verdict", "words"),
    [
        (
            2,
            {0: 2, 0.1: 3},
            None,
            "survives",
            "gain of MLP over BDT survives at a background systematic of 0 to 10 %:",
        ),
        (
            2,
            {0: 0, 0.1: 3},
            0.1,
            "survives",
            "systematic of 10 %: MLP minus BDT is +2.00 [1.50, ",
        ),
        (
            0,
            {0: 2, 0.1: 3},
            None,
            "no gain",
            "Neither leads in AUC, so there is no gain to survive: MLP minus BDT is 0.00 [-0.50, 0.50] in AUC",
        ),
        (-2, {0: -2, 0.1: -3}, None, "survives", "The gain of BDT over MLP survives at a background systematic of"),
        (2, {0: 2}, None, "survives", "survives at a background systematic of 0 %:"),
        (2, {0: 2, 0.1: 3, 0.2: 0}, None, "survives in part", "of 0 to 10 %, but not at the others:"),
        (2, {0: 0, 0.1: 2, 0.2: 3}, None, "survives in part", "of 10 to 20 %, but not at the others:"),
        (2, {0: 3, 0.1: 0, 0.2: 3}, None, "absorbed", "is absorbed at a cut"),
        (2, {0: 3, 0.1: 0}, None, "absorbed", "is absorbed at a cut"),
        (
            2,
            {0: 3, 0.1: 3, 0.2: -3, 0.3: -3},
            None,
            "survives in part",
            "survives at a background systematic of 0 to 10 %, but not at the others; at 20 and 30 % BDT is ahead:",
        ),
        (
            2,
            {0: 0, 0.1: 0, 0.3: -3},
            None,
            "absorbed",
            "differ by less than 4 either way at 95 %; at 30 % BDT is ahead:",
        ),
        (-2, {0: -3, 0.1: -3, 0.2: 3}, None, "survives in part", "but not at the others; at 20 % MLP is ahead:"),
        (2, {0: -3, 0.1: -3, 0.2: 0}, None, "reversed", "turns into a loss at a background systematic of 0 to 10 %:"),
        (2, {0: 3, 0.1: -3}, 0.1, "reversed", "turns into a loss at a background systematic of 10 %:"),
        (
            2,
            {0: 2, 0.1: 0},
            0.1,
            "absorbed",
            "gain of MLP over BDT in AUC is absorbed at a cut, where they differ by less than 1 either way at 95 %",
        ),
        (
            2,
            {0: 0.5, 0.1: 0},
            None,
            "absorbed",
            "gain of MLP over BDT in AUC is absorbed at a cut, where they differ by less than 1.5 either way at 95 %",
        ),
        (
            -2,
            {0: 0.5, 0.1: 0},
            0.1,
            "absorbed",
            "gain of BDT over MLP in AUC is absorbed at a cut, where they differ by less than 1 either way at 95 %",
        ),
        (2, {0: -2, 0.1: 0}, None, "absorbed", "The gain of MLP over BDT in AUC is absorbed at a cut"),
        (
            0.5,
            {0: 0.5, 0.1: 0},
            None,
            "no gain",
            "Neither leads in AUC, so there is no gain to survive: MLP minus BDT is +0.50 [0.00, ",
        ),
        (0, {0: 2, 0.1: -2}, None, "no gain", "Neither leads in AUC"),
    ],
)
def test_the_verdict_is_told_in_plain_words(d_auc, d_z, declared, verdict, words):
    survival = make(d_auc, d_z, declared)
    assert survival.verdict == verdict
    assert words in survival.sentence(("MLP", "BDT"))
    n_compared = 1 + len(d_z)
    assert survival.sentence(("MLP", "BDT")).endswith(f"verdicts allow for {n_compared} comparisons at once).")


def test_holm_corrects_the_auc_and_all_rows_together():
    """Of eight differences of 2.2 standard deviations none is clear; of one it would be."""
    survival = make(1.1, dict.fromkeys(np.linspace(0, 0.3, 7), 1.1))
    assert survival.p_values == pytest.approx([8 * 2 * norm.sf(2.2)] * 8)
    assert (survival.leader, survival.signs, survival.verdict) == (0, (0,) * 7, "no gain")
    assert make(1.1, {}).leader == 1


@pytest.mark.slow
def test_two_candidates_of_the_same_quality_are_given_no_lead_in_forty_experiments():
    claimed = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        labels = np.arange(600) % 2
        truth = generator.normal(1.5 * labels)
        first, second = (norm.cdf(truth + generator.normal(0, 0.6, 600)) for _ in range(2))
        found = measure_survival(labels, first, second, **TOTALS, systematics=(0, 0.3), n_replicas=20, seed=seed)
        claimed.append(found.verdict)
    assert claimed == ["no gain"] * 40


def test_a_figure_that_ranks_the_two_otherwise_is_noticed():
    assert make(2, {0: 2, 0.1: -3}).is_opposite_to(-0.1)
    assert not make(2, {0: 2, 0.1: -3}).is_opposite_to(0.1)
    assert make(2, {0: 2, 0.1: -3}, declared=0.1).is_opposite_to(0.1)


def test_a_declared_systematic_gets_a_row_and_is_told():
    labels, winner, baseline, _ = draw_events(400)
    found = measure_survival(labels, winner, baseline, **TOTALS, systematics=(0.1, 0), declared=0.07, n_replicas=5)
    assert [row.relative_systematic for row in found.rows] == [0, 0.07, 0.1]
    assert "at 7 % of background uncertainty (68 %" in found.sentence()


def test_numbers_come_back_from_json_and_are_given_as_a_table():
    labels, winner, baseline, _ = draw_events(400)
    found = measure_survival(labels, winner, baseline, **TOTALS, n_replicas=5)
    assert TypeAdapter(Survival).validate_json(to_json(found, inf_nan_mode="strings")) == found
    table = found.frame()
    assert list(table.columns[:6]) == ["relative_systematic", "value", "low", "high", "low_95", "high_95"]
    np.testing.assert_allclose(table["value"], table["z_winner_value"] - table["z_baseline_value"])
