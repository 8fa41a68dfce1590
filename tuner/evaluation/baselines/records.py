"""Records of baselines: settings that were tried and chosen, time, notes. They are part of `evaluation.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BAGGED = " (bagged)"
"""Ends the name of a bag of trees."""


@dataclass(frozen=True, kw_only=True)
class BaselineRecord:
    """How a baseline came about, and what that took."""

    name: str
    """That of its kind, with "(refitted)" or "(bagged)" where it was tuned and fitted anew, "(defaults)" where nothing
    was tuned."""
    fitted_on: Literal["train", "train and validation"]
    params: Mapping[str, float]
    """The settings that were chosen; of trees their number, too."""
    n_trials: int
    """Settings that were tried; 0 where nothing was tuned."""
    n_planned: int
    """Settings that were to be tried: more than `n_trials` where the time was up before."""
    chosen_by: str = ""
    """Name of the figure of merit on validation that the settings were chosen by; empty where nothing was tuned."""
    seconds: float
    """How long it took; of a refit, itself alone."""
    notes: tuple[str, ...] = ()
    """What a person should know and that is not an error."""
