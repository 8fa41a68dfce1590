"""Weighted figures of merit: pure functions of labels, scores and event weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.metrics.arrays import balance_classes as balance_classes
    from tuner.metrics.arrays import effective_number as effective_number
    from tuner.metrics.arrays import negative_fraction as negative_fraction
    from tuner.metrics.at_threshold import count_confusion as count_confusion
    from tuner.metrics.bootstrap import bootstrap_auc as bootstrap_auc
    from tuner.metrics.bootstrap import bootstrap_figure as bootstrap_figure
    from tuner.metrics.bootstrap import measure_difference as measure_difference
    from tuner.metrics.curves import auc as auc
    from tuner.metrics.curves import background_rejection as background_rejection
    from tuner.metrics.curves import partial_auc as partial_auc
    from tuner.metrics.curves import roc as roc
    from tuner.metrics.curves import signal_efficiency as signal_efficiency
    from tuner.metrics.cut_scan import scan_cuts as scan_cuts
    from tuner.metrics.delong import delong_covariance as delong_covariance
    from tuner.metrics.delong import delong_variance as delong_variance
    from tuner.metrics.delong import delong_z as delong_z
    from tuner.metrics.figures_of_merit import Ams as Ams
    from tuner.metrics.figures_of_merit import Auc as Auc
    from tuner.metrics.figures_of_merit import BackgroundRejection as BackgroundRejection
    from tuner.metrics.figures_of_merit import Custom as Custom
    from tuner.metrics.figures_of_merit import CutFigure as CutFigure
    from tuner.metrics.figures_of_merit import FigureOfMerit as FigureOfMerit
    from tuner.metrics.figures_of_merit import LogLoss as LogLoss
    from tuner.metrics.figures_of_merit import PartialAuc as PartialAuc
    from tuner.metrics.figures_of_merit import SignalEfficiency as SignalEfficiency
    from tuner.metrics.figures_of_merit import Significance as Significance
    from tuner.metrics.gamma_telescopes import tabulate_gamma_telescope as tabulate_gamma_telescope
    from tuner.metrics.histograms import separation as separation
    from tuner.metrics.measurement import Measurement as Measurement
    from tuner.metrics.probabilities import average_precision as average_precision
    from tuner.metrics.probabilities import brier_score as brier_score
    from tuner.metrics.probabilities import calibrate as calibrate
    from tuner.metrics.probabilities import expected_calibration_error as expected_calibration_error
    from tuner.metrics.probabilities import log_loss as log_loss
    from tuner.metrics.probabilities import log_loss_classes_balanced as log_loss_classes_balanced
    from tuner.metrics.sculpting import Sculpting as Sculpting
    from tuner.metrics.sculpting import measure_sculpting as measure_sculpting
    from tuner.metrics.significance import approximate_median_significance as approximate_median_significance
    from tuner.metrics.significance import asimov_significance as asimov_significance
    from tuner.metrics.significance import binned_significance as binned_significance
    from tuner.metrics.significance import signal_over_root_background as signal_over_root_background
    from tuner.metrics.significance import signal_over_root_total as signal_over_root_total
    from tuner.metrics.working_points import FixedBackgroundEfficiency as FixedBackgroundEfficiency
    from tuner.metrics.working_points import FixedPurity as FixedPurity
    from tuner.metrics.working_points import FixedSignalEfficiency as FixedSignalEfficiency
    from tuner.metrics.working_points import LargestSignificance as LargestSignificance
    from tuner.metrics.working_points import WorkingPoint as WorkingPoint
    from tuner.metrics.working_points import Youden as Youden

_ROOMS = {
    "Ams": "figures_of_merit",
    "Auc": "figures_of_merit",
    "BackgroundRejection": "figures_of_merit",
    "Custom": "figures_of_merit",
    "CutFigure": "figures_of_merit",
    "FigureOfMerit": "figures_of_merit",
    "FixedBackgroundEfficiency": "working_points",
    "FixedPurity": "working_points",
    "FixedSignalEfficiency": "working_points",
    "LargestSignificance": "working_points",
    "LogLoss": "figures_of_merit",
    "Measurement": "measurement",
    "PartialAuc": "figures_of_merit",
    "Sculpting": "sculpting",
    "SignalEfficiency": "figures_of_merit",
    "Significance": "figures_of_merit",
    "WorkingPoint": "working_points",
    "Youden": "working_points",
    "approximate_median_significance": "significance",
    "asimov_significance": "significance",
    "auc": "curves",
    "average_precision": "probabilities",
    "background_rejection": "curves",
    "balance_classes": "arrays",
    "binned_significance": "significance",
    "bootstrap_auc": "bootstrap",
    "bootstrap_figure": "bootstrap",
    "brier_score": "probabilities",
    "calibrate": "probabilities",
    "count_confusion": "at_threshold",
    "delong_covariance": "delong",
    "delong_variance": "delong",
    "delong_z": "delong",
    "effective_number": "arrays",
    "expected_calibration_error": "probabilities",
    "log_loss": "probabilities",
    "log_loss_classes_balanced": "probabilities",
    "measure_difference": "bootstrap",
    "measure_sculpting": "sculpting",
    "negative_fraction": "arrays",
    "partial_auc": "curves",
    "roc": "curves",
    "scan_cuts": "cut_scan",
    "separation": "histograms",
    "signal_efficiency": "curves",
    "signal_over_root_background": "significance",
    "signal_over_root_total": "significance",
    "tabulate_gamma_telescope": "gamma_telescopes",
}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: studies name figures of merit, and must stay light."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.metrics.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.metrics" has no attribute "{name}"')
