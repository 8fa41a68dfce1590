"""Verdicts: Holm by closed testing, intervals by closed form, false positives by simulation, pairing, exact zeros."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
from scipy.stats import ttest_ind
from sklearn.metrics import roc_auc_score

from tuner.evaluation.candidates import Candidate, Field, choose_winner
from tuner.evaluation.statistics.comparison import (
    Standing,
    _count_freedom,
    compare,
    correct_by_holm,
    find_baseline,
    find_cheapest,
    measure_mean,
)
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.measurement import Measurement
from tuner.metrics.replicas import Replicas, replicate
from tuner.preparation.splits import Part


def draw_events(n=400, seed=0):
    """Two Gaussians 1.5 standard deviations apart: labels, logits, weights."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return labels, rng.normal(1.5 * labels), rng.uniform(0.5, 2, n)


def compare_scores(scores, *, winner="a", kinds=None, n_parameters=None, n=400, **more):
    """Compare candidates by the AUC of their scores, each [s, n]."""
    labels, _, weights = draw_events(n)
    replicas = {name: replicate(Auc(), labels, each, weights, **more) for name, each in scores.items()}
    kinds = dict.fromkeys(scores, "finalist") | (kinds or {})
    return compare(replicas, winner, kinds=kinds, part="test", n_parameters=n_parameters)


def close_under_bonferroni(p_values):
    """Return each hypothesis' largest Bonferroni p value over all sets that hold it: what Holm's method abbreviates."""
    places = range(len(p_values))
    subsets = list(chain.from_iterable(combinations(places, k) for k in range(1, len(p_values) + 1)))
    of_set = {s: min(1.0, len(s) * min(p_values[i] for i in s)) for s in subsets}
    return [max(p for s, p in of_set.items() if i in s) for i in places]


def test_a_figure_that_was_measured_elsewhere_keeps_its_error_where_there_is_one_training():
    labels, scores, weights = draw_events()
    trainings = {"a": [scores], "b": [scores, -scores]}
    candidates = {name: replicate(Auc(), labels, each, weights) for name, each in trainings.items()}
    known, kinds = dict.fromkeys("ab", Measurement(0.8, 0.1, 0.9)), dict.fromkeys("ab", "finalist")
    found = {s.candidate: s for s in compare(candidates, "a", kinds=kinds, part="test", measured=known)}
    alone = {s.candidate: s for s in compare(candidates, "a", kinds=kinds, part="test")}
    assert found["a"].figure == known["a"]
    assert found["b"] == alone["b"]
    assert found["a"].difference == alone["a"].difference


def test_holm_on_the_textbook_example():
    """Four p values; at 5 % the first and the last are rejected, and no other."""
    assert correct_by_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct_by_holm([]) == []
    assert correct_by_holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_is_closed_testing_with_bonferroni():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 6):
        p_values = list(rng.uniform(0, 0.4, n).round(2))  # rounded: ties among them
        assert correct_by_holm(p_values) == pytest.approx(close_under_bonferroni(p_values))


@pytest.mark.parametrize("n_seeds", [2, 5])
def test_the_interval_of_a_mean_holds_the_seeds_and_the_events(n_seeds):
    """The variance of a mean over s trainings is var(events) + var(seeds) / s, with the unbiased variance."""
    rng = np.random.default_rng(1)
    values = 0.9 + 0.01 * rng.normal(size=n_seeds)
    still = Replicas(values, np.tile(values[:, None], (1, 40_000)))
    of_seeds = values.std(ddof=1) / np.sqrt(n_seeds)
    assert still.draw_means(rng).std() == pytest.approx(of_seeds, rel=0.02)
    events = 0.004 * rng.normal(size=40_000)
    both = Replicas(values, values[:, None] + events)
    assert both.draw_means(rng).std() == pytest.approx(np.hypot(of_seeds, 0.004), rel=0.02)
    found = measure_mean(Replicas(values[:1], values[:1, None] + events))
    assert found.value == values[0]
    assert found.error == pytest.approx(0.004, rel=0.02)


def test_the_same_scores_are_told_apart_by_nothing():
    _, scores, _ = draw_events()
    found = compare_scores({"a": [scores], "b": [scores]})
    rival = next(standing for standing in found if standing.candidate == "b")
    assert rival.difference == Measurement(0.0, 0.0, 0.0)
    assert (rival.verdict, rival.p_value, rival.p_holm) == ("not distinguishable", 1.0, 1.0)
    winner = next(standing for standing in found if standing.candidate == "a")
    assert (winner.verdict, winner.difference) == ("winner", Measurement(0.0, 0.0, 0.0))


def test_seeds_alone_make_no_difference_significant():
    _, scores, _ = draw_events()
    rng = np.random.default_rng(2)
    found = compare_scores({name: [scores + 0.4 * rng.normal(size=400) for _ in range(3)] for name in "ab"})
    assert {standing.verdict for standing in found} == {"winner", "not distinguishable"}


def test_a_clearly_better_one_is_better_and_comes_first():
    labels, scores, weights = draw_events()
    rng = np.random.default_rng(3)
    noisy = [scores + 1.5 * rng.normal(size=400) for _ in range(3)]
    found = compare_scores({"a": noisy, "b": [scores], "c": [rng.normal(size=400)]}, kinds={"b": "baseline"})
    assert [(s.candidate, s.verdict) for s in found] == [("b", "better"), ("a", "winner"), ("c", "worse")]
    better = found[0]
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert better.figure.value == pytest.approx(expected)
    assert better.difference.value == pytest.approx(
        expected - np.mean([roc_auc_score(labels, s, sample_weight=weights) for s in noisy])
    )
    assert 0 < better.difference.low < better.difference.value < better.difference.high
    assert len(found[1].singles) == 3
    assert find_baseline(found) is better
    assert find_baseline(found[1:]) is None


def test_the_best_baseline_is_the_one_that_validation_chose_whatever_its_place():
    """On these events b is ahead of c, but c was better on validation."""
    labels, scores, _ = draw_events()
    worse = scores + np.random.default_rng(4).normal(size=400)
    replicas = {name: replicate(Auc(), labels, [each]) for name, each in (("a", scores), ("b", scores), ("c", worse))}
    kinds = {"a": "finalist", "b": "baseline", "c": "baseline"}
    found = compare(replicas, "a", kinds=kinds, part="test", best_baseline="c")
    assert [standing.candidate for standing in found if standing.is_best_baseline] == ["c"]
    assert find_baseline(found).candidate == "c"


def test_degrees_of_freedom_are_those_of_welchs_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 5), rng.normal(0, 3, 8)
    error = float(np.sqrt(np.var(first, ddof=1) / 5 + np.var(second, ddof=1) / 8))
    pair = tuple(Replicas(values, np.empty((len(values), 1))) for values in (first, second))
    assert _count_freedom(error, pair) == pytest.approx(ttest_ind(first, second, equal_var=False).df)
    single = Replicas(first[:1], np.empty((1, 1)))
    assert _count_freedom(error, (single, single)) == np.inf


def test_paired_differences_are_narrower_than_what_is_not_paired():
    _, scores, _ = draw_events()
    near = scores + 0.1 * np.random.default_rng(4).normal(size=400)
    winner, rival = sorted(compare_scores({"a": [scores], "b": [near]}), key=lambda standing: standing.candidate)
    assert rival.difference.error < 0.3 * np.hypot(winner.figure.error, rival.figure.error)


@pytest.mark.parametrize(("of_seeds", "of_events"), [(0.0, 1.0), (3.0, 0.3)])
def test_few_verdicts_are_false_where_nobody_is_better(of_seeds, of_events):
    """300 judgements of four rivals of five seeds, all worth the same: at least one false verdict in 5 % of them.

    A figure is a mean over events that all share in part, plus a seed's own deviation; of_seeds and of_events are the
    standard deviations of what is not shared.
    """
    rng, n_events, n_seeds, n_candidates, n_times = np.random.default_rng(5), 200, 5, 5, 300
    names, n_false = [f"{place}" for place in range(n_candidates)], 0
    for _ in range(n_times):
        events = rng.normal(size=n_events) + of_events * rng.normal(size=(n_candidates, n_events))
        seeds = of_seeds * rng.normal(size=(n_candidates, n_seeds)) / np.sqrt(n_events)
        drawn = events @ rng.multinomial(n_events, np.full(n_events, 1 / n_events), size=200).T / n_events
        replicas = {
            name: Replicas(events[i].mean() + seeds[i], drawn[i] + seeds[i][:, None]) for i, name in enumerate(names)
        }
        standings = compare(replicas, "0", kinds=dict.fromkeys(names, "finalist"), part="test", seed=0)
        n_false += any(standing.verdict in ("better", "worse") for standing in standings)
    assert n_false <= 0.07 * n_times


def test_a_figure_without_bound_tells_nobody_apart():
    """A rejection is infinite where no background is left above the cut, in the events or in some replicas."""
    rng = np.random.default_rng(6)
    finite, mixed = 10 + rng.normal(size=(2, 50)), np.full((2, 50), np.inf)
    mixed[:, ::2] = 20.0
    candidates = {
        "a": Replicas(np.array([10.0, 11.0]), finite),
        "b": Replicas(np.array([np.inf, 20.0]), mixed),
        "c": Replicas(np.array([20.0, 20.0]), mixed),
        "d": Replicas(np.array([np.nan]), finite[:1]),
    }
    for winner in "ab":
        found = compare(candidates, winner, kinds=dict.fromkeys(candidates, "finalist"), part="test")
        assert {standing.verdict for standing in found} == {"winner", "not distinguishable"}
    assert measure_mean(candidates["b"]).value == np.inf


def standing(candidate, value, verdict, n_parameters, kind="finalist"):
    measured = Measurement(value, value, value)
    return Standing(
        candidate=candidate,
        kind=kind,
        part="validation",
        figure=measured,
        singles=(value,),
        difference=measured,
        p_value=1.0,
        p_holm=1.0,
        verdict=verdict,
        n_parameters=n_parameters,
    )


def test_the_cheapest_is_the_smallest_network_of_those_that_are_not_worse():
    standings = [
        standing("big", 0.93, "winner", 9_000),
        standing("trees", 0.93, "not distinguishable", None, kind="baseline"),
        standing("ensemble", 0.93, "better", 50, kind="ensemble"),
        standing("small", 0.92, "not distinguishable", 100),
        standing("as small", 0.91, "not distinguishable", 100),
        standing("tiny", 0.80, "worse", 10),
    ]
    assert find_cheapest(standings) == "as small", "no figure breaks a tie"
    twins = [standing("slow", 0.94, "better", 50), standing("quick", 0.92, "not distinguishable", 50)]
    assert find_cheapest(twins, {"slow": 9.0, "quick": 3.0}) == "quick"
    assert find_cheapest(twins, {"slow": 9.0}) == "slow", "the time of the other is not known"
    assert find_cheapest(standings[:1] + standings[-1:]) == "big"
    on_test = [replace(each, part="test", verdict="not distinguishable") for each in standings]
    assert find_cheapest([*on_test, *standings]) == "as small", "what is judged has no say"


def test_what_is_no_number_comes_last_wherever_the_best_is_taken():
    undefined, known = (Replicas(np.array(values), np.zeros((2, 3))) for values in ([np.nan, 0.9], [0.7, 0.8]))
    assert undefined.find_best() == 1
    finalists = [Candidate("first", "finalist", ()), Candidate("second", "finalist", ())]
    replicas = {"first": undefined, "second": known}
    part = Part(*np.zeros((5, 0)))
    assert choose_winner(Field(tuple(finalists), Auc(), part, 2, 0), replicas).name == "second"
    standings = compare(replicas, "second", kinds=dict.fromkeys(replicas, "finalist"), part="validation")
    assert [standing.candidate for standing in standings] == ["second", "first"]
