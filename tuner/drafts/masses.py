"""Masses among the columns: those that a fit may use afterwards, and the one that it surely will."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_WORDS = {"mass", "masses", "masse", "invmass", "massvis", "msd", "softdropmass"}
_PARTICLES = r"(?:l|e|mu|tau|j|jet|b|c|t|g|y|gam|gamma|w|z|h|v|q|a|x|k|p|pi|vis|inv|\d)"
_PAIRS = (
    *("ll", "lll", "4l", "2l", "ee", "mm", "mumu", "emu", "tautau", "jj", "jjj", "2j", "3j", "bb", "bj", "lj", "lb"),
    *("gg", "yy", "gamgam", "gammagamma", "tt", "ww", "zz", "zh", "wz", "hh", "vis"),
)
_OF_PARTICLES = re.compile(rf"m_{_PARTICLES}{{1,6}}|m(?:{'|'.join(_PAIRS)})")
_PLAIN = re.compile(rf"m|mass|inv[_ ]?mass|invariant[_ ]?mass|m_{_PARTICLES}{{2,6}}|m(?:{'|'.join(_PAIRS)})")
MIN_DISTINCT = 100
"""Different values in background from which on a column is continuous."""
MAX_SPIKE = 0.01
"""Share of background that may have one and the same value in a distribution that is smooth."""
N_BINS = 20


def is_mass(name: str) -> bool:
    """Return whether a column is named like a mass, of anything: `m_jj`, `DER_mass_vis`, `fatjet_msd`."""
    words = name.lower().replace(" ", "_").split("_")
    squashed = name.lower().strip()
    is_named = any(word in _WORDS for word in words) or squashed.endswith("mass") or squashed == "m"
    return is_named or _OF_PARTICLES.fullmatch(squashed) is not None


def find_fitted(names: Sequence[str], columns: Sequence[np.ndarray], is_background: np.ndarray) -> str | None:
    """Return the one mass that an analysis would fit; None where there are several, or none is smooth.

    Args:
        names: Of all columns that are named like masses, without units.
        columns: Their values [n].
        is_background: Which events are background [n].
    """
    if len(names) != 1 or not _PLAIN.fullmatch(names[0].lower().strip()):
        return None
    return names[0] if _is_smooth(columns[0][is_background]) else None


def _is_smooth(values: np.ndarray) -> bool:
    """Return whether values [n] are positive, all defined, and have a distribution without gaps and spikes."""
    if not len(values) or not (np.isfinite(values) & (values >= 0)).all():
        return False
    _, counts = np.unique(values, return_counts=True)
    if len(counts) < MIN_DISTINCT or counts.max() > max(3.0, MAX_SPIKE * len(values)):
        return False
    low, high = np.quantile(values, (0.05, 0.95))
    return bool((np.histogram(values, N_BINS, (low, high))[0] > 0).all())
