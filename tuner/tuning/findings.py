"""What checks found of a study's events: told at the start of a sweep, kept in its run folder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tuner.checked_files import expect_form, read_json, write_json
from tuner.errors import DamagedFileError
from tuner.progress.display import Display, NoDisplay
from tuner.run_folder import RunFolder

if TYPE_CHECKING:
    from tuner.events.checks.finding import Finding
    from tuner.events.table import Events
    from tuner.preparation.splits import Splits
    from tuner.problem import Problem
    from tuner.tuning.search import Search

logger = logging.getLogger("tuner")


def check_splits(events: Events, splits: Splits, problem: Problem) -> tuple[Finding, ...]:
    """Return what checks find of events that were split; labels and weights of validation and test are not read.

    Args:
        events: As they were read.
        splits: Their parts.
        problem: Says which findings its study has accepted.

    Raises:
        StudyError: It accepts what is no code of a finding.
    """
    from tuner.events.checks.check import check_events
    from tuner.preparation.splitting import PARTS

    return check_events(events, {name: getattr(splits, name).rows for name in PARTS}, accepted=problem.accepted)


def require_sound(events: Events, splits: Splits, problem: Problem) -> tuple[Finding, ...]:
    """Return what `check_splits` does, with the same arguments; raise `EventsError` that tells the errors among it."""
    from tuner.events.checks.finding import refuse_errors

    findings = check_splits(events, splits, problem)
    refuse_errors(findings, events.source)
    return findings


def tell_findings(findings: tuple[Finding, ...], display: Display | None) -> None:
    """Tell what was found: warnings as such, whatever is shown; the rest on the display. Its failure ends nothing."""
    from tuner.events.checks.finding import list_findings

    shown = display or NoDisplay()
    loud = [one for one in findings if one.severity != "note" and not one.is_accepted]
    for line in list_findings(loud):
        logger.warning("%s", line)
    try:
        for line in list_findings(one for one in findings if one not in loud):
            shown.tell(line)
    except Exception as error:
        logger.warning("The display could not be updated: %s: %s", type(error).__name__, error)


def keep_findings(findings: tuple[Finding, ...], folder: RunFolder) -> None:
    """Write what was found into the run folder."""
    write_json(folder.findings, {"findings": [one.to_json() for one in findings]})


def open_findings(search: Search) -> tuple[Finding, ...]:
    """Return what was found of a search's events when it was last swept; found anew where that is not kept.

    Raises:
        EventsError: It is not kept, and neither are the events.
    """
    from tuner.events.checks.finding import Finding, arrange_findings

    try:
        content = read_json(search.folder.findings)
        with expect_form(search.folder.findings):
            kept = [Finding(**_take_fields(one)) for one in content["findings"]]
    except DamagedFileError:
        return check_splits(search.open_events().events, search.splits, search.study.problem)
    return arrange_findings(kept, search.study.problem.accepted)


def _take_fields(kept: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a finding that was kept; what is accepted is the study's present choice."""
    fields = {name: value for name, value in kept.items() if name != "accepted"}
    return fields | {"columns": tuple(fields["columns"])}
