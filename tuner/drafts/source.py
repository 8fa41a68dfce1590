"""Where the events of a draft are: one source, or one for each class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import EventsError, StudyError, name_all

if TYPE_CHECKING:
    import pandas as pd

    from tuner.events.class_files import ClassFiles
    from tuner.events.sources import File

SIGNAL, BACKGROUND = "signal", "background"
_TREES = {SIGNAL: ("s", "sig", "signal"), BACKGROUND: ("b", "bg", "bkg", "bkgd", "background")}
_LABELS = ("label", "class", "sample", "tuner_label")
"""Names of the label that is made of classes, the first that no column has."""


@dataclass(frozen=True, kw_only=True)
class DraftedSource:
    """Events of a draft, read."""

    source: File | ClassFiles
    table: pd.DataFrame
    name: str
    """Of the file, the files or the folder, fit for a study."""
    unnamed: tuple[str, ...] = ()
    """Names that were given to the columns of a file without a header line."""
    label: str | None = None
    """The label that was made of classes, of which one is `SIGNAL`."""
    reasons: tuple[str, ...] = ()


def read_drafted(
    events: Sequence[str],
    *,
    signal_tree: str | None = None,
    background_tree: str | None = None,
    signal_file: str | None = None,
    background_file: str | None = None,
) -> DraftedSource:
    """Return the events that a study is to be drafted for.

    Args:
        events: A path as `Problem.events` takes it; or two, that of signal and that of background.
        signal_tree: Tree of signal, in one file that has another of background.
        background_tree: That other.
        signal_file: Path of signal, in place of `events`.
        background_file: Path of background.

    Raises:
        EventsError: A file cannot be read, or is empty.
        StudyError: It is not clear which events are meant.
    """
    from tuner.events.class_files import ClassFiles
    from tuner.events.sources import File

    _check_words(events, (signal_tree, background_tree), (signal_file, background_file))
    if len(events) == 1 and signal_tree is None:
        signal_tree, background_tree = _find_class_trees(events[0])
    if signal_tree and background_tree:
        trees = {signal_tree: SIGNAL, background_tree: BACKGROUND}
        names = (f"{events[0]}:{signal_tree}", f"{events[0]}:{background_tree}")
        if _is_root(events[0]):
            return _read_classes(File(events[0], trees=trees), _make_name(events[0]), trees_of=names)
        classes = dict(zip((SIGNAL, BACKGROUND), names, strict=True))
        return _read_classes(ClassFiles(classes), _make_name(events[0]), trees_of=names)
    if len(events) == 1:
        return _read_one(events[0])
    paths = tuple(events) or (str(signal_file), str(background_file))
    name = f"{_make_name(paths[0])}_vs_{_make_name(paths[1]).removeprefix('study_')}"
    drafted = _read_classes(ClassFiles(dict(zip((SIGNAL, BACKGROUND), paths, strict=True))), name)
    if events:
        _refuse_labelled(drafted, paths)
    return drafted


def _check_words(
    events: Sequence[str], trees: tuple[str | None, str | None], files: tuple[str | None, str | None]
) -> None:
    """Raise `StudyError` where what was given does not say which events are meant."""
    if len(events) > 2:
        ending = "".join(Path(events[0]).suffixes) or ".root"
        raise StudyError(
            f"Events must be one path, or two, of signal and of background, but {len(events)} came, the first of them "
            f'"{events[0]}". Several files are named by a pattern in quotes, so that the shell leaves it alone: '
            f'tuner new "{Path(events[0]).parent / f"*{ending}"}".'
        )
    if any(trees) and not (all(trees) and len(events) == 1):
        raise StudyError(
            "Trees of classes must be two of one file: tuner new FILE.root --signal-tree TREE --background-tree TREE."
        )
    if any(files) and events:
        raise StudyError(
            "Files of classes must be named once: tuner new SIGNAL BACKGROUND, or tuner new --signal FILE "
            "--background FILE. The value of a label that means signal is named with --signal alone."
        )
    if not events and not all(files):
        raise StudyError(
            "The events must be named: tuner new EVENTS; or, where each class has a file, tuner new SIGNAL BACKGROUND."
        )


def _read_one(events: str) -> DraftedSource:
    """Return events of which a column is the label."""
    from tuner.events.sources import File, count_unnamed_columns

    unnamed = tuple(f"column_{number}" for number in range(1, count_unnamed_columns(events) + 1))
    source = File(events, columns=unnamed or None)
    table = source.read()
    if len(table) == 0:
        raise EventsError(f"{events} must hold events, but has none.")
    return DraftedSource(source=source, table=table, name=_make_name(events), unnamed=unnamed)


def _read_classes(source: File | ClassFiles, name: str, *, trees_of: Sequence[str] = ()) -> DraftedSource:
    """Return events of a class each, with a weight of 1 where only one of the classes has weights."""
    from tuner.drafts.names import is_weight
    from tuner.events.listing import is_elsewhere

    source, table = _name_label(source)
    left_out = table.attrs["left_out"]
    lacking = [str(name) for name, why in left_out.items() if is_elsewhere(why) and is_weight(name)]
    reasons = [f"one class a source: {' and '.join(trees_of) or source.describe()}"]
    if lacking:
        source = replace(source, fill=dict.fromkeys(lacking, 1.0))
        table = source.read()
        reasons.append(f"fill: {name_all(lacking)} is there for one class only; events of the other count as one each")
    for kind in (SIGNAL, BACKGROUND):
        if not (table[source.label] == kind).any():
            raise EventsError(f"{source.describe()} must hold events of {kind}, but has none.")
    return DraftedSource(source=source, table=table, name=name, label=source.label, reasons=tuple(reasons))


def _name_label(source: File | ClassFiles) -> tuple[File | ClassFiles, pd.DataFrame]:
    """Return classes whose label has a name that no column of theirs has, and their events."""
    names: set[str] = set()

    def note(name: str) -> bool:
        names.add(name)
        return False

    replace(source, label="\N{WHITE SQUARE}").read_columns(note)
    label = next((name for name in _LABELS if name not in names), _LABELS[-1])
    chosen = replace(source, label=label)
    return chosen, chosen.read()


def _refuse_labelled(drafted: DraftedSource, paths: Sequence[str]) -> None:
    """Raise `StudyError` where each of two files has both classes in a column that is named like a label."""
    from tuner.drafts.labels import find_named_labels

    for name in find_named_labels(drafted.table.drop(columns=drafted.label)):
        if drafted.table.groupby(drafted.label, observed=True)[name].nunique().eq(2).all():
            raise StudyError(
                f'Two files must hold a class each, but both have a column "{name}" with two values. If that is the '
                f"label, name the files by one pattern in quotes, or their folder; if not, say which is which: "
                f"tuner new --signal {paths[0]} --background {paths[1]}."
            )


def _is_root(events: str) -> bool:
    from tuner.events.file_formats import find_format

    return find_format(Path(events)) == "ROOT"


def _find_class_trees(events: str) -> tuple[str | None, str | None]:
    """Return the two trees of a ROOT file that are named like signal and background; nothing where others are there."""
    from tuner.events.damage import tell_damage
    from tuner.events.paths import find_files

    if not _is_root(events):
        return None, None
    from tuner.events.formats.root import list_event_trees

    path = find_files(events)[0]
    with tell_damage(path, "ROOT"):
        trees = list_event_trees(path)
    found = {kind: [tree for tree in trees if _read_kind(tree) in words] for kind, words in _TREES.items()}
    if len(trees) == 2 and all(len(named) == 1 for named in found.values()):
        return found[SIGNAL][0], found[BACKGROUND][0]
    return None, None


def _read_kind(tree: str) -> str:
    """Return what a tree's name says beside that it is a tree of events: TreeS, sig_events."""
    return re.sub(r"tree|events?|nominal|[^a-z]", "", tree.rpartition("/")[2].lower())


def _make_name(events: str) -> str:
    """Return the name of the file, or of its folder where that is a pattern, without endings, fit for a module."""
    path = Path(re.sub(r"(\.\w+):.*$", r"\1", events))
    stems = [part.name.split(".")[0] for part in (path, *path.parents, Path.cwd()) if part.name]
    words = [re.sub(r"[^0-9a-zA-Z]+", "_", stem).strip("_").lower() for stem in stems if "=" not in stem]
    name = next((word for word in words if word), "")
    return name if name[:1].isalpha() else f"study_{name}".rstrip("_")
