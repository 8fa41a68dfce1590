"""Files of tensors: the parameters of a network, the state of an interrupted member."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tuner.checked_files import RESTORE, describe_damage, read_archive, write_atomically


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers and text, by name, atomically. Raise `FolderError` where that cannot be."""
    write_atomically(path, format_state(state))


def format_state(state: Mapping[str, Any]) -> bytes:
    """Return the content of a file of tensors, numbers and text, by name."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def read_state(path: Path, *, advice: str = RESTORE) -> dict[str, Any]:
    """Return what `write_state` wrote, on the CPU. Raise `DamagedFileError`, with this advice, where it is damaged."""
    content = read_archive(path, advice=advice)
    try:
        state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for archives that are none of its own
        told = str(error).partition("\n")[0]
        raise describe_damage(path, f"it cannot be read as tensors ({told})", advice) from error
    if not isinstance(state, dict):
        raise describe_damage(path, "it holds no tensors by name", advice)
    return state
