"""Tune, track and judge networks that tell signal from background."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from tuner.passwords import hide_in_record

if TYPE_CHECKING:
    from tuner.evaluate.step import evaluate as evaluate
    from tuner.models.settings import KNOB as KNOB
    from tuner.predict.dry_run import check_study as check_study
    from tuner.predict.export import export as export
    from tuner.predict.step import predict as predict
    from tuner.prepare.preparation import Preparation as Preparation
    from tuner.problem import Ballpark as Ballpark
    from tuner.problem import Nuisance as Nuisance
    from tuner.problem import Problem as Problem
    from tuner.report.search_comparison import compare as compare
    from tuner.report.step import report as report
    from tuner.train.settings import Settings as Settings
    from tuner.train.settings import TrainingSettings as TrainingSettings
    from tuner.tune.judgement import Judgement as Judgement
    from tuner.tune.search import Search as Search
    from tuner.tune.search import open_search as open_search
    from tuner.tune.study import Budget as Budget
    from tuner.tune.study import Study as Study
    from tuner.tune.study import search_space as search_space
    from tuner.tune.study_file import load_study as load_study
    from tuner.tune.sweep import sweep as sweep

logging.getLogger("tuner").addFilter(hide_in_record)

try:
    __version__ = version("signal-tuner")
except PackageNotFoundError:
    __version__ = "unknown"

_ROOMS = {
    "Ballpark": "tuner.problem",
    "Budget": "tuner.tune.study",
    "Judgement": "tuner.tune.judgement",
    "KNOB": "tuner.models.settings",
    "Nuisance": "tuner.problem",
    "Preparation": "tuner.prepare.preparation",
    "Problem": "tuner.problem",
    "Search": "tuner.tune.search",
    "Settings": "tuner.train.settings",
    "Study": "tuner.tune.study",
    "TrainingSettings": "tuner.train.settings",
    "compare": "tuner.report.search_comparison",
    "check_study": "tuner.predict.dry_run",
    "export": "tuner.predict.export",
    "load_study": "tuner.tune.study_file",
    "open_search": "tuner.tune.search",
    "search_space": "tuner.tune.study",
    "sweep": "tuner.tune.sweep",
}
_STEPS = ("evaluate", "metrics", "models", "predict", "progress", "report")

__all__ = [*_ROOMS, *_STEPS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import tuner` stays light."""
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    if name in _STEPS:
        return import_module(f"tuner.{name}")
    raise AttributeError(f'module "tuner" has no attribute "{name}"')
