"""Training a trial again from its record, to see whether its figure comes out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tuner.checked_files import read_json
from tuner.errors import SearchError
from tuner.metrics.figures_of_merit import Auc
from tuner.training.data import TrainingData, load_training_data
from tuner.training.device import find_device, keep_random_state
from tuner.training.loop import Answer, Outcome, train_members
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.tuning.provenance import describe_versions, find_first_commit, hash_space
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import PROVENANCE_ADVICE, Search, TrialRecord
from tuner.tuning.trial_attributes import find_root, read_pack_size

ROUNDING = 1e-4
"""Difference of a figure that rounding explains: packs of other sizes, other devices and other libraries add up the
same numbers in another order, and training carries that on from step to step."""

N_SEEDS = 3
"""Trainings with other seeds at the least, whose spread says what a difference means."""

SEED_PURPOSE = 50
"""Purpose of the first of these seeds in `derive_seed`: not those of trials, nor of finalists."""

CLEAR = 2.0
"""Differences of so many standard deviations of the seeds are more than chance explains."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A trial's figure, and the one that training it again gave."""

    trial: int
    figure_of_merit: str
    before: float
    now: float
    seeds: float
    """Standard deviation of the figure over other seeds."""
    pack_size: int
    device: str
    changed: tuple[str, ...]
    """What is not as it was when the search was made: versions, code, device."""

    @property
    def verdict(self) -> Literal["same", "as good", "other"]:
        """Whether the figure is the same but for rounding, differs no more than another seed does, or more."""
        difference = abs(self.now - self.before)
        if difference <= ROUNDING:
            return "same"
        return "as good" if difference <= CLEAR * self.seeds else "other"

    @property
    def lines(self) -> tuple[str, ...]:
        """The answer in sentences."""
        said = {
            "same": f"The record holds: the two agree to {ROUNDING:g}, which is rounding.",
            "as good": f"They differ by more than rounding ({ROUNDING:g}), but by no more than another seed changes "
            f"the figure (standard deviation {self.seeds:.4f}).",
            "other": f"The record does not hold: another seed changes the figure by {self.seeds:.4f} only (standard "
            "deviation).",
        }
        told = (
            f"Trial {self.trial} had {self.figure_of_merit} {self.before:.4f} on validation; trained again, it has "
            f"{self.now:.4f} ({self.now - self.before:+.1g}).",
            said[self.verdict],
        )
        if self.changed:
            return (*told, "Not as it was: " + "; ".join(self.changed) + ".")
        return (*told, "Versions, code and device are as they were.")

    def to_json(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return asdict(self) | {"verdict": self.verdict, "agrees": self.verdict != "other"}


def replay(search: Search, trial: int, *, device: str | None = None) -> Replay:
    """Train a trial again from its record: its settings, its seed, in a pack as large as its own was.

    The pack is filled with the same settings under other seeds, at least three, whose spread tells what a difference
    of the figure means. A pruned trial is trained as far as it came, and its best validation AUC compared.

    Args:
        search: The search, with its prepared events in the run folder.
        trial: Number of a trial that completed or was pruned.
        device: "cpu", "cuda" or "cuda:1". None: a GPU where there is one.

    Returns:
        Both figures, and what is not as it was.

    Raises:
        SearchError: There is no such trial, or it came to no figure.
        TrainingError: It cannot be trained any more.
    """
    record = _find_trial(search, trial)
    frozen = search.optuna_study.get_trials(deepcopy=False)[trial]
    pack_size, torch_device = max(1, read_pack_size(frozen) or 1), find_device(device)
    seeds = [derive_seed(search.study.seed, find_root(frozen), purpose=1)]
    seeds += [
        derive_seed(search.study.seed, trial, purpose=SEED_PURPOSE + n) for n in range(max(pack_size - 1, N_SEEDS))
    ]
    data = load_training_data(search.splits, torch_device)
    figures: list[float] = []
    with keep_random_state(torch_device):
        for start in range(0, len(seeds), pack_size):
            figures += _train(search, record, seeds[start : start + pack_size], data)
    before = record.value if record.figure is None else record.figure
    assert before is not None
    return Replay(
        trial=trial,
        figure_of_merit=search.study.problem.figure_of_merit.name if record.state == "complete" else "AUC",
        before=before,
        now=figures[0],
        seeds=float(np.std(figures[1:], ddof=1)),
        pack_size=pack_size,
        device=str(torch_device),
        changed=_find_changes(search, device),
    )


def _find_trial(search: Search, number: int) -> TrialRecord:
    """Return a trial that has a figure."""
    trials = search.trials
    if not 0 <= number < len(trials):
        raise SearchError(
            f'TRIAL must be one of the {len(trials)} trials of study "{search.study.name}", 0 to {len(trials) - 1}, '
            f"but is {number}."
        )
    record = trials[number]
    if record.state not in ("complete", "pruned") or record.value is None:
        raise SearchError(
            f"A trial that is trained again must have completed or been pruned, but trial {number} is {record.state}"
            f"{f' ({record.reason})' if record.reason else ''}."
        )
    return record


def _train(search: Search, record: TrialRecord, seeds: list[int], data: TrainingData) -> list[float]:
    """Train one setting with several seeds as one pack; return the figure of each."""
    study, settings = search.study, search.settings(record)
    noise_seed = derive_seed(study.seed, 0, purpose=2)  # as in the search: dropout follows from the study's seed
    pack = Pack(settings, data, n_epochs=study.budget.epochs, noise_seed=noise_seed)
    figures: dict[int, float] = {}
    part, figure_of_merit = search.splits.validation, study.problem.figure_of_merit

    def judge(member: Member) -> Answer:
        return "prune" if record.state == "pruned" and member.age >= record.epochs else "go on"

    def keep(member: Member, row: int, outcome: Outcome) -> None:
        if outcome.state == "failed":
            raise SearchError(f"Trial {record.number} cannot be trained again: {outcome.reason}")
        if record.state == "pruned" or isinstance(figure_of_merit, Auc):
            figures[member.number] = float(member.best)
        else:
            scores = np.asarray(pack.best_scores(row))
            labels = np.asarray(part.labels).astype(np.int8)
            figures[member.number] = float(figure_of_merit(labels, scores, np.asarray(part.weights, np.float64)))

    pack.admit(*[Member(number, settings, seed) for number, seed in enumerate(seeds)])
    train_members(pack, on_epoch=judge, on_end=keep, refill=lambda: None)
    return [figures[number] for number in range(len(seeds))]


def _find_changes(search: Search, device: str | None) -> tuple[str, ...]:
    """Return what is not as it was at the last call of the sweep."""
    record = read_json(search.folder.provenance, advice=PROVENANCE_ADVICE)
    versions: Mapping[str, str] = record.get("versions", {})
    now = describe_versions()
    changed = [
        f"{name} was {versions[name]}, is {now[name]}" for name in now if versions.get(name, now[name]) != now[name]
    ]
    if record.get("search_space", hash_space(search.study)) != hash_space(search.study):
        changed.append("the code of the search space has changed")
    call = (record.get("calls") or [{}])[-1]
    commit = find_first_commit(search.study_file)
    if call.get("git_commit", commit) != commit:
        changed.append(f"the commit was {call['git_commit']}, is {commit}")
    if call.get("device", "automatic") != (device or "automatic"):
        changed.append(f"the device was {call['device']}, is {device or 'automatic'}")
    return tuple(changed)
