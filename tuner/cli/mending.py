"""Commands for a search that something has happened to, or that goes on elsewhere: `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tuner.cli.loading import open_study
from tuner.cli.options import RUNS, EventsOption, FolderOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.output import print_json, print_text


def doctor(
    study: StudyArgument,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended.")] = False,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]3-8[/]  Find what a crash, a full disk or a hand has left of a search, and mend it with --fix.

    Looks at locks of dead processes, a torn journal, trials without a worker, old heartbeats, missing prepared events,
    empty and damaged files, and runs that were not uploaded. Damaged files are moved to damaged/ of the run folder,
    never deleted.

    Exit codes: 0 where nothing is wrong, or all of it is mended; 1 where something is left to do; 2 after an error.
    """
    opened = open_study(study, events)
    from tuner.tuning.doctor import examine

    found = examine(opened, folder=folder, storage=storage, fix=fix, study_file=study)
    left = [finding for finding in found if not (finding.mended or finding.is_note)]
    if as_json:
        print_json({"study": opened.name, "healthy": not left, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            state = "mended" if finding.mended else "note" if finding.is_note else "wrong"
            print_text(f"[{state}] {finding.text}{'' if finding.mended else f' {finding.remedy}'}")
        if not found:
            print_text(f"Nothing is wrong with the search of {opened.name}.")
    if left:
        raise typer.Exit(1)
