"""The run folder of a real, tiny search, and what reads its files."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tuner
from tuner import Budget, Problem, Settings, Study, TrainingSettings, search_space
from tuner.errors import SweepInterrupted
from tuner.events import Resonance
from tuner.events.table import NewEvents
from tuner.models import MLPSettings
from tuner.trackers import Memory, NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search, open_search
from tuner.tuning.status import read_status

N_COMPLETE, N_TRIALS, EPOCHS = 2, 3, 3


@search_space(structure=["width"])
def suggest(trial: Any) -> Settings:
    """Return settings of a small network."""
    return Settings(
        network=MLPSettings(widths=(trial.suggest_categorical("width", [4, 8]),)),
        training=TrainingSettings(lr=trial.suggest_float("lr", 1e-3, 1e-1, log=True), batch_size=128),
    )


def make_study(n_trials: int = N_TRIALS) -> Study:
    """Return a study that takes a second."""
    problem = Problem(
        question="Is there a particle?",
        events=Resonance(600),
        label="label",
        signal="signal",
        weight="weight",
        observers=("mass",),
        undefined=-999.0,
    )
    settings = EvaluationSettings(bag=None, refit=False, finalists=2, seeds=1, baseline_trials=0, replicas=20)
    budget = Budget(trials=n_trials, epochs=EPOCHS)
    # With this seed the ensemble has two networks: one of a single network would not be kept as a candidate.
    return Study(name="fuzzed", problem=problem, search_space=suggest, budget=budget, evaluation=settings, seed=1)


class _Impatient(Memory):
    """Presses Ctrl-C after the second epoch of a trial."""

    def start_trial(self, **about: Any) -> Any:
        log = super().start_trial(**about)
        tell = log.log_epoch

        def log_epoch(epoch: int, figures: Mapping[str, float]) -> None:
            tell(epoch, figures)
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

        log.log_epoch = log_epoch
        return log


def write_run_folder(folder: Path) -> None:
    """Search, evaluate, and leave a third trial interrupted."""
    search = tuner.sweep(make_study(N_COMPLETE), folder=folder, workers=1, device="cpu", tracker=NoTracker())
    with suppress(SweepInterrupted):
        tuner.sweep(make_study(), folder=folder, workers=1, device="cpu", tracker=_Impatient())
    assert search.resume_path(N_COMPLETE).exists()
    tuner.evaluate(open_search(make_study(), folder), device="cpu")


def _status(search: Search) -> Any:
    status = read_status(search)
    return status.states, status.best_value, status.best_params, status.history, status.handed_on_test


def _draw_events(search: Search) -> NewEvents:
    table = Resonance(50, seed=1).read()
    return NewEvents(table[list(search.splits.preprocessing.features)], None, None, table[[]], None, "new events")


def _predict(search: Search, **options: Any) -> Any:
    return tuner.predict(search, _draw_events(search), device="cpu", **options).values


def _evaluate(search: Search) -> Any:
    found = tuner.evaluate(search, device="cpu")
    return found.winner, found.seed, repr([asdict(part) for part in found.parts]), repr(found.standings)


def _judge_again(search: Search) -> Any:
    search.folder.evaluation.unlink(missing_ok=True)
    return _evaluate(search)


def _sweep(search: Search) -> Any:
    folder = search.folder.path.parent
    again = tuner.sweep(make_study(), folder=folder, workers=1, device="cpu", tracker=NoTracker())
    return [(trial.number, trial.state, trial.figure) for trial in again.trials[:N_COMPLETE]]


def _report(search: Search) -> Any:
    return tuner.report(search).name


def _export(search: Search) -> Any:
    return tuner.export(search, search.folder.path / "network.onnx").name


OPERATIONS: Mapping[str, Callable[[Search], Any]] = {
    "status": _status,
    "predict": _predict,
    "predict a trial": lambda search: _predict(search, trial=0),
    "predict with the ensemble": lambda search: _predict(search, candidate="ensemble"),
    "evaluate": _evaluate,
    "judge again": _judge_again,
    "sweep": _sweep,
    "report": _report,
    "export": _export,
}
"""What reads a run folder, by name; each returns what can be compared."""

SHARES = {"status": 8, "evaluate": 8, "judge again": 2, "sweep": 4, "report": 1, "export": 1}
"""How often an operation is tried, for one time of the slowest; 5 where it is not named."""

READ_BY = {
    "status": ("*.log", "*.json"),
    "evaluate": ("*.json*", "finalists/*", "splits/*"),
    "judge again": ("*.json*", "finalists/*", "checkpoints/*", "splits/*"),
    "sweep": ("*.json*", "splits/*", "checkpoints/*resume*", "*.log"),
    "report": ("*.json", "*.parquet", "curves/*", "finalists/*", "splits/*", "*.log"),
}
"""Files that an operation reads, as patterns; those of a prediction where it is not named."""
_PREDICTION = ("provenance.json", "finalists/*", "checkpoints/*", "splits/*", "*.log")


def find_files(folder: Path, operation: str) -> list[Path]:
    """Return the files of a run folder that an operation may read."""
    patterns = READ_BY.get(operation, _PREDICTION)
    return sorted({path for pattern in patterns for path in (folder / "fuzzed").glob(pattern) if path.is_file()})


def run(operation: str, folder: Path) -> Any:
    """Run an operation on the search in a folder."""
    return OPERATIONS[operation](open_search(make_study(), folder))
