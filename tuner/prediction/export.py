"""Step 8, hand on: the network for other programs, preprocessing inside, with a model card beside it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from tuner.checked_files import write_atomically
from tuner.errors import EventsError, SearchError, TunerError
from tuner.events.part_sources import find_event_source
from tuner.events.sources import find_input_files
from tuner.prediction.exported_network import build_exported, draw_examples
from tuner.prediction.frozen_cut import find_cut
from tuner.prediction.model_card import describe_shortly, make_card
from tuner.prediction.network import load_network
from tuner.prediction.networks import Predictor, choose_predictor
from tuner.prediction.onnx_files import (
    Agreement,
    InputLayout,
    Run,
    compare,
    open_session,
    read_metadata,
    require_packages,
    write_network,
)
from tuner.prediction.probabilities import Kind, ScoreCalibration, make_calibration
from tuner.prediction.tensor_files import load, write_tensors
from tuner.prediction.torch_files import open_graph, write_graph
from tuner.progress.wording import write_count
from tuner.run_folder import check_output, make_parent
from tuner.tuning.search import Search

ENDINGS = (".onnx", ".pt2", ".safetensors")
"""Formats that networks are written in."""

MAX_COMPARED = 20_000
"""Validation events that an exported network is compared on, at the most."""

MANY = 10_000
"""Events of the large batch that is timed."""
ROUNDS, ENOUGH_SECONDS = 101, 1.0
"""Timed calls at the most, of which the median counts, and seconds after which there are no more."""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A network that was written for other programs."""

    path: Path
    card: Path
    """The model card, JSON."""
    candidate: str
    agreement: Agreement
    n_bytes: int
    seconds_one: float
    """Median wall time of one event, on this machine's CPU."""
    seconds_many: float
    """Median wall time of 10,000 events."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person wants to know of it."""
        return (
            f"Compared: {self.agreement}.",
            f"Size {self.n_bytes / 1000:,.0f} kB; {1e3 * self.seconds_one:.3g} ms for one event, "
            f"{1e3 * self.seconds_many:.3g} ms for {write_count(MANY, 'event')} (median, this machine's CPU).",
        )


def export(
    search: Search,
    path: str | Path,
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    inputs: InputLayout = "matrix",
    calibration: Kind | None = None,
    prior: float | Literal["events"] | None = None,
    licence: str = "",
) -> Path:
    """Write what the evaluation handed on as one file, preprocessing inside, by its ending; return its path.

    ".onnx" runs wherever there is onnxruntime, ".pt2" in PyTorch (`torch.export.load(path).module()`), ".safetensors"
    is read back by `tuner.load`. Beside it stands a model card of the same name that ends in ".json", which the file
    holds, too.

    Input "features": float32 [n, d], in the order of the card's inputs, as they were read; a category of texts as the
    place of its text in the list that the card has for it, from 0, or as -1 for a text that is not in it. Features that
    the card tells how to make are made so, of values of which those that are undefined are not-a-number. Output
    "score": float32 [n]; with a calibration or a prior a second output "probability". A bag, an ensemble or a blend is
    one graph. What was written is read back and compared with our own scores, on validation events and on made ones.

    Args:
        search: The search that trained the networks.
        path: Where to write; ends in ".onnx", ".pt2" or ".safetensors".
        trial: Number of a trial whose own network is to be written instead; "best" for the best complete one, also
            while the sweep still runs.
        candidate: Name of another candidate that the evaluation kept: "single", "refit", "bag", "ensemble", "blend".
        inputs: "named" gives an ONNX file an input [n] for each feature, by its name, in place of one matrix.
        calibration: "isotonic" or "platt" adds calibrated probabilities.
        prior: Share of signal that they hold for, in (0, 1), or "events": that of the study. None: 1/2.
        licence: Of the network, for the model card.

    Raises:
        FolderError: The path ends otherwise, or is a file that is read.
        MissingPackage: The extra "onnx" or "safetensors" is not installed.
        SearchError: The network cannot be exported, its scores differ, or what was asked for is not there.
    """
    return export_file(
        search,
        path,
        trial=trial,
        candidate=candidate,
        inputs=inputs,
        calibration=calibration,
        prior=prior,
        licence=licence,
    ).path


def export_file(
    search: Search,
    path: str | Path,
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    inputs: InputLayout = "matrix",
    calibration: Kind | None = None,
    prior: float | Literal["events"] | None = None,
    licence: str = "",
) -> ExportedFile:
    """Write what the evaluation handed on as `export` does, and return what is to be told of it."""
    path = Path(path)
    reads, sidecar = find_input_files(find_event_source(search.study.problem)), path.with_suffix(".json")
    check_output(path, ENDINGS, reads=reads, folder=search.folder)
    check_output(sidecar, (".json",), reads=reads, folder=search.folder)
    if inputs == "named" and path.suffix != ".onnx":
        raise SearchError(
            f'Only ONNX has named inputs, but "{path.name}" is none. Leave them out, or write a .onnx file.'
        )
    if path.suffix == ".onnx":
        require_packages()
    predictor = choose_predictor(search, trial=trial, name=candidate)
    network = load_network(search, predictor)
    mapping = make_calibration(search, predictor, network, kind=calibration, prior=prior)
    cut = find_cut(search, predictor, network)
    card = make_card(search, predictor, cut, layout=inputs, calibration=mapping, licence=licence)
    make_parent(path)
    job = _Export(search, predictor, network, mapping, card, inputs)
    agreement, run = {".onnx": job.write_onnx, ".pt2": job.write_pt2, ".safetensors": job.write_safetensors}[
        path.suffix.lower()
    ](path)
    features = _take_features(search)
    examples = draw_examples(search.splits.preprocessing).numpy() if features is None else features
    one, many = (_time(run, np.resize(examples, (n, examples.shape[1]))) for n in (1, MANY))
    measured = {"largest_difference": agreement.largest, "validation_events": agreement.n_events}
    content = {
        **card,
        "file": path.name,
        "agreement_with_pytorch": measured | {"made_events": agreement.n_examples},
        "bytes": path.stat().st_size,
        "seconds_for_one_event": one,
        f"seconds_for_{MANY}_events": many,
    }
    write_atomically(sidecar, json.dumps(content, indent=2) + "\n")
    return ExportedFile(
        path=path,
        card=sidecar,
        candidate=predictor.name,
        agreement=agreement,
        n_bytes=path.stat().st_size,
        seconds_one=one,
        seconds_many=many,
    )


def keep_network(search: Search, predictor: Predictor) -> Path:
    """Write what is handed on into the run folder as ONNX, unless it is there already; return its path.

    Raises:
        MissingPackage: The extra "onnx" is not installed.
        SearchError: The network cannot be exported.
    """
    require_packages()
    path = search.folder.network
    network = load_network(search, predictor)
    card = make_card(search, predictor, find_cut(search, predictor, network))
    job = _Export(search, predictor, network, None, card, "matrix")
    if read_metadata(path) != job.texts:
        job.write_onnx(make_parent(path))
    return path


@dataclass(frozen=True)
class _Export:
    """A predictor on its way to a file."""

    search: Search
    predictor: Predictor
    network: nn.Module
    calibration: ScoreCalibration | None
    card: Mapping[str, Any]
    inputs: InputLayout

    @property
    def texts(self) -> dict[str, str]:
        """What the file says of itself."""
        return describe_shortly(self.search, self.predictor) | {"model_card": json.dumps(self.card)}

    def write_onnx(self, path: Path) -> tuple[Agreement, Run]:
        """Write ONNX; return how well it agrees, and what runs it."""
        agreement = write_network(
            self.network,
            self.search.splits.preprocessing,
            self.search.study.problem,
            path,
            self.texts,
            events=_take_features(self.search),
            layout=self.inputs,
            calibration=self.calibration,
        )
        return agreement, open_session(path)

    def write_pt2(self, path: Path) -> tuple[Agreement, Run]:
        """Write a graph of PyTorch; return how well it agrees, and what runs it."""
        preprocessing = self.search.splits.preprocessing
        whole = build_exported(self.network, preprocessing, self.search.study.problem, self.calibration)
        write_graph(whole, preprocessing, path, self.texts)
        return self._compare(path, lambda: open_graph(path))

    def write_safetensors(self, path: Path) -> tuple[Agreement, Run]:
        """Write tensors and settings; return how well they agree, and what runs them."""
        write_tensors(self.search, self.predictor, path, card=self.card, calibration=self.calibration)
        modules = {type(self.search.settings(trial).network).__module__ for trial in self._trials}

        def open_tensors() -> Run:
            loaded = load(path, modules=("tuner", *sorted(modules)), device="cpu")

            def run(features: np.ndarray) -> list[np.ndarray]:
                scores = loaded.score_events(features)
                return [scores] if loaded.calibration is None else [scores, loaded.calibration.apply(scores)]

            return run

        return self._compare(path, open_tensors)

    @property
    def _trials(self) -> list[Any]:
        numbers = {network.trial for network in self.predictor.networks}
        return [trial for trial in self.search.trials if trial.number in numbers]

    def _compare(self, path: Path, read_back: Callable[[], Run]) -> tuple[Agreement, Run]:
        """Return how well what was written agrees, and what runs it; where it does not, it is removed."""
        preprocessing = self.search.splits.preprocessing
        marks = build_exported(self.network, preprocessing, self.search.study.problem).marks
        try:
            run = read_back()
            events = _take_features(self.search)
            agreement = compare(
                run, self.network, preprocessing, marks, path=path, events=events, calibration=self.calibration
            )
        except TunerError:
            path.unlink(missing_ok=True)
            raise
        return agreement, run


def _take_features(search: Search) -> np.ndarray | None:
    """Return features of validation events as they were read [n, d], undefined ones as not-a-number; None without."""
    try:
        table = search.open_events().events.table
    except EventsError:
        return None
    names = list(search.splits.preprocessing.features)
    return np.asarray(table[names].to_numpy()[np.sort(search.splits.validation.rows[:MAX_COMPARED])], np.float32)


@torch.no_grad()
def _time(run: Callable[[np.ndarray], object], features: np.ndarray) -> float:
    """Return the median wall time of a call in seconds, after one that does not count."""
    run(features)
    taken: list[float] = []
    while len(taken) < ROUNDS and sum(taken) < ENOUGH_SECONDS:
        start = time.perf_counter()
        run(features)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
