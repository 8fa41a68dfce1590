"""Every figure of merit conforms, is what it says, and stays light to import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

import tuner.metrics
from tuner.errors import StudyError
from tuner.metrics import (
    Ams,
    Auc,
    BackgroundRejection,
    Custom,
    FigureOfMerit,
    LogLoss,
    PartialAuc,
    SignalEfficiency,
    Significance,
)

FIGURES = [
    Auc(),
    PartialAuc(largest_eps_b=0.1),
    BackgroundRejection(eps_s=0.5),
    SignalEfficiency(eps_b=0.01),
    Significance(s=100, b=1_000),
    Significance(s=100, b=1_000, relative_systematic=0.2),
    Ams(s=100, b=1_000),
    LogLoss(),
    Custom(
        function=lambda labels, scores, weights: reference.roc_auc_score(labels, scores, sample_weight=weights),
        name="mine",
    ),
]


@pytest.fixture(scope="module")
def events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(11)
    labels = np.repeat([0, 1], 3_000)
    return labels, generator.normal(labels * 1.5, 1.0), generator.exponential(1.0, 6_000)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_every_figure_is_higher_for_the_better_score_and_sees_weights_by_class_only(figure: FigureOfMerit, events):
    labels, scores, weights = events
    better, worse = norm.cdf(scores), norm.cdf(np.random.default_rng(12).normal(scores, 2.0))
    value = figure(labels, better, weights)
    assert isinstance(value, float)
    assert np.isfinite(value)
    assert value > figure(labels, worse, weights)
    assert figure(labels, better) == pytest.approx(figure(labels, better, np.full(6_000, 3.0)))
    assert value == pytest.approx(figure(labels, better, weights * np.where(labels == 1, 9.0, 0.2)))
    assert value != figure(labels, better)


def test_names_tell_figures_apart():
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_rejection_and_efficiency_of_two_gaussians(events):
    labels, scores, _ = events
    assert BackgroundRejection(eps_s=0.5)(labels, scores) == pytest.approx(1 / norm.sf(1.5), rel=0.15)
    assert SignalEfficiency(eps_b=0.1)(labels, scores) == pytest.approx(norm.sf(norm.isf(0.1) - 1.5), abs=0.03)


def test_a_rejection_without_background_above_is_the_number_that_can_be_told():
    labels, scores = np.array([0] * 40 + [1] * 10), np.arange(50.0)
    assert BackgroundRejection(eps_s=0.5)(labels, scores) == 40


@pytest.mark.parametrize(
    "make",
    [
        lambda: PartialAuc(largest_eps_b=0.0),
        lambda: BackgroundRejection(eps_s=1.5),
        lambda: SignalEfficiency(eps_b=-0.1),
        lambda: Significance(s=0.0, b=-1.0),
        lambda: Ams(s=1.0, b=float("inf")),
        lambda: Custom(function="auc", name="x"),
    ],
)
def test_figures_that_cannot_be_meant_are_refused(make):
    with pytest.raises(StudyError, match=r"must be|has 2 problems"):
        make()


def test_naming_figures_imports_no_arithmetic():
    code = (
        "import sys, tuner.metrics, tuner.problem; from tuner.metrics import Auc, Youden, Ams; Ams(s=1, b=2); "
        "print([m for m in ('numpy', 'scipy', 'sklearn', 'pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ranking_events_needs_no_scikit_learn():
    code = "import sys; from tuner.metrics import auc; auc([0, 1], [0.1, 0.2]); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there():
    assert all(getattr(tuner.metrics, name) is not None for name in tuner.metrics.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = tuner.metrics.nothing


def test_a_figure_of_scikit_learn_takes_the_weights_by_their_name():
    rng = np.random.default_rng(0)
    labels, weights = rng.integers(0, 2, 200), rng.random(200)
    scores = rng.random(200) + labels / 2
    figure = Custom(function=reference.roc_auc_score, name="AUC")
    expected = reference.roc_auc_score(labels, scores, sample_weight=weights)
    assert figure(labels, scores, weights) == pytest.approx(expected)
    assert expected != pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-4)
