"""Fits of templates by pyhf: significance and limit with the systematics of a workspace; and the workspace itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tuner.errors import EventsError, MissingPackage
from tuner.evaluation.statistics.templates import BACKGROUND, SIGNAL, ScoreTemplates, Template

CHANNEL, POI, STATISTICS, NORMALISATION = "score", "mu", "mc_statistics", "background_normalisation"
MEASUREMENT = "signal_strength"
CONFIDENCE = 0.95
LARGEST_MU = 1e4
"""Signal strengths above it are looked at no more."""
PRECISION = 1e-3
"""Of a limit, relative."""


def write_workspace(
    templates: ScoreTemplates, *, relative_systematic: float = 0.0, is_exact: bool = False
) -> dict[str, Any]:
    """Return templates as a pyhf workspace: one channel, the score; signal of strength `mu` on top of background.

    Its modifiers: `mu` scales the signal; `mc_statistics` varies each bin within the statistical error of both
    templates (sum w^2); each nuisance of the problem is a `histosys` of its name that moves signal and background
    together; `background_normalisation` is the declared uncertainty of the background, where there is one. The
    observation is what is expected for mu = 1: no data were looked at.

    Args:
        templates: Of one candidate.
        relative_systematic: Uncertainty of the background's total, as a share of it.
        is_exact: Whether to leave out `mc_statistics`, as if the templates were made of endlessly many events.
    """
    signal, background = (
        _write_sample(name, template, is_exact=is_exact)
        for name, template in ((SIGNAL, templates.signal), (BACKGROUND, templates.background))
    )
    signal["modifiers"].insert(0, {"name": POI, "type": "normfactor", "data": None})
    if relative_systematic:
        data = {"hi": 1 + relative_systematic, "lo": max(1 - relative_systematic, 1e-3)}
        background["modifiers"].append({"name": NORMALISATION, "type": "normsys", "data": data})
    expected = np.add(templates.signal.events, templates.background.events)
    parameters = [{"name": POI, "inits": [1.0], "bounds": [[0.0, LARGEST_MU]]}]
    return {
        "version": "1.0.0",
        "channels": [{"name": CHANNEL, "samples": [signal, background]}],
        "observations": [{"name": CHANNEL, "data": list(map(float, expected))}],
        "measurements": [{"name": MEASUREMENT, "config": {"poi": POI, "parameters": parameters}}],
    }


def _write_sample(name: str, template: Template, *, is_exact: bool) -> dict[str, Any]:
    modifiers: list[dict[str, Any]] = []
    if not is_exact:
        modifiers.append({"name": STATISTICS, "type": "staterror", "data": list(template.errors)})
    modifiers += [
        {"name": nuisance, "type": "histosys", "data": {"hi_data": list(up), "lo_data": list(down)}}
        for nuisance, (up, down) in template.variants.items()
    ]
    return {"name": name, "data": list(template.events), "modifiers": modifiers}


def require_pyhf() -> Any:
    """Return pyhf. Raise `MissingPackage` where it is not installed."""
    try:
        import pyhf
    except ImportError as error:
        raise MissingPackage("pyhf", "pyhf", "A fit of the score's templates") from error
    return pyhf


def check_workspace(workspace: Mapping[str, Any]) -> None:
    """Raise `EventsError` where a workspace is not one by pyhf's schema."""
    pyhf = require_pyhf()
    try:
        with _quiet():
            pyhf.Workspace(workspace)
    except pyhf.exceptions.InvalidSpecification as error:
        raise EventsError(f"The templates must make a workspace that pyhf accepts, but it says: {error}") from error


def fit_significance(workspace: Mapping[str, Any]) -> float:
    """Return the expected discovery significance of mu = 1, the median by the asymptotic formula (arXiv:1007.1727).

    It is sqrt(q0) of Asimov data. Their best fit is what they were made with, so that this takes one fit.

    Args:
        workspace: As `write_workspace` gives it.

    Raises:
        MissingPackage: pyhf is not installed.
        EventsError: The fit does not converge.
    """
    with _open_model(workspace) as (pyhf, model):
        return _measure_distance(pyhf, model, generated=1.0, tested=0.0)


def fit_limit(workspace: Mapping[str, Any]) -> float:
    """Return the expected upper limit on mu at 95 % by CLs, the median without a signal (arXiv:1007.1727).

    The median CLs is 2 (1 - Phi(sqrt(q_mu))) of Asimov data.

    Args:
        workspace: As `write_workspace` gives it.

    Raises:
        MissingPackage: pyhf is not installed.
        EventsError: The fit does not converge.
    """
    from scipy.stats import norm

    with _open_model(workspace) as (pyhf, model):
        return _solve(
            lambda mu: _measure_distance(pyhf, model, generated=0.0, tested=mu),
            target=float(norm.isf((1 - CONFIDENCE) / 2)),
            start=1.0,
        )


@contextmanager
def _open_model(workspace: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield pyhf and a workspace's model; tell a fit that does not converge."""
    pyhf = require_pyhf()
    with _quiet():
        try:
            yield pyhf, pyhf.Workspace(workspace, validate=False).model(validate=False)
        except pyhf.exceptions.FailedMinimization as error:
            raise EventsError(f"The fit of the score's templates does not converge: {error}.") from error


def _measure_distance(pyhf: Any, model: Any, *, generated: float, tested: float) -> float:
    """Return sqrt(-2 ln of the profile likelihood ratio) of a signal strength on Asimov data of another."""
    parameters = list(model.config.suggested_init())
    parameters[model.config.poi_index] = generated
    data = pyhf.tensorlib.tolist(model.expected_data(parameters))
    _, conditional = pyhf.infer.mle.fixed_poi_fit(tested, data, model, return_fitted_val=True)
    best = pyhf.infer.mle.twice_nll(pyhf.tensorlib.astensor(parameters), pyhf.tensorlib.astensor(data), model)
    return float(np.sqrt(max(float(np.ravel(conditional)[0]) - float(np.ravel(best)[0]), 0.0)))


def _solve(function: Callable[[float], float], target: float, start: float) -> float:
    """Return where a rising function that is 0 at 0, and nearly a straight line, has a value; infinity beyond reach."""
    low, at_low, mu = 0.0, 0.0, float(start)
    for _ in range(20):
        if not 0 < mu < LARGEST_MU:
            return float("inf")
        value = function(mu)
        slope = (value - at_low) / (mu - low)
        step = (target - value) / slope if slope > 0 else mu
        low, at_low = mu, value
        mu += max(step, -0.9 * mu)
        if abs(mu - low) < PRECISION * mu:
            return mu
    return mu


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out warnings of pyhf's own use of other packages, and of its minimizer's trial steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
