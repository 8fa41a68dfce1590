"""What step 7 says of the next stage: whether the gain survives a cut, and what nuisances do to it."""

from __future__ import annotations

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.nuisances import Shift
from tuner.metrics.measurement import count_decimals
from tuner.reporting.formatting import stack, stack_interval, write_number, write_share
from tuner.reporting.page import Block, Picture, Table, Text
from tuner.reporting.summary import name_baseline, name_handed_on, write_total


def write_survival(evaluation: Evaluation, picture: Picture | None) -> list[Block]:
    """Return the difference in significance from the best baseline, by the background's uncertainty."""
    survival = evaluation.survival
    if survival is None:
        return []
    own, baseline = f"the {name_handed_on(evaluation)}", name_baseline(evaluation)
    rows = [
        (
            write_share(row.relative_systematic, 0),
            *(stack_interval(measured) for measured in (row.z_winner, row.z_baseline, row.d_z)),
        )
        for row in survival.rows
    ]
    head = ("Background known to", "Z, handed on", f"Z, {baseline}", "Handed on minus it")
    expected = f"s = {write_number(survival.s)} and b = {write_number(survival.b)} before the cut"
    return [
        Text(f"Does the gain survive? {survival.sentence((own, baseline))}{_tell_contradiction(evaluation, own)}"),
        *([] if picture is None else [picture]),
        Table(caption=f"Asimov significance Z for {expected}; 68 % intervals", head=head, rows=rows),
    ]


def _tell_contradiction(evaluation: Evaluation, own: str) -> str:
    """Return a sentence where the declared figure ranks the two otherwise than the significance; else nothing."""
    figures = {standing.candidate: standing.figure.value for standing in evaluation.standings_on(evaluation.last_part)}
    name, survival, baseline = evaluation.handed_on.name, evaluation.survival, name_baseline(evaluation)
    if survival is None or not {name, baseline} <= set(figures):
        return ""
    difference = figures[name] - figures[baseline]
    if evaluation.figure_of_merit == "AUC" or not survival.is_opposite_to(difference):
        return ""
    return (
        f" By {evaluation.figure_of_merit} the order is the other one: there {own} minus {baseline} is "
        f"{difference:+.2g}. The two choose their cuts on different events."
    )


def write_nuisances(evaluation: Evaluation) -> list[Block]:
    """Return what each nuisance does to the declared figure and to the efficiencies at the frozen cut."""
    effects = evaluation.nuisances
    if effects is None:
        return []
    largest = max(abs(shift.d_figure) for effect in effects.effects for shift in (effect.up, effect.down))
    digits = max((count_decimals(largest) or 5) - 1, 0)
    rows = [
        (
            stack(f"{effect.name}, {direction}", "the opposite of up" if opposite else ""),
            stack(f"{shift.figure:,.{digits}f}", f"{shift.d_figure:+.{digits}f}"),
            *_write_efficiencies(shift),
        )
        for effect in effects.effects
        for direction, shift, opposite in (("up", effect.up, False), ("down", effect.down, effect.symmetrised))
    ]
    head = ("Nuisance", effects.figure_of_merit, "Signal above cut", "Background above cut")
    total = write_total(effects)
    return [
        Table(caption="Nuisance variants: the network and its cut stay as they are", head=head, rows=rows),
        Text(f"Systematic uncertainty of the {effects.figure_of_merit}, all nuisances added in quadrature: {total}."),
    ]


def _write_efficiencies(shift: Shift) -> tuple[str, str]:
    """Return the relative changes of signal and background above the cut."""
    return f"{100 * shift.signal:+.2f} %", f"{100 * shift.background:+.2f} %"
