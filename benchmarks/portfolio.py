"""Warm starts of the space of MLPs: settings measured on many tables, and the few that together serve all of them best.

    python -m benchmarks.portfolio [--results runs/portfolio.jsonl] [--structures 13] [--refined 5] [--varied 8]
        [--epochs 20] [--packs 3] [--workers 2]

Draws structures at random, beside those of today's warm starts, with two settings of each; then six more of each of the
best structures, near their best setting; then structures that differ from the three best in one thing. The settings of
a structure train as one pack on each table of `portfolio_tables.py`. A setting's regret on a table is what its AUC
(mean of validation and test) lacks to the best of the table, in units of what the median lacks, 1 at the most. Packs of
four settings of a structure are chosen one after the other, each so that the mean over tables of the least regret so
far falls most; within a pack likewise. The honest figure beside it: the regret on each table of the portfolio that is
chosen by all others, against that of what a search begins with today: packs of a warm start and three of its structure
that are drawn at random.

What is measured is appended to `--results` and not measured again: the same command goes on. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial

from benchmarks.portfolio_tables import TABLES
from search_spaces import mlp
from tuner.metrics import auc
from tuner.preparation.splits import Splits
from tuner.training.data import load_training_data
from tuner.training.loop import train_members
from tuner.training.pack import Member, Pack
from tuner.tuning.study import SearchSpace

Params = dict[str, Any]
Pair = tuple[str, str]
"""A table and a setting."""

SPACE: SearchSpace = mlp.suggest
FIRST, FURTHER, PACK = 2, 6, 4
"""Settings of a structure in the first round, in the second, and in the portfolio."""
N_VARIED = 3
"""Best structures that others are made of."""
MAX_PARAMETERS = 150_000
"""Of a structure that is drawn: larger ones are slow starts on a CPU."""
SEED = 18


def main() -> None:
    """Measure what is missing, choose, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("runs/portfolio.jsonl"))
    parser.add_argument("--structures", type=int, default=13, help="drawn at random")
    parser.add_argument("--refined", type=int, default=5, help="structures that get more settings")
    parser.add_argument("--varied", type=int, default=8, help="structures near the best")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--packs", type=int, default=3, help="of the portfolio")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    packs = draw_packs(options.structures)
    regrets = measure(packs, options)
    packs = [*packs, *refine_packs(packs, regrets, options.refined)]
    regrets = measure(packs, options)
    packs = [*packs, *vary_packs(packs, regrets, options.varied)]
    today = draw_mates()
    regrets = measure([*packs, *today], options)
    print_choice(packs, today, regrets, options.packs)


# Settings.


def draw_packs(n_structures: int) -> list[list[Params]]:
    """Return the first settings of today's structures and of those drawn at random."""
    starts = [complete(dict(start), number) for number, start in enumerate(SPACE.warm_starts)]
    drawn = (complete({}, number) for number in itertools.count(1_000))
    starts += itertools.islice((params for params in drawn if count_parameters(params) <= MAX_PARAMETERS), n_structures)
    return [
        [start, *(complete(keep_structure(start), 10_000 * k + number) for k in range(1, FIRST))]
        for number, start in enumerate(starts)
    ]


def draw_mates() -> list[list[Params]]:
    """Return what a search begins with today: packs of a warm start and settings of its structure, at random."""
    starts = [complete(dict(start), number) for number, start in enumerate(SPACE.warm_starts)]
    return [
        [start, *(complete(keep_structure(start), 10_000 * k + number) for k in range(1, PACK))]
        for number, start in enumerate(starts)
    ]


def refine_packs(packs: Sequence[list[Params]], regrets: pd.DataFrame, n: int) -> list[list[Params]]:
    """Return further settings of the n structures whose best setting has the least mean regret, near that setting."""
    rng = np.random.default_rng(SEED)
    return [[perturb(params, rng) for _ in range(FURTHER)] for params in find_best(packs, regrets)[:n]]


def vary_packs(packs: Sequence[list[Params]], regrets: pd.DataFrame, n: int) -> list[list[Params]]:
    """Return settings near the best of the three best structures, each pack with one thing of the structure changed."""
    rng = np.random.default_rng(SEED + 1)
    best = find_best(packs, regrets)[:N_VARIED]
    known = {write(keep_structure(pack[0])) for pack in packs}
    varied: list[list[Params]] = []
    for base in itertools.cycle(best):
        if len(varied) == n:
            break
        first = perturb(change_structure(base, rng), rng)
        if count_parameters(first) <= MAX_PARAMETERS and write(keep_structure(first)) not in known:
            known.add(write(keep_structure(first)))
            varied.append([first, *(perturb(first, rng) for _ in range(PACK - 1))])
    return varied


def find_best(packs: Sequence[list[Params]], regrets: pd.DataFrame) -> list[Params]:
    """Return the best setting of each structure, by its mean regret, the best first."""
    mean = regrets.mean()
    best: dict[str, Params] = {}
    for params in sorted((params for pack in packs for params in pack), key=lambda params: mean[write(params)]):
        best.setdefault(write(keep_structure(params)), params)
    return list(best.values())


def change_structure(params: Params, rng: np.random.Generator) -> Params:
    """Return a setting with another value of one structure parameter, but the optimizer; what that adds is drawn."""
    name = str(rng.choice([name for name in keep_structure(params) if not name.endswith(".optimizer")]))
    others = {key: value for key, value in params.items() if key != name}
    while (changed := complete(others, int(rng.integers(2**31))))[name] == params[name]:
        pass
    return changed


def count_parameters(params: Params) -> int:
    """Return the number of parameters of a setting's network for ten features."""
    return sum(p.numel() for p in SPACE(FixedTrial(params)).network.build(10).parameters())


def complete(fixed: Params, number: int) -> Params:
    """Return parameters drawn at random but for those that are fixed."""
    study = optuna.create_study(sampler=RandomSampler(SEED + number))
    study.enqueue_trial(fixed)
    trial = study.ask()
    SPACE(trial)
    return dict(trial.params)


def keep_structure(params: Params) -> Params:
    """Return the structure parameters."""
    return {name: value for name, value in params.items() if name in SPACE.structure}


def perturb(params: Params, rng: np.random.Generator, spread: float = 0.15) -> Params:
    """Return a setting of the same structure: numbers move by a share of their range, each choice in five is drawn."""
    trial = FixedTrial(params)
    SPACE(trial)
    near: Params = {}
    for name, distribution in trial.distributions.items():
        value = params[name]
        if name not in SPACE.structure and isinstance(distribution, FloatDistribution):
            scale = np.log if distribution.log else np.asarray
            low, high = scale(distribution.low), scale(distribution.high)
            moved = np.clip(scale(value) + spread * (high - low) * rng.normal(), low, high)
            value = float(np.clip(np.exp(moved) if distribution.log else moved, distribution.low, distribution.high))
        elif name not in SPACE.structure and isinstance(distribution, CategoricalDistribution) and rng.random() < 0.2:
            value = distribution.choices[rng.integers(len(distribution.choices))]
        near[name] = value
    return complete(near, int(rng.integers(2**31)))


def write(params: Params) -> str:
    """Return a setting as text, which names it in tables."""
    return json.dumps(params, sort_keys=True)


# Measuring.


def measure(packs: Sequence[list[Params]], options: argparse.Namespace) -> pd.DataFrame:
    """Train what `--results` does not hold yet; return regrets, a row for each table, a column for each setting."""
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["table"], write(row["params"])) for row in read_rows(options.results)}
    jobs = [
        (table, pack)
        for pack in packs
        for table in TABLES
        if any((table, write(params)) not in done for params in pack)
    ]
    context = get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool, options.results.open("a") as file:
        futures = [pool.submit(train_pack, table, pack, options.epochs) for table, pack in jobs]
        for future in as_completed(futures):
            for row in future.result():
                file.write(json.dumps(row) + "\n")
            file.flush()
    wanted = {write(params) for pack in packs for params in pack}
    rows = [row for row in read_rows(options.results) if write(row["params"]) in wanted]
    print(f"{len(rows)} trainings, {sum(row['seconds'] for row in rows):.0f} s of a core", flush=True)
    return find_regrets(rows)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return what was measured."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def train_pack(table: str, pack: Sequence[Params], n_epochs: int) -> list[dict[str, Any]]:
    """Train settings of one structure on a table; return a row for each, with its share of the pack's seconds."""
    torch.set_num_threads(1)
    start = time.process_time()
    splits = prepare(table)
    data = load_training_data(splits, torch.device("cpu"))
    settings = [SPACE(FixedTrial(params)) for params in pack]
    training = Pack(settings[0], data, n_epochs=n_epochs, noise_seed=SEED)
    training.admit(*(Member(number, its, seed=number) for number, its in enumerate(settings)))
    test_x = torch.from_numpy(np.array(splits.test.x))
    rows: list[dict[str, Any]] = []

    def note(member: Member, row: int, outcome: object) -> None:
        del outcome
        failed = member.best_epoch == 0
        scores = None if failed else training.best_logits(row, test_x).double().numpy()
        rows.append(
            {
                "table": table,
                "params": pack[member.number],
                "validation": 0.5 if failed else member.best,
                "test": 0.5 if scores is None else auc(splits.test.labels, scores, splits.test.weights),
                "epochs": member.age,
            }
        )

    train_members(training, on_epoch=lambda _: "go on", on_end=note, refill=lambda: None)
    seconds = (time.process_time() - start) / len(pack)
    return [row | {"seconds": round(seconds, 3)} for row in rows]


@cache
def prepare(table: str) -> Splits:
    """Return a table's parts, prepared once in each process."""
    return TABLES[table].prepare(SEED)


def find_regrets(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return regrets by table and setting: 0 for the best, 1 for the median and all that is worse."""
    measured = pd.DataFrame({
        "table": [row["table"] for row in rows],
        "setting": [write(row["params"]) for row in rows],
        "auc": [(row["validation"] + row["test"]) / 2 for row in rows],
    })  # fmt: skip
    areas = measured.pivot_table(index="table", columns="setting", values="auc")
    best, median = areas.max(axis=1), areas.median(axis=1)
    return areas.rsub(best, axis=0).div(best - median, axis=0).clip(0, 1).fillna(1.0)


# Choosing.


def choose(groups: Mapping[str, list[str]], regrets: pd.DataFrame, n_packs: int) -> list[list[str]]:
    """Return packs of settings, one structure each, chosen greedily by the mean over tables of the least regret."""
    chosen: list[list[str]] = []
    least = pd.Series(1.0, index=regrets.index)
    left = dict(groups)
    while left and len(chosen) < n_packs:
        packs = {name: fill_pack(members, regrets, least) for name, members in left.items()}
        name = min(packs, key=lambda name: float(np.minimum(least, regrets[packs[name]].min(axis=1)).mean()))
        del left[name]
        chosen.append(packs[name])
        least = np.minimum(least, regrets[packs[name]].min(axis=1))
    return chosen


def fill_pack(members: Sequence[str], regrets: pd.DataFrame, least: pd.Series) -> list[str]:
    """Return the settings of a structure that a pack takes, in the order in which they lower the regret most.

    Where they lower it alike, the one of the least mean regret alone is taken.
    """
    pack: list[str] = []
    left = list(members)
    while left and len(pack) < PACK:
        gains = {m: float(np.minimum(least, regrets[m]).mean()) + 1e-3 * float(regrets[m].mean()) for m in left}
        member = min(left, key=gains.__getitem__)
        left.remove(member)
        pack.append(member)
        least = np.minimum(least, regrets[member])
    return pack


def trace(packs: Sequence[list[str]], regrets: pd.DataFrame) -> Iterator[pd.Series]:
    """Yield the least regret of each table after each setting."""
    least = pd.Series(1.0, index=regrets.index)
    for member in (member for pack in packs for member in pack):
        least = np.minimum(least, regrets[member])
        yield least


def print_choice(
    packs: Sequence[list[Params]], today: Sequence[list[Params]], regrets: pd.DataFrame, n_packs: int
) -> None:
    """Print the regrets of the portfolio and of what a search begins with today, the settings, and the JSON line."""
    groups: dict[str, list[str]] = {}
    for params in (params for pack in packs for params in pack):
        groups.setdefault(write(keep_structure(params)), []).append(write(params))
    starts = [[write(params) for params in pack] for pack in today]
    chosen = choose(groups, regrets, n_packs)
    left_out = pd.DataFrame({
        table: [least[table] for least in trace(choose(groups, regrets.drop(index=table), n_packs), regrets)]
        for table in regrets.index
    }).T  # fmt: skip
    print(f"\n{regrets.shape[1]} settings of {len(groups)} structures on {len(regrets)} tables; mean regret by setting")
    print("chosen by all tables    ", *(f"{least.mean():.3f}" for least in trace(chosen, regrets)))
    print("by all others, each     ", *(f"{value:.3f}" for value in left_out.mean()))
    print("today's, mates at random", *(f"{least.mean():.3f}" for least in trace(starts, regrets)))
    print("\nregret on each table: today's packs, portfolio chosen by all others")
    *_, of_today = trace(starts, regrets)
    for table in regrets.index:
        print(f"  {table:<30}{of_today[table]:.3f}  {left_out.loc[table].iloc[-1]:.3f}")
    for pack in chosen:
        print()
        for member in pack:
            print(f"  {regrets[member].mean():.3f} {member}")
    print(json.dumps({"portfolio": [json.loads(m) for pack in chosen for m in pack]}))


if __name__ == "__main__":
    main()
