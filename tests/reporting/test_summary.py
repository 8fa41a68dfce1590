"""What the page leads with: who won, against whom, and whether it can be trusted."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tuner.evaluation.statistics.nuisances import NuisanceEffect, NuisanceEffects, Shift
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver
from tuner.evaluation.statistics.systematics import Survival, SurvivalRow
from tuner.metrics.measurement import Measurement
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.reporting.summary import answer, write_total


def test_three_sentences_tell_winner_rivals_and_trust(make_search, evaluation):
    search = make_search(complete=3, pruned=2)
    winner, rivals, trust = answer(search, search.best_trial, evaluation)
    assert winner == (
        "Trial 2 (MLP of 54,017 parameters) has won among the 2 configurations retrained, with AUC 0.9338 ± 0.0026 "
        "on test, the mean of 2 trainings; the network handed on reaches 98.20 ± 0.40 % of the optimum. "
        "Handed on is one of its networks, trial 2, seed 1: AUC 0.9338 ± 0.0026 on test."
    )
    assert rivals == (
        "In the mean over its trainings it beats boosted trees by 0.0143 ± 0.0011; it cannot be told from trial 0 (it "
        "is ahead by 0.0012 ± 0.0011) and the ensemble; of the networks that cannot be told from it on validation, "
        "trial 0 is the cheapest (12,001 parameters)."
    )
    assert trust == (
        "Trial 2, as the best of 3 complete trials, promised AUC 0.9401 on validation, of which 0.0018 is "
        "typically luck; retrained it has 0.9371 ± 0.0025 there and 0.9338 ± 0.0026 on test; the test part has been "
        "opened once."
    )


def test_that_the_trees_won_comes_first(make_search, judge):
    search = make_search(complete=3)
    found = judge(trees="better")
    winner, rivals, _ = answer(search, search.best_trial, found)
    assert winner.startswith(
        "Boosted trees have won: AUC 0.9379 ± 0.0026 on test; the best network, trial 2 (MLP of "
        "54,017 parameters), the mean of 2 trainings, is behind by 0.0041 ± 0.0011; the network handed on"
    )
    assert rivals.startswith(
        "In the mean over its trainings it is behind boosted trees by 0.0041 ± 0.0011; it cannot be told from trial 0 "
    )


def test_that_the_trees_are_as_good_is_said_at_once(make_search, judge):
    search = make_search(complete=3)
    found = replace(judge(trees="not distinguishable"), cheapest="trial 2")
    winner, rivals, _ = answer(search, search.best_trial, found)
    assert winner.startswith("Trial 2 (MLP of 54,017 parameters) is the best network, with AUC 0.9338 ± 0.0026 on test")
    assert "but it cannot be told from boosted trees" in winner
    assert "won" not in winner
    assert rivals == (
        "In the mean over its trainings it cannot be told from boosted trees (it is ahead by 0.0012 ± 0.0011), the "
        "ensemble and trial 0."
    )


@pytest.mark.parametrize(("size", "told"), [(48_600, True), (48_700, False)])
def test_a_network_is_called_the_cheapest_where_it_saves_a_tenth(make_search, evaluation, size, told):
    search = make_search(complete=3)
    standings = [replace(s, n_parameters=size) if s.candidate == "trial 0" else s for s in evaluation.standings]
    rivals = answer(search, search.best_trial, replace(evaluation, standings=tuple(standings)))[1]
    assert ("trial 0 is the cheapest" in rivals) == told


def test_a_better_ensemble_is_named(make_search, judge):
    search = make_search(complete=3)
    found = judge(ensemble="better")
    told = answer(search, search.best_trial, found)
    assert "averaged with the others, as the ensemble, it gains 0.0041 ± 0.0011" in told[1]
    assert "behind" not in "".join(told)


def test_the_winner_alone_has_no_rival(make_search, evaluation):
    search = make_search(complete=3)
    alone = tuple(standing for standing in evaluation.standings if standing.verdict == "winner")
    assert answer(search, search.best_trial, replace(evaluation, standings=alone))[1] == "It had no rival."


def test_a_closed_test_part_is_told_and_validation_leads(make_search, evaluation):
    search = make_search(complete=3)
    unseen = replace(evaluation.selection, test=None)
    closed = replace(evaluation, opening=None, openings=0, selection=unseen, parts=evaluation.parts[:1])
    winner, _, trust = answer(search, search.best_trial, closed)
    assert "on validation, the mean of 2 trainings" in winner
    assert "on test" not in winner
    assert trust.endswith("retrained it has 0.9371 ± 0.0025 there; the test part is still closed.")


def test_luck_that_was_not_measured_is_not_told(make_search, evaluation):
    search = make_search(complete=3)
    bare = replace(evaluation.selection, n_trials=1, noise=0.0, expected_excess=0.0, retrained=None, test=None)
    trust = answer(search, search.best_trial, replace(evaluation, selection=bare, openings=3))[2]
    assert trust.startswith("Trial 2 promised AUC 0.9401 on validation; it was not retrained; the test part has ")
    assert "opened 3 times, so it is not quite unseen any more." in trust


def make_survival(d_auc: float, *d_z: float) -> Survival:
    """A difference in AUC and in significance, each known to 0.5 of itself at 0.001 and 0.1."""

    def known(value: float, error: float) -> Measurement:
        return Measurement(value, value - error, value + error)

    rows = [
        SurvivalRow(0.1 * place, known(30.0, 1.0), known(30.0 - z, 1.0), known(z, 0.05), known(z, 0.1))
        for place, z in enumerate(d_z)
    ]
    return Survival(known(d_auc, 5e-4), known(d_auc, 1e-3), tuple(rows), s=100.0, b=1000.0, n_replicas=20)


@pytest.mark.parametrize(
    ("survival", "told"),
    [
        (
            make_survival(0.01, 1.0, 1.0),
            "the lead of the network handed on over boosted trees survives a cut and the background",
        ),
        (
            make_survival(0.01, 1.0, 1.0, -1.0, -1.0),
            "survives a cut at some of the background's uncertainties, but not at all of them; at 20 and 30 % boosted",
        ),
        (
            make_survival(0.01, 0.0, 0.0),
            "in AUC is absorbed at a cut: in significance they differ by less than 0.1 either way",
        ),
        (
            make_survival(0.01, -1.0, -1.0),
            "the lead of the network handed on over boosted trees turns into a loss at a cut",
        ),
        (make_survival(-0.01, -1.0, -1.0), "the lead of boosted trees over the network handed on survives a cut"),
        (make_survival(0.0, 0.0, 0.0), "nor boosted trees leads in AUC, so there is no gain to survive a cut"),
    ],
)
def test_what_a_cut_leaves_of_the_lead(make_search, evaluation, survival, told):
    search = make_search(complete=3)
    assert told in answer(search, search.best_trial, replace(evaluation, survival=survival))[1]


def test_nuisances_count_for_trust(make_search, evaluation):
    search = make_search(complete=3)
    effect = NuisanceEffect("scale", Shift(0.93, -0.004, 0.01, 0.02), Shift(0.936, 0.002, 0.0, 0.0), symmetrised=False)
    effects = NuisanceEffects("AUC", 0.934, 0.61, (effect,))
    trust = answer(search, search.best_trial, replace(evaluation, nuisances=effects))[2]
    assert "; nuisances move the AUC by +0.002 -0.004; the test part" in trust
    only_down = NuisanceEffect("scale", Shift(0.93, -0.00074, 0, 0), Shift(0.93, -0.0006, 0, 0), symmetrised=False)
    assert write_total(NuisanceEffects("AUC", 0.934, 0.61, (only_down,))) == "+0 -0.0007"


def test_a_part_with_few_events_of_a_class_is_warned_of(make_search, evaluation):
    search = make_search(complete=3)
    assert not any("fewer than 50" in told for told in answer(search, search.best_trial, evaluation))
    parts = tuple(replace(part, effective_signal=31.6) for part in evaluation.parts)
    warning = answer(search, search.best_trial, replace(evaluation, parts=parts))[-1]
    assert "he test part has 32 effective signal events" in warning
    assert warning.endswith("fewer than 50: what is measured there is uncertain, as is who won.")


def test_a_sculpted_observer_counts_for_trust(make_search, evaluation):
    search = make_search(complete=3)
    mass = SculptedObserver(
        observer="mass",
        part="test",
        divergence=Measurement(0.0931, 0.08, 0.1),
        chance=Measurement(0.0028, 0.002, 0.004),
        p_value=0.005,
        baseline=0.0312,
        peak=124.0,
        signal=Measurement(125.1, 119.0, 131.0),
    )
    trust = answer(search, search.best_trial, replace(evaluation, sculpting=(mass,)))[2]
    assert (
        "; the cut of the working point sculpts the background in mass (Jensen-Shannon divergence 0.093 +0.007 -0.013 "
        "bits, random subsamples 0.0028, that of boosted trees 0.031); the test part has been opened once."
    ) in trust
    alone = replace(mass, baseline=None)
    trust = answer(search, search.best_trial, replace(evaluation, sculpting=(alone, replace(alone, observer="pt"))))[2]
    assert "random subsamples 0.0028) and, less, in pt; the test" in trust
    strong = replace(mass, divergence=Measurement(0.31, 0.3, 0.32))
    *_, trust, warning = answer(search, search.best_trial, replace(evaluation, sculpting=(strong, mass)))
    assert "sculpts" not in trust
    assert warning.startswith(
        "The cut of the working point strongly sculpts the background in mass: what passes is most enriched near 124, "
        "where the signal is (median "
        "125); Jensen-Shannon divergence 0.310 ± 0.010 bits, random subsamples 0.0028, that of boosted trees 0.031. "
        "A bump"
    )
    elsewhere = replace(strong, peak=200.0)
    warning = answer(
        search, search.best_trial, replace(evaluation, sculpting=(elsewhere, replace(strong, observer="pt")))
    )[-1]
    assert "what passes is most enriched near 200; " in warning
    assert "; likewise in pt." in warning


def test_without_evaluation_the_test_part_is_closed(make_search):
    search = make_search(complete=2)
    told = answer(search, search.best_trial, None)
    assert "number 1 is the best so far: AUC 0.9150 on validation" in told[0]
    assert told[1].endswith("the test part is still closed: `tuner.evaluate(search)` does both.")
    kept = replace(search, study_file=Path("my studies/a.py"))
    place = shlex.quote(str(search.folder.path.parent))
    assert answer(kept, kept.best_trial, None)[1].endswith(
        f"still closed: `tuner evaluate 'my studies/a.py' --folder {place}` does both."
    )


def test_an_opened_test_part_is_not_called_closed(make_search):
    search = make_search(complete=2)
    opening = {"number": 1, "when": "", "study": "s", "trial": 0, "events_digest": "", "reason": "first evaluation"}
    search.folder.openings.write_text(json.dumps(opening) + "\n")
    told = answer(search, search.best_trial, None)[1]
    assert "closed" not in told
    assert "the test part has been opened once: run `tuner.evaluate(search)` again." in told


def test_without_a_complete_trial_says_so(make_search):
    assert answer(make_search(), None, None) == ["No trial has begun."]
    [told] = answer(make_search(pruned=1, failed=1), None, None)
    assert "Of 2 trials, none is complete yet" in told
    [told] = answer(make_search(failed=2), None, None)
    assert "All of them failed" in told


def test_luck_that_could_not_be_measured_is_told_as_not_known(make_search, evaluation):
    search = make_search(complete=3)
    unknown = replace(evaluation.selection, noise=None, expected_excess=None)
    trust = answer(search, search.best_trial, replace(evaluation, selection=unknown))[2]
    assert "it is not known how much is luck" in trust


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("worse", "it beats boosted trees, the best baseline on validation, by 0.0143 ± 0.0011."),
        (
            "not distinguishable",
            "it cannot be told from boosted trees, the best baseline on validation: it is ahead by 0.0012 ± 0.0011.",
        ),
        ("better", "Boosted trees have won: better by 0.0041 ± 0.0011 than what is handed on."),
    ],
)
def test_a_bag_that_is_handed_on_leads_with_its_own_lead_on_the_best_baseline(make_search, judge, verdict, told):
    search, found = make_search(complete=3), judge(trees=verdict)
    trees = next(standing for standing in found.standings_on("test") if standing.candidate == "boosted trees")
    bag = Predictor("bag", tuple(TrainedNetwork(2, "fold", number) for number in range(8)))
    parts = tuple(replace(part, candidate="bag") for part in found.parts)
    found = replace(found, predictors=(bag, *found.predictors), parts=parts, over_baseline=trees)
    first, second, third, *_ = answer(search, search.best_trial, found)
    assert told in first
    assert "The bag of 8 networks is handed on: AUC 0.9338 ± 0.0026 on test; it reaches 98.20 ± 0.40 % of" in first
    assert second == (
        "Of 2 configurations retrained, that of trial 2 (MLP of 54,017 parameters) has won on validation; a single "
        "network of it has AUC 0.9338 ± 0.0026 on test, the mean of 2 trainings."
    )
    assert third.startswith("In the mean over its trainings it ")


def test_that_the_auc_decided_is_told_where_the_figure_of_one_cut_put_another_finalist_first(make_search, evaluation):
    search = make_search(complete=3)
    rows = [s for s in evaluation.standings_on("validation") if s.kind == "finalist"]
    assert [s.candidate for s in rows] == ["trial 2", "trial 0"]
    assert "by AUC" not in answer(search, search.best_trial, evaluation)[0]
    others = [s for s in evaluation.standings if s not in rows]

    def beside(lead):
        """Put the other finalist first, by so much."""
        other = replace(rows[1], figure=replace(rows[1].figure, value=rows[0].figure.value + lead))
        return replace(evaluation, standings=(other, rows[0], *others))

    assert "by AUC" not in answer(search, search.best_trial, beside(0.0))[0], "of equals, the smallest network"
    first = answer(search, search.best_trial, beside(0.001))[0]
    assert "has won among the 2 configurations retrained, by AUC, as AUC cannot tell it from the best, with" in first
