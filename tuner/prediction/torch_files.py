"""What is handed on as a graph of PyTorch: a `.pt2` file, which `torch.export.load` reads without tuner."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from tuner.errors import SearchError, describe_error
from tuner.prediction.exported_network import ExportedNetwork, draw_examples
from tuner.prediction.onnx_files import Run
from tuner.preparation.preprocessing import Preprocessing


def write_graph(network: ExportedNetwork, preprocessing: Preprocessing, path: Path, texts: Mapping[str, str]) -> None:
    """Write a network as `torch.export` traces it, for any number of events.

    Args:
        network: What `build_exported` returned.
        preprocessing: From features to inputs.
        path: Where to write; ends in ".pt2".
        texts: Files within the file, by name.

    Raises:
        SearchError: It cannot be traced.
    """
    example = draw_examples(preprocessing)[:3]
    partial = path.with_name(f".{path.stem}.{os.getpid()}.pt2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shapes = {"features": {0: torch.export.Dim("events")}}
            program = torch.export.export(network, (example,), dynamic_shapes=shapes)
            torch.export.save(program, partial, extra_files=dict(texts))
        partial.replace(path)
    except (OSError, SearchError):
        raise
    except Exception as error:  # what cannot be traced raises many kinds
        raise SearchError(
            f"The network must be one that torch.export can trace, but {describe_error(error)} Its forward pass must "
            "not depend on the values of its inputs in Python."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def open_graph(path: Path) -> Run:
    """Return what scores features [n, d] by a `.pt2` file. Raise `SearchError` where PyTorch cannot read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.export.load(path).module()
    except RuntimeError as error:
        raise SearchError(
            f'"{path}" must be a file that torch.export.load reads, but {describe_error(error)} Write ONNX instead.'
        ) from error

    @torch.no_grad()
    def run(features: np.ndarray) -> list[np.ndarray]:
        found = network(torch.from_numpy(features))
        return [each.numpy() for each in (found if isinstance(found, tuple) else (found,))]

    return run
