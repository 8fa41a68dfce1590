"""Commands for a search that has a past: `doctor`, `replay`, `fork`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tuner.cli.loading import open_study, open_study_search
from tuner.cli.options import RUNS, DeviceOption, EventsOption, FolderOption, JsonOption, StorageOption, StudyArgument
from tuner.cli.output import print_json, print_text


def doctor(
    study: StudyArgument,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]3-8[/]  Find what a crash, a full disk or a hand has left of a search, and repair it with --fix.

    Looks at locks of dead processes, a torn journal, trials without a worker, old heartbeats, missing prepared events,
    empty and damaged files, and runs that were not uploaded. Damaged files are moved to damaged/ of the run folder,
    never deleted.

    Exit codes: 0 where nothing is wrong, or all of it is repaired; 1 where something is left to do; 2 after an error.
    """
    opened = open_study(study, events)
    from tuner.tuning.doctor import examine

    found = examine(opened, folder=folder, storage=storage, fix=fix, study_file=study)
    left = [finding for finding in found if not (finding.fixed or finding.is_note)]
    if as_json:
        print_json({"study": opened.name, "healthy": not left, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            state = "fixed" if finding.fixed else "note" if finding.is_note else "wrong"
            print_text(f"[{state}] {finding.text}{'' if finding.fixed else f' {finding.remedy}'}")
        if not found:
            print_text(f"Nothing is wrong with the search of {opened.name}.")
    if left:
        raise typer.Exit(1)


def replay(
    study: StudyArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="Number of the trial.", show_default=False)],
    *,
    device: DeviceOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]5-6[/]  Train a trial again from its record, and say whether its figure comes out again.

    Its settings, its seed and the size of its pack are those of the record. Three trainings or more with other seeds
    run beside it: a difference means something only where it is larger than theirs. Nothing is kept.

    Exit codes: 0 where the figure agrees, 1 where it differs by more than rounding and seeds explain, 2 after an error.
    """
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.tuning.replay import replay as train_again

    replayed = train_again(search, trial, device=device)
    if as_json:
        print_json(replayed.to_json())
    else:
        for line in replayed.lines:
            print_text(line)
    if replayed.verdict == "other":
        raise typer.Exit(1)


def fork(
    study: StudyArgument,
    *,
    name: Annotated[str, typer.Option("--name", metavar="NEW", help="Name of the new search.", show_default=False)],
    best: Annotated[
        int, typer.Option("--best", metavar="N", min=1, help="Settings to try first, where figures cannot be kept.")
    ] = 10,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]6  [/]  Take a search along to a wider search space, or to more events, under a new name.

    Change the study file first, or name the new events with --events. Where events, preparation and figure of merit are
    as they were, all trials whose settings the space still has are kept with their figures; where not, the best
    settings are tried first. Writes NEW.py beside the study file; the old search stays as it is.
    """
    opened = open_study(study, events)
    from tuner.tuning.fork import fork as fork_search
    from tuner.tuning.fork import plan_fork_file

    path, text = plan_fork_file(study, name)
    forked = fork_search(opened, name=name, folder=folder, storage=storage, best=best)
    path.write_text(text)
    if as_json:
        content = {key: value for key, value in vars(forked).items() if key != "search"}
        print_json(content | {"study": name, "study_file": str(path)})
        return
    for line in forked.lines:
        print_text(line)
    more = f" --events {events}" if events else ""
    print_text(f"Wrote {path}. Go on with: tuner sweep {path}{more} --trials N")
