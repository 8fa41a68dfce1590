"""Steps 4 to 6 on the page: the winner's network, how it was trained, and the search that found it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from tuner.progress.wording import write_count, write_duration, write_number
from tuner.reporting.formatting import DASH, list_settings, name_network, write_figure, write_value
from tuner.reporting.page import Block, Facts, Notice, Picture, Section, Table, Text
from tuner.tuning.failures import POLICIES, count_failures
from tuner.tuning.parameter_importances import MIN_COMPLETE
from tuner.tuning.ranking import rank_trials
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.warm_starts import describe_gain, measure_gain

SHOWN_TRIALS = 10
SHOWN_PARAMETERS = 8
NEAR_EDGE = 0.03
"""Share of a range that counts as its edge."""


def write_model(search: Search, winner: TrialRecord) -> tuple[Section, Section]:
    """Return steps 4 and 5: the winner's network and the settings it was trained with."""
    settings = search.settings(winner)
    blocks = [Facts(list_settings(settings.network))]
    network = Section(number="4", name="Model", title=name_network(search, winner), blocks=blocks)
    ended = f"{write_count(winner.epochs, 'epoch')}, the best was epoch {winner.best_epoch}"
    trained: list[Block] = [Facts([("trained for", ended), *list_settings(settings.training)])]
    if winner.best_epoch == search.study.budget.epochs:
        trained.append(Notice("The best epoch is the last one of the budget: more epochs may make it better."))
    return network, Section(number="5", name="Train", title="How the winner was trained", blocks=trained)


def write_search(
    search: Search, pictures: Sequence[Picture], importances: Mapping[str, float], seconds: float | None
) -> Section:
    """Return step 6: trials by state, the best of them, settings at the edge of their range, failures.

    importances: by parameter, the largest first; empty where they are not known. seconds: time in which trials ran.
    """
    trials = search.trials
    states = Counter(trial.state for trial in trials)
    facts = [
        (
            "Budget",
            f"{write_count(search.study.budget.trials, 'trial')} of {write_count(search.study.budget.epochs, 'epoch')}",
        ),
        ("Epochs trained", f"{sum(trial.epochs for trial in trials):,}"),
        ("Time", write_duration(seconds)),
        ("Chosen by", f"{search.study.problem.figure_of_merit.name} on validation"),
    ]
    early = search.describe_early_end()
    ended_early: list[Block] = [Text(f"The search ended early: {early}")] if early else []
    blocks: list[Block] = [Facts(facts), *ended_early, *pictures]
    if (gain := measure_gain(search)) is not None:
        blocks.append(Text(describe_gain(gain)))
    if trials and not importances:
        blocks.append(Text(_tell_no_importances(states["complete"])))
    if best := rank_trials(trials)[:SHOWN_TRIALS]:
        blocks.append(_list_best(search, best, list(importances)))
    if search.best_trial is not None:
        blocks += [Notice(text) for text in find_edges(search.best_trial)]
    if ended := [(str(t.number), t.reason or "no reason was stored") for t in trials if t.state == "failed"]:
        blocks.append(Table(caption="Failed trials", head=("Trial", "Why"), rows=ended))
    if counts := count_failures(trials):
        rows = [(c.kind.value, f"{c.failed:,}", f"{c.resumed:,}", POLICIES[c.kind]) for c in counts]
        head = ("Failure", "Trials failed", "Given back", "What is done")
        blocks.append(Table(caption="Failures by kind", head=head, rows=rows))
    if pruned := [
        (str(t.number), str(t.epochs), write_figure(t.value), t.reason or "") for t in trials if t.state == "pruned"
    ]:
        head = ("Trial", "Epochs", "Best AUC", "Why")
        blocks.append(Table(caption=write_count(len(pruned), "pruned trial"), head=head, rows=pruned, folded=True))
    return Section(number="6", name="Tune", title=write_states(states), blocks=blocks)


def write_states(states: Counter[str]) -> str:
    """Return the numbers of trials by state as a line."""
    order = ("complete", "pruned", "failed", "interrupted", "running", "waiting")
    told = ", ".join(f"{states[state]:,} {state}" for state in order if states[state])
    return f"{write_count(states.total(), 'trial')}: {told}" if told else "No trials yet"


def find_edges(winner: TrialRecord) -> list[str]:
    """Return a sentence for each parameter whose best value lies at an edge of its range that may be moved.

    A lower edge of zero, or of one for whole numbers, is no edge: there is nothing beyond it.
    """
    told = []
    for name, distribution in winner.distributions.items():
        low, high = getattr(distribution, "low", None), getattr(distribution, "high", None)
        if low is None or high is None or low == high or name not in winner.params:
            continue
        value = winner.params[name]
        whole = isinstance(low, int) and isinstance(high, int)
        scale = math.log if distribution.log else float
        place = (scale(value) - scale(low)) / (scale(high) - scale(low))
        near = 0.0 if whole else NEAR_EDGE
        at_low = place <= near and low > (1 if whole else 0)
        at_high = place >= 1 - near
        if at_low or at_high:
            edge = "lower" if at_low else "upper"
            told.append(
                f"The best {name} = {write_value(value)} lies at the {edge} edge of its range, "
                f"{write_value(low)} to {write_value(high)}: widen the range."
            )
    return told


def _tell_no_importances(n_complete: int) -> str:
    if n_complete < MIN_COMPLETE:
        return (
            f"The importance of parameters is not shown: it needs at least {MIN_COMPLETE} complete trials, "
            f"and there {'is' if n_complete == 1 else 'are'} {n_complete}."
        )
    return "The importance of parameters is not shown: all values are equal, or no parameter is common to the trials."


def _list_best(search: Search, best: Sequence[TrialRecord], important: Sequence[str]) -> Table:
    """Return the best trials, with the parameters in which they differ, the most important first."""
    names = dict.fromkeys([*important, *(name for trial in best for name in trial.params)])
    differing = [n for n in names if len({repr(trial.params.get(n)) for trial in best}) > 1] or list(names)
    differing = differing[:SHOWN_PARAMETERS]
    figure = search.study.problem.figure_of_merit.name
    rows = [
        (
            str(trial.number),
            write_figure(trial.figure),
            str(trial.best_epoch or DASH),
            write_number(trial.n_parameters),
            *(write_value(trial.params[n]) if n in trial.params else DASH for n in differing),
        )
        for trial in best
    ]
    caption = f"The {len(rows)} best trials and where they differ most" if len(rows) > 1 else "The only complete trial"
    return Table(caption=caption, head=("Trial", figure, "Best epoch", "Parameters", *differing), rows=rows, marked=0)
