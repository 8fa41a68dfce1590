"""What the judgement found, for a terminal: the candidates, the network's figures, the answer in three sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tuner.evaluation.results import Evaluation
    from tuner.evaluation.statistics.metrics_table import PartEvaluation
    from tuner.reporting.search_comparison import SearchComparison
    from tuner.tuning.search import Search

STYLES = {"winner": "bold", "better": "green", "worse": "dim", "not distinguishable": ""}
PLAIN_WIDTH = 120
"""Columns where the output is no terminal."""


def print_evaluation(search: Search, evaluation: Evaluation) -> None:
    """Print how all candidates stand, every figure of the network that is handed on, and the answer."""
    from tuner.evaluation.verdicts import explain_intervals
    from tuner.reporting.summary import answer

    console = _open_console()
    console.print("", _tabulate_standings(evaluation), "", sep="\n")
    own = evaluation.own_parts
    console.print(_tabulate_figures(f"Handed on: {evaluation.handed_on.description}", own))
    console.print(f"{explain_intervals(evaluation)} Differences: winner minus candidate, paired.\n", style="dim")
    winner = next(trial for trial in search.trials if trial.number == evaluation.winner)
    for sentence in answer(search, winner, evaluation):
        console.print(sentence)


def summarize_sweep(search: Search, evaluation: Evaluation | None, page: Path, *, interrupted: bool) -> dict[str, Any]:
    """Return how a sweep ended, for a machine: its status, its end, the judgement in short, the report's path.

    end: "spent" (the budget of trials, or what the search needed of it), "unfinished" (the time was over, or the
    workers left), "interrupted".
    """
    from dataclasses import asdict

    from tuner.tuning.findings import open_findings
    from tuner.tuning.status import count_left, read_status
    from tuner.tuning.warm_starts import measure_gain

    gain = measure_gain(search)
    end = "interrupted" if interrupted else "unfinished" if count_left(search) else "spent"
    judged = None if evaluation is None else summarize_evaluation(evaluation)
    compared = None if gain is None else asdict(gain) | {"difference": gain.difference, "verdict": gain.verdict}
    findings = [finding.to_json() for finding in open_findings(search)]
    told = {"end": end, "findings": findings, "warm_starts": compared, "evaluation": judged, "report": str(page)}
    return read_status(search).to_json() | told


def summarize_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Return a judgement in short: who won, by how much, and the figures of the network that is handed on."""
    from dataclasses import asdict

    from tuner.evaluation.shortening import describe_shortening

    own = evaluation.own_parts
    standings = evaluation.standings_on(evaluation.last_part)
    return {
        "winner": evaluation.winner,
        "seed": evaluation.seed,
        "figure_of_merit": evaluation.figure_of_merit,
        "part": evaluation.last_part,
        "opening": evaluation.opening,
        "openings": evaluation.openings,
        "shortened": describe_shortening(evaluation.settings, evaluation.shortening) or None,
        "cheapest": evaluation.cheapest,
        "standings": [{"candidate": s.candidate, "verdict": s.verdict, "figure": asdict(s.figure)} for s in standings],
        "figures": {
            part.part: {name: asdict(measured) for name, measured in part.measurements.items()} for part in own
        },
    }


def print_comparison(comparison: SearchComparison) -> None:
    """Print searches side by side: how they went, the settings that differ, and what follows."""
    console = _open_console()
    console.print("", _tabulate_searches(comparison), "", sep="\n")
    names = [search.name for search in comparison.searches]
    if comparison.differences:
        differences = _start_columns("Settings that differ", "setting", names)
        for difference in comparison.differences:
            differences.add_row(difference.name, *difference.shown)
        console.print(differences, "", sep="\n")
    else:
        console.print("No setting differs.\n")
    for sentence in comparison.sentences:
        console.print(sentence)


def _open_console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False, emoji=False)


def _tabulate_standings(evaluation: Evaluation) -> Table:
    part = evaluation.last_part
    title = f"{evaluation.study}: {evaluation.figure_of_merit} on {part}, mean over trainings"
    table = _start_table(title, "candidate")
    for name in (part, "winner minus it"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("the winner is", min_width=len("distinguishable"))
    for s in evaluation.standings_on(part):
        won = s.verdict == "winner"
        difference = "" if won else s.lead.signed
        name = f"{s.candidate} (x{len(s.singles)})" if len(s.singles) > 1 else s.candidate
        table.add_row(
            name,
            str(s.figure),
            difference,
            "this one" if won else s.verdict_on_winner,
            style=STYLES[s.verdict],
        )
    return table


def _tabulate_figures(title: str, parts: Sequence[PartEvaluation]) -> Table:
    from tuner.reporting.formatting import DASH

    table = _start_table(title, "figure")
    for part in parts:
        table.add_column(part.part, justify="right", no_wrap=True)
    for name in dict.fromkeys(name for part in parts for name in part.measurements):
        found = [part.measurements.get(name) for part in parts]
        table.add_row(name, *(DASH if one is None else str(one) for one in found))
    return table


def _tabulate_searches(comparison: SearchComparison) -> Table:
    """Return a column for each search: trials, time, the best on validation, the winner on test, its verdict."""
    from tuner.progress.wording import write_duration, write_number
    from tuner.reporting.comparison_answer import write_short
    from tuner.reporting.formatting import DASH

    searches, figure = comparison.searches, comparison.figure_of_merit
    table = _start_columns("Searches side by side", "", [search.name for search in searches])
    table.add_row("trials finished", *(str(s.n_finished) for s in searches))
    table.add_row("of them complete", *(str(s.states.get("complete", 0)) for s in searches))
    table.add_row("time", *(write_duration(s.seconds) for s in searches))
    own = "figure of merit" if not comparison.same_figure else figure
    table.add_row(
        f"best {own} on validation", *(f"{write_number(s.best.figure)} (trial {s.best.number})" for s in searches)
    )
    if any(s.versus is not None for s in searches):
        judged = [None if s.versus is None else s.versus.standing for s in searches]
        table.add_row(f"{figure} of the winner on test", *(DASH if j is None else str(j.figure) for j in judged))
        rest = [DASH if j is None else write_short(j.difference) for j in judged[1:]]
        table.add_row(f"minus that of {comparison.first.name}", "", *rest)
        table.add_row("verdict", "the reference", *("not judged" if j is None else j.verdict for j in judged[1:]))
    return table


def _start_columns(title: str, first: str, names: Sequence[str]) -> Table:
    """Return a table with a column for each of several searches, which share the width."""
    table = _start_table(title, first)
    for name in names:
        table.add_column(name, overflow="fold", ratio=1)
    return table


def _start_table(title: str, first: str) -> Table:
    """Return a table with a rule below its head and a column of names."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column(first, min_width=len("logistic"))
    return table
