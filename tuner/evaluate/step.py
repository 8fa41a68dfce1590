"""Step 7, evaluate: finalists, ensemble and baselines side by side, on validation and, once, on test."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from tuner.checked_files import expect_form, read_json
from tuner.errors import SearchError
from tuner.evaluate.evaluation import Evaluation
from tuner.evaluate.json_form import build
from tuner.evaluate.judge import Judge
from tuner.predict.candidates import Candidate, TrainedNetwork, hand_on_again
from tuner.tune.judgement import Judgement
from tuner.tune.retraining import Tell
from tuner.tune.search import Search


def evaluate(
    search: Search,
    *,
    judgement: Judgement | None = None,
    open_test: bool = True,
    device: str | None = None,
    tell: Tell | None = None,
) -> Evaluation:
    """Return the judgement of a search, with 68 % intervals; write it to the run folder.

    The best settings are trained anew with several seeds; the winner is the one with the best mean of the figure of
    merit on validation. Its best network on validation is handed on to `tuner.predict` and `tuner.export`. A greedy
    ensemble of all these trainings and baselines (boosted trees, logistic regression) are judged beside it. The cuts
    are chosen on validation and frozen for test. The test part is opened once: the opening is logged in the run folder
    before anything of it is scored, and a later call on the same trials, events and rules reads what was found then.

    judgement: how many finalists, seeds, baselines; None for the study's own. open_test: False leaves the test part
    closed and judges on validation alone. tell: is told how far it has come. Writes `evaluation.json`, `finalists/`
    and, for the test part, `scores.parquet`: row of the events, label, weight, observers, the score of the network that
    is handed on, and those of every other candidate's trainings. Raise `SearchError` where no trial is complete,
    `EventsError` where the events have changed.
    """
    judgement = judgement or search.study.judgement
    if search.winner is None:
        raise SearchError(f'The search of study "{search.study.name}" must hold a complete trial, but holds none yet.')
    stored = read_evaluation(search)
    rests_on = _hash_grounds(search, judgement)
    if (
        stored is not None
        and stored.rests_on == rests_on
        and (stored.opening is not None or not open_test)
        and search.checkpoint_path(stored.winner, stored.seed).exists()
    ):
        winner = Candidate("winner", (TrainedNetwork(stored.winner, stored.seed),))
        hand_on_again(search, winner, Candidate("ensemble", stored.ensemble))
        return stored
    judge = Judge(search, judgement, rests_on=rests_on, stored=stored, device=device, tell=tell or (lambda _: None))
    return judge.judge(open_test=open_test)


def read_evaluation(search: Search) -> Evaluation | None:
    """Return what the last evaluation of a search found; None where there was none, or none of this version's form."""
    advice = (
        "Restore it from a copy; or delete it and run `tuner evaluate`, which opens the test part again and logs that."
    )
    content = read_json(search.folder.evaluation, advice=advice)
    if "rests_on" not in content:
        return None
    with expect_form(search.folder.evaluation, advice=advice):
        return build(Evaluation, content)


def still_holds(evaluation: Evaluation, search: Search) -> bool:
    """Return whether an evaluation is of the search's present trials and events, and of its problem's rules."""
    return evaluation.rests_on == _hash_grounds(search, evaluation.judgement)


def _hash_grounds(search: Search, judgement: Judgement) -> str:
    """Return the SHA-256 of all that a judgement rests on; a setting that has its default is as good as not there."""
    problem, usual = search.study.problem, asdict(Judgement())
    grounds = {
        "trials": search.fingerprint,
        "events": search.splits.events_digest,
        "figure": problem.figure_of_merit.name,
        "rule": problem.working_point.name,
        "columns": [*problem.all_observers, problem.optimum, *(nuisance.name for nuisance in problem.nuisances)],
        "seed": search.study.seed,
        "judgement": {name: value for name, value in asdict(judgement).items() if value != usual[name]},
    }
    return hashlib.sha256(json.dumps(grounds, sort_keys=True).encode()).hexdigest()
