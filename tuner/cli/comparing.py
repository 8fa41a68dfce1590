"""Step 7, several searches side by side: `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.loading import open_study
from tuner.cli.options import RUNS, JsonOption, StorageOption
from tuner.cli.output import print_json, print_text
from tuner.errors import SearchError, name_all
from tuner.run_folder import make_parent

if TYPE_CHECKING:
    from tuner.tuning.search import Search


def compare(
    studies: Annotated[
        list[Path], typer.Argument(metavar="STUDY ...", help="Study files; the others are compared with the first.")
    ],
    *,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            help="Where run folders live; give it again for searches of a study in several folders.",
            show_default=str(RUNS),
        ),
    ] = None,
    storage: StorageOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Write compare.png and compare.pdf there.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]7  [/]  Compare two searches or more: settings that differ, the best so far, a verdict.

    Every search that the studies have in the folders is compared with the first: `tuner compare a.py b.py` compares two
    studies, `tuner compare a.py --folder runs --folder runs2` two searches of one study. Never opens the test part:
    the verdict rests on what `tuner evaluate` found. Writes nothing without --output.
    """
    searches = find_searches(studies, folder or [RUNS], storage)
    from tuner.cli.tables import print_comparison
    from tuner.reporting.search_comparison import compare as compare_searches

    comparison = compare_searches(*searches)
    paths = () if output is None else comparison.save(make_parent(output / "compare.png").parent)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_comparison(comparison)
    if paths and not as_json:
        print_text(f"Wrote {paths[0]} and {paths[1].name}")


def find_searches(studies: Sequence[Path], folders: Sequence[Path], storage: str | None) -> list[Search]:
    """Return the searches of each study in each folder, in this order.

    Raise `SearchError` where a study has none in any folder, or where a folder has none of any study.
    """
    from tuner.tuning.search import open_search

    opened = [(path, open_study(path)) for path in studies]
    if len(folders) == 1:
        return [open_search(study, folders[0], storage, study_file=path) for path, study in opened]
    for folder in folders:
        if not any((folder / study.name).is_dir() for _, study in opened):
            raise SearchError(
                f'Each folder must hold a search of one of the studies, but "{folder}" holds none of '
                f"{name_all(study.name for _, study in opened)}. Correct --folder, or start one with `tuner sweep`."
            )
    found = []
    for path, study in opened:
        found_in = [folder for folder in folders if (folder / study.name).is_dir()] or folders[:1]
        found += [open_search(study, runs, storage, study_file=path) for runs in found_in]
    return found
