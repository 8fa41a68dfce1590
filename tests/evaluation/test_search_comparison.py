"""Winners of searches against each other: a plain bootstrap, exact zeros, a shuffled one, independence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tuner.evaluation.search_comparison import WinnerScores, compare_winners, find_ground
from tuner.evaluation.statistics.comparison import correct_by_holm
from tuner.metrics.figures_of_merit import Auc, Significance


def draw_winner(n=500, *, noise=0.0, seed=0, trainings=1):
    """Return scores that know the labels, with noise of their own; rows, labels and weights are always the same."""
    rng, own = np.random.default_rng(7), np.random.default_rng([seed, 1])
    labels = np.arange(n) % 2
    known = rng.normal(1.5 * labels)
    weights = rng.uniform(0.5, 2, n)
    return WinnerScores(
        rows=np.arange(n) + 40,
        labels=labels,
        weights=weights,
        trainings=tuple(known + noise * own.normal(size=n) for _ in range(trainings)),
        cuts=None,
        digest="a",
        source="events.csv",
    )


def measure_plainly(first, other, n_replicas=120):
    """Return the difference in weighted AUC, with its standard deviation over events drawn within their class."""
    rng = np.random.default_rng(11)
    classes = [np.flatnonzero(first.labels == label) for label in (0, 1)]

    def differ(rows):
        means = [
            np.mean([roc_auc_score(w.labels[rows], s[rows], sample_weight=w.weights[rows]) for s in w.trainings])
            for w in (other, first)
        ]
        return means[0] - means[1]

    drawn = [differ(np.concatenate([rng.choice(rows, len(rows)) for rows in classes])) for _ in range(n_replicas)]
    return differ(np.arange(len(first.labels))), np.std(drawn)


def test_the_interval_is_that_of_a_bootstrap_written_down_plainly():
    first, other = draw_winner(noise=0.3, seed=1), draw_winner(noise=0.5, seed=2)
    value, spread = measure_plainly(first, other)
    versus = compare_winners({"a": first, "b": other}, Auc(), n_replicas=500)["b"]
    assert versus.ground == "same test events"
    assert versus.n_events == 500
    assert versus.standing.difference.value == pytest.approx(value)
    assert versus.standing.difference.error == pytest.approx(spread, rel=0.25)


def test_trainings_widen_the_interval_by_their_own_variance():
    first, other = draw_winner(noise=0.4, seed=1, trainings=2), draw_winner(noise=0.4, seed=2, trainings=2)
    found = compare_winners({"a": first, "b": other}, Auc(), n_replicas=500)["b"].standing
    _, of_events = measure_plainly(first, other)
    areas = [[roc_auc_score(w.labels, s, sample_weight=w.weights) for s in w.trainings] for w in (first, other)]
    of_trainings = np.sqrt(sum(np.var(each, ddof=1) / len(each) for each in areas))
    assert found.singles == pytest.approx(areas[1])
    assert found.difference.error == pytest.approx(np.hypot(of_events, of_trainings), rel=0.25)


def test_the_same_winner_differs_by_nothing():
    same = draw_winner(noise=0.3, trainings=3)
    trainings = tuple(np.array(scores) for scores in same.trainings[:1])
    found = compare_winners({"a": replace(same, trainings=trainings), "b": replace(same, trainings=trainings)}, Auc())
    standing = found["b"].standing
    assert (standing.difference.value, standing.difference.low, standing.difference.high) == (0.0, 0.0, 0.0)
    assert (standing.verdict, standing.p_holm) == ("not distinguishable", 1.0)


def test_shuffled_scores_lose_and_win_when_they_come_first():
    good = draw_winner(noise=0.3, trainings=2)
    rng = np.random.default_rng(5)
    shuffled = replace(good, trainings=tuple(rng.permutation(scores) for scores in good.trainings))
    assert compare_winners({"a": good, "b": shuffled}, Auc())["b"].standing.verdict == "worse"
    assert compare_winners({"b": shuffled, "a": good}, Auc())["a"].standing.verdict == "better"


def test_other_test_events_are_not_paired():
    """Equal scores of one part and of another: the difference has the interval of two independent figures."""
    first = draw_winner(noise=0.3)
    other = replace(first, rows=first.rows + 1)
    found = compare_winners({"a": first, "b": other}, Auc(), n_replicas=500)
    single = found["a"].standing.figure.error
    assert found["b"].ground == "other split"
    assert found["b"].standing.difference.value == 0.0
    assert found["b"].standing.difference.error == pytest.approx(np.sqrt(2) * single, rel=0.1)


def test_what_two_searches_were_judged_on():
    first = draw_winner()
    shorter = draw_winner(300)
    assert find_ground(first, first) == "same test events"
    assert find_ground(first, replace(first, digest="b")) == "same test events"  # other features of the same source
    assert find_ground(first, replace(first, digest="b", source="other.csv")) == "other events"
    assert find_ground(first, replace(first, weights=2 * first.weights)) == "other split"
    assert find_ground(first, shorter) == "other split"
    assert find_ground(first, replace(shorter, digest="b")) == "other events"


def test_several_searches_are_corrected_together_and_keep_their_order():
    winners = {
        name: draw_winner(noise=noise, seed=place)
        for place, (name, noise) in enumerate(zip("abcd", (0.3, 0.3, 0.5, 2.0), strict=True))
    }
    found = compare_winners(winners, Auc())
    assert list(found) == list("abcd")
    p_values = [found[name].standing.p_value for name in "bcd"]
    assert [found[name].standing.p_holm for name in "bcd"] == pytest.approx(correct_by_holm(p_values))
    assert found["a"].standing.verdict == "winner"


def test_a_figure_of_a_cut_is_taken_at_the_cut_that_each_training_brings():
    figure, plain = Significance(s=100, b=1_000), draw_winner()
    scores = plain.trainings[0]
    cut = replace(plain, cuts=(1.0,))
    found = compare_winners({"a": cut, "b": replace(plain, cuts=(2.0,))}, figure)
    expected = [figure.at(at, plain.labels, scores, plain.weights) for at in (1.0, 2.0)]
    assert [found[name].standing.figure.value for name in "ab"] == pytest.approx(expected)
