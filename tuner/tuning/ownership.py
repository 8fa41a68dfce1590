"""To which search the files of a run folder belong: those that are found by a trial's number are of one search only."""

from __future__ import annotations

import itertools
import logging
import re
from pathlib import Path

from tuner.checked_files import read_json, write_json
from tuner.errors import SearchError
from tuner.run_folder import RunFolder

_ID = re.compile(r"[\w-]+", re.ASCII)

logger = logging.getLogger("tuner")

OWNER_ADVICE = "Delete it if the other files of its folder belong to the present search, then rerun the same command."
"""What to do about a damaged file that names the owner."""


def take_folder(folder: RunFolder, search_id: str, *, is_new: bool) -> None:
    """Make a run folder that of this search; move what another search has left in it to `earlier/`.

    Another search is one whose Optuna study was deleted, whose journal was removed, or that lies in another storage.
    What it left comes back when it goes on itself. Prepared events, the log of the test part's openings and logs of
    workers stay, whoever made them. Who is killed in between goes on with the next call. is_new: the search was created
    just now, so that nothing in the folder is its own.
    """
    owner = find_owner(folder)
    _check_id(search_id, "the storage")
    if owner != search_id:
        if is_new or owner is not None:
            aside = _set_aside(folder, owner)
            if aside is not None:
                logger.warning('Files of an earlier search were moved to "%s".', aside)
        write_json(folder.owner, {"search": search_id})
    _bring_back(folder, search_id)


def check_owner(folder: RunFolder, search_id: str | None, storage: str) -> None:
    """Raise `SearchError` where the files of a run folder belong to another search than that in the storage."""
    owner = find_owner(folder)
    if owner is not None and owner != search_id:
        raise SearchError(
            f'The files in "{folder.path}" must belong to the search in "{storage}", but belong to another one of the '
            "same name. Name the storage that it was made with by --storage, or its folder by --folder; `tuner sweep` "
            "goes on with this search and moves the other one's files aside."
        )


def find_owner(folder: RunFolder) -> str | None:
    """Return the name of the search that a run folder belongs to; None where that was never written down."""
    return _check_id(read_json(folder.owner, advice=OWNER_ADVICE).get("search"), str(folder.owner))


def _check_id(search_id: str | None, place: str) -> str | None:
    """Return a search's random name. Raise `SearchError` for one that would be a path out of the run folder."""
    if search_id is not None and not (isinstance(search_id, str) and _ID.fullmatch(search_id)):
        raise SearchError(
            f"The random name of a search must be made of letters, digits and hyphens, but {place} has "
            f"{search_id!r}. Somebody has changed it: restore it from a copy."
        )
    return search_id


def _list_files(folder: RunFolder) -> list[Path]:
    """Return all that belongs to one search, there or not."""
    return [
        folder.checkpoints,
        folder.finalists,
        folder.curves,
        folder.packs,
        folder.trials,
        folder.figures,
        folder.provenance,
        folder.evaluation,
        folder.scores,
        folder.network,
        folder.out_of_fold,
        folder.bag_out_of_fold,
        folder.cut_scores,
        folder.report,
        folder.tracking,
        folder.tensorboard,
        folder.wandb / "sweep_id",
    ]


def _set_aside(folder: RunFolder, owner: str | None) -> Path | None:
    """Move the files of a search to a folder of its own; return that, or None where there were none."""
    files = [path for path in _list_files(folder) if path.exists()]
    if not files:
        return None
    unnamed = (folder.earlier / f"unnamed-{number}" for number in itertools.count(1))
    aside = folder.earlier / owner if owner else next(path for path in unnamed if not path.exists())
    _move(files, folder.path, aside)
    return aside


def _bring_back(folder: RunFolder, search_id: str) -> None:
    """Move the files of a search that were set aside to where they were; those that are there again stay aside."""
    aside = folder.earlier / search_id
    files = [aside / path.relative_to(folder.path) for path in _list_files(folder) if not path.exists()]
    _move([path for path in files if path.exists()], aside, folder.path)


def _move(files: list[Path], old: Path, new: Path) -> None:
    for path in files:
        target = new / path.relative_to(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
