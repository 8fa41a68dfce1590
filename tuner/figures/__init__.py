"""Figures a referee may see: arrays and tables in, a `Drawing` out. Weighted, colour-blind safe, drawn headless."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.figures.calibration import draw_calibration as draw_calibration
    from tuner.figures.candidates import draw_candidates as draw_candidates
    from tuner.figures.confusion import draw_confusion as draw_confusion
    from tuner.figures.drawing import Drawing as Drawing
    from tuner.figures.drawing import use_style as use_style
    from tuner.figures.learning_curves import draw_learning_curves as draw_learning_curves
    from tuner.figures.parallel_coordinates import draw_parallel_coordinates as draw_parallel_coordinates
    from tuner.figures.permutation import draw_permutation_importance as draw_permutation_importance
    from tuner.figures.roc import draw_roc as draw_roc
    from tuner.figures.scores import draw_scores as draw_scores
    from tuner.figures.sculpting import draw_sculpting as draw_sculpting
    from tuner.figures.search import draw_importances as draw_importances
    from tuner.figures.search import draw_optimization_history as draw_optimization_history
    from tuner.figures.search_comparison import draw_search_comparison as draw_search_comparison
    from tuner.figures.significance import draw_significance as draw_significance
    from tuner.figures.survival import draw_survival as draw_survival
    from tuner.figures.trial import draw_trial as draw_trial
    from tuner.figures.trials import name_column as name_column
    from tuner.figures.trials import tabulate_trials as tabulate_trials

_ROOMS = {
    "Drawing": "drawing",
    "draw_calibration": "calibration",
    "draw_candidates": "candidates",
    "draw_confusion": "confusion",
    "draw_importances": "search",
    "draw_learning_curves": "learning_curves",
    "draw_optimization_history": "search",
    "draw_parallel_coordinates": "parallel_coordinates",
    "draw_permutation_importance": "permutation",
    "draw_roc": "roc",
    "draw_scores": "scores",
    "draw_sculpting": "sculpting",
    "draw_search_comparison": "search_comparison",
    "draw_significance": "significance",
    "draw_survival": "survival",
    "draw_trial": "trial",
    "name_column": "trials",
    "tabulate_trials": "trials",
    "use_style": "drawing",
}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a drawer when it is first used: matplotlib takes its time."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.figures.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.figures" has no attribute "{name}"')
