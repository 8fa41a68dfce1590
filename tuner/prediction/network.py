"""The networks of a predictor, with their best-epoch parameters, and its boosted trees, as one plain module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tuner.checked_files import describe_damage, hash_file
from tuner.errors import SearchError, TrainingError
from tuner.prediction.boosted_trees import BoostedTrees, load_trees
from tuner.prediction.networks import BlendedTrees, Predictor, TrainedNetwork, find_trees
from tuner.training.building import compute_logits
from tuner.training.checkpoints import read_checkpoint, restore_network
from tuner.training.device import find_device
from tuner.tuning.search import Search, TrialRecord

EVENTS_AT_ONCE = 512
"""Events that a CPU scores at a time: so few that what a layer makes of them stays in a core's cache."""
EVENTS_AT_ONCE_ON_GPU = 4096

ADVICE = "Restore it from a copy; or delete it and run `tuner evaluate`, which trains a finalist anew."
"""What to do about parameters that are damaged."""


class Ensemble(nn.Module):
    """Networks whose scores are averaged: the logit [n] of the weighted mean of their scores."""

    weights: Tensor

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n] of features [n, d_in]."""
        logits = torch.stack([network(x.clone()).reshape(-1) for network in self.networks], dim=-1)
        return compute_mean_logits(logits, self.weights)


class Blend(nn.Module):
    """A network and boosted trees: the weighted mean [n] of its logits and of the logits of the trees' mean score."""

    def __init__(self, network: nn.Module, trees: Sequence[BoostedTrees], share: float) -> None:
        super().__init__()
        self.network, self.trees, self.share = network, tuple(trees), share

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n] of features [n, d_in]; the trees are scored on the CPU."""
        inputs = x.cpu().numpy()
        of_trees = torch.from_numpy(np.stack([trees.add_leaves(inputs) for trees in self.trees], axis=-1))
        mean = compute_mean_logits(of_trees, torch.full_like(of_trees[0], 1 / len(self.trees)))
        logits: Tensor = self.network(x).reshape(-1)
        return (1 - self.share) * logits + self.share * mean.to(logits)


def compute_mean_logits(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the logit [n] of the weighted mean of the scores of logits [n, m]; weights [m] add up to 1.

    It is log(sum w p) - log(sum w (1 - p)), summed as logarithms, where log p = -softplus(-logit): exact where scores
    are next to 0 or 1, too. ONNX runtimes round a sigmoid there, so none is taken.
    """
    signal, background = ((weights.log() - nn.functional.softplus(sign * logits)).logsumexp(-1) for sign in (-1.0, 1.0))
    return signal - background


def load_network(search: Search, predictor: Predictor) -> nn.Module:
    """Return a predictor's network on the CPU, ready to score prepared features [n, d_in] as logits [n].

    Args:
        search: The search that trained its networks.
        predictor: One network, or several whose scores are averaged by their weights; boosted trees beside them.

    Raises:
        DamagedFileError: The parameters are not whole.
        SearchError: They do not fit the network that the present code builds.
    """
    trials = {trial.number: trial for trial in search.trials}
    networks = [_load(search, network, trials[network.trial]) for network in predictor.networks]
    network = average(networks, [network.weight for network in predictor.networks])
    if predictor.trees is None:
        return network
    return Blend(network, _load_trees(search, predictor.trees), predictor.trees.share).eval()


def take_folds(predictor: Predictor, network: nn.Module) -> dict[int, nn.Module]:
    """Return for each fold what did not train on it, where all networks are those of a bag's folds; else nothing.

    Args:
        predictor: What scores.
        network: What `load_network` returned for it.
    """
    if any(trained.training != "fold" for trained in predictor.networks):
        return {}
    blend = network if isinstance(network, Blend) else None
    inner = network if blend is None else blend.network
    loaded = [*inner.networks] if isinstance(inner, Ensemble) else [inner]
    folds: dict[int, nn.Module] = {}
    for fold in sorted({trained.number for trained in predictor.networks}):
        own = [number for number, trained in enumerate(predictor.networks) if trained.number == fold]
        weights = np.array([predictor.networks[number].weight for number in own])
        folds[fold] = average([loaded[number] for number in own], (weights / weights.sum()).tolist())
        if blend is not None:
            folds[fold] = Blend(folds[fold], blend.trees[fold : fold + 1], blend.share).eval()
    return folds


def average(networks: Sequence[nn.Module], weights: Sequence[float]) -> nn.Module:
    """Return the mean of networks by weights that add up to 1, logits [n] of [n, d_in]; of one the network itself."""
    return networks[0] if len(networks) == 1 else Ensemble(networks, weights).eval()


def _load_trees(search: Search, blended: BlendedTrees) -> tuple[BoostedTrees, ...]:
    path = find_trees(search)
    trees = load_trees(path, advice=ADVICE)
    if hash_file(path) != blended.sha256:
        raise describe_damage(path, "it keeps other boosted trees than those that were judged", ADVICE)
    return trees


def _load(search: Search, trained: TrainedNetwork, trial: TrialRecord) -> nn.Module:
    path = search.checkpoint_path(trained)
    checkpoint = read_checkpoint(path, advice=ADVICE)
    try:
        return restore_network(checkpoint, search.settings(trial).network)
    except TrainingError as error:
        raise SearchError(
            f'The network of trial {trial.number} in "{path}" cannot be used. {error} Put the code that builds it and '
            "the versions of packages back to what they were, or run the search anew."
        ) from error


@torch.no_grad()
def score_events(network: nn.Module, x: np.ndarray, device: str | None = None) -> np.ndarray:
    """Return scores in (0, 1), float64 [n], for prepared features [n, d_in], in chunks of events.

    Args:
        network: A module that gives logits [n]; it is moved to the device.
        x: Prepared features [n, d_in].
        device: "cpu", "cuda", ...; None for a GPU where there is one.
    """
    found = find_device(device)
    network = network.to(found)
    size = EVENTS_AT_ONCE if found.type == "cpu" else EVENTS_AT_ONCE_ON_GPU
    chunks = []
    for start in range(0, len(x), size):
        chunk = torch.from_numpy(np.array(x[start : start + size], dtype=np.float32)).to(found)
        chunks.append(compute_logits(network, chunk).double().sigmoid().cpu().numpy())
    return np.concatenate(chunks) if chunks else np.empty(0)
