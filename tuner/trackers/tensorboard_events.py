"""TensorBoard's event files in the run folder: `tensorboard --logdir runs` shows them.

The only file that imports TensorBoard. Of its writers, the one for records is used: `SummaryWriter` keeps a thread and
an open file for each run, and a pack has hundreds of them at once.
"""

# ruff: noqa: ARG002 - methods take what every tracker takes

from __future__ import annotations

import importlib.util
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tuner.errors import MissingPackage
from tuner.markdown import write_table
from tuner.run_folder import RunFolder
from tuner.trackers.background import CAPACITY
from tuner.trackers.background_tracker import BackgroundTracker, Ending, LoggedTrial, Subject
from tuner.trackers.base import Artifact, StudyRecord, is_picture
from tuner.trackers.plain_values import flatten, is_number, make_plain, split_numbers, to_float

if TYPE_CHECKING:
    import pandas as pd
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

MAX_CHARACTERS = 100_000
"""Of one text: the page shows it whole."""

MAX_ROWS = 1_000
"""Of one table, which is written as text."""

_numbers = count()


class TensorBoard(BackgroundTracker):
    """Writes the events of each trial to `tensorboard/trial_<number>/`, and those of the study to `tensorboard/study/`.

    Figures are scalars against epoch, the configuration is for the HParams page, and what is known at the end are
    scalars `summary/...`, images, and texts in Markdown. Raises `MissingPackage` without the extra "tensorboard".
    """

    title = "TensorBoard"

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingPackage("tensorboard", "tensorboard", "Tracking with TensorBoard")
        super().__init__(capacity=capacity)
        self._files: WeakKeyDictionary[LoggedTrial, _EventFile] = WeakKeyDictionary()

    def _open_trial(self, trial: LoggedTrial) -> None:
        folder = RunFolder(trial.folder).tensorboard / f"trial_{trial.number:05d}"
        self._files[trial] = file = _EventFile(folder, goes_on=any(folder.glob("*tfevents*")))
        about = {"study": trial.study, "trial": trial.trial, "tags": ", ".join(trial.tags)}
        texts = {"about": _tabulate(about), "configuration": _tabulate(trial.config)}
        file.write([_make_session_start(trial), *_make_texts(texts)])

    def _write_epoch(self, trial: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        self._files[trial].write(_make_scalars(split_numbers(figures)[0]), step=epoch)

    def _end_trial(self, trial: LoggedTrial, ending: Ending) -> bool:
        how = {"state": ending.state} | ({"reason": ending.reason} if ending.reason else {})
        texts = {"ending": _tabulate(how), "summary": _tabulate(ending.summary), "notes": ending.notes}
        scalars = {f"summary/{name}": value for name, value in split_numbers(ending.summary)[0].items()}
        file = self._files[trial]
        file.write(_make_scalars(scalars), step=file.last_step)
        file.write([*_make_texts(texts), _make_session_end(ending.state)])
        return True

    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        self._files[trial].write([_make_image(name, path)])

    def _write_study(self, subject: Subject, record: StudyRecord) -> bool:
        folder = RunFolder(record.folder).tensorboard / "study"
        old = list(folder.glob("*tfevents*"))
        file = _EventFile(folder)
        texts = {
            "notes": record.notes,
            "about": _tabulate({"study": record.study, "tags": ", ".join(record.tags)}),
            "configuration": _tabulate(record.config),
            "artifacts": _list_artifacts(record.artifacts),
            "summary": _tabulate(record.summary),
            **{f"tables/{name}": _write_table(table) for name, table in record.tables.items()},
        }
        images = [_make_image(name, path) for name, path in record.pictures.items() if is_picture(path)]
        file.write([*_make_scalars(split_numbers(record.summary)[0]), *_make_texts(texts), *images])
        for number, row in enumerate(record.history, 1):
            figures, _ = split_numbers(row)
            step = to_float(figures.pop("trials", number))
            file.write(_make_scalars({f"search/{name}": value for name, value in figures.items()}), step=int(step))
        for path in old:
            path.unlink(missing_ok=True)
        return True


class _EventFile:
    """Appends to an event file of its own, which is not kept open; a resumed trial has several of them."""

    def __init__(self, folder: Path, *, goes_on: bool = False) -> None:
        """goes_on: the first epoch that is written replaces what older files hold from there on."""
        self.last_step = 0
        self._folder = folder
        self._replaces = goes_on
        self._begin()

    def _begin(self) -> None:
        own = f"{time.time_ns():020d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._path = self._folder / f"events.out.tfevents.{own}"
        self._is_new = True

    def write(self, values: Iterable[Summary.Value], *, step: int = 0) -> None:
        """Append values of one step."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        events = []
        if self._is_new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            events.append(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if self._replaces and step:
            start = SessionLog(status=SessionLog.START)
            events.append(Event(wall_time=time.time(), step=step, session_log=start))
        events.append(Event(wall_time=time.time(), step=step, summary=Summary(value=list(values))))
        try:
            self._append(events)
        except OSError:  # no reader gets past a record that is torn
            self._begin()
            raise
        self._is_new = False
        self._replaces = self._replaces and not step
        self.last_step = max(step, self.last_step)

    def _append(self, events: Sequence[Event]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self._path.open("ab") as file:
            for event in events:
                RecordWriter(file).write(event.SerializeToString())


def _make_scalars(figures: Mapping[str, float]) -> list[Summary.Value]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]


def _make_texts(texts: Mapping[str, str]) -> list[Summary.Value]:
    """Return texts in Markdown; empty ones are left out."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    values = []
    for name, text in texts.items():
        if text:
            tensor = TensorProto(dtype="DT_STRING", string_val=[_shorten(text).encode()], tensor_shape=shape)
            metadata = create_summary_metadata(display_name=name, description="")
            values.append(Summary.Value(tag=name, metadata=metadata, tensor=tensor))
    return values


def _make_image(name: str, path: Path) -> Summary.Value:
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    with Image.open(path) as image:
        width, height = image.size
    encoded = path.read_bytes()
    return Summary.Value(
        tag=f"pictures/{name}",
        image=Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=encoded),
    )


def _make_session_start(trial: LoggedTrial) -> Summary.Value:
    """Return the configuration for the HParams page. Metrics and ranges it finds itself, where none are declared."""
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    session = SessionStartInfo(group_name=f"trial {trial.number}", start_time_secs=time.time())
    for name, value in flatten(trial.config).items():
        if isinstance(value, bool):
            session.hparams[name].bool_value = value
        elif is_number(value):
            session.hparams[name].number_value = to_float(value)
        else:
            session.hparams[name].string_value = _shorten(value)
    data = HParamsPluginData(session_start_info=session, version=metadata.PLUGIN_DATA_VERSION)
    return _make_session_value(metadata.SESSION_START_INFO_TAG, data)


def _make_session_end(state: str) -> Summary.Value:
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    names = {"complete": "STATUS_SUCCESS", "pruned": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}
    status = Status.Value(names.get(state, "STATUS_UNKNOWN"))
    session = SessionEndInfo(status=status, end_time_secs=time.time())
    data = HParamsPluginData(session_end_info=session, version=metadata.PLUGIN_DATA_VERSION)
    return _make_session_value(metadata.SESSION_END_INFO_TAG, data)


def _make_session_value(tag: str, data: Any) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata

    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=metadata.NULL_TENSOR)


def _tabulate(values: Mapping[str, Any]) -> str:
    """Return values as a table with a row for each; nothing where there are none."""
    return _write_rows([("name", "value"), *flatten(values).items()]) if values else ""


def _write_table(table: pd.DataFrame) -> str:
    shown = table.head(MAX_ROWS)
    text = _write_rows([tuple(shown.columns), *shown.itertuples(index=False, name=None)])
    return text + (f"\n\nThe first {MAX_ROWS:,} of {len(table):,} rows." if len(table) > MAX_ROWS else "")


def _list_artifacts(artifacts: Sequence[Artifact]) -> str:
    head = ("name", "kind", "aliases", "made from", "files", "about")
    rows = [
        (
            artifact.name,
            artifact.kind,
            ", ".join(artifact.aliases),
            ", ".join(artifact.made_from),
            ", ".join(path.name for path in artifact.files),
            ", ".join(f"{name}: {value}" for name, value in flatten(make_plain(artifact.metadata)).items()),
        )
        for artifact in artifacts
    ]
    return _write_rows([head, *rows]) if rows else ""


def _write_rows(rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    return write_table([[_escape(cell) for cell in row] for row in rows])


def _escape(cell: Any) -> str:
    text = f"{cell:.10g}" if isinstance(cell, float) else str(cell)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + " ..."
