"""What a notebook shows of an evaluation: who has won, how all candidates stand, the figures of what is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from tuner.evaluation.verdicts import explain_intervals, summarize_verdict
from tuner.notebook_cards import write_card, write_lines, write_table
from tuner.progress.wording import write_count

if TYPE_CHECKING:
    from tuner.evaluation.results import Evaluation


def describe_evaluation(evaluation: Evaluation) -> str:
    """Return an evaluation in two lines: the verdict, and what was judged."""
    parts = list(dict.fromkeys(part.part for part in evaluation.parts))
    n_candidates = len(evaluation.standings_on(evaluation.last_part))
    judged = f"{write_count(n_candidates, 'candidate')} on {' and '.join(parts) or 'no part'}"
    return f'Evaluation("{evaluation.study}": {summarize_verdict(evaluation)}\n  {judged}; figures: `.to_frame()`)'


def write_evaluation_card(evaluation: Evaluation) -> str:
    """Return what a notebook shows of an evaluation."""
    note = f"{explain_intervals(evaluation)} Differences: winner minus candidate, paired."
    return write_card(
        f"{evaluation.study}: evaluation on the {evaluation.last_part} part",
        summarize_verdict(evaluation),
        _tabulate_standings(evaluation),
        _tabulate_figures(evaluation),
        write_lines([f"{note} Every figure: `.to_frame()`"], faint=True),
    )


def _tabulate_standings(evaluation: Evaluation) -> Markup:
    """Return a row for each candidate, the best first."""
    part = evaluation.last_part
    rows = []
    for standing in evaluation.standings_on(part):
        won, n = standing.verdict == "winner", len(standing.singles)
        name = f"{standing.candidate} (mean of {n} trainings)" if n > 1 else standing.candidate
        lead, verdict = ("", "this one") if won else (standing.lead.signed, standing.verdict_on_winner)
        rows.append([name, str(standing.figure), lead, verdict])
    if not rows:
        return Markup("")
    head = ("candidate", f"{evaluation.figure_of_merit} on {part}", "winner minus it", "the winner is")
    return write_table(head, rows, caption="How the candidates stand", texts=("the winner is",))


def _tabulate_figures(evaluation: Evaluation) -> Markup:
    """Return a row for each figure of what is handed on, a column for each part."""
    own = evaluation.own_parts
    names = dict.fromkeys(name for part in own for name in part.measurements)
    rows = [[name, *(str(part[name]) if name in part.measurements else "" for part in own)] for name in names]
    head = ("figure", *(part.part for part in own))
    caption = f"Handed on: {evaluation.handed_on.description}"
    return write_table(head, rows, caption=caption) if rows else Markup("")
