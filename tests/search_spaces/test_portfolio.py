"""How the warm starts of the space of MLPs are chosen: regrets, the greedy choice, settings near others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import optuna
import pandas as pd
import pytest

from benchmarks.portfolio import choose, fill_pack, find_regrets, keep_structure, perturb, trace, write
from search_spaces import mlp


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def make_regrets(n_tables: int = 7, n_settings: int = 9) -> pd.DataFrame:
    values = np.random.default_rng(3).random((n_tables, n_settings))
    return pd.DataFrame(values, columns=[f"s{i}" for i in range(n_settings)])


def test_regret_is_what_is_lacking_to_the_best_in_units_of_the_median():
    aucs = {"a": 0.9, "b": 0.88, "c": 0.86, "d": 0.5, "e": 0.87}
    rows = [
        {"table": "t", "params": {"x": name}, "validation": auc + 0.01, "test": auc - 0.01}
        for name, auc in aucs.items()
    ]
    regrets = find_regrets(rows).loc["t"]
    expected = {"a": 0.0, "b": 2 / 3, "c": 1.0, "d": 1.0, "e": 1.0}
    assert {name: regrets[write({"x": name})] for name in aucs} == pytest.approx(expected)


def test_the_first_is_the_best_alone_and_each_further_one_the_best_beside_those_before():
    regrets = make_regrets()
    chosen = [pack[0] for pack in choose({name: [name] for name in regrets}, regrets, 4)]
    assert chosen[0] == regrets.mean().idxmin()
    for n in range(1, 4):
        best = min(set(regrets) - set(chosen[:n]), key=lambda name: regrets[[*chosen[:n], name]].min(axis=1).mean())
        assert regrets[[*chosen[:n], best]].min(axis=1).mean() == pytest.approx(
            regrets[chosen[: n + 1]].min(axis=1).mean()
        )


def test_greedy_packs_come_close_to_the_best_of_all_pairs():
    """The regret that a set takes away is submodular: greedy has at least 1 - 1/e of the best (Nemhauser 1978)."""
    regrets = make_regrets()
    groups = {"one": ["s0", "s1", "s2"], "two": ["s3", "s4", "s5"], "three": ["s6", "s7", "s8"]}
    packs = choose(groups, regrets, 2)
    assert all(set(pack) in [set(members) for members in groups.values()] for pack in packs)
    least = [regrets[[*groups[a], *groups[b]]].min(axis=1).mean() for a, b in combinations(groups, 2)]
    *_, found = trace(packs, regrets)
    assert 1 - found.mean() >= (1 - 1 / np.e) * (1 - min(least))


def test_a_pack_takes_four_and_the_better_of_what_adds_nothing():
    regrets = pd.DataFrame({"best": [0.0, 0.0], "bad": [0.9, 0.9], "good": [0.2, 0.1], "fair": [0.3, 0.3], "poor": 0.8})
    assert fill_pack(list(regrets), regrets, pd.Series([1.0, 1.0])) == ["best", "good", "fair", "poor"]


def test_a_near_setting_has_the_same_structure_and_is_one_of_the_space():
    rng = np.random.default_rng(0)
    for start in mlp.WARM_STARTS:
        near = perturb(dict(start), rng)
        assert keep_structure(near) == keep_structure(dict(start))
        assert near != start
        study = optuna.create_study()
        study.enqueue_trial(near)
        trial = study.ask()
        mlp.suggest(trial)
        assert trial.params == near
