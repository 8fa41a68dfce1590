"""Baselines on the page: how each came about, what that took, and what a blend with the trees would gain."""

from __future__ import annotations

from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.results import Evaluation
from tuner.progress.wording import write_duration
from tuner.reporting.formatting import DASH, stack, stack_error, write_number, write_share
from tuner.reporting.page import Block, Table, Text


def write_baselines(evaluation: Evaluation) -> list[Block]:
    """Return the table of baselines and what a blend would gain; nothing where there are none."""
    if not evaluation.baselines:
        return []
    last, figure = evaluation.last_part, evaluation.figure_of_merit
    measured = {standing.candidate: standing.figure for standing in evaluation.standings_on(last)}
    rows = [
        (
            record.name,
            stack_error(measured[record.name]) if record.name in measured else DASH,
            record.fitted_on,
            *_tell_search(record),
            "; ".join(record.notes) or DASH,
        )
        for record in evaluation.baselines
    ]
    head = ("Baseline", f"{figure} on {last}", "Fitted on", "Settings tried", "Chosen", "Notes")
    blocks: list[Block] = [Table(caption="Baselines: how they came about", head=head, rows=rows, folded=True)]
    return [*blocks, *_tell_blend(evaluation)]


def _tell_search(record: BaselineRecord) -> tuple[str, str]:
    """Return how many settings were tried in which time, and which were chosen."""
    tried = f"{record.n_trials:,}"
    if record.n_trials < record.n_planned:
        tried += f" of {record.n_planned:,}: the time was up"
    chosen = ", ".join(f"{name.replace('_', ' ')} {write_number(value, 3)}" for name, value in record.params.items())
    return stack(tried if record.n_planned else "none", write_duration(record.seconds)), chosen or "defaults"


def _tell_blend(evaluation: Evaluation) -> list[Block]:
    """Return what a weighted mean of the logits of the bag and of boosted trees gains."""
    blend = evaluation.blend
    if blend is None:
        return []
    gain = blend.over_bag.difference
    verdict = {"better": "better than", "worse": "worse than"}.get(blend.over_bag.verdict, "not distinguishable from")
    return [
        Text(
            f"Blend: the mean of the logits of the bag and of {blend.trees}, which have a weight of "
            f"{write_share(blend.share, 0)}, fitted out of fold. On {blend.over_bag.part} it is {verdict} the "
            f'bag alone: {evaluation.figure_of_merit} {gain.signed}. `hand_on="blend"` hands it on.'
        )
    ]
