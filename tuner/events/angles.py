"""Angles: what a turn is, and which names tell one."""

from __future__ import annotations

import re

import numpy as np

TURN = 2 * np.pi
"""In radian."""
TURNS = {"angle": TURN, "degrees": 360.0}
"""What a full turn is in each unit; "angle": in radian."""
NAMES = {"phi", "psi", "azimuth", "angle", "ra", "lon", "longitude"}
"""Words of which one in a name tells an angle that may go all round."""
ENDINGS = ("phi", "azimuth")
"""What a word may end with to tell such an angle, too, as in "dphi"."""


def is_named_angle(name: str) -> bool:
    """Return whether a name tells an angle that may go all round, of an object or between objects."""
    return any(word in NAMES or word.endswith(ENDINGS) for word in list_words(name))


def list_words(name: str) -> set[str]:
    """Return the words of a name, such as "jetPhi_1" or "JET_PHI", in small letters."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
