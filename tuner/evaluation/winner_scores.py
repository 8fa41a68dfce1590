"""The scores of a search's winner on test, as its evaluation wrote them."""

from __future__ import annotations

from tuner.checked_files import expect_form, read_table
from tuner.evaluation.results import Evaluation
from tuner.evaluation.search_comparison import WinnerScores
from tuner.metrics.figures_of_merit import CutFigure, FigureOfMerit
from tuner.metrics.working_points import choose_cut
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.prediction.predict import score_part
from tuner.tuning.contents import describe_contents
from tuner.tuning.search import Search

ADVICE = (
    "Restore it from a copy; or delete `evaluation.json` and run `tuner evaluate`, which opens the test part again."
)
"""What to do about a `scores.parquet` that is damaged."""


def read_winner_scores(search: Search, evaluation: Evaluation, figure: FigureOfMerit) -> WinnerScores:
    """Return the scores of each training of the winner on test, with the cuts of a figure that is one of a cut.

    The test part is not scored again: its scores are those that the evaluation wrote.

    Args:
        search: The search.
        evaluation: Its evaluation, with the test part open.
        figure: The figure of merit that the cuts are for.

    Raises:
        DamagedFileError: The scores are not whole.
    """
    path = search.folder.scores
    table = read_table(path, advice=ADVICE)
    with expect_form(path, advice=ADVICE):
        seeds = [int(name) for name in _find_seeds(list(table.columns), evaluation.winner)]
        trainings = tuple(table[_name(evaluation.winner, seed)].to_numpy() for seed in seeds)
        rows, labels, weights = (table[name].to_numpy() for name in ("row", "label", "weight"))
        if not trainings:
            raise LookupError(f"no scores of trial {evaluation.winner}")
    return WinnerScores(
        rows=rows,
        labels=labels,
        weights=weights,
        trainings=trainings,
        cuts=_choose_cuts(search, evaluation.winner, seeds, figure) if isinstance(figure, CutFigure) else None,
        digest=evaluation.events_digest,
        source=describe_contents(search.study.problem.events),
    )


def _choose_cuts(search: Search, trial: int, seeds: list[int], figure: CutFigure) -> tuple[float, ...]:
    """Return the figure's cut of each training, chosen on validation."""
    part = search.splits.validation
    networks = [TrainedNetwork(trial, "seed", seed) for seed in seeds]
    predictors = [Predictor(network.name, (network,)) for network in networks]
    return tuple(
        choose_cut(figure, part.labels, score_part(search, "validation", predictor=predictor), part.weights)
        for predictor in predictors
    )


def _find_seeds(columns: list[str], trial: int) -> list[str]:
    start = _name(trial, "")
    return [column.removeprefix(start) for column in columns if column.startswith(start)]


def _name(trial: int, seed: int | str) -> str:
    return f"score: trial {trial}, seed {seed}"
