"""Arguments and options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class TrackerChoice(StrEnum):
    """Where curves and figures of the trials go."""

    WANDB = "wandb"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    JSON = "json"
    NONE = "none"


class CalibrationChoice(StrEnum):
    """How scores become calibrated probabilities."""

    ISOTONIC = "isotonic"
    PLATT = "platt"


class InputLayout(StrEnum):
    """How features go into an ONNX file."""

    MATRIX = "matrix"
    NAMED = "named"


class OutputFormat(StrEnum):
    """Formats of scores."""

    PARQUET = "parquet"
    ROOT = "root"
    HDF5 = "h5"
    CSV = "csv"


TrackerOption = Annotated[
    list[TrackerChoice],
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Where curves and figures are logged: wandb, tensorboard, mlflow, json, none. Repeat it for several.",
    ),
]

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY", help="Study file, such as studies/magic.py.", show_default=False)
]
FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", help="Where run folders live; this study's is FOLDER/<name>.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="TUNER_STORAGE",
        help="Database URL for the trials, such as postgresql://host/db. Default: a journal in the run folder.",
        show_default=False,
    ),
]
EventsOption = Annotated[
    str | None,
    typer.Option("--events", metavar="PATH", help="Path to read the study's events from.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for a machine to read.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress: results, warnings and errors only.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1 ... Default: a GPU where there is one.",
        show_default=False,
    ),
]
FinalistsOption = Annotated[
    int | None,
    typer.Option("--finalists", metavar="N", min=1, help="Settings that are retrained.", show_default="the study's"),
]
SeedsOption = Annotated[
    int | None,
    typer.Option("--seeds", metavar="N", min=1, help="Trainings of each finalist.", show_default="the study's"),
]
BagOption = Annotated[
    int | None,
    typer.Option(
        "--bag",
        metavar="K",
        min=0,
        help="Networks of the bag, one for each fold of train + validation; 0 for no bag.",
        show_default="the study's",
    ),
]
FoldsOption = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="K",
        min=3,
        help="Score every event out of fold, with the winner's setting.",
        show_default="the study's",
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="CLUSTER",
        help="Train on a Dask cluster: the address of its scheduler, or a .toml file that names one to start.",
        show_default=False,
    ),
]
ClosedTestOption = Annotated[bool, typer.Option("--closed-test", help="Leave the test part closed.")]
CandidateOption = Annotated[
    str | None,
    typer.Option(
        "--candidate",
        metavar="NAME",
        help="Use another than the one handed on: single, refit, bag, ensemble, ensemble of bags, blend.",
        show_default="what the evaluation hands on",
    ),
]
TrialOption = Annotated[
    str | None,
    typer.Option(
        "--trial",
        metavar="N|best",
        help="Use the network of this trial, or of the best so far, also while the sweep runs.",
        show_default=False,
    ),
]
CalibrateOption = Annotated[
    CalibrationChoice | None,
    typer.Option(
        "--calibrate",
        help="Add calibrated probabilities, fitted on events that were not trained on.",
        show_default=False,
    ),
]
PriorOption = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="SHARE|events",
        help="Add probabilities for this share of signal, or for that of the study's events by weight.",
        show_default="0.5",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PATH", help="Where to write it.", show_default=False)
]
FiguresOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder for figures and tables.",
        show_default="figures/ of the run folder",
    ),
]

RecordOption = Annotated[
    list[TrackerChoice] | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Where the study's record goes, as in a sweep.",
        show_default="what the sweep used",
    ),
]
WorkTrackerOption = Annotated[
    list[TrackerChoice] | None,
    typer.Option(
        "--tracker",
        metavar="NAME",
        help="Where this worker's numbers go, as in a sweep.",
        show_default="what the sweep used",
    ),
]
StyleOption = Annotated[
    str, typer.Option("--style", metavar="STYLE", help="Look of the figures: house, or mplhep's ATLAS, CMS, LHCb2 ...")
]

RUNS = Path("runs")
"""Where run folders live, unless --folder says otherwise."""
