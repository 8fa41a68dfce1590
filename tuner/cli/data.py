"""Steps 0 to 2 on the command line: `new`, `check`, `explore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.loading import open_study
from tuner.cli.options import (
    RUNS,
    DeviceOption,
    EventsOption,
    FiguresOption,
    FolderOption,
    JsonOption,
    OutputOption,
    StudyArgument,
)
from tuner.cli.output import print_json, print_text
from tuner.run_folder import RunFolder

if TYPE_CHECKING:
    from tuner.events.checks.finding import Finding


def new(
    events: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EVENTS",
            help="Data file, folder or pattern: CSV, Parquet, ROOT (FILE.root:TREE), ...; or two, SIGNAL BACKGROUND.",
            show_default=False,
        ),
    ] = None,
    *,
    label: Annotated[str | None, typer.Option(help="Column that says what an event is.", show_default=False)] = None,
    signal: Annotated[
        str | None,
        typer.Option(help="Its value that means signal; with --background: file of signal.", show_default=False),
    ] = None,
    background: Annotated[
        str | None, typer.Option(metavar="FILE", help="File of background, with --signal FILE.", show_default=False)
    ] = None,
    signal_tree: Annotated[
        str | None, typer.Option(metavar="TREE", help="Tree of signal in a ROOT file.", show_default=False)
    ] = None,
    background_tree: Annotated[
        str | None, typer.Option(metavar="TREE", help="Tree of background in the same file.", show_default=False)
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of event weights.", show_default=False)] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the study. Default: the file's.", show_default=False)
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]0  [/]  Write a study file for a data file, with the roles of its columns inferred.

    Names and values decide: two values make a label, a repeated extreme value such as -999 means "not defined", unique
    whole numbers name events. Where each class has a file or a tree of its own, name both. Says what was inferred and
    why. Never overwrites a file.
    """
    from tuner.drafts.draft import draft_study, write_draft

    draft = draft_study(
        events or (),
        label=label,
        signal=signal,
        weight=weight,
        name=name,
        signal_tree=signal_tree,
        background_tree=background_tree,
        background=background,
    )
    path = write_draft(draft, output or Path("studies") / f"{draft.name}.py")
    findings, problem = _find_flaws(path)
    if as_json:
        told = {"study": str(path), "name": draft.name, "reasons": list(draft.reasons), "problem": problem}
        print_json(told | {"findings": [finding.to_json() for finding in findings]})
        return
    for line in draft.reasons:
        print_text(line)
    _tell_findings(findings, problem)
    file = quote(str(path))
    print_text(f"\nWrote {path}. Read it, correct what is wrong, then:\n  tuner check {file}\n  tuner explore {file}")


def _find_flaws(path: Path) -> tuple[tuple[Finding, ...], str | None]:
    """Return what checks find of the events of a study file that was just written; or why they cannot be read."""
    from tuner.errors import TunerError
    from tuner.events.reading import read_events
    from tuner.preparation.splits import prepare_splits
    from tuner.tuning.findings import check_splits

    study = open_study(path)
    try:
        events = read_events(study.problem)
        return check_splits(events, prepare_splits(events, study.problem, study.preparation), study.problem), None
    except TunerError as error:
        return (), str(error)


def _tell_findings(findings: Sequence[Finding], problem: str | None) -> None:
    """Tell whether the events can be trusted, or why they cannot be read."""
    from tuner.events.checks.finding import list_findings, wrap_told

    if problem is not None:
        print_text(f"Before a sweep, correct this: {problem}")
        return
    print_text("\nCan the events be trusted?" + ("" if findings else " Checks found nothing that speaks against it."))
    for line in list_findings(findings):
        print_text("\n".join(wrap_told(line)))


def check(
    study: StudyArgument,
    *,
    device: DeviceOption = None,
    folder: FolderOption = RUNS,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]0-4[/]  Dry run: read, validate, train a few networks for two steps, save, load and export them.

    Says what a sweep will do, or every problem of the study at once. Keeps nothing.
    """
    opened = open_study(study, events)
    from tuner.events.checks.finding import list_findings, wrap_told
    from tuner.prediction.checks import check_study

    checked = check_study(opened, folder=folder, device=device)
    if as_json:
        findings = [finding.to_json() for finding in checked.findings]
        print_json({"study": str(study), "ok": True, "lines": list(checked.lines), "findings": findings})
        return
    told = set(list_findings(checked.findings))
    for line in checked.lines:
        print_text("\n".join(wrap_told(line)) if line in told else line)


def explore(
    study: StudyArgument,
    *,
    folder: FolderOption = RUNS,
    events: EventsOption = None,
    output: FiguresOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]1-2[/]  Look at the training events before any network does: columns, features, correlations.

    Validation and test stay closed. Draws signal and background of every feature, correlations, and the most telling
    features two by two, into the run folder's figures/, as PNG and PDF.
    """
    opened = open_study(study, events)
    from tuner.exploration.saving import save_exploration
    from tuner.tuning.explore import explore as explore_study

    exploration = explore_study(opened)
    figures = output or RunFolder(folder / opened.name).create().figures
    paths = save_exploration(exploration, figures, units=opened.problem.units)
    if as_json:
        print_json(exploration.to_json() | {"files": [str(path) for path in paths]})
        return
    for line in exploration.lines:
        print_text(line)
    print_text(f"\nWrote {len(paths)} files to {figures}")
