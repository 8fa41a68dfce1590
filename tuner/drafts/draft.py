"""Draft a study file from data files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuner.errors import EventsError, FolderError, StudyError, name_all
from tuner.progress.wording import write_count
from tuner.run_folder import find_name_problem

if TYPE_CHECKING:
    import pandas as pd

    from tuner.drafts.roles import Roles
    from tuner.drafts.source import DraftedSource
    from tuner.events.checks.finding import Finding
    from tuner.problem import EventSource, Problem


@dataclass(frozen=True, kw_only=True)
class StudyDraft:
    """A study file that is not written yet."""

    name: str
    """Name of the study."""
    text: str
    """The file, whole."""
    reasons: tuple[str, ...]
    """What was inferred and why, a line each."""
    problem: Problem
    """What the file says."""


def draft_study(
    events: str | Sequence[str],
    *,
    label: str | None = None,
    signal: str | None = None,
    weight: str | None = None,
    name: str | None = None,
    signal_tree: str | None = None,
    background_tree: str | None = None,
    background: str | None = None,
) -> StudyDraft:
    """Return a study file for data files, with every role that can be inferred from names, types and values.

    Args:
        events: A path as `Problem.events` takes it; or two, that of signal and that of background.
        label: Column that says what an event is. None: inferred, as the next two are.
        signal: Its value that means signal; or, where `background` is given, the path of signal.
        weight: Column of event weights.
        name: Name of the study. None: the file's.
        signal_tree: Tree of signal, in a file where `background_tree` is that of background.
        background_tree: Tree of background.
        background: Path of background.

    Returns:
        The text of the study file, and why each role was chosen.

    Raises:
        EventsError: A file cannot be read, or no label is found.
        StudyError: It is not clear which events are meant.
    """
    from tuner.drafts.roles import ROLES, infer_roles
    from tuner.drafts.source import SIGNAL, read_drafted
    from tuner.drafts.writing import write_study, write_value
    from tuner.events.reading_notes import note_reading

    paths = [events] if isinstance(events, str) else list(events)
    files = (signal, background) if background is not None else (None, None)
    drafted = read_drafted(
        paths,
        signal_tree=signal_tree,
        background_tree=background_tree,
        signal_file=files[0],
        background_file=files[1],
    )
    if drafted.label is not None:
        label, signal = _take_classes(drafted, label, None if background is not None else signal), SIGNAL
    told_as = drafted.source.describe()
    _measure_lists(drafted)
    try:
        roles = infer_roles(drafted.table, label=label, signal=signal, weight=weight)
    except EventsError as error:
        raise EventsError(f"{told_as}: {error}") from error
    if drafted.label is not None:
        roles = replace(roles, reasons={n: why for n, why in roles.reasons.items() if n not in ("label", "signal")})
    roles = _leave_out_leaks(drafted.table, roles)
    name = name or drafted.name
    said = [f"{key} = {write_value(getattr(roles, key))}: {why}" for key, why in roles.reasons.items() if key in ROLES]
    said += [f"{key}: {why}" for key, why in roles.reasons.items() if key not in ROLES]
    said += [f"proposed in a comment: {key} of {name_all(value, most=4)}: {why}"
             for key, (value, why) in roles.proposed.items()]  # fmt: skip
    if drafted.unnamed:
        said.insert(0, "columns: the file has no header line; rename them as they should be called")
    n_columns, n_features = len(drafted.table.columns), len(roles.features) + len(roles.made_features)
    read = (
        f"Read {told_as}: {write_count(len(drafted.table), 'event')}, {write_count(n_columns, 'column')}, "
        f"{write_count(n_features, 'feature')}."
    )
    reasons = (read, *drafted.reasons, *note_reading(drafted.table), *said)
    text = write_study(name, drafted, roles)
    return StudyDraft(name=name, text=text, reasons=reasons, problem=_frame(drafted.source, roles))


def write_draft(draft: StudyDraft, path: Path) -> Path:
    """Write a draft and return its path. Raise `StudyError` where the file exists, `FolderError` where none can be."""
    if problem := find_name_problem(draft.name):
        raise StudyError(problem)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    except FileExistsError as error:
        raise StudyError(
            f'The study file must be new, but "{path}" exists and is never overwritten. '
            "Choose another --name or --output, or remove the file."
        ) from error
    except OSError as error:
        raise FolderError(f'The study file must be writable, but "{path}" is not ({error.strerror}).') from error
    return path


def _measure_lists(drafted: DraftedSource) -> None:
    """Note of the first lists of each collection where all of them are equally long."""
    from tuner.drafts.lists import find_lists, list_collections
    from tuner.events.listing import Reason, Reasons

    left_out = drafted.table.attrs.get("left_out", {})
    lists = find_lists(left_out)
    names = [members[0] for members in list_collections(lists).values() if lists[members[0]].length is None]
    if not names:
        return
    try:
        import awkward as ak

        read = drafted.source.read_lists(names)
    except (ImportError, EventsError):  # told where they are asked for
        return
    lengths = {name: np.unique(ak.to_numpy(ak.num(ak.fill_none(read[name], [], axis=0), axis=1))) for name in names}
    fixed = {name: replace(lists[name], length=int(found[0])) for name, found in lengths.items() if len(found) == 1}
    measured = {name: Reason(str(left_out[name]), lists=of) for name, of in fixed.items()}
    drafted.table.attrs["left_out"] = Reasons({**left_out, **measured})


def _take_classes(drafted: DraftedSource, label: str | None, signal: str | None) -> str | None:
    """Return the label that classes make. Raise `StudyError` where another was named beside them."""
    if label is not None or signal is not None:
        raise StudyError(
            "The label is made of the files or trees of the classes, so that neither --label nor a value --signal can "
            "be given with them."
        )
    return drafted.label


def _leave_out_leaks(table: pd.DataFrame, roles: Roles) -> Roles:
    """Return roles in which features that are the label in other words, or name the events, are ignored.

    Nothing is changed where the events cannot be read with these roles: whoever reads them is told why.
    """
    from tuner.events.checks.check import check_events
    from tuner.events.reading import read_events

    try:
        only_label = {name: formula for name, formula in roles.columns.items() if name == roles.label}
        findings = check_events(read_events(_frame(_ReadEvents(table), replace(roles, columns=only_label))))
    except EventsError:
        return roles
    leaks = dict(_list_leaks(findings, table, roles))
    if not leaks:
        return roles
    why = "; ".join([*filter(None, [roles.reasons.get("ignored")]), *(f'"{n}": {why}' for n, why in leaks.items())])
    return replace(
        roles,
        ignored=(*roles.ignored, *leaks),
        features=tuple(name for name in roles.features if name not in leaks),
        categories=tuple(name for name in roles.categories if name not in leaks),
        reasons={**roles.reasons, "ignored": why},
    )


def _list_leaks(findings: Sequence[Finding], table: pd.DataFrame, roles: Roles) -> Iterator[tuple[str, str]]:
    """Yield the features that must not be inputs, and why. A ramp of numbers that are not whole may be a quantity."""
    for finding in findings:
        for name in finding.columns:
            if name not in roles.features:
                continue
            if finding.code == "label-in-feature":
                yield name, "the label in other words"
            elif finding.code == "observer-in-features":
                yield name, "an observer in the same numbers"
            elif finding.code == "index-as-feature" and _is_whole(table[name]):
                yield name, "counts the events"


def _is_whole(column: pd.Series) -> bool:
    from tuner.events.columns import is_number

    return is_number(column) and not (column % 1).any()


def _frame(events: EventSource, roles: Roles) -> Problem:
    """Return the problem that a study file of these roles says."""
    from tuner.drafts.roles import ROLES
    from tuner.problem import Problem

    said = {role: getattr(roles, role) for role in ROLES if role != "label"}
    return Problem(question="Which events are signal?", events=events, label=roles.label, **said)


@dataclass(frozen=True)
class _ReadEvents:
    """Events that were read, as a source."""

    table: pd.DataFrame

    def read(self) -> pd.DataFrame:
        """Return them."""
        return self.table

    def describe(self) -> str:
        """Return what they are."""
        return "the events"

    def at(self, _: Path) -> _ReadEvents:
        """Return the same events."""
        return self
