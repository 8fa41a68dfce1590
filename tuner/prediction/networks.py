"""Which networks give the scores: a trial's own, one trained anew, or the mean of several."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tuner.checked_files import describe_damage, expect_form, read_json, warn_once, write_json
from tuner.errors import DamagedFileError, SearchError, name_all
from tuner.progress.wording import write_count
from tuner.tuning.trained_network import TrainedNetwork

__all__ = [
    "SINGLE_NETWORK",
    "BlendedTrees",
    "Predictor",
    "TrainedNetwork",
    "are_kept",
    "choose_predictor",
    "find_trees",
    "hand_on",
    "hand_on_again",
    "list_files",
    "name_candidate",
]

if TYPE_CHECKING:
    from tuner.tuning.search import Search, TrialRecord

SINGLE_NETWORK = "single network"
"""Name of the predictor that is one training of the winner: its best on validation."""

ADVICE = "Run `tuner evaluate`, which writes it again."
"""What to do about a `handed_on.json` that is damaged."""


@dataclass(frozen=True)
class BlendedTrees:
    """Boosted trees that give the scores together with networks; they are kept in the run folder."""

    kind: str
    """Who grew them: "boosted trees" (scikit-learn), "LightGBM", ..."""
    share: float
    """Weight of the logit of their mean score, in [0, 1]; the networks' has the rest."""
    sha256: str
    """Of the file that keeps them."""


@dataclass(frozen=True)
class Predictor:
    """Networks whose scores are averaged by their weights, often a single one; in a blend boosted trees beside them."""

    name: str
    """"single network", "ensemble", "trial 12"."""
    networks: tuple[TrainedNetwork, ...]
    trees: BlendedTrees | None = None

    @property
    def trial(self) -> int | None:
        """Number of the trial whose configuration it is; None where there are several."""
        trials = {network.trial for network in self.networks}
        return trials.pop() if len(trials) == 1 else None

    @property
    def description(self) -> str:
        """What it is made of: "trial 12, seed 0", "ensemble of 5 networks", "blend of 8 networks and LightGBM"."""
        if len(self.networks) == 1 and self.trees is None:
            return self.networks[0].name
        networks = f"{self.name} of {write_count(len(self.networks), 'network')}"
        return networks if self.trees is None else f"{networks} and {self.trees.kind}"


def name_candidate(word: str) -> str:
    """Return the name of a candidate by the word that settings and options have for it: "single" is shorter."""
    return SINGLE_NETWORK if word == "single" else word


def choose_predictor(
    search: Search, *, trial: int | Literal["best"] | None = None, name: str | None = None
) -> Predictor:
    """Return what scores events: a trial's network, a candidate of the evaluation, or what that handed on.

    Args:
        search: The search.
        trial: Number of the trial whose own training is wanted; "best" for the best complete one, as a search that
            still runs has it from its first complete trial on.
        name: Name of a candidate that the evaluation kept: "single" (or "single network"), "bag", "ensemble", ...

    Returns:
        Where neither is given, what the evaluation of these trials handed on; without an evaluation the network of
        the best complete trial.

    Raises:
        SearchError: There is no such trial or candidate, both are given, no trial is complete, or parameters are not
            kept.
    """
    if trial is not None and name is not None:
        raise SearchError(f'Either `trial` or `candidate` may be given, but both are: {trial} and "{name}".')
    if trial == "best":
        return _choose_best(search)
    if trial is not None:
        record = next((t for t in search.trials if t.number == trial), None)
        if record is None:
            raise SearchError(
                f'The search of study "{search.study.name}" must hold a trial {trial}, but holds none yet.'
            )
        return _check(search, Predictor(f"trial {trial}", (TrainedNetwork(trial),)), record)
    handed_on = _read_handed_on(search)
    if name is not None:
        return _check(search, _find(search, handed_on, name))
    if handed_on:
        return _check(search, handed_on[0])
    return _choose_best(search)


def _choose_best(search: Search) -> Predictor:
    """Return the network of the best complete trial. Raise `SearchError` where there is none."""
    record = search.best_trial
    if record is None:
        raise SearchError(f'The search of study "{search.study.name}" must hold a complete trial, but holds none yet.')
    return _check(search, Predictor(f"trial {record.number}", (TrainedNetwork(record.number),)), record)


def are_kept(search: Search, predictor: Predictor) -> bool:
    """Return whether the parameters of all networks of a predictor are in the run folder."""
    return all(path.exists() for path in list_files(search, predictor))


def list_files(search: Search, predictor: Predictor) -> list[Path]:
    """Return the files of the run folder that a predictor is loaded from: one for each network, then the trees'."""
    files = [search.checkpoint_path(network) for network in predictor.networks]
    return files if predictor.trees is None else [*files, find_trees(search)]


def find_trees(search: Search) -> Path:
    """Return the path of the file that keeps the blend's boosted trees."""
    return search.folder.finalists / "boosted_trees.npz"


def hand_on(search: Search, *predictors: Predictor) -> None:
    """Write down which networks `tuner predict` and `tuner export` use while the search's trials are what they are.

    Args:
        search: The search.
        *predictors: Names are distinct. The first is used unless another is asked for by its name.
    """
    content = {"fingerprint": search.fingerprint, "predictors": [asdict(predictor) for predictor in predictors]}
    write_json(_path(search), content)


def hand_on_again(search: Search, *predictors: Predictor) -> None:
    """Hand on what was handed on before, where the record of it is lost or damaged."""
    try:
        if _read_handed_on(search):
            return
    except DamagedFileError as error:
        warn_once(str(error))
    hand_on(search, *predictors)


def _path(search: Search) -> Path:
    return search.folder.finalists / "handed_on.json"


def _read_handed_on(search: Search) -> tuple[Predictor, ...]:
    """Return what was handed on; nothing where trials have completed since."""
    path = _path(search)
    if not path.exists() and search.folder.evaluation.exists():
        raise describe_damage(path, "it is gone, though the search was evaluated", ADVICE)
    content = read_json(path, advice=ADVICE)
    if content.get("fingerprint") != search.fingerprint:
        return ()
    with expect_form(path, advice=ADVICE):
        return tuple(
            Predictor(
                kept["name"],
                tuple(TrainedNetwork(**network) for network in kept["networks"]),
                None if kept["trees"] is None else BlendedTrees(**kept["trees"]),
            )
            for kept in content["predictors"]
        )


def _find(search: Search, handed_on: tuple[Predictor, ...], name: str) -> Predictor:
    """Return the predictor of that name. Raise `SearchError` where there is none."""
    found = next((predictor for predictor in handed_on if predictor.name == name_candidate(name)), None)
    if found is not None:
        return found
    if not handed_on:
        raise SearchError(
            f'The search of study "{search.study.name}" must be evaluated before "{name}" can be used, but is not yet. '
            "Run `tuner evaluate` first."
        )
    words = ["single" if predictor.name == SINGLE_NETWORK else predictor.name for predictor in handed_on]
    raise SearchError(
        f'"{name}" must be one of the candidates that the evaluation kept, but these are {name_all(words)}. Choose one '
        "of them, or run `tuner evaluate` with other settings."
    )


def _check(search: Search, predictor: Predictor, record: TrialRecord | None = None) -> Predictor:
    """Return the predictor; raise `SearchError` where parameters are not there."""
    for network in predictor.networks:
        path = search.checkpoint_path(network)
        if not path.exists():
            state = f" ({record.state})" if record else ""
            raise SearchError(
                f"Trial {network.trial}{state} must have kept its parameters, but has not: only the best complete "
                f'trials do. "{path}" is not there.'
            )
    if predictor.trees is not None and not find_trees(search).exists():
        raise SearchError(
            f'The boosted trees of the {predictor.name} must be kept, but "{find_trees(search)}" is not there. Restore '
            "it from a copy; or delete evaluation.json and run `tuner evaluate`, which grows them again."
        )
    return predictor
