"""Which networks give the scores: a trial's own, a finalist's trained anew, or an ensemble of these."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.checked_files import describe_damage, expect_form, read_json, warn_once, write_json
from tuner.errors import DamagedFileError, SearchError

if TYPE_CHECKING:
    from tuner.tuning.search import Search, TrialRecord

ADVICE = "Run `tuner evaluate`, which writes it again."
"""What to do about a `handed_on.json` that is damaged."""


@dataclass(frozen=True)
class TrainedNetwork:
    """One training of a trial's setting."""

    trial: int
    seed: int | None = None
    """Number of the seed with which it was trained anew; None for the training of the search itself."""
    weight: float = 1.0
    """Its share in the scores of an ensemble; all shares add up to 1."""


@dataclass(frozen=True)
class Candidate:
    """Networks whose scores are averaged by their weights; mostly a single one."""

    name: str
    """"winner", "ensemble", "trial 12"."""
    networks: tuple[TrainedNetwork, ...]

    @property
    def trial(self) -> int | None:
        """Number of the trial whose setting it is; None for an ensemble of several."""
        trials = {network.trial for network in self.networks}
        return trials.pop() if len(trials) == 1 else None


def choose_candidate(search: Search, *, trial: int | None = None, ensemble: bool = False) -> Candidate:
    """Return the trial of that number, the ensemble, or the winner.

    The winner is the network that the judgement of these trials handed on; without one the best complete trial's.
    Raise `SearchError` where there is none, or where its parameters are not kept.
    """
    if trial is not None:
        record = next((t for t in search.trials if t.number == trial), None)
        if record is None:
            raise SearchError(
                f'The search of study "{search.study.name}" must hold a trial {trial}, but holds none yet.'
            )
        return _check(search, Candidate(f"trial {trial}", (TrainedNetwork(trial),)), record)
    handed_on = _read_handed_on(search)
    if ensemble:
        if not handed_on.get("ensemble"):
            raise SearchError(
                f'The finalists of study "{search.study.name}" must be judged before there is an ensemble of them. '
                "Run `tuner evaluate` first."
            )
        return _check(search, Candidate("ensemble", handed_on["ensemble"]))
    if handed_on:
        return _check(search, Candidate("winner", handed_on["winner"]))
    record = search.best_trial
    if record is None:
        raise SearchError(f'The search of study "{search.study.name}" must hold a complete trial, but holds none yet.')
    return _check(search, Candidate("winner", (TrainedNetwork(record.number),)), record)


def hand_on(search: Search, winner: Candidate, ensemble: Candidate | None) -> None:
    """Write down which networks `tuner predict` and `tuner export` use while the search's trials are what they are."""
    content: dict[str, Any] = {
        "fingerprint": search.fingerprint,
        "winner": asdict(winner.networks[0]),
        "ensemble": [asdict(network) for network in ensemble.networks] if ensemble else [],
    }
    write_json(_path(search), content)


def hand_on_again(search: Search, winner: Candidate, ensemble: Candidate | None) -> None:
    """Hand on what was handed on before, where the record of it is lost or damaged."""
    try:
        if _read_handed_on(search):
            return
    except DamagedFileError as error:
        warn_once(str(error))
    hand_on(search, winner, ensemble)


def _path(search: Search) -> Path:
    return search.folder.finalists / "handed_on.json"


def _read_handed_on(search: Search) -> dict[str, tuple[TrainedNetwork, ...]]:
    """Return what was handed on; nothing where trials have completed since."""
    path = _path(search)
    if not path.exists() and search.folder.evaluation.exists():
        raise describe_damage(path, "it is gone, though the search was evaluated", ADVICE)
    content = read_json(path, advice=ADVICE)
    if content.get("fingerprint") != search.fingerprint:
        return {}
    with expect_form(path, advice=ADVICE):
        named = {"winner": [content["winner"]], "ensemble": content["ensemble"]}
        return {name: tuple(TrainedNetwork(**network) for network in networks) for name, networks in named.items()}


def _check(search: Search, candidate: Candidate, record: TrialRecord | None = None) -> Candidate:
    """Return the candidate; raise `SearchError` where parameters are not there."""
    for network in candidate.networks:
        path = search.checkpoint_path(network.trial, network.seed)
        if not path.exists():
            state = f" ({record.state})" if record else ""
            raise SearchError(
                f"Trial {network.trial}{state} must have kept its parameters, but has not: only the best complete "
                f'trials do. "{path}" is not there.'
            )
    return candidate
