"""The log of the test part's openings: one JSON line for each, written before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from tuner.checked_files import append_line, expect_form, read_lines, warn_once
from tuner.evaluation.results import Evaluation
from tuner.evaluation.validity import name_changes
from tuner.tuning.search import Search


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One opening of the test part."""

    number: int
    """From 1."""
    when: str
    """ISO 8601, with time zone."""
    study: str
    trial: int
    """Whose network was judged."""
    events_digest: str
    """Hash of the events."""
    reason: str
    """Why it was opened, or opened again."""
    search: str | None = None
    """Random name of the search: a run folder may have had others before."""


def log_opening(search: Search, trial: int, *, reason: str, known: int = 0) -> Opening:
    """Add an opening of the test part for a trial to the run folder's log, and return it.

    Args:
        search: The search.
        trial: Number of the trial whose network is judged.
        reason: Why it is opened, or opened again.
        known: Openings that are known from elsewhere, so that a log that was lost does not begin at 1 again.

    Raises:
        FolderError: The log cannot be written; then the test part must stay closed.
    """
    opening = Opening(
        number=count_openings(search, known=known) + 1,
        when=datetime.now().astimezone().isoformat(timespec="seconds"),
        study=search.study.name,
        trial=trial,
        events_digest=search.splits.events_digest,
        reason=reason,
        search=search.search_id,
    )
    append_line(search.folder.openings, asdict(opening))
    return opening


def count_openings(search: Search, *, known: int = 0) -> int:
    """Return how often the test part was opened: the largest number in the log, at least `known`.

    A damaged line counts as an opening: it was written before one.
    """
    lines = read_lines(search.folder.openings)
    n_lines = len(lines.whole) + len(lines.damaged)
    return max([known, n_lines, *(opening.number for opening in read_openings(search))])


def read_openings(search: Search) -> tuple[Opening, ...]:
    """Return every opening of the test part whose line is whole, the first one first; a warning tells of others."""
    path = search.folder.openings
    lines = read_lines(path)
    for number in lines.damaged:
        warn_once(f'Line {number} of "{path}" is damaged. It counts as an opening of the test part; the others hold.')
    with expect_form(path):
        return tuple(Opening(**line) for line in lines.whole)


def explain_opening(
    search: Search, rests_on: Mapping[str, str], stored: Evaluation | None, winner: int, *, is_kept: bool = True
) -> str:
    """Return why the test part is opened now: all that has changed since the last time.

    Args:
        search: The search.
        rests_on: What the judgement rests on now, by name.
        stored: What was found the last time; None where nothing was.
        winner: Number of the trial that has won now.
        is_kept: Whether the parameters of the network that was handed on then were there before this judgement began.
    """
    if stored is None:
        openings = read_openings(search)
        if openings and all(opening.search not in (None, search.search_id) for opening in openings):
            return "first evaluation of this search; an earlier one of this folder had opened the test part before"
        return "evaluation.json is not there: deleted, or never finished" if count_openings(search) else FIRST
    if stored.opening is None:
        return "the last evaluation had left the test part closed"
    reasons = [] if is_kept else ["the handed-on network's parameters are not there any more"]
    if stored.winner != winner:
        reasons.append(f"trial {winner} took the place of trial {stored.winner} as winner")
    return "; ".join([*reasons, *(f"other {name}" for name in name_changes(stored.rests_on, rests_on))])


FIRST = "first evaluation"
