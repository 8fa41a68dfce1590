"""What the page leads with: the answer in three sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.evaluation.baselines.records import BAGGED
from tuner.evaluation.results import Evaluation
from tuner.evaluation.shortening import describe_shortening
from tuner.evaluation.statistics.comparison import Standing, find_baseline
from tuner.evaluation.statistics.metrics_table import SCARCE, WORKING_POINT, find_scarce_classes
from tuner.evaluation.statistics.nuisances import NuisanceEffects
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver
from tuner.evaluation.statistics.systematics import Survival
from tuner.evaluation.test_set_log import count_openings
from tuner.evaluation.verdicts import tell_by_auc
from tuner.figures.units import split_unit
from tuner.metrics.figures_of_merit import shorten_figure
from tuner.metrics.measurement import Measurement, count_decimals, rank_value
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.progress.wording import join_words, write_count, write_number
from tuner.reporting.formatting import name_network, write_figure, write_percent_with_error
from tuner.tuning.commands import name_step
from tuner.tuning.search import Search, TrialRecord

SHARE = "share of the optimum"


def answer(search: Search, winner: TrialRecord | None, evaluation: Evaluation | None) -> list[str]:
    """Return who won by how much, against whom, and whether it can be trusted: a sentence each."""
    if winner is None:
        return [_answer_without_winner(search)]
    if evaluation is None:
        figure = search.study.problem.figure_of_merit.name
        return [
            f"Of {write_count(len(search.trials), 'trial')}, number {winner.number} is the best so far: "
            f"{figure} {write_figure(winner.figure)} on validation, by which it was chosen.",
            _tell_not_judged(search),
        ]
    standings = evaluation.standings_on(evaluation.last_part)
    if evaluation.handed_on.name == SINGLE_NETWORK:
        first = [f"{_tell_winner(search, evaluation, standings)}{_tell_network(evaluation, standings)}"]
    else:
        first = [_tell_handed_on(evaluation), _tell_configuration(search, evaluation, standings)]
    rivals = _tell_rivals(evaluation, standings)
    return [
        *first,
        " ".join(filter(None, (rivals, tell_by_auc(evaluation), evaluation.choice_on_test))),
        _tell_trust(search, evaluation),
        *filter(None, [_tell_shortening(search, evaluation)]),
        *_warn_of_sculpting(evaluation, search.study.problem.units),
        *_warn_of_scarce_events(evaluation),
    ]


def _tell_shortening(search: Search, evaluation: Evaluation) -> str:
    """Return what the judgement was spared for want of time, and how to have it in full; empty where nothing was."""
    told = describe_shortening(evaluation.settings, evaluation.shortening)
    return told and f"{told} `{name_step(search, 'evaluate')}` makes it in full."


def _tell_not_judged(search: Search) -> str:
    """Return that there is no evaluation, whether the test part was opened all the same, and what to do."""
    todo, n_openings = name_step(search, "evaluate"), count_openings(search)
    if not n_openings:
        return f"No finalist was retrained and the test part is still closed: `{todo}` does both."
    times = "once" if n_openings == 1 else f"{n_openings} times"
    return f"There is no evaluation of it as it is now, but the test part has been opened {times}: run `{todo}` again."


def _tell_handed_on(evaluation: Evaluation) -> str:
    """Return how good a mean of networks is that is handed on, beside the best baseline."""
    own, rival = evaluation.own_part, evaluation.over_baseline
    told = f"{_capitalize(describe_handed_on(evaluation))} is handed on"
    if own is not None and evaluation.figure_of_merit in own.measurements:
        told += f": {name_figure(evaluation)} {own[evaluation.figure_of_merit]} on {own.part}{_tell_share(evaluation)}"
    if rival is None:
        return f"{told}."
    distance = _write_distance(rival.lead)
    match rival.verdict:
        case "better":
            won = f"{_capitalize(write_candidate(rival.candidate))} {_conjugate(rival)} won"
            return f"{won}: better by {distance} than what is handed on. {told}."
        case "worse":
            return f"{told}; it beats {name_best_baseline(evaluation, rival.candidate)}, by {distance}."
    side = "behind" if rival.lead.value < 0 else "ahead"
    named = name_best_baseline(evaluation, rival.candidate)
    return f"{told}; it cannot be told from {named}: it is {side} by {distance}."


def _tell_configuration(search: Search, evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return which configuration won, where what is handed on is not a training of it."""
    mine = next(standing for standing in standings if standing.verdict == "winner")
    trial = next(trial for trial in search.trials if trial.number == evaluation.winner)
    n_settings = sum(standing.kind == "finalist" for standing in standings)
    who = f"{'that' if n_settings > 1 else 'The configuration'} of trial {evaluation.winner}"
    among = f"Of {n_settings} configurations retrained, " if n_settings > 1 else ""
    trainings = f", the mean of {len(mine.singles)} trainings" if len(mine.singles) > 1 else ""
    return (
        f"{among}{who} ({name_network(search, trial)}) has won on validation{_tell_tie(evaluation)}; a single "
        f"network of it has {name_figure(evaluation)} {mine.figure} on {evaluation.last_part}{trainings}."
    )


def _tell_tie(evaluation: Evaluation) -> str:
    """Return that the AUC decided, where another finalist has a better figure of merit on validation."""
    finalists = [each for each in evaluation.standings_on("validation") if each.kind == "finalist"]
    mine = [each for each in finalists if each.verdict == "winner"]
    if not mine or evaluation.last_part == "validation":
        return ""
    if rank_value(finalists[0].figure.value) <= rank_value(mine[0].figure.value):  # of equals, the smallest network
        return ""
    return f", by AUC, as {shorten_figure(evaluation.figure_of_merit)} cannot tell it from the best"


def _tell_winner(search: Search, evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return who won and how well. That a baseline won comes first; one that is as good is named, too."""
    mine = next(standing for standing in standings if standing.verdict == "winner")
    trial = next(trial for trial in search.trials if trial.number == evaluation.winner)
    network = f"trial {evaluation.winner} ({name_network(search, trial)})"
    trainings = f", the mean of {len(mine.singles)} trainings" if len(mine.singles) > 1 else ""
    part, share = evaluation.last_part, _tell_share(evaluation)
    value = f"{name_figure(evaluation)} {mine.figure} on {part}{trainings}"
    if (better := _find_baseline(standings, "better")) is not None:
        return (
            f"{_capitalize(write_candidate(better.candidate))} {_conjugate(better)} won: {name_figure(evaluation)} "
            f"{better.figure} on {part}; the best network, {network}{trainings}, is behind by "
            f"{_write_distance(better.lead)}{share}."
        )
    if (equal := _find_baseline(standings, "not distinguishable")) is not None:
        return (
            f"{_capitalize(network)} is the best network, with {value}, but it cannot be told from "
            f"{write_candidate(equal.candidate)}{share}."
        )
    n_settings = sum(standing.kind == "finalist" for standing in standings)
    among = f" among the {n_settings} configurations retrained" if n_settings > 1 else ""
    return f"{_capitalize(network)} has won{among}{_tell_tie(evaluation)}, with {value}{share}."


def _tell_network(evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return which of the winner's networks is handed on and its figure; nothing where it has but one."""
    mine = next(standing for standing in standings if standing.verdict == "winner")
    own, figure = evaluation.own_part, evaluation.figure_of_merit
    if len(mine.singles) < 2 or own is None or figure not in own.measurements:
        return ""
    return (
        f" Handed on is one of its networks, {describe_handed_on(evaluation)}: {name_figure(evaluation)} {own[figure]} "
        f"on {own.part}."
    )


def _find_baseline(standings: Sequence[Standing], verdict: str) -> Standing | None:
    """Return the best baseline, which validation chose, where it has this verdict."""
    best = find_baseline(standings)
    return best if best is not None and best.verdict == verdict else None


def _capitalize(text: str) -> str:
    return text[0].upper() + text[1:]


def _conjugate(standing: Standing) -> str:
    return "have" if standing.candidate.partition(", ")[0].endswith("s") else "has"


def _tell_share(evaluation: Evaluation) -> str:
    part = evaluation.own_part
    if part is None or SHARE not in part.measurements:
        return ""
    who = "it" if evaluation.handed_on.name != SINGLE_NETWORK else f"the {name_handed_on(evaluation)}"
    return f"; {who} reaches {write_percent_with_error(part[SHARE])} of the optimum"


def _tell_rivals(evaluation: Evaluation, standings: Sequence[Standing]) -> str:
    """Return whom the winner beats, who beats it, whom it cannot be told from, what a cut leaves of it."""
    told = []
    for verdict, begin in (("worse", "it beats "), ("better", "it is behind "), ("not distinguishable", EQUAL)):
        rivals = [standing for standing in standings if standing.verdict == verdict]
        if verdict == "better" and [rival.kind for rival in rivals] == ["ensemble"]:
            told.append(f"averaged with the others, as the ensemble, it gains {_write_distance(rivals[0].lead)}")
        elif rivals:
            told.append(f"{begin}{_list_rivals(rivals)}")
    if not told:
        return "It had no rival."
    mine = next(standing for standing in standings if standing.verdict == "winner")
    if len(mine.singles) > 1:
        told[0] = f"in the mean over its trainings {told[0]}"
    elif evaluation.handed_on.name != SINGLE_NETWORK:
        told[0] = f"a single network of it: {told[0]}"
    if (cheapest := _find_cheaper(evaluation, standings)) is not None:
        size = write_count(cheapest.n_parameters or 0, "parameter")
        told.append(
            f"of the networks that cannot be told from it on validation, {cheapest.candidate} is the cheapest ({size})"
        )
    if evaluation.survival is not None:
        told.append(_tell_survival(evaluation, evaluation.survival))
    return _capitalize("; ".join(told)) + "."


EQUAL = "it cannot be told from "
MAX_NAMED = 2
"""Further baselines that are named; more are counted."""
WORTH_IT = 0.9
"""Share of the winner's parameters up to which another network is called cheaper."""


def _find_cheaper(evaluation: Evaluation, standings: Sequence[Standing]) -> Standing | None:
    """Return the cheapest network that cannot be told from the winner, where it saves a tenth of the parameters."""
    by_name = {standing.candidate: standing for standing in standings}
    mine, cheapest = by_name.get(f"trial {evaluation.winner}"), by_name.get(evaluation.cheapest)
    if mine is None or cheapest is None or not (mine.n_parameters and cheapest.n_parameters):
        return None
    return cheapest if cheapest.n_parameters <= WORTH_IT * mine.n_parameters else None


def _list_rivals(rivals: Sequence[Standing]) -> str:
    """Return rivals in words, first the best baseline among them, with how far the winner is from it."""
    first = find_baseline(rivals) or rivals[0]
    by = f"by {_write_distance(first.lead)}"
    if first.verdict == "not distinguishable":
        by = f"(it is {'behind' if first.lead.value < 0 else 'ahead'} {by})"
    named = f"{_name_rival(first)} {by}" if first.lead.error > 0 else _name_rival(first)
    others = [rival for rival in rivals if rival is not first]
    baselines = [other for other in others if other.kind == "baseline"]
    if len(baselines) > MAX_NAMED:
        others = [other for other in others if other.kind != "baseline"]
    trials = [other.candidate.removeprefix("trial ") for other in others if other.kind == "finalist"]
    names = [_name_rival(other) for other in others if other.kind != "finalist"]
    if len(baselines) > MAX_NAMED:
        names.append(f"{len(baselines)} other baselines")
    if trials:
        names.append(f"trial{'s' if len(trials) > 1 else ''} {join_words(trials)}")
    if first.verdict == "not distinguishable":
        return join_words([named, *names])
    return f"{named}, and {join_words(names)}" if names else named


def _name_rival(rival: Standing) -> str:
    return write_candidate(rival.candidate) if rival.kind in ("finalist", "baseline") else f"the {rival.candidate}"


def _write_distance(lead: Measurement) -> str:
    """Return how far the winner is ahead or behind, without the sign."""
    return str(-lead if lead.value < 0 else lead)


def _tell_survival(evaluation: Evaluation, survival: Survival) -> str:
    """Return in a few words what a cut, and a background that is not known exactly, leave of the lead in AUC."""
    baseline = name_baseline(evaluation)
    own = f"the {name_examined(evaluation)}"
    leader, other = (baseline, own) if survival.leader < 0 else (own, baseline)
    lead, but = f"the lead of {leader} over {other}", survival.tell_behind(other)
    match survival.verdict:
        case "survives":
            return f"{lead} survives a cut and the background's uncertainty"
        case "survives in part":
            return f"{lead} survives a cut at some of the background's uncertainties, but not at all of them{but}"
        case "reversed":
            return f"{lead} turns into a loss at a cut"
        case "absorbed":
            return f"{lead} in AUC is absorbed at a cut: in significance they differ by {survival.limit}{but}"
    return f"neither {own} nor {baseline} leads in AUC, so there is no gain to survive a cut"


def _warn_of_scarce_events(evaluation: Evaluation) -> list[str]:
    """Return a sentence where a class has so few events in a part that its figures are hardly known."""
    scarce = find_scarce_classes(evaluation.own_parts)
    if not scarce:
        return []
    told = [
        f"the {part} part has {write_number(effective, 2)} effective {name} events" for part, name, effective in scarce
    ]
    return [
        f"{_capitalize(join_words(told))}, fewer than {SCARCE:g}: what is measured there is uncertain, as is who won."
    ]


def describe_handed_on(evaluation: Evaluation) -> str:
    """Return what is handed on with what it is made of: "trial 12, seed 0", "the bag of 8 networks"."""
    predictor = evaluation.handed_on
    return predictor.description if len(predictor.networks) == 1 else f"the {predictor.description}"


def tell_cuts(evaluation: Evaluation) -> str:
    """Return in a sentence which cuts on the score there are, and which is handed on; empty where none is known."""
    cut, own = evaluation.handed_on_cut, evaluation.own_part
    if own is None:
        return ""
    working_point = f"the working point, score ≥ {own.threshold:#.4g} ({own.threshold_rule})"
    if cut is None or cut.name == WORKING_POINT:
        return f"The cut that is handed on is {working_point}, frozen for test."
    return (
        f"There are two cuts, both frozen for test: {working_point}, where efficiencies and the confusion matrix are "
        f"told; and the {cut.name}, score ≥ {cut.threshold:#.4g} ({cut.rule}, chosen on {cut.chosen_on}), which is "
        "handed on."
    )


def name_figure(evaluation: Evaluation) -> str:
    """Return the declared figure's name as it stands in a sentence, without the yields that it expects: AMS."""
    return shorten_figure(evaluation.figure_of_merit)


def name_handed_on(evaluation: Evaluation) -> str:
    """Return what is handed on in words: "network handed on", "bag handed on"; the winner is a configuration."""
    name = evaluation.handed_on.name
    return f"{'network' if name in (SINGLE_NETWORK, 'refit') else name} handed on"


def is_handed_on_examined(evaluation: Evaluation) -> bool:
    """Return whether importances, survival, nuisances and sculpting are those of what is handed on."""
    return evaluation.examined in ("", evaluation.handed_on.name)


def name_examined(evaluation: Evaluation) -> str:
    """Return in words what importances, survival, nuisances and sculpting are of: "bag handed on", "single network"."""
    return name_handed_on(evaluation) if is_handed_on_examined(evaluation) else evaluation.examined


def _tell_examined(evaluation: Evaluation) -> str:
    """Return " of the single network", say, where that was examined for what is handed on; else nothing."""
    return "" if is_handed_on_examined(evaluation) else f" of the {evaluation.examined}"


def name_baseline(evaluation: Evaluation) -> str:
    """Return the name of the best baseline, which validation chose."""
    baseline = find_baseline(evaluation.standings_on(evaluation.last_part))
    return "the baseline" if baseline is None else write_candidate(baseline.candidate)


def name_best_baseline(evaluation: Evaluation, name: str) -> str:
    """Return the best baseline's name with how validation chose it: the row on test may be another fit than that."""
    return f"{write_candidate(name)}, {tell_best_baseline(evaluation, name)}"


def tell_best_baseline(evaluation: Evaluation, name: str) -> str:
    """Return how validation chose the best baseline, of which this row is a fit."""
    record = next((record for record in evaluation.baselines if record.name == name), None)
    if record is None or record.fitted_on == "train":
        return "the best baseline on validation"
    how = "by its scores out of fold" if name.endswith(BAGGED) else "before the refit"
    return f"the best baseline on validation {how}"


def write_candidate(name: str) -> str:
    """Return a candidate's name as it stands in a sentence: boosted trees (refitted)."""
    kind, _, manner = name.partition(", ")
    return f"{kind} ({manner})" if manner else kind


def _tell_trust(search: Search, evaluation: Evaluation) -> str:
    """Return what the search promised, how much of it may be luck, what test said, how often that was opened."""
    told = []
    if evaluation.selection is not None:
        told.append(tell_selection(search, evaluation))
    if evaluation.nuisances is not None:
        figure = f"{name_figure(evaluation)}{_tell_examined(evaluation)}"
        told.append(f"nuisances move the {figure} by {write_total(evaluation.nuisances)}")
    if evaluation.sculpted and not evaluation.sculpted[0].is_strong:
        told.append(_tell_sculpting(evaluation, evaluation.sculpted))
    if evaluation.opening is None:
        told.append("the test part is still closed")
    elif evaluation.openings == 1:
        told.append("the test part has been opened once")
    else:
        told.append(f"the test part has been opened {evaluation.openings} times, so it is not quite unseen any more")
    return _capitalize("; ".join(told)) + "."


def _warn_of_sculpting(evaluation: Evaluation, units: Mapping[str, str]) -> list[str]:
    """Return a sentence where the cut sculpts an observer strongly in background; else none. units: by observer."""
    strong = [observer for observer in evaluation.sculpted if observer.is_strong]
    if not strong:
        return []
    worst, *others = strong
    unit = split_unit(worst.observer, units)[1]
    where = f"what passes is most enriched near {write_number(worst.peak, 3)} {unit}".rstrip()
    if worst.peaks_at_signal and worst.signal is not None:
        where += f", where the signal is (median {write_number(worst.signal.value, 3)} {unit}".rstrip() + ")"
    also = f"; likewise in {join_words([other.observer for other in others])}" if others else ""
    return [
        f"The {evaluation.cut_name}{_tell_examined(evaluation)} strongly sculpts the background in {worst.observer}: "
        f"{where}; {_tell_divergence(evaluation, worst)}{also}. "
        "A bump there is no evidence of signal unless the background is modelled after that cut."
    ]


def _tell_sculpting(evaluation: Evaluation, sculpted: Sequence[SculptedObserver]) -> str:
    """Return which observer the cut sculpts most in background, by how much, and what the best baseline does."""
    worst, *others = sculpted
    also = f" and, less, in {join_words([other.observer for other in others])}" if others else ""
    cut = f"the {evaluation.cut_name}{_tell_examined(evaluation)}"
    return f"{cut} sculpts the background in {worst.observer} ({_tell_divergence(evaluation, worst)}){also}"


def _tell_divergence(evaluation: Evaluation, sculpted: SculptedObserver) -> str:
    told = (
        f"Jensen-Shannon divergence {sculpted.divergence} bits, random subsamples "
        f"{write_number(sculpted.chance.value, 2)}"
    )
    if sculpted.baseline is not None:
        told += f", that of {name_baseline(evaluation)} {write_number(sculpted.baseline, 2)}"
    return told


def write_total(effects: NuisanceEffects) -> str:
    """Return the total of all nuisances either way, the larger with one digit: +0.002 -0.003, and 0 for none."""
    digits = max((count_decimals(max(effects.total_up, effects.total_down)) or 1) - 1, 0)
    up, down = (
        f"{total:.{digits}f}" if round(total, digits) else "0" for total in (effects.total_up, effects.total_down)
    )
    return f"+{up} -{down}"


def tell_selection(search: Search, evaluation: Evaluation) -> str:
    """Return the selection-bias meter in a sentence without its full stop."""
    selection, best = evaluation.selection, search.best_trial
    assert selection is not None
    who = f"trial {best.number}" if best is not None else "the best trial"
    among = f", as the best of {selection.n_trials:,} complete trials," if selection.n_trials > 1 else ""
    promised = f"{who}{among} promised {name_figure(evaluation)} {write_figure(selection.best)} on validation"
    if selection.expected_excess is None:
        promised += ", of which it is not known how much is luck: there was one training"
    elif selection.expected_excess > 0:
        promised += f", of which {write_number(selection.expected_excess, 2)} is typically luck"
    if selection.retrained is None:
        return f"{promised}; it was not retrained"
    anew = f"{promised}; retrained it has {selection.retrained} there"
    return anew if selection.test is None else f"{anew} and {selection.test} on test"


def _answer_without_winner(search: Search) -> str:
    trials = search.trials
    if not trials:
        return "No trial has begun."
    failed = sum(trial.state == "failed" for trial in trials)
    why = " All of them failed: their reasons are below." if failed == len(trials) else ""
    return f"Of {write_count(len(trials), 'trial')}, none is complete yet, so there is no winner to judge.{why}"
