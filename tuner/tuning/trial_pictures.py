"""Figures with intervals and the picture of one ended trial; and the program that makes them for a worker.

The program (`main`) reads pickles from its standard input and answers on its standard output, so that nothing of it
takes time from the training. It imports neither torch nor a study file, and ends when its input does.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import pandas as pd

from tuner.metrics.figures_of_merit import FigureOfMerit
from tuner.metrics.measured_figures import measure_figures
from tuner.metrics.measurement import Measurement

DPI = 80
"""Resolution of a trial's picture."""

NICENESS = 10
"""Of the program: it takes about a tenth of a core that others want, and all of one that nobody does."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationEvents:
    """What all trials of a search are measured on."""

    labels: np.ndarray
    """[n] in {0, 1}."""
    weights: np.ndarray
    """[n], as they were read."""
    figure_of_merit: FigureOfMerit | None
    """The problem's own; None where it is the user's, whose code only the worker has."""
    n_bootstrap: int
    """Replicas for the intervals."""
    seed: int
    """Of the replicas."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureJob:
    """An ended trial to be measured and drawn."""

    trial: int
    state: str
    """How it ended."""
    curve: list[dict[str, float]]
    """A row an epoch; one at least."""
    scores: np.ndarray | None = None
    """[n], on validation, of a complete trial."""
    threshold: float = 0.5
    """The working point, chosen on validation."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What became of a job."""

    picture: bytes
    """PNG; one that says what is wrong where there is a problem."""
    figures: Mapping[str, Measurement] = field(default_factory=dict)
    """By name, of a complete trial."""
    problem: str = ""
    """Why there is no picture; empty where there is one."""


def draw(events: ValidationEvents, job: PictureJob) -> Drawn:
    """Return figures and picture of a trial. Raises nothing: what goes wrong is the answer."""
    figures: dict[str, Measurement] = {}
    try:
        from tuner.figures.trial import draw_learning_curve, draw_trial

        curve = pd.DataFrame(job.curve)
        if job.scores is None:
            return Drawn(picture=draw_learning_curve(job.trial, curve, end=job.state).png_bytes(DPI))
        figures = measure_figures(
            events.labels,
            job.scores,
            events.weights,
            threshold=job.threshold,
            figure_of_merit=events.figure_of_merit,
            n_bootstrap=events.n_bootstrap,
            seed=events.seed,
        )
        drawing = draw_trial(job.trial, curve, events.labels, job.scores, events.weights, threshold=job.threshold)
        return Drawn(picture=drawing.png_bytes(DPI), figures=figures)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        return Drawn(picture=draw_words("This picture could not be drawn."), figures=figures, problem=problem)


def draw_words(words: str) -> bytes:
    """Return a PNG that says something in one line, without matplotlib, which takes its time to import."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (560, 120), 255)
    ImageDraw.Draw(image).text((20, 48), words, fill=60, font=ImageFont.load_default(18))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    """Read the events, then jobs, from standard input; answer each on standard output until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with suppress(OSError):
        os.nice(NICENESS)
    questions = sys.stdin.buffer
    events: ValidationEvents = pickle.load(questions)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            job: PictureJob = pickle.load(questions)
            pickle.dump(draw(events, job), answers)
            answers.flush()
