"""What is wrong in a run folder and its storage, and what of it can be repaired."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from tuner.checked_files import check_file, drop_damaged_lines, write_atomically
from tuner.errors import DamagedFileError, SearchError, SplitsError, TunerError, name_all
from tuner.progress.wording import write_count, write_duration
from tuner.trackers.wandb_sync import find_unsent
from tuner.tuning.heartbeats import find_forgotten, forget_workers, is_abandoned, reap_trials
from tuner.tuning.journal import JournalFile, JournalLock
from tuner.tuning.prepared_run import keep_run, prepare_run
from tuner.tuning.search import Search, open_search
from tuner.tuning.study import Study
from tuner.tuning.trial_attributes import read_identity
from tuner.tuning.trial_pictures import draw_words

PARTIAL_SECONDS = 3600.0
"""A file that is half written for so long is left over: its writer is gone."""

EMPTY_SECONDS = 60.0
"""A picture that is empty for so long is not being drawn just now."""

_PARTIAL = re.compile(r"\..+\.\d+")
"""Name of a file that is being written, as `checked_files.write_atomically` has it."""

_OTHERS = ("wandb", "mlflow", "tensorboard", "logs", "earlier", "damaged", "splits", "artifacts")
"""Folders whose files have no checksums of ours, or that are looked at as a whole."""

_PICTURES = ("trials", "artifacts", "figures")
"""Folders whose pictures are ours."""


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """Something that is wrong, or worth knowing."""

    code: str
    """Kind: lock, journal, search, splits, file, picture, partial, worker, trial, sync."""
    text: str
    """What it is and what follows from it, in sentences."""
    remedy: str
    """What repairs it, as a sentence."""
    fixed: bool = False
    """Whether this call has repaired it."""
    is_note: bool = False
    """Whether nothing is wrong: it is only good to know."""


@dataclass(frozen=True)
class _Case:
    """A symptom, and what repairs it; None where only a person can."""

    symptom: Symptom
    repair: Callable[[], object] | None = None


BY_FIX = "`tuner doctor --fix` does that."


def examine(
    study: Study,
    *,
    folder: str | Path = "runs",
    storage: str | None = None,
    fix: bool = False,
    study_file: Path | None = None,
) -> tuple[Symptom, ...]:
    """Look for what a crash, a full disk or a hand has left of a search, and mend what can be repaired.

    Workers may be at work meanwhile: only what nobody can be using any more is touched. Damaged files are moved to
    `damaged/` of the run folder; nothing is deleted but locks of dead processes and files that were never whole.

    Args:
        study: The study.
        folder: Where run folders live.
        storage: URL of the database in place of the run folder's journal file.
        fix: Whether to repair.
        study_file: File that other processes can read the study from.

    Returns:
        What was found, in the order in which one looks: journal, search, files.

    Raises:
        SearchError: There is no search of this study.
    """
    path = Path(folder) / study.name
    journal = path / "journal.log"
    if not path.is_dir() or (storage is None and not journal.exists()):
        raise SearchError(
            f'There must be a search of study "{study.name}", but "{path}" holds none. '
            "Start it with `tuner sweep`, or say with --folder or --storage where it is."
        )
    found = [_treat(case, fix) for case in (_examine_journal(journal) if journal.exists() else ())]
    try:
        search = open_search(study, folder, storage, study_file=study_file)
        _ = search.trials
    except TunerError as error:
        found.append(Symptom(code="search", text=str(error), remedy="Until then the rest of the search is not seen."))
        return (*found, *(_treat(case, fix) for case in _examine_files(path)))
    for look in (_examine_trials, _examine_workers, _examine_splits):
        found += [_treat(case, fix) for case in look(search)]
    found += [_treat(case, fix) for case in _examine_files(path)]
    return (*found, *_examine_runs(path))


def _treat(case: _Case, fix: bool) -> Symptom:
    """Return a symptom, fixed where that is wanted and possible."""
    if not fix or case.repair is None:
        return case.symptom
    try:
        case.repair()
    except (TunerError, OSError) as error:
        return replace(case.symptom, remedy=f"It could not be repaired: {error}")
    return replace(case.symptom, fixed=True)


def _examine_journal(journal: Path) -> Iterator[_Case]:
    """Yield a lock that a dead process holds, and a last line that is no whole record."""
    lock = JournalLock(journal)
    if (age := lock.find_stale()) is not None:
        text = f'The lock "{lock.path}" was left behind {write_duration(age)} ago by a process that is gone.'
        yield _Case(Symptom(code="lock", text=text, remedy=f"Remove it. {BY_FIX}"), lock.take_away)
    file = JournalFile(journal)
    if torn := file.measure_torn():
        text = (
            f'The last {write_count(torn, "byte")} of the journal "{journal}" are no whole record, as after a power '
            "cut or a full disk. Every line before them counts."
        )
        remedy = f'The next writer moves them to "{journal.name}.torn"; {BY_FIX}'
        yield _Case(Symptom(code="journal", text=text, remedy=remedy), file.mend)


def _examine_trials(search: Search) -> Iterator[_Case]:
    """Yield the running trials that no living worker trains."""
    trials, workers = search.optuna_study.get_trials(deepcopy=False), search.workers
    lost = [t.number for t in trials if t.state.name == "RUNNING" and is_abandoned(t, workers)]
    if lost:
        who, it = ("Trial {} is", "it") if len(lost) == 1 else ("Trials {} are", "them")
        numbers = ", ".join(map(str, lost[:10])) + (" ..." if len(lost) > 10 else "")
        text = f"{who.format(numbers)} marked as running, but no living worker trains {it}."
        remedy = f"Give the settings back: the next worker goes on from the last checkpoints. {BY_FIX}"
        lock = FileLock(search.folder.lock)
        yield _Case(Symptom(code="trial", text=text, remedy=remedy), lambda: reap_trials(search.optuna_study, lock))


def _examine_workers(search: Search) -> Iterator[_Case]:
    """Yield the records of workers that are long gone."""
    gone = find_forgotten(search.optuna_study)
    if gone:
        workers = write_count(len(gone), "worker")
        text = f"The storage keeps the heartbeats of {workers} long gone: {name_all(gone, most=3)}."
        symptom = Symptom(code="worker", text=text, remedy=f"Remove them. {BY_FIX}")
        yield _Case(symptom, lambda: forget_workers(search.optuna_study))


def _examine_splits(search: Search) -> Iterator[_Case]:
    """Yield prepared events that are missing or damaged."""
    try:
        _ = search.splits
    except SplitsError as error:
        remedy = f"Prepare them again from the events, which must be the same. {BY_FIX}"
        yield _Case(Symptom(code="splits", text=str(error), remedy=remedy), lambda: _prepare_again(search))


def _prepare_again(search: Search) -> None:
    """Prepare the events of a search again. Raise `SearchError` where they have changed since."""
    study = search.study
    prepared = prepare_run(study.problem, study.preparation, search.folder)
    wanted = (read_identity(search.optuna_study) or {}).get("parts")
    if wanted not in (None, prepared.splits.fingerprint):
        raise SearchError(
            "The events must give the parts that the trials were trained on, but give others: they, or how they are "
            "split, have changed since. Name the place of the old events with --events."
        )
    keep_run(prepared, search.folder)


def _examine_files(folder: Path) -> Iterator[_Case]:
    """Yield files that are empty, half written or damaged."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_symlink() or not path.is_file() or path.name.endswith((".log", ".lock", ".torn")):
            continue
        try:
            state = path.stat()
        except FileNotFoundError:  # a worker has removed it meanwhile
            continue
        name, age = "/".join(parts), time.time() - state.st_mtime
        if _PARTIAL.fullmatch(path.name):
            if age > PARTIAL_SECONDS:
                text = f'"{name}" was never written to its end: its writer is gone.'
                yield _Case(Symptom(code="partial", text=text, remedy=f"Remove it. {BY_FIX}"), path.unlink)
            continue
        if state.st_size == 0 and (path.suffix in (".png", ".pdf") or parts[0] == "artifacts"):
            if age > EMPTY_SECONDS and parts[0] in _PICTURES:
                yield _examine_picture(path, name, is_of_trial=parts[0] != "figures")
            continue
        if parts[0] in _OTHERS:
            continue
        try:
            check_file(path)
        except DamagedFileError as error:
            yield _examine_damage(path, folder, str(error))


def _examine_picture(path: Path, name: str, *, is_of_trial: bool) -> _Case:
    """Return the case of an empty picture."""
    text = f'The picture "{name}" is empty, as after a full disk.'
    if is_of_trial:
        remedy = f"A picture that says so takes its place. {BY_FIX}"
        repair: Callable[[], object] = lambda: _replace_empty(path)  # noqa: E731
    else:
        remedy, repair = f"Remove it: `tuner report` draws it again. {BY_FIX}", lambda: _remove_empty(path)
    return _Case(Symptom(code="picture", text=text, remedy=remedy), repair)


def _replace_empty(path: Path) -> None:
    """Put a picture that says what happened in the place of a file that still is empty."""
    if path.stat().st_size == 0:
        write_atomically(path, draw_words("This picture was lost."))


def _remove_empty(path: Path) -> None:
    """Remove a file that still is empty."""
    if path.stat().st_size == 0:
        path.unlink()


def _examine_damage(path: Path, folder: Path, text: str) -> _Case:
    """Return the case of a file that is not as it was written."""
    if path.suffix == ".jsonl":
        symptom = Symptom(code="file", text=text, remedy=f"Leave its damaged lines out. {BY_FIX}")
        return _Case(symptom, lambda: drop_damaged_lines(path))
    if path.name in ("search.json", "provenance.json"):  # what is in them nothing else tells
        return _Case(Symptom(code="file", text=text, remedy="Restore it from a copy, or delete it and sweep again."))
    aside = folder / "damaged" / path.relative_to(folder)
    remedy = f'Move it to "damaged/": the step that needs it makes it again or says what to do. {BY_FIX}'
    return _Case(Symptom(code="file", text=text, remedy=remedy), lambda: _move(path, aside))


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _examine_runs(folder: Path) -> Iterator[Symptom]:
    """Yield a note on runs that were not sent to Weights & Biases."""
    with suppress(OSError):
        if n_unsent := len(find_unsent(folder)):
            verb = "was" if n_unsent == 1 else "were"
            text = f"{write_count(n_unsent, 'offline run')} of Weights & Biases {verb} not uploaded yet."
            yield Symptom(code="sync", text=text, remedy="`tuner sync` uploads them.", is_note=True)
