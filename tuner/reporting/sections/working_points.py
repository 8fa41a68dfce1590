"""Working points of what is handed on: what is lost at fixed efficiencies, and the gamma-telescope table."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.metrics.few_events import invert
from tuner.metrics.gamma_telescopes import GAMMA_FIGURES
from tuner.metrics.working_point_table import WorkingPointRow
from tuner.progress.wording import write_number
from tuner.reporting.formatting import DASH, stack, stack_interval
from tuner.reporting.page import Block, Table, Text


def write_working_points(evaluation: Evaluation) -> list[Block]:
    """Return the table of working points on the last part, and the gamma-telescope table where it is asked for."""
    own = evaluation.own_part
    if own is None:
        return []
    blocks: list[Block] = []
    if own.working_points:
        blocks = [_write_table(own), Text(EXPLAINED)]
    if any(name in own.measurements for name in GAMMA_FIGURES):
        blocks += [_write_gamma_table(evaluation.own_parts), Text(GAMMA_EXPLAINED)]
    return blocks


EXPLAINED = (
    "Each cut is read off this part: at a fixed eps_S the tightest that keeps as much signal, at a fixed eps_B the one "
    "that keeps most signal. Effective events are (sum of weights)²/(sum of squared weights); with few of them above a "
    "cut its eps_B is a guess, as its interval says."
)
GAMMA_EXPLAINED = (
    "eps_gamma is the largest efficiency for gammas that lets no more hadrons pass; loacc is its mean at eps_hadron = "
    "0.01, 0.02 and 0.05, hiacc that at 0.1 and 0.2 (Bock et al. 2004, doi:10.1016/j.nima.2003.08.157). "
    "Q = eps_gamma/√eps_hadron is that of the frozen working point. Intervals: 68 %, by bootstrap."
)


def _write_table(own: PartEvaluation) -> Table:
    head = ("Working point", "Efficiency", "1/eps_B", "Cut", "Signal above", "Background above")
    rows = [_write_row(row) for row in own.working_points]
    return Table(caption=f"Working points on {own.part}", head=head, rows=rows)


def _write_row(row: WorkingPointRow) -> tuple[str, ...]:
    eps_b = row.efficiency if row.fixed == "eps_S" else None
    return (
        row.name,
        stack_interval(row.efficiency),
        DASH if eps_b is None else stack_interval(invert(eps_b)),
        f"{row.threshold:#.4g}",
        stack(f"{row.n_signal:,}", f"effective: {write_number(row.effective_signal, 3)}"),
        stack(f"{row.n_background:,}", f"effective: {write_number(row.effective_background, 3)}"),
    )


def _write_gamma_table(parts: Sequence[PartEvaluation]) -> Table:
    rows = [(name, *(stack_interval(part.measurements.get(name)) for part in parts)) for name in GAMMA_FIGURES]
    return Table(caption="Gamma-telescope table", head=("Figure", *(part.part for part in parts)), rows=rows)
