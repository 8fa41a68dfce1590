"""The note of a study in Optuna Dashboard: what is asked, of which events, how to go on, and who has won."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from tuner.errors import TunerError
from tuner.events.part_sources import find_event_source
from tuner.markdown import escape_markdown
from tuner.passwords import hide_passwords
from tuner.problem import Problem
from tuner.tuning.commands import name_command, open_in_python, sweep_in_python
from tuner.tuning.dashboard_notes import read_our_part, save_note
from tuner.tuning.outcome import read_outcome
from tuner.tuning.parameter_importances import MIN_COMPLETE

if TYPE_CHECKING:
    from tuner.tuning.search import Search


_VERDICT = "Verdict"


def write_study_note(search: Search, verdicts: str | None = None) -> None:
    """Write the note of a search's study; what a person has added to it in Optuna Dashboard is kept.

    Args:
        search: Its splits are prepared.
        verdicts: Who has won, in Markdown; empty while nothing is judged, or after trials that were not. None for what
            stands there, where it was said of the search as it is now.
    """
    if verdicts is None:
        verdicts = _read_verdicts(search)
    sections = {
        "What is asked": _write_frame(search.study.problem),
        "Events": _write_events(search),
        "Go on and look": "\n\n".join(filter(None, (_write_commands(search), _warn_of_importances(search)))),
        _VERDICT: verdicts,
    }
    text = "\n\n".join(f"## {title}\n\n{body}" for title, body in sections.items() if body)
    save_note(search.optuna_study, hide_passwords(text))


def _read_verdicts(search: Search) -> str:
    """Return the verdicts that the note holds; nothing where trials have completed since."""
    outcome = read_outcome(search)
    if outcome is None or not outcome.holds_for(search):
        return ""
    return read_our_part(search.optuna_study).partition(f"## {_VERDICT}\n\n")[2]


def _write_frame(problem: Problem) -> str:
    told = [(name, text) for name, text in problem.facts.items() if name != "Events"]
    return f"**{escape_markdown(problem.question)}**\n\n{_write_list(told)}"


def _write_events(search: Search) -> str:
    rows = [("Source", find_event_source(search.study.problem).describe())]
    with suppress(TunerError):  # prepared parts that are gone; a later sweep makes them again, and the note
        splits = search.splits
        parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
        counts = ", ".join(f"{len(part.labels):,} {name}" for name, part in parts.items())
        rows += [("Events", counts), ("Digest", f"sha256 {splits.events_digest}")]
    return _write_list(rows)


def _write_list(rows: list[tuple[str, str]]) -> str:
    """Return names and values as a list: the dashboard sets the columns of a table without any space between them."""
    return "\n".join(f"- **{escape_markdown(name)}:** {escape_markdown(value)}" for name, value in rows)


def _write_commands(search: Search) -> str:
    """Return how to resume, to report and to look: commands, or a program's lines where no file holds the study."""
    uses = {
        "sweep": "resumes the search, repeats no trial",
        "status": "where it stands",
        "dashboard": "this page",
        "report": "report.html",
    }
    commands = {verb: name_command(search, verb) for verb in uses}
    if all(commands.values()):
        width = max(len(command or "") for command in commands.values())
        lines = [f"{command:<{width}}  # {uses[verb]}" for verb, command in commands.items()]
        return _fence(lines, "sh")
    lines = [f"{sweep_in_python(search)}  # {uses['sweep']}", f"{open_in_python(search)}  # opens it as it is"]
    return _fence(lines, "python")


def _warn_of_importances(search: Search) -> str:
    """Return that the dashboard's plot of importances says nothing yet; nothing where enough trials are complete."""
    if sum(trial.state == "complete" for trial in search.trials) >= MIN_COMPLETE:
        return ""
    return f"With fewer than {MIN_COMPLETE} complete trials, this dashboard's plot of importances is noise."


def _fence(lines: list[str], language: str) -> str:
    """Return lines as a block of code, whatever stands in them."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
