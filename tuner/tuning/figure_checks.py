"""Whether a figure of merit of the user's own can be computed, and is still the one that trials were ranked by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tuner.errors import SearchError, StudyError, TunerError, describe_failure, refuse_exit
from tuner.fields import show_value
from tuner.metrics.figures_of_merit import Custom, is_number
from tuner.tuning.contents import describe_contents, differ_in_code
from tuner.tuning.trial_attributes import read_identity

if TYPE_CHECKING:
    from tuner.metrics.figures_of_merit import FigureOfMerit
    from tuner.preparation.splits import Splits
    from tuner.tuning.search import Search


def is_ours(figure: FigureOfMerit) -> bool:
    """Return whether a figure of merit is the package's own, and not a user's function or class."""
    return type(figure).__module__ == "tuner.metrics.figures_of_merit" and not isinstance(figure, Custom)


def check_figure(figure: FigureOfMerit, splits: Splits) -> None:
    """Check a figure of merit of the user's own on the validation events, with scores that tell the classes apart.

    Args:
        figure: The package's own are known to do what they must.
        splits: The prepared parts.

    Raises:
        StudyError: It fails, gives no finite number, changes what it is given, or is lower for these scores than for
            the same turned round.
    """
    if is_ours(figure):
        return
    part = splits.validation
    labels, weights = np.asarray(part.labels).astype(np.int8), np.asarray(part.weights, np.float64)
    # Half a unit towards the class or, for a fifth of the events, away from it: neither perfect nor by chance.
    scores = 0.5 + (labels - 0.5) * np.random.default_rng(0).uniform(-0.2, 0.8, len(labels))
    subject = f'The figure of merit "{figure.name}"'
    value = _compute(figure, labels, scores, weights, subject)
    turned = _compute(figure, labels, 1 - scores, weights, subject)
    if turned > value:
        raise StudyError(
            f"{subject} must be higher for better scores, but is {value:g} for scores that tell signal from background "
            f"and {turned:g} for the same turned round. Return minus it."
        )


def _compute(figure: FigureOfMerit, labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, subject: str) -> float:
    """Return the figure. Raise `StudyError` where it is no finite number, or where the arrays were written to."""
    given = [labels.copy(), scores.copy(), weights.copy()]
    try:
        with refuse_exit(subject):
            value = figure(*given)
    except TunerError:
        raise
    except Exception as error:  # a user's code may raise anything
        raise StudyError(
            f"{subject} must return a number for labels, scores and weights, but raised {describe_failure(error)}."
        ) from error
    if not is_number(value) or not math.isfinite(value):
        raise StudyError(
            f"{subject} must return a finite number for the validation events, but returned {show_value(value)}."
        )
    if not all(map(np.array_equal, given, (labels, scores, weights))):
        raise StudyError(
            f"{subject} must leave labels, scores and weights as they are, but writes to them. Copy them first, with "
            "`numpy.array(scores)`."
        )
    return float(value)


def describe_edited_figure(search: Search) -> str:
    """Return that the code of the figure of merit is not the one by which trials were ranked, and what to do.

    Empty where it is the same; where another figure is declared, too, which is not taken for an edit.
    """
    before, figure = (
        (read_identity(search.optuna_study) or {}).get("figure of merit"),
        search.study.problem.figure_of_merit,
    )
    if not isinstance(before, str) or not differ_in_code(before, describe_contents(figure)):
        return ""
    return (
        f'The figure of merit "{figure.name}" must be the one that ranked the trials of study "{search.study.name}", '
        "but its code has changed since. Put the old code back; or start a new search: give the study another `name`, "
        "or choose another --folder. To judge these trials by the new code all the same, give the function another "
        "name: `tuner evaluate` then opens the test part again, and logs that."
    )


def check_figure_is_unchanged(search: Search) -> None:
    """Raise `SearchError` where the code of the figure of merit is not the one by which trials were ranked."""
    if told := describe_edited_figure(search):
        raise SearchError(told)
