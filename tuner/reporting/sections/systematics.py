"""What step 7 says of the next stage: whether the gain survives a cut, and what nuisances do to it."""

from __future__ import annotations

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.evaluation.statistics.nuisances import Shift
from tuner.evaluation.statistics.systematics import Survival
from tuner.evaluation.statistics.template_comparison import describe_bins
from tuner.metrics.figures_of_merit import shorten_figure
from tuner.metrics.measurement import count_decimals
from tuner.progress.wording import write_number
from tuner.reporting.formatting import stack, stack_interval, write_share
from tuner.reporting.page import Block, Picture, Table, Text
from tuner.reporting.summary import is_handed_on_examined, name_baseline, name_examined, write_total


def write_survival(evaluation: Evaluation, picture: Picture | None) -> list[Block]:
    """Return the difference in significance from the best baseline, by the background's uncertainty."""
    survival = evaluation.survival
    if survival is None:
        return []
    own, baseline = f"the {name_examined(evaluation)}", name_baseline(evaluation)
    column = "handed on" if is_handed_on_examined(evaluation) else evaluation.examined
    rows = [
        (
            write_share(row.relative_systematic, 0),
            *(
                f"{stack_interval(measured)}{f', {FLOOR}' if at_floor else ''}"
                for measured, at_floor in zip((row.z_winner, row.z_baseline), row.at_floor, strict=True)
            ),
            stack_interval(row.d_z),
        )
        for row in survival.rows
    ]
    head = ("Background known to", f"Z, {column}", f"Z, {baseline}", f"{column.capitalize()} minus it")
    expected = f"s = {write_number(survival.s)} and b = {write_number(survival.b)} before the cut"
    return [
        Text(f"Does the gain survive? {survival.sentence((own, baseline))}{_tell_contradiction(evaluation, own)}"),
        *([] if picture is None else [picture]),
        Table(caption=f"Asimov significance Z for {expected}; 68 % intervals", head=head, rows=rows),
        *([Text(_explain_floor(survival))] if any(any(row.at_floor) for row in survival.rows) else []),
    ]


FLOOR = "at the floor"
"""Marks a significance whose cut leaves as little background as it may."""


def _explain_floor(survival: Survival) -> str:
    """Return what it means that a cut is at the floor."""
    return (
        f"{FLOOR.capitalize()}: the cut leaves {write_number(survival.min_background)} effective background events or "
        "hardly more, as few as it may. A tighter cut may be better there, but these events cannot tell."
    )


def _tell_contradiction(evaluation: Evaluation, own: str) -> str:
    """Return a sentence where the declared figure ranks the two otherwise than the significance; else nothing."""
    figure, survival, part = evaluation.figure_of_merit, evaluation.survival, evaluation.last_part
    baseline = find_baseline(evaluation.standings_on(part))
    mine = evaluation.part(part, evaluation.examined)
    theirs = None if baseline is None else evaluation.part(part, baseline.candidate)
    if survival is None or baseline is None or mine is None or theirs is None or figure not in mine.measurements:
        return ""
    difference = mine[figure].value - theirs[figure].value
    if figure == "AUC" or not survival.is_opposite_to(difference):
        return ""
    paired = evaluation.over_baseline
    known = paired is not None and paired.candidate == baseline.candidate and is_handed_on_examined(evaluation)
    told = paired.lead.signed if paired is not None and known else f"{difference:+.2g}"
    return (
        f" By {shorten_figure(figure)} the order is the other one: there {own} minus {name_baseline(evaluation)} is "
        f"{told}. The two choose their cuts on different events."
    )


def write_nuisances(evaluation: Evaluation) -> list[Block]:
    """Return what each nuisance does to the declared figure and to the efficiencies at the frozen cut."""
    effects = evaluation.nuisances
    if effects is None:
        return []
    largest = max(abs(shift.d_figure) for effect in effects.effects for shift in (effect.up, effect.down))
    decimals = count_decimals(largest)
    digits = 4 if decimals is None else max(decimals - 1, 0)
    rows = [
        (
            stack(f"{effect.name}, {direction}", "the opposite of up" if opposite else ""),
            stack(f"{shift.figure:,.{digits}f}", f"{shift.d_figure:+.{digits}f}"),
            *_write_efficiencies(shift),
        )
        for effect in effects.effects
        for direction, shift, opposite in (("up", effect.up, False), ("down", effect.down, effect.symmetrised))
    ]
    head = ("Nuisance", effects.figure_of_merit, "Signal selected", "Background selected")
    total = write_total(effects)
    caption = (
        f"Nuisance variants on the {evaluation.last_part} part: the {name_examined(evaluation)} and the "
        f"{evaluation.cut_name} stay as they are"
    )
    return [
        Table(caption=caption, head=head, rows=rows),
        Text(f"Systematic uncertainty of the {effects.figure_of_merit}, all nuisances added in quadrature: {total}."),
    ]


def write_templates(evaluation: Evaluation) -> list[Block]:
    """Return what a fit of the score with all declared systematics expects, beside the cut-and-count significance."""
    comparison = evaluation.templates
    if comparison is None:
        return []
    names = [f"the {name_examined(evaluation)}", name_baseline(evaluation)][: len(comparison.fits)]
    rows = []
    for name, fit in zip(names, comparison.fits, strict=True):
        part = evaluation.part(comparison.part, fit.candidate)
        counted = None if part is None else part.measurements.get("Asimov significance")
        fitted = (stack_interval(fit.significance), f"{fit.p_value:.2g}", write_number(fit.limit, 3))
        rows.append((name, *fitted, write_number(fit.of_exact_templates, 3), stack_interval(counted)))
    rules, systematics = comparison.rules, ("statistical error of the templates", *comparison.systematics)
    expected = f"s = {write_number(rules.s)} and b = {write_number(rules.b)} before any cut"
    told = "all systematics" if comparison.systematics else "statistical error of templates"
    head = ("Fit of", f"Z, {told}", "p value", "Limit on mu", "Z, exact templates", "Z, cut and count")
    return [
        Text(comparison.sentence(names)),
        Table(caption=f"Fit of the score by pyhf for {expected}, {comparison.part} part", head=head, rows=rows),
        Text(
            f"Profiled: {', '.join(systematics)}. {describe_bins(comparison)}. Z and p value are those of the median "
            "experiment with a signal, the limit (95 %, CLs) that of the median one without. Templates are made of "
            "this part alone: with more simulated events Z rises towards that of exact templates. The last column is "
            "that of the frozen cut alone, its background known exactly. `tuner templates` writes the workspace."
        ),
    ]


def _write_efficiencies(shift: Shift) -> tuple[str, str]:
    """Return the relative changes of signal and background above the cut."""
    return f"{100 * shift.signal:+.2f} %", f"{100 * shift.background:+.2f} %"
