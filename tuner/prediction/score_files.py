"""Step 8, predict: scores of files of events, written as they come, whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any, Literal

from tuner.errors import FolderError, TunerError, gather, raise_gathered
from tuner.events.checks.finding import Finding
from tuner.events.file_formats import find_format
from tuner.events.listing import ALL_ROWS
from tuner.events.part_sources import find_event_source
from tuner.events.paths import find_files
from tuner.events.reading import find_new_source
from tuner.events.sources import find_input_files
from tuner.events.stretches import split_source
from tuner.prediction.probabilities import Kind
from tuner.prediction.score_writers import ENDINGS, open_writer
from tuner.prediction.scoring import EventScorer
from tuner.run_folder import check_output
from tuner.tuning.search import Search

EVENTS_AT_ONCE = 200_000
"""Events that are in memory at a time, where their format can be read so."""


@dataclass(frozen=True, kw_only=True)
class ScoredFile:
    """What was written of one input."""

    source: str
    output: Path
    n_events: int
    n_left_out: int
    """Events that do not fulfil the problem's selection, whose score is empty."""
    n_signal: int
    """Events at or above the frozen cut."""


@dataclass(frozen=True, kw_only=True)
class ScoredFiles:
    """What was written, and what a person should know of the events."""

    files: tuple[ScoredFile, ...]
    candidate: str
    """Name of the candidate that gave the scores."""
    by: str
    """What that is made of."""
    cut: float
    cut_rule: str
    probabilities: str = ""
    """What the column "probability" holds; empty where there is none."""
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def n_events(self) -> int:
        """Number of events in all files."""
        return sum(file.n_events for file in self.files)


def predict_files(
    search: Search,
    events: Sequence[str | Path],
    outputs: Sequence[Path],
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    keep: Sequence[str] = (),
    calibration: Kind | None = None,
    prior: float | Literal["events"] | None = None,
    out_of_fold: bool = True,
    device: str | None = None,
    on_progress: Callable[[int, int | None], object] = lambda *_: None,
) -> ScoredFiles:
    """Write the scores of files of events, stretch by stretch, so that the memory bounds neither files nor events.

    Each output has the rows of its input in their order, with the columns of `Scores.frame`, in the format that its
    ending names. An output that cannot be finished is not there; those before it are.

    Args:
        search: The search that trained the network.
        events: Paths that the study's reader understands.
        outputs: Where the scores of each go.
        trial: As `tuner.predict` takes it; and so all that follow.
        candidate: Another candidate.
        keep: Columns that come along.
        calibration: "isotonic" or "platt".
        prior: Share of signal of the probabilities.
        out_of_fold: Whether events that were trained on are scored by networks that did not see them.
        device: "cpu", "cuda", ...; None for a GPU where there is one.
        on_progress: Is called with the number of events that are done and of all; None where these are not counted.

    Returns:
        What was written.

    Raises:
        EventsError: A file is not there, cannot be read, or lacks a feature.
        FolderError: An output cannot be written, or would overwrite what it is computed from.
        SearchError: What was asked for is not there.
    """
    sources = [find_new_source(search.study.problem, str(path)) for path in events]
    _check_outputs(search, sources, outputs)
    scorer = EventScorer(
        search,
        trial=trial,
        candidate=candidate,
        calibration=calibration,
        prior=prior,
        out_of_fold=out_of_fold,
        device=device,
    )
    problems: list[TunerError] = []
    stretches = [gather(problems, lambda source=source: split_source(source, EVENTS_AT_ONCE)) for source in sources]  # type: ignore[misc]
    raise_gathered("Events", problems)
    total = _count([stretch for each in stretches for stretch in each or ()])
    on_progress(0, total)
    files = []
    for source, parts, output in zip(sources, stretches, outputs, strict=True):
        assert parts is not None
        files.append(
            _write_file(
                scorer, source, parts, output, keep=keep, on_progress=lambda: on_progress(scorer.n_events, total)
            )
        )
    return ScoredFiles(
        files=tuple(files),
        candidate=scorer.predictor.name,
        by=scorer.predictor.description,
        cut=scorer.cut.threshold,
        cut_rule=scorer.cut.rule,
        probabilities="" if scorer.calibration is None else scorer.calibration.describe(),
        notes=scorer.list_notes(),
        findings=scorer.list_findings(),
    )


def list_inputs(events: Sequence[str]) -> list[str]:
    """Return the paths of single files, with those that patterns name. Raise `EventsError` where one names none."""
    paths = []
    for given in events:
        path, colon, tree = given.rpartition(":")
        path, suffix = (path, colon + tree) if colon and find_format(Path(path)) else (given, "")
        paths += [f"{file}{suffix}" for file in find_files(path)] if has_magic(path) else [given]
    return paths


def name_outputs(events: Sequence[str | Path], folder: Path, ending: str) -> list[Path]:
    """Return a path in a folder for the scores of each file, named as the file with another ending.

    Raises:
        FolderError: Two files would have the same output.
    """
    outputs = []
    for path in events:
        before, colon, _ = str(path).rpartition(":")
        stem = Path(before if colon and find_format(Path(before)) else path).name
        while find_format(Path(stem)) and Path(stem).suffix:
            stem = Path(stem).stem
        outputs.append(folder / f"{stem}{ending}")
    if twice := sorted({str(path) for path in outputs if outputs.count(path) > 1}):
        raise FolderError(
            f'Each file must have an output of its own, but several would be written to "{twice[0]}". Score files of '
            "one name apart, each with an --out-dir of its own."
        )
    return outputs


def _check_outputs(search: Search, sources: Sequence[Any], outputs: Sequence[Path]) -> None:
    """Raise `FolderError` where an output cannot be, before anything is read."""
    own = find_event_source(search.study.problem)
    reads = [file for source in (own, *sources) for file in find_input_files(source)]
    for output in outputs:
        check_output(output, ENDINGS, reads=reads, folder=search.folder)


def _count(stretches: Sequence[Any]) -> int | None:
    """Return how many events all stretches hold; None where one does not tell."""
    rows = [getattr(stretch, "rows", ALL_ROWS) for stretch in stretches]
    return None if ALL_ROWS in rows else sum(each.stop - each.start for each in rows)


def _write_file(
    scorer: EventScorer,
    source: Any,
    stretches: Sequence[Any],
    output: Path,
    *,
    keep: Sequence[str],
    on_progress: Callable[[], object],
) -> ScoredFile:
    n_events = n_left_out = n_signal = 0
    with open_writer(output) as writer:
        for stretch in stretches:
            scores = scorer.score(scorer.read(stretch, keep=keep))
            writer.write(scores.frame())
            n_events += len(scores)
            n_left_out += 0 if scores.selected is None else int((~scores.selected).sum())
            n_signal += 0 if scores.decisions is None else int(scores.decisions.sum())
            on_progress()
    return ScoredFile(
        source=source.describe(), output=output, n_events=n_events, n_left_out=n_left_out, n_signal=n_signal
    )
