"""What each tracker kept, read back by its own reader: one class for each, so that all meet the same assertions."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.trackers import JsonLines, Memory, MLflow, NoTracker, TensorBoard, Tracker, WeightsAndBiases
from tuner.trackers.mlflow_runs import open_database
from tuner.trackers.plain_values import flatten, make_plain


@dataclass
class KeptTrial:
    config: dict[str, str] = field(default_factory=dict)
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    state: str = ""
    reason: str | None = None
    notes: str = ""
    summary: dict[str, float] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)


@dataclass
class KeptStudy:
    notes: str = ""
    summary: dict[str, float] = field(default_factory=dict)
    best: list[float] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    artifacts: set[str] = field(default_factory=set)


@dataclass
class Kept:
    trials: dict[int, KeptTrial] = field(default_factory=dict)
    study: KeptStudy | None = None
    n_studies: int = 1


class OfMemory:
    kind = Memory
    keeps = True

    def __init__(self) -> None:
        self._tracker = Memory()

    def open(self) -> Tracker:
        return self._tracker

    def read(self, folder: Path) -> Kept:
        trials = {
            number: KeptTrial(
                config=as_texts(made.config),
                epochs={epoch: dict(figures) for epoch, figures in made.epochs.items()},
                state=made.state,
                reason=made.reason,
                notes=made.notes,
                summary=numbers(made.summary),
                pictures={name for name, path in made.pictures.items() if path.exists()},
            )
            for (_, number), made in self._tracker.trials.items()
        }
        [record] = self._tracker.studies.values()
        study = KeptStudy(
            notes=record.notes,
            summary=dict(record.summary),
            best=[row["best"] for row in record.history],
            tables=set(record.tables),
            pictures={name for name, path in record.pictures.items() if path.exists()},
            artifacts={artifact.name for artifact in record.artifacts},
        )
        return Kept(trials, study)


class OfNoTracker:
    kind = NoTracker
    keeps = False

    def open(self) -> Tracker:
        return NoTracker()


class OfJsonLines:
    kind = JsonLines
    keeps = True

    def open(self) -> Tracker:
        return JsonLines()

    def read(self, folder: Path) -> Kept:
        trials = {}
        for path in (folder / "tracking").glob("trial_*.jsonl"):
            for line in path.read_text().splitlines():
                json.loads(line, parse_constant=_refuse)
            lines = pd.read_json(path, lines=True)
            trials[int(path.stem[-5:])] = self._read_trial(lines, folder)
        content = json.loads((folder / "tracking" / "study.json").read_text(), parse_constant=_refuse)
        study = KeptStudy(
            notes=content["notes"],
            summary=content["summary"],
            best=[row["best"] for row in content["history"]],
            tables=set(content["tables"]),
            pictures={name for name, path in content["pictures"].items() if (folder / path).exists()},
            artifacts={artifact["name"] for artifact in content["artifacts"]},
        )
        return Kept(trials, study)

    def _read_trial(self, lines: pd.DataFrame, folder: Path) -> KeptTrial:
        epochs = lines[lines["event"] == "epoch"]
        start = lines[lines["event"] == "start"].iloc[-1]
        kept = KeptTrial(config=as_texts(start["config"]))
        if len(epochs):
            own = {"event", "trial", "timestamp", "sha256", "study", "number", "config", "tags", "state", "reason",
                   "summary", "notes", "pictures"}  # fmt: skip
            curve = epochs.drop_duplicates("epoch", keep="last").set_index("epoch").drop(columns=own, errors="ignore")
            kept.epochs = {int(epoch): row.to_dict() for epoch, row in curve.iterrows()}
        end = lines[lines["event"] == "finish"].iloc[-1]
        kept.state, kept.notes, kept.summary = end["state"], end["notes"], numbers(end["summary"])
        kept.reason = None if pd.isna(end["reason"]) else end["reason"]
        kept.pictures = {name for name, path in end["pictures"].items() if (folder / path).exists()}
        return kept


class OfTensorBoard:
    kind = TensorBoard
    keeps = True

    def open(self) -> Tracker:
        return TensorBoard()

    def read(self, folder: Path) -> Kept:
        place = folder / "tensorboard"
        trials = {int(path.name[-5:]): self._read_trial(path) for path in place.glob("trial_*")}
        return Kept(trials, self._read_study(place / "study"))

    def _read_trial(self, folder: Path) -> KeptTrial:
        scalars, texts, images = self._load(folder)
        kept = KeptTrial(pictures=images, notes=texts.get("notes", ""))
        kept.config = {name: as_text(value) for name, value in texts["configuration"]}
        ending = dict(texts["ending"])
        kept.state, kept.reason = ending["state"], ending.get("reason")
        for name, points in scalars.items():
            if name.startswith("summary/"):
                kept.summary[name.removeprefix("summary/")] = points[-1][1]
            else:
                for step, value in points:
                    kept.epochs.setdefault(step, {})[name] = value
        return kept

    def _read_study(self, folder: Path) -> KeptStudy:
        scalars, texts, images = self._load(folder)
        return KeptStudy(
            notes=texts["notes"],
            summary={name: points[-1][1] for name, points in scalars.items() if not name.startswith("search/")},
            best=[value for _, value in scalars["search/best"]],
            tables={name.removeprefix("tables/") for name in texts if name.startswith("tables/")},
            pictures=images,
            artifacts={row[0] for row in texts["artifacts"]},
        )

    def _load(self, folder: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, Any], set[str]]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        logging.getLogger("tensorboard").setLevel(logging.ERROR)
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0}).Reload()
        tags = events.Tags()
        scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
        texts: dict[str, Any] = {}
        for tag in tags["tensors"]:
            if not tag.startswith("_hparams_"):
                text = events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
                texts[tag] = list(_read_rows(text)) if text.startswith("| ") else text
        return scalars, texts, {tag.removeprefix("pictures/") for tag in tags["images"]}


class OfMLflow:
    kind = MLflow
    keeps = True

    def __init__(self, database: Path | None = None, uri: str | None = None) -> None:
        """database: one to begin with, as its tables take seconds to make. uri: of a server, which keeps all."""
        self._database = database
        self._uri = uri

    def prepare(self, folder: Path) -> None:
        if self._database:
            (folder / "mlflow").mkdir()
            shutil.copy(self._database, folder / "mlflow" / "mlflow.db")

    def open(self) -> Tracker:
        return MLflow(tracking_uri=self._uri)

    def read(self, folder: Path) -> Kept:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self._uri or f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
        kept = Kept(n_studies=0)
        experiment = client.get_experiment_by_name("a study")
        for run in client.search_runs([experiment.experiment_id]):
            curves = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
            if run.data.tags["tuner.kind"] == "study":
                kept.study, kept.n_studies = self._read_study(client, run, curves), kept.n_studies + 1
            else:
                number = int(run.data.tags["tuner.trial"])
                assert number not in kept.trials
                kept.trials[number] = self._read_trial(client, run, curves)
        return kept

    def _read_trial(self, client: Any, run: Any, curves: Mapping[str, list[Any]]) -> KeptTrial:
        tags = run.data.tags
        kept = KeptTrial(config={name: as_text(value) for name, value in run.data.params.items()})
        kept.state, kept.reason = tags["tuner.state"], tags.get("tuner.reason")
        kept.notes = tags.get("mlflow.note.content", "")
        kept.pictures = {Path(f.path).stem for f in client.list_artifacts(run.info.run_id, "pictures")}
        for name, points in curves.items():
            if name.startswith("summary/"):
                kept.summary[name.removeprefix("summary/")] = run.data.metrics[name]
            else:
                assert len({p.step for p in points}) == len(points), f"{name} has a step twice"
                for point in points:
                    kept.epochs.setdefault(point.step, {})[name] = point.value
        return kept

    def _read_study(self, client: Any, run: Any, curves: Mapping[str, list[Any]]) -> KeptStudy:
        lineage = client.download_artifacts(run.info.run_id, "artifacts.json")
        files = {f.path for f in client.list_artifacts(run.info.run_id, "tables")}
        return KeptStudy(
            notes=run.data.tags["mlflow.note.content"],
            summary={name: value for name, value in run.data.metrics.items() if not name.startswith("search/")},
            best=[point.value for point in sorted(curves["search/best"], key=lambda p: p.step)],
            tables={Path(path).stem for path in files},
            pictures={Path(f.path).stem for f in client.list_artifacts(run.info.run_id, "pictures")},
            artifacts={artifact["name"] for artifact in json.loads(Path(lineage).read_text())},
        )


class OfMLflowServer(OfMLflow):
    def __init__(self, uri: str) -> None:
        super().__init__(uri=uri)


class OfWeightsAndBiases:
    kind = WeightsAndBiases
    keeps = True

    def __init__(self, read_runs: Callable[[Path], dict[str, dict[str, Any]]]) -> None:
        self._read_runs = read_runs

    def open(self) -> Tracker:
        return WeightsAndBiases()

    def read(self, folder: Path) -> Kept:
        kept = Kept(n_studies=0)
        for name, run in self._read_runs(folder).items():
            if name.startswith("trial "):
                kept.trials[int(name.removeprefix("trial "))] = self._read_trial(run)
            else:
                kept.study, kept.n_studies = self._read_study(run), kept.n_studies + 1
        return kept

    def _read_trial(self, run: Mapping[str, Any]) -> KeptTrial:
        rows = [row for row in run["epochs"] if "train_loss" in row]
        summary = run["summary"]
        return KeptTrial(
            config=as_texts({name: value for name, value in run["config"].items() if name != "_wandb"}),
            epochs={row["epoch"]: {k: float(v) for k, v in row.items() if k != "epoch"} for row in rows},
            state=summary["state"],
            reason=summary.get("reason"),
            notes=run.get("notes") or "",
            summary=numbers(summary),
            pictures={name for name, value in summary.items() if isinstance(value, dict) and "path" in value},
        )

    def _read_study(self, run: Mapping[str, Any]) -> KeptStudy:
        summary = run["summary"]
        return KeptStudy(
            notes=run.get("notes") or "",
            summary=numbers(summary),
            best=[row["best"] for row in run["epochs"] if "best" in row],
            tables={name.removeprefix("tables/") for name in summary if name.startswith("tables/")},
            pictures={name.removeprefix("pictures/") for name in summary if name.startswith("pictures/")},
            artifacts={
                artifact["name"].removeprefix("a-study-")
                for artifact in run["artifacts"]
                if artifact["name"].startswith("a-study-")
            },
        )


def as_texts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as flat text, which is what some trackers make of it."""
    return {name: as_text(value) for name, value in flatten(make_plain(config)).items()}


def as_text(value: Any) -> str:
    try:
        return f"{float(value):.6g}"
    except (TypeError, ValueError):
        return str(value)


def numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in make_plain(summary).items() if _fits(value)}


def _fits(value: Any) -> bool:
    with contextlib.suppress(TypeError, ValueError):
        float(value)
        return True
    return False


def _read_rows(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.splitlines()[2:]:
        if line.startswith("| "):
            yield tuple(cell.strip() for cell in line.strip("|").split(" | "))


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def make_database(path: Path) -> Path:
    """Return a database with MLflow's tables."""
    open_database(path)
    made = path / "mlflow" / "mlflow.db"
    with sqlite3.connect(made) as connection:
        assert connection.execute("select count(*) from experiments").fetchone() == (1,)
    return made
