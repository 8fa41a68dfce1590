"""Scores that templates are made of, kept by an evaluation: of what is handed on and of the best baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tuner.checked_files import expect_form, read_table, write_table
from tuner.errors import SearchError
from tuner.evaluation.candidates import CutEvents
from tuner.evaluation.examination import Examination
from tuner.evaluation.statistics.template_comparison import CandidateScores
from tuner.evaluation.statistics.templates import ScoredEvents
from tuner.tuning.search import Search

BINS, TEMPLATES = "bins", "templates"
UP, DOWN = "score up: ", "score down: "
ADVICE = "Delete `evaluation.json` and run `tuner evaluate`, which opens the test part again and logs that."


def take_scores(examination: Examination, part: str) -> CandidateScores:
    """Return a candidate's scores of the events that its cuts are chosen on, and of a part, with all variants."""
    of_part = examination.part(part)
    variants = examination.score_variants(of_part.rows)
    measured = ScoredEvents(
        np.asarray(of_part.rows),
        np.asarray(of_part.labels),
        np.asarray(of_part.weights),
        examination.scores(part),
        variants,
    )
    return CandidateScores(examination.candidate.name, _take_cut_events(examination.chosen_on), measured)


def keep_scores(search: Search, candidates: Sequence[CandidateScores]) -> None:
    """Write `template_scores.parquet`, a row for each candidate and event."""
    tables = [
        _tabulate(events).assign(candidate=candidate.name, used_for=use)
        for candidate in candidates
        for use, events in ((BINS, candidate.chosen_on), (TEMPLATES, candidate.measured))
    ]
    write_table(search.folder.template_scores, pd.concat(tables, ignore_index=True))


def read_scores(search: Search) -> tuple[CandidateScores, ...]:
    """Return what `keep_scores` wrote.

    Raises:
        SearchError: The evaluation kept none: it was made by an older version.
        DamagedFileError: The file is not whole.
    """
    path = search.folder.template_scores
    if not path.exists():
        raise SearchError(
            f'Templates need the scores that an evaluation keeps in "{path}", but it is not there: an older version '
            f"made this evaluation. {ADVICE}"
        )
    table = read_table(path, advice=ADVICE)
    with expect_form(path, advice=ADVICE):
        return tuple(
            CandidateScores(str(name), *(_read(rows[rows["used_for"] == use]) for use in (BINS, TEMPLATES)))
            for name, rows in table.groupby("candidate", sort=False)
        )


def _take_cut_events(events: CutEvents) -> ScoredEvents:
    rows, labels, weights, scores = (
        np.asarray(array) for array in (events.rows, events.labels, events.weights, events.scores[0])
    )
    return ScoredEvents(rows, labels, weights, scores)


def _tabulate(events: ScoredEvents) -> pd.DataFrame:
    columns = {
        "row": events.rows,
        "label": events.labels.astype(np.int8),
        "weight": events.weights.astype(np.float64),
        "score": events.scores,
    }
    for nuisance, (up, down) in events.variants.items():
        columns[f"{UP}{nuisance}"] = up
        if down is not None:
            columns[f"{DOWN}{nuisance}"] = down
    return pd.DataFrame(columns)


def _read(table: pd.DataFrame) -> ScoredEvents:
    names = [name.removeprefix(UP) for name in table.columns if name.startswith(UP)]
    variants = {
        name: (
            table[f"{UP}{name}"].to_numpy(),
            table[f"{DOWN}{name}"].to_numpy() if f"{DOWN}{name}" in table else None,
        )
        for name in names
    }
    rows, labels, weights, scores = (table[name].to_numpy() for name in ("row", "label", "weight", "score"))
    return ScoredEvents(rows, labels, weights, scores, variants)
