"""How many trials a structure gets, and how many members a pack has at the most."""

from __future__ import annotations

import torch

from tuner.tuning.study import Study

STRUCTURES = 8
"""Structures that a budget of trials is spent on at the least."""

MAX_PER_STRUCTURE = {"cpu": 4, "cuda": 8}
"""Trials of a structure at the most: another structure is worth more. Measured: benchmarks/FINDINGS.md, 2026-11-26."""

MAX_SLOTS = {"cpu": 16, "cuda": 256}
"""Largest pack that is tried, by kind of device; on any other that of a CPU."""

MAX_PACKS = {"cpu": 1, "cuda": 16}
"""Packs of one worker that train at once at the most, by kind of device; on any other as on a CPU."""


def count_trials_per_structure(study: Study, device: torch.device) -> int:
    """Return how many trials a structure gets before the next is drawn: an eighth of the budget, but not many.

    One where the space names no structure. On a CPU a pack of 4 has most of what packs gain, on a GPU one of 8 leaves
    the host as much to do as the device; another structure is worth more than one more trial of the same.
    """
    if not study.space.structure:
        return 1
    most = MAX_PER_STRUCTURE.get(device.type, MAX_PER_STRUCTURE["cpu"])
    return max(1, min(study.budget.trials // STRUCTURES, most))


def limit_slots(device: torch.device) -> int:
    """Return the size of the largest pack that is tried on a device."""
    return MAX_SLOTS.get(device.type, MAX_SLOTS["cpu"])


def limit_packs(device: torch.device) -> int:
    """Return how many packs of a worker train at once on a device at the most: more than one where they overlap."""
    return MAX_PACKS.get(device.type, MAX_PACKS["cpu"])
