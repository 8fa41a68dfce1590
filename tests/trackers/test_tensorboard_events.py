"""What TensorBoard's own readers find."""

from __future__ import annotations

import logging
import resource
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tuner.trackers import Artifact, StudyRecord
from tuner.trackers.not_recorded import describe_losses

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from tuner.trackers import TensorBoard


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.ERROR, logger="tensorboard")


def track(folder, trial, epochs, state="complete", **options):
    tracker = TensorBoard()
    config = {"lr": 10.0**-trial, "network": {"depth": trial}, "use_norm": True, "activation": "relu"}
    log = tracker.start_trial(study="s", trial=trial, config=config, folder=folder, **options)
    for epoch in epochs:
        log.log_epoch(epoch, {"validation_auc": 0.5 + epoch / 100 + trial / 10})
    log.finish(state, summary={"auc": 0.9, "best": "yes"}, reason="why", notes="# Notes")
    tracker.close(60)


def read_scalars(folder, trial, tag="validation_auc"):
    events = EventAccumulator(str(folder / "tensorboard" / f"trial_{trial:05d}")).Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]


def test_a_resumed_trial_replaces_what_it_trains_again(tmp_path):
    track(tmp_path, 0, range(1, 9), "interrupted")
    track(tmp_path, 1, range(5, 7), resumes=0)
    assert read_scalars(tmp_path, 0) == [
        *[(epoch, 0.5 + epoch / 100) for epoch in range(1, 5)],
        *[(epoch, 0.6 + epoch / 100) for epoch in range(5, 7)],
    ]
    assert read_scalars(tmp_path, 0, "summary/auc") == [(6, 0.9)]


def test_the_page_of_hyperparameters_compares_the_trials(tmp_path):
    for trial in range(3):
        track(tmp_path, trial, range(1, 4), "failed" if trial == 2 else "complete")
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "tensorboard"))
    runs.Reload()
    flags = SimpleNamespace(generic_data="auto")
    context = Context(SimpleNamespace(data_provider=MultiplexerDataProvider(runs, "logs"), flags=flags))
    metadata = context.hparams_metadata(RequestContext(), "")
    experiment = context.experiment_from_metadata(RequestContext(), "", True, metadata, [])
    assert {info.name for info in experiment.hparam_infos} == {"lr", "network/depth", "use_norm", "activation"}
    assert {"validation_auc", "summary/auc"} <= {info.name.tag for info in experiment.metric_infos}
    request = api_pb2.ListSessionGroupsRequest(
        slice_size=10,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN],
        col_params=[api_pb2.ColParams(hparam="lr"), api_pb2.ColParams(metric={"tag": "summary/auc"})],
    )
    groups = Handler(RequestContext(), context, "", request).run().session_groups
    assert [group.hparams["lr"].number_value for group in groups] == pytest.approx([1, 0.1, 0.01])
    statuses = [group.sessions[0].status for group in groups]
    assert statuses == [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]


def test_the_record_of_the_study_can_be_read(tmp_path):
    picture = tmp_path / "roc.png"
    Figure(figsize=(2, 1)).savefig(picture, dpi=50)
    network = Artifact(name="network", kind="model", files=(picture,), aliases=("winner",), made_from=("splits",))
    table = pd.DataFrame({"auc": [0.912345678901, None], "why": ["a|b", "c\nd"]})
    tracker = TensorBoard()
    for _ in range(2):
        tracker.log_study(
            StudyRecord(
                study="s", folder=tmp_path, tables={"trials": table}, pictures={"roc": picture}, artifacts=(network,)
            )
        )
    tracker.close(60)
    [path] = (tmp_path / "tensorboard" / "study").iterdir()
    events = EventAccumulator(str(path.parent)).Reload()
    [shown] = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("tables/trials")]
    assert shown.splitlines() == ["| auc | why |", "| --- | --- |", r"| 0.9123456789 | a\|b |", "| nan | c d |"]
    [artifacts] = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("artifacts")]
    assert artifacts.splitlines()[2] == "| network | model | winner | splits | roc.png |  |"
    [image] = events.Images("pictures/roc")
    assert (image.width, image.height, image.encoded_image_string) == (100, 50, picture.read_bytes())


def test_what_comes_after_a_torn_record_can_be_read(tmp_path):
    """A limit on the size of files stands for a full disk: the kernel writes half of a record."""
    tracker = TensorBoard()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    log.log_epoch(1, {"auc": 0.5})
    tracker._thread.close(60)
    [path] = (tmp_path / "tensorboard" / "trial_00000").iterdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
        log.log_epoch(2, {"auc": 0.6})
        tracker._thread.close(60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.log_epoch(3, {"auc": 0.7})
    log.finish("complete", summary={"auc": 0.9})
    tracker.close(60)
    assert read_scalars(tmp_path, 0, "auc") == [(1, 0.5), (3, 0.7)]
    assert read_scalars(tmp_path, 0, "summary/auc") == [(3, 0.9)]
    assert describe_losses(tmp_path)[0].startswith("TensorBoard could not record 1 trial (OSError: ")


@pytest.mark.parametrize("n_bytes", [0, 100])
def test_a_picture_that_is_not_whole_is_left_out(tmp_path, n_bytes):
    whole, torn = tmp_path / "whole.png", tmp_path / "torn.png"
    Figure(figsize=(2, 1)).savefig(whole, dpi=50)
    torn.write_bytes(whole.read_bytes()[:n_bytes])
    tracker = TensorBoard()
    pictures = {"whole": whole, "torn": torn}
    tracker.log_study(StudyRecord(study="s", folder=tmp_path, summary={"auc": 0.9}, pictures=pictures))
    tracker.close(60)
    tags = EventAccumulator(str(tmp_path / "tensorboard" / "study")).Reload().Tags()
    assert (tags["scalars"], tags["images"]) == (["auc"], ["pictures/whole"])
    assert describe_losses(tmp_path) == []


def test_hundreds_of_trials_at_once_keep_no_file_open(tmp_path):
    open_files = Path("/proc/self/fd")
    tracker = TensorBoard()
    before = len(list(open_files.iterdir()))
    logs = [tracker.start_trial(study="s", trial=n, config={}, folder=tmp_path) for n in range(300)]
    for log in logs:
        log.log_epoch(1, {"auc": 0.5})
    for log in logs:
        log.finish("complete", summary={})
    during = len(list(open_files.iterdir()))
    tracker.close(60)
    assert during - before < 10
    assert len(list((tmp_path / "tensorboard").iterdir())) == 300
