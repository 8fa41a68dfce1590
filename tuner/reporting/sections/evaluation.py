"""Step 7 on the page: who won, by how much, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import Standing
from tuner.evaluation.statistics.metrics_table import CROSSED, FigureCut, PartEvaluation
from tuner.evaluation.statistics.selection_bias import expect_maximum
from tuner.evaluation.verdicts import explain_intervals
from tuner.metrics.gamma_telescopes import GAMMA_FIGURES
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.progress.wording import write_count, write_number
from tuner.reporting.formatting import DASH, stack, stack_error, stack_interval, write_change
from tuner.reporting.page import Block, Notice, Picture, Section, Table, Text
from tuner.reporting.sections.baselines import write_baselines
from tuner.reporting.sections.systematics import write_nuisances, write_survival, write_templates
from tuner.reporting.sections.working_points import write_working_points
from tuner.reporting.summary import SHARE, tell_best_baseline, tell_cuts, tell_selection
from tuner.tuning.search import Search

FIRST, OF_SURVIVAL = "candidates", "survival"
SHARE_FORMULA = "(AUC - 1/2)/(AUC of the optimum - 1/2)"


def write_evaluation(search: Search, evaluation: Evaluation, pictures: Mapping[str, Picture]) -> Section:
    """Return step 7: who won against whom, what is luck, every figure, what survives, pictures, openings.

    pictures: by name; `candidates` stands with the standings, `survival` with its table, the others follow in order.
    """
    weighted = ", with event weights" if search.study.problem.weight is not None else ""
    own = evaluation.own_parts
    figure = evaluation.figure_of_merit
    all_events = [part for part in evaluation.parts if part.part not in ("validation", "test", OUT_OF_FOLD)]
    in_depth = [picture for name, picture in pictures.items() if name not in (FIRST, OF_SURVIVAL)]
    return Section(
        number="7",
        name="Evaluate",
        title="Who won, by how much, and how far to trust it",
        blocks=[
            _write_standings(evaluation),
            Text(_explain_standings(evaluation)),
            *([pictures[FIRST]] if FIRST in pictures else []),
            *_write_selection(search, evaluation),
            _write_figures(f"What is handed on{weighted}", own, figure, by_part=True),
            Text(_tell_figures(evaluation, own)),
            _write_counts(own),
            *_write_figure_cut(evaluation),
            *write_working_points(evaluation),
            *write_baselines(evaluation),
            *_write_others(evaluation, weighted),
            *(
                _write_figures(f"Out of fold{weighted}: every event is new to its network", [part], figure)
                for part in all_events
            ),
            *write_survival(evaluation, pictures.get(OF_SURVIVAL)),
            *write_nuisances(evaluation),
            *write_templates(evaluation),
            *in_depth,
            _tell_openings(evaluation),
        ],
    )


def _explain_standings(evaluation: Evaluation) -> str:
    """Return how the table of candidates is to be read, and what its intervals are."""
    told = [
        explain_intervals(evaluation),
        "Differences are the winner minus the candidate, positive where the winner is ahead, and paired: both see the "
        "same events. The winner is called better or worse where p, corrected by Holm's method for all rivals "
        "together, is below 0.05.",
        "The winner is a configuration, chosen by its mean on validation over its trainings; what is handed on, a "
        "network or a mean of networks, is what `tuner predict` uses.",
        *([evaluation.choice_on_test] if evaluation.choice_on_test else []),
    ]
    if evaluation.last_part == "test":
        told.append(f"{CHOSEN_ON} Settings, epochs or members were chosen on these events: this figure flatters.")
    if any(part.part == OUT_OF_FOLD for part in evaluation.parts):
        told.append(OF_SINGLE_NETWORKS)
    return " ".join(told)


OF_SINGLE_NETWORKS = (
    "Out of fold, each event of train and validation is scored by one network alone: the only one of the bag that was "
    "not trained on it, though it stopped early on its fold. So these figures are of single networks; the bag, a mean "
    "of all of them, is measured on test."
)


CHOSEN_ON = "\N{DAGGER}"
"""Marks figures of events that a candidate was chosen on."""


def _write_standings(evaluation: Evaluation) -> Table:
    """Return every candidate's mean, how far the winner is ahead of it, the verdict, the mean on other events."""
    last = evaluation.last_part
    standings = evaluation.standings_on(last)
    elsewhere = _find_elsewhere(evaluation) if last == "test" else {}
    head = ["Candidate", last.capitalize(), "Winner minus it", "The winner is", *elsewhere]
    rows = []
    for standing in standings:
        won = standing.verdict == "winner"
        p_value = "p < 0.001" if standing.p_holm < MIN_P else f"p = {standing.p_holm:#.2g}"
        row = [
            stack(standing.candidate, ", ".join(_describe(evaluation, standing))),
            stack_error(standing.figure),
            DASH if won else stack(write_change(standing.lead), standing.lead.error_text),
            "this one" if won else stack(standing.verdict_on_winner, p_value),
        ]
        rows.append([*row, *(cells.get(standing.candidate, DASH) for cells in elsewhere.values())])
    marked = next(place for place, standing in enumerate(standings) if standing.verdict == "winner")
    return Table(caption=f"{evaluation.figure_of_merit} of all candidates", head=head, rows=rows, marked=marked)


def _describe(evaluation: Evaluation, standing: Standing) -> list[str]:
    """Return what stands below a candidate's name."""
    told = [write_count(len(standing.singles), "training")] if standing.kind == "finalist" else []
    told += [write_count(standing.n_parameters, "parameter")] if standing.n_parameters else []
    record = next((record for record in evaluation.baselines if record.name == standing.candidate), None)
    told += [f"fitted on {record.fitted_on}"] if record is not None else []
    told += [tell_best_baseline(evaluation, standing.candidate)] if standing.is_best_baseline else []
    told += ["the cheapest"] if standing.candidate == evaluation.cheapest else []
    if evaluation.handed_on.name == SINGLE_NETWORK and standing.verdict == "winner":
        return [*told, "one of its networks is handed on" if len(standing.singles) > 1 else "handed on"]
    return told + (["handed on"] if standing.candidate == evaluation.handed_on.name else [])


def _find_elsewhere(evaluation: Evaluation) -> dict[str, dict[str, str]]:
    """Return the columns beside that of test, cells by candidate: validation, and out of fold where there is any."""
    untuned = {record.name for record in evaluation.baselines if not record.n_planned}
    validation = {
        s.candidate: stack_error(s.figure)
        if s.candidate in untuned
        else stack(f"{s.figure.value_text} {CHOSEN_ON}", s.figure.error_text)
        for s in evaluation.standings_on("validation")
    }
    figure = evaluation.figure_of_merit
    out_of_fold = {
        part.candidate: stack(f"{part[figure].value_text} {CHOSEN_ON}", part[figure].error_text)
        for part in evaluation.parts
        if part.part == OUT_OF_FOLD and figure in part.measurements
    }
    return {"Validation": validation} | ({"Out of fold": out_of_fold} if out_of_fold else {})


MIN_P = 0.001
"""Below this a p value is not told: tails say little there."""


def _write_selection(search: Search, evaluation: Evaluation) -> list[Block]:
    """Return the selection-bias meter: what the search promised, what of it may be luck, what came of it."""
    selection = evaluation.selection
    if selection is None:
        return []
    noise = (
        f" Luck: {write_number(selection.noise, 2)}, the spread of equal settings, times "
        f"{expect_maximum(selection.n_trials):.2f}, the expected largest of {selection.n_trials:,} normal deviates."
    )
    sentence = f"Selection bias: {tell_selection(search, evaluation)}."
    return [Text(f"{sentence}{noise if selection.expected_excess else ''}")]


def _write_figures(
    caption: str,
    parts: Sequence[PartEvaluation],
    figure_of_merit: str,
    *,
    folded: bool = False,
    by_part: bool = False,
) -> Table:
    """Return every figure of some candidates, or of one by part, each with its interval."""
    names = dict.fromkeys(name for part in parts for name in part.measurements if name not in GAMMA_FIGURES)
    own = [f"{part.part} {CHOSEN_ON}" if part.part != "test" else part.part for part in parts]
    head = ["Figure", *(own if by_part else (part.candidate for part in parts))]
    at = "at the working point" if (cut := parts[0].figure_cut) is None else f"at the {cut.name}"
    rows = [
        (
            stack(name, _tell_cuts(parts) if name == figure_of_merit else at if name in OF_YIELDS else ""),
            *(stack_interval(part.measurements.get(name)) for part in parts),
        )
        for name in names
    ]
    return Table(caption=caption, head=head, rows=rows, folded=folded)


CALIBRATION = "calibration error"
LEANING = (
    "That of the calibration error leans to smaller values: the error is a distance, which chance makes larger, in a "
    "replica once more than in the events themselves; its replicas are mirrored at the value to allow for it. Where "
    "chance alone would give as much, the interval ends at the value."
)
OF_YIELDS = ("s/sqrt(b)", "Asimov significance")
"""Figures of one cut at expected yields."""


def _tell_cuts(parts: Sequence[PartEvaluation]) -> str:
    """Return how the figure of a cut is estimated on each part, in a few words."""
    crossed = "chosen on one half, measured on the other"
    told = [
        f"{part.part}: {crossed if cut.estimator == CROSSED else 'at the frozen cut'}"
        for part in parts
        if (cut := part.figure_cut) is not None
    ]
    return "; ".join(dict.fromkeys(told))


def _tell_figures(evaluation: Evaluation, own: Sequence[PartEvaluation]) -> str:
    """Return what the figures of what is handed on are of, at which cut, and where their intervals come from."""
    described = evaluation.handed_on.description
    told = (
        f"{described[:1].upper()}{described[1:]}. Intervals: 68 %, over events, by bootstrap; those of an "
        "efficiency with fewer than 10 effective events on one side of the cut by Clopper and Pearson's."
    )
    if any(name.startswith(CALIBRATION) for part in own for name in part.measurements):
        told += f" {LEANING}"
    if own:
        told += f" {tell_cuts(evaluation)}"
        told += f" {CHOSEN_ON} {_tell_flattery(own[0].part)}"
    if any(SHARE in part.measurements for part in own):
        told += f" Share of the optimum: {SHARE_FORMULA}."
    return told


def _tell_flattery(part: str) -> str:
    """Return why the figures on the events that the cuts were chosen on flatter, and whose they are."""
    if part != OUT_OF_FOLD:
        return (
            "The configuration, its epoch and the cuts were chosen on these events: everything that is told of them "
            "flatters, the figures at a cut most."
        )
    return (
        "The epochs and the cuts were chosen on these events, so figures there flatter, those at a cut most. "
        f"{OF_SINGLE_NETWORKS} The cuts, too, were chosen on scores of single networks; on test they are applied to "
        "the mean of all."
    )


MAX_CANDIDATES = 6
"""Candidates side by side in a table: more run out of the page."""


def _write_others(evaluation: Evaluation, weighted: str) -> list[Block]:
    """Return the figures of who is not handed on, on the last part that is open: networks, then baselines."""
    own, part = evaluation.own_parts, evaluation.last_part
    others = [each for each in evaluation.parts if each not in own and each.part == part]
    baselines = {s.candidate for s in evaluation.standings_on(part) if s.kind == "baseline"}
    tables: list[Block] = []
    for kind, among in (("Other networks", False), ("Baselines", True)):
        chosen = [each for each in others if (each.candidate in baselines) == among]
        for first in range(0, len(chosen), MAX_CANDIDATES):
            more = ", continued" if first else ""
            shown = chosen[first : first + MAX_CANDIDATES]
            caption = f"{kind} on {part}{weighted}{more}"
            tables.append(_write_figures(caption, shown, evaluation.figure_of_merit, folded=True))
    return tables


def _write_counts(parts: Sequence[PartEvaluation]) -> Table:
    """Return the events that the figures rest on."""
    rows = [
        (
            part.part,
            stack(f"{part.selected_signal:,}", f"of {part.n_signal:,}"),
            stack(f"{part.selected_background:,}", f"of {part.n_background:,}"),
            f"{part.effective_signal:,.0f}",
            f"{part.effective_background:,.0f}",
        )
        for part in parts
    ]
    head = ("Part", "Signal selected", "Background selected", "Effective signal", "Effective background")
    caption = "Events that the figures rest on, and those selected at the working point"
    return Table(caption=caption, head=head, rows=rows)


def _write_figure_cut(evaluation: Evaluation) -> list[Block]:
    """Return the cut of the declared figure of merit with what lies above it; nothing where it is not one of a cut."""
    cuts = [(part, part.figure_cut) for part in evaluation.own_parts if part.figure_cut is not None]
    if not cuts:
        return []
    head = ("Part", "Cut", "s", "b", "Signal, counted", "Background, counted")
    rows = [
        (
            part.part,
            f"{cut.threshold:#.4g}",
            write_number(cut.s),
            write_number(cut.b),
            f"{cut.n_signal:,}",
            stack(f"{cut.n_background:,}", f"effective: {cut.effective_background:,.0f}"),
        )
        for part, cut in cuts
    ]
    name = evaluation.figure_of_merit
    caption = f"Above the {evaluation.cut_name}; s and b rescaled to what is expected"
    estimators = ", on ".join(f"{part.part} it is the value {_tell_estimator(cut)}" for part, cut in cuts)
    return [
        Table(caption=caption, head=head, rows=rows),
        Text(
            f"How {name} is estimated: on {estimators}. Chosen and measured on the same events, the best of many cuts "
            "would be partly the luckiest."
            + (
                " The cut leaves as little background as it may (`min_background` of the figure of merit): a tighter "
                "one may be better, but these events cannot tell."
                if any(cut.is_at_floor for _, cut in cuts)
                else ""
            )
        ),
    ]


def _tell_estimator(cut: FigureCut) -> str:
    """Return what the figure's value is, and which events chose its cut where these are others."""
    known = cut.estimator != CROSSED and cut.chosen_on
    return f"{cut.estimator}, which was chosen on {cut.chosen_on}" if known else cut.estimator


def _tell_openings(evaluation: Evaluation) -> Block:
    """Return how often the test part was opened."""
    if evaluation.opening is None:
        return Text("The test part is still closed.")
    if evaluation.openings == 1:
        return Text("The test part has been opened once, for this.")
    return Notice(
        f"These figures are from opening {evaluation.opening} of the test part, which has been opened "
        f"{evaluation.openings} times: the more often one looks, the less they are those of unseen events."
    )
