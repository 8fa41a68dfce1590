"""Steps 0 to 2 on the command line: `new`, `check`, `explore`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    from tuner.problem import Problem


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
    tried = _try_draft(path)
    if as_json:
        told = {"study": str(path), "name": draft.name, "reasons": list(draft.reasons), "problem": tried.problem}
        print_json(told | {"findings": [finding.to_json() for finding in tried.findings]})
        return
    for line in draft.reasons:
        print_text(line)
    _tell_findings(tried)
    file = quote(str(path))
    print_text(f"\nWrote {path}. Read it, correct what is wrong, then:\n  tuner check {file}\n  tuner explore {file}")


@dataclass(frozen=True)
class _Draft:
    """What became of reading the events of a study file that was just written."""

    findings: tuple[Finding, ...] = ()
    """What checks found."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Which features are prepared as which kind of inputs."""
    problem: str | None = None
    """Why the events cannot be read; None where they can."""


def _try_draft(path: Path) -> _Draft:
    """Read the events of a study file that was just written, prepare and check them."""
    from tuner.errors import TunerError
    from tuner.events.reading import read_events
    from tuner.preparation.splits import prepare_splits
    from tuner.tuning.findings import check_splits

    study = open_study(path)
    try:
        events = read_events(study.problem)
        splits = prepare_splits(events, study.problem, study.preparation)
        return _Draft(check_splits(events, splits, study.problem), splits.preprocessing.describe())
    except TunerError as error:
        return _Draft(problem=str(error))


def _tell_findings(tried: _Draft) -> None:
    """Tell whether the events can be trusted, or why they cannot be read."""
    from tuner.events.checks.finding import list_findings, wrap_told

    if tried.problem is not None:
        print_text(f"Before a sweep, correct this: {tried.problem}")
        return
    for kind, names in tried.inputs.items():
        print_text(f"prepared as inputs: {kind}, {names}")
    print_text(
        "\nCan the events be trusted?" + ("" if tried.findings else " Checks found nothing that speaks against it.")
    )
    for line in list_findings(tried.findings):
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
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY", help="Study file; or events, as `tuner new` takes one path of them.", show_default=False
        ),
    ],
    *,
    folder: FolderOption = RUNS,
    events: EventsOption = None,
    output: FiguresOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]1-2[/]  Look at the training events before any network does: columns, features, correlations.

    Validation and test stay closed. Draws signal and background of every feature, correlations, and the most telling
    features two by two, into the run folder's figures/, as PNG and PDF. Without a study, of a data file, the roles of
    columns are guessed as `tuner new` guesses them.
    """
    from tuner.events.file_formats import names_events

    if names_events(study) and events is None:
        name, problem, preparation, told = _draft(str(study))
    else:
        opened = open_study(study, events)
        name, problem, preparation, told = opened.name, opened.problem, opened.preparation, ()
    from tuner.exploration.saving import save_exploration
    from tuner.tuning.explore import explore_problem

    exploration = explore_problem(problem, preparation)
    figures = output or RunFolder(folder / name).create().figures
    paths = save_exploration(exploration, figures, units=problem.units)
    if as_json:
        print_json(exploration.to_json() | {"files": [str(path) for path in paths], "guessed": list(told)})
        return
    for line in (*told, *exploration.lines):
        print_text(line)
    print_text(f"\nWrote {len(paths)} files to {figures}")


def _draft(events: str) -> tuple[str, Problem, None, tuple[str, ...]]:
    """Return name and problem that a study of events would be drafted with, and what is told of it."""
    from tuner.drafts.draft import draft_study

    draft = draft_study(events)
    told = (
        "There is no study: roles are guessed, and nothing is written but the figures. "
        f"`tuner new {quote(events)}` writes a study to correct.",
        *draft.reasons,
        "",
    )
    return draft.name, draft.problem, None, told
