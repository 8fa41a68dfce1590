"""What step 7 says of the next stage: whether the gain survives a cut, and what nuisances do to it."""

from __future__ import annotations

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import find_baseline
from tuner.evaluation.statistics.nuisances import Shift
from tuner.metrics.measurement import count_decimals
from tuner.reporting.formatting import stack, stack_interval, write_number, write_share
from tuner.reporting.page import Block, Picture, Table, Text
from tuner.reporting.summary import HANDED_ON, name_baseline, write_total


def write_survival(evaluation: Evaluation, picture: Picture | None) -> list[Block]:
    """Return the difference in significance from the best baseline, by the background's uncertainty."""
    survival = evaluation.survival
    if survival is None:
        return []
    standing = find_baseline(evaluation.standings_on(evaluation.last_part))
    figure = evaluation.figure_of_merit
    opposite = (
        f" By {figure} the order is the other one: {HANDED_ON} minus the baseline is {standing.lead.signed} there. "
        "They differ in the cut, which is chosen on validation for the one, and anew on each half for the other."
        if standing is not None and figure != "AUC" and survival.is_opposite_to(standing.lead)
        else ""
    )
    baseline = name_baseline(evaluation)
    rows = [
        (
            write_share(row.relative_systematic, 0),
            *(stack_interval(measured) for measured in (row.z_winner, row.z_baseline, row.d_z)),
        )
        for row in survival.rows
    ]
    head = ("Background known to", "Z, network", f"Z, {baseline}", "The network minus it")
    expected = f"s = {write_number(survival.s)} and b = {write_number(survival.b)} before the cut"
    return [
        Text(f"Does the gain survive? {survival.sentence((HANDED_ON, baseline))}{opposite}"),
        *([] if picture is None else [picture]),
        Table(caption=f"Asimov significance Z for {expected}; 68 % intervals", head=head, rows=rows),
    ]


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
