"""Step 7, templates: histograms of the score for the fit that comes next, and what that fit expects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from tuner.checked_files import write_atomically
from tuner.errors import SearchError, StudyError, raise_together
from tuner.evaluation.evaluate import read_valid_evaluation
from tuner.evaluation.statistics.template_comparison import TemplateComparison, TemplateRules, compare_templates
from tuner.evaluation.statistics.template_fits import check_workspace, require_pyhf, write_workspace
from tuner.evaluation.template_rules import find_rules
from tuner.evaluation.template_scores import read_scores
from tuner.metrics.score_bins import MIN_PER_BIN, N_BINS
from tuner.run_folder import make_parent
from tuner.tuning.search import Search

ENDINGS = (".json",)
"""Formats that workspaces are written in."""


@dataclass(frozen=True)
class Templates:
    """What `make_templates` gives: a workspace for each candidate, and the comparison of their fits."""

    comparison: TemplateComparison
    workspaces: Mapping[str, dict[str, Any]]
    """pyhf workspaces by candidate: what is handed on, then the best baseline where there is one."""

    def save(self, path: str | Path) -> tuple[Path, ...]:
        """Write the workspaces as JSON; return their paths.

        Args:
            path: Of that of what is handed on; that of the baseline lies beside it, its name added:
                `templates.json`, `templates_boosted_trees.json`.

        Raises:
            FolderError: A file cannot be written.
        """
        first = make_parent(Path(path))
        paths = [first, *(_name_beside(first, name) for name in list(self.workspaces)[1:])]
        for file, workspace in zip(paths, self.workspaces.values(), strict=True):
            write_atomically(file, json.dumps(workspace, indent=2) + "\n")
        return tuple(paths)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        plain: dict[str, Any] = to_jsonable_python(self.comparison)
        return plain | {"verdict": self.comparison.verdict, "sentence": self.comparison.sentence()}


def make_templates(
    search: Search,
    *,
    s: float | None = None,
    b: float | None = None,
    n_bins: int = N_BINS,
    least_background: float = MIN_PER_BIN,
) -> Templates:
    """Return the histograms of the score that a fit starts from, as pyhf workspaces, and what the fits expect.

    Templates are made of the last part that the evaluation opened, by what is handed on and by the best baseline; bins
    are chosen on out-of-fold or validation scores. The fits profile the statistical error of the templates, each
    nuisance of the problem, and the declared uncertainty of the background. Nothing is scored or opened anew: the
    evaluation kept the scores in `template_scores.parquet`. While the test part is closed they are of validation, which
    also chose the bins, the network and the baseline: the fits flatter then, and there is no verdict.

    Args:
        search: A search that was evaluated.
        s: Signal events that are expected before any cut; None: as the problem declares.
        b: Background events that are expected before any cut; None: as the problem declares.
        n_bins: Bins of the score at the most.
        least_background: Effective background events, (sum w)^2 / sum w^2, that each bin must hold, of the events that
            it is chosen on.

    Raises:
        SearchError: The search was not evaluated, or no yields are known.
        EventsError: There are too few background events for one bin.
        MissingPackage: The extra "pyhf" is not installed.
    """
    require_pyhf()
    evaluation = read_valid_evaluation(search)
    if evaluation is None:
        raise SearchError(
            f'Templates need an evaluation that holds, but the search of study "{search.study.name}" has none. Run '
            "`tuner evaluate` first."
        )
    n_replicas = evaluation.settings.replicas
    rules = _set_rules(search, s, b, n_bins=n_bins, least_background=least_background, n_replicas=n_replicas)
    candidates = read_scores(search)
    comparison = compare_templates(evaluation.last_part, candidates, rules)
    systematic = rules.relative_systematic
    workspaces = {
        fit.candidate: write_workspace(fit.templates, relative_systematic=systematic) for fit in comparison.fits
    }
    for workspace in workspaces.values():
        check_workspace(workspace)
    return Templates(comparison, workspaces)


def _set_rules(
    search: Search, s: float | None, b: float | None, *, n_bins: int, least_background: float, n_replicas: int
) -> TemplateRules:
    """Return the rules of the study with what was given instead. Raise `StudyError`, `SearchError`."""
    given = {"s": s, "b": b, "least_background": least_background}
    problems = [
        f"`{name}` must be above 0 and finite, but is {value!r}."
        for name, value in given.items()
        if value is not None and not 0 < value < float("inf")
    ]
    if n_bins < 1:
        problems.append(f"`n_bins` must be at least 1, but is {n_bins}.")
    raise_together(problems, StudyError, "The templates")
    declared = find_rules(search, n_replicas)
    if declared is None and (s is None or b is None):
        raise SearchError(
            "Templates need the signal and background events that are expected, but the problem declares none. Set "
            "`expected_signal` and `expected_background` of the `Problem`, or give --signal and --background."
        )
    rules = declared or TemplateRules(s=s or 0.0, b=b or 0.0, n_replicas=n_replicas, seed=search.study.seed)
    return replace(
        rules,
        s=rules.s if s is None else s,
        b=rules.b if b is None else b,
        n_bins=n_bins,
        least_background=least_background,
    )


def _name_beside(path: Path, candidate: str) -> Path:
    """Return the path of another candidate's workspace, in the same folder."""
    word = re.sub(r"\W+", "_", candidate.lower()).strip("_")
    return path.with_name(f"{path.stem}_{word}{path.suffix}")
