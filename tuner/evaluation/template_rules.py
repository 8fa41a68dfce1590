"""How a study's templates are made: at its declared yields, with its declared systematics."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tuner.errors import EventsError, MissingPackage
from tuner.evaluation.statistics.template_comparison import (
    CandidateScores,
    TemplateComparison,
    TemplateRules,
    compare_templates,
)
from tuner.metrics.figures_of_merit import find_systematic
from tuner.preparation.yields import find_yields
from tuner.progress.logs import NOTES
from tuner.tuning.search import Search

logger = logging.getLogger("tuner")


def find_rules(search: Search, n_replicas: int) -> TemplateRules | None:
    """Return the rules that the study declares; None where it declares no yields."""
    problem = search.study.problem
    yields = find_yields(problem, search.splits)
    if yields is None:
        return None
    systematic = find_systematic(problem.figure_of_merit)
    s, b = yields
    return TemplateRules(s=s, b=b, relative_systematic=systematic, n_replicas=n_replicas, seed=search.study.seed)


def try_fits(part: str, candidates: Sequence[CandidateScores], rules: TemplateRules) -> TemplateComparison | None:
    """Return what `compare_templates` does; None where pyhf is not installed or the events do not allow it."""
    try:
        return compare_templates(part, candidates, rules)
    except MissingPackage as error:
        NOTES.info("What a fit of the score expects is not told. %s", error)
    except EventsError as error:
        logger.warning("What a fit of the score expects is not told. %s", error)
    return None
