"""Step 7 on the page: who won, by how much, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.report.answering import SHARE, SHARE_FORMULA, name_survival
from tuner.report.page import Block, Facts, Notice, Picture, Section, Table, Text
from tuner.report.writing import DASH, write_measurement, write_number, write_share


def write_evaluation(evaluation: Evaluation, pictures: Sequence[Picture], *, weighted: bool = False) -> Section:
    """Return step 7: who won against whom, every figure on validation and on test, what is luck, the openings.

    weighted: whether the problem has event weights.
    """
    counted = ", with event weights" if weighted else ""
    own = [part for part in evaluation.parts if part.candidate == "winner"]
    others = [part for part in evaluation.parts if part.candidate != "winner" and part.part == evaluation.last_part]
    rules = [f"score ≥ {p.threshold:.4g}: {p.threshold_rule}" for p in own[:1]]
    facts = [("Cut", rules[0])] if rules else []
    if any(SHARE in part.measurements for part in own):
        facts.append(("Share of the optimum", SHARE_FORMULA))
    return Section(
        number="7",
        name="Evaluate",
        title="Who won, by how much, and how far to trust it",
        blocks=[
            _write_standings(evaluation),
            Text(VERDICTS),
            *_write_selection(evaluation),
            _write_figures(f"The network that is handed on{counted}", own),
            *([_write_figures(f"The others{counted}", others)] if others else []),
            *_write_figure_cut(evaluation),
            _write_counts(own),
            Facts([*facts, ("Intervals", "68 %, from a weighted bootstrap over the events; not over trainings")]),
            *pictures,
            *_write_survival(evaluation),
            *_write_nuisances(evaluation),
            _tell_openings(evaluation),
        ],
    )


VERDICTS = (
    "Means are over the trainings of a setting, each with another seed. Differences are paired: the same events, drawn "
    "anew, for both; their intervals hold the events and the seeds. A verdict is better or worse where p, after Holm's "
    "correction for all rivals together, is below 0.05."
)


def _write_standings(evaluation: Evaluation) -> Table:
    """Return every candidate's mean on validation and on test, its difference from the winner, the verdict."""
    last = evaluation.last_part
    standings = evaluation.standings_on(last)
    on_validation = {s.candidate: s for s in evaluation.standings_on("validation")}
    head = ["Candidate", "Trainings"]
    head += ["Validation"] if last == "test" else []
    head += [
        last.capitalize(),
        "68 % interval",
        "Minus winner",
        "68 % interval",
        "p, corrected",
        "Verdict",
        "Parameters",
    ]
    rows = []
    for standing in standings:
        value, interval = write_measurement(standing.figure)
        first = [write_measurement(on_validation[standing.candidate].figure)[0]] if last == "test" else []
        against = (
            (DASH, DASH, DASH)
            if standing.verdict == "winner"
            else (*write_measurement(standing.difference), f"{standing.p_holm:.2g}")
        )
        size = write_number(standing.n_parameters) if standing.n_parameters else DASH
        name = f"{standing.candidate}{', the cheapest' if standing.candidate == evaluation.cheapest else ''}"
        rows.append((name, str(len(standing.singles)), *first, value, interval, *against, standing.verdict, size))
    marked = next(place for place, standing in enumerate(standings) if standing.verdict == "winner")
    return Table(caption=f"{evaluation.figure_of_merit} of all candidates", head=head, rows=rows, marked=marked)


def _write_figures(caption: str, parts: Sequence[PartEvaluation]) -> Table:
    """Return every figure of some candidates, each with its interval."""
    names = dict.fromkeys(name for part in parts for name in part.measurements)
    head = ["Figure", *(cell for part in parts for cell in (_name_part(part), "68 % interval"))]
    rows = [(name, *(cell for part in parts for cell in _write_cells(part, name))) for name in names]
    return Table(caption=caption, head=head, rows=rows)


def _write_counts(parts: Sequence[PartEvaluation]) -> Table:
    """Return the events that the figures rest on."""
    rows = [
        (
            _name_part(part),
            *(f"{n:,}" for n in (part.n_signal, part.selected_signal, part.n_background, part.selected_background)),
            f"{part.effective_signal:,.0f}",
            f"{part.effective_background:,.0f}",
        )
        for part in parts
    ]
    head = ("Part", "Signal", "above cut", "Background", "above cut", "Effective signal", "Effective background")
    return Table(caption="Events they rest on, counted", head=head, rows=rows)


def _write_selection(evaluation: Evaluation) -> list[Block]:
    """Return the selection-bias meter."""
    selection = evaluation.selection
    if selection is None:
        return []
    facts = [
        ("Best on validation", f"{write_number(selection.best)}, the best of {selection.n_trials:,} complete trials"),
        (
            "Expected luck",
            f"at most about {write_number(selection.expected_excess, 2)}: {write_number(selection.noise, 2)} from "
            f"training to training, times √(2 ln {selection.n_trials:,})",
        ),
    ]
    for name, measured in (("validation", selection.retrained), ("test", selection.test)):
        if measured is not None:
            facts.append((f"Trained anew, {name}", " (68 %: ".join(write_measurement(measured)) + ")"))
    return [Facts(facts)]


def _write_figure_cut(evaluation: Evaluation) -> list[Block]:
    """Return the cut of the declared figure of merit with what lies above it; nothing where it is not one of a cut."""
    own = [part for part in evaluation.parts if part.candidate == "winner"]
    cuts = [(part, part.figure_cut) for part in own if part.figure_cut is not None]
    if not cuts:
        return []
    head = ("Part", "Cut", "s", "b", "Signal, counted", "Background, counted", "Background, effective")
    rows = [
        (
            _name_part(part),
            f"{cut.threshold:.4g}",
            write_number(cut.s),
            write_number(cut.b),
            f"{cut.n_signal:,}",
            f"{cut.n_background:,}",
            f"{cut.effective_background:,.0f}",
        )
        for part, cut in cuts
    ]
    name = evaluation.figure_of_merit
    estimators = ", on ".join(f"{_name_part(part)} it is the value {cut.estimator}" for part, cut in cuts)
    return [
        Table(caption=f"Above the cut of {name}; s and b rescaled to what is expected", head=head, rows=rows),
        Text(f"How {name} is estimated: on {estimators}."),
    ]


def _write_survival(evaluation: Evaluation) -> list[Block]:
    """Return the difference in significance from the best baseline, by the background's uncertainty."""
    survival = evaluation.survival
    if survival is None:
        return []
    rows = [
        (
            write_share(row.relative_systematic, 0),
            *write_measurement(row.z_winner),
            *write_measurement(row.z_baseline),
            *write_measurement(row.d_z),
        )
        for row in survival.rows
    ]
    head = (
        "Systematic",
        "Z of the winner",
        "68 % interval",
        "Z of the baseline",
        "68 % interval",
        "Difference",
        "68 % interval",
    )
    expected = f"s = {write_number(survival.s)}, b = {write_number(survival.b)} before the cut"
    return [
        Table(caption=f"Does the gain survive? Asimov significance, {expected}", head=head, rows=rows),
        Text(
            f"{name_survival(evaluation)} The cut is chosen on one half of the part and tested on the other; "
            "the systematic is the relative uncertainty of the background above the cut."
        ),
    ]


def _write_nuisances(evaluation: Evaluation) -> list[Block]:
    """Return what each nuisance does to the declared figure and to the efficiencies at the frozen cut."""
    effects = evaluation.nuisances
    if effects is None:
        return []
    rows = [
        (
            f"{effect.name}, {direction}{', the opposite of up' if effect.symmetrised and direction == 'down' else ''}",
            write_number(shift.figure),
            f"{shift.d_figure:+.2g}",
            f"{100 * shift.signal:+.2f} %",
            f"{100 * shift.background:+.2f} %",
        )
        for effect in effects.effects
        for direction, shift in (("up", effect.up), ("down", effect.down))
    ]
    head = ("Nuisance", effects.figure_of_merit, "Change", "Signal above cut", "Background above cut")
    total = f"+{effects.total_up:.2g} \N{MINUS SIGN}{effects.total_down:.2g}"
    return [
        Table(caption="Nuisance variants: network and cut stay as they are", head=head, rows=rows),
        Text(f"Systematic uncertainty of {effects.figure_of_merit} in all, added in quadrature: {total}."),
    ]


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


def _name_part(part: PartEvaluation) -> str:
    return part.part if part.candidate == "winner" else f"{part.candidate}, {part.part}"


def _write_cells(part: PartEvaluation, name: str) -> tuple[str, str]:
    measured = part.measurements.get(name)
    return write_measurement(measured) if measured else (DASH, DASH)
