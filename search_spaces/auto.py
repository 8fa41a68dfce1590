"""All networks in one space: the family is a parameter, all others are named by it and exist in its branch only.

Needs the extra "networks": pip install "signal-tuner[networks]".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces import ft_transformer, mlp, realmlp, resnet, snn, tabm
from tuner.tuning.study import SearchSpace, search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

    from tuner.training.settings import Settings

FAMILIES = {
    "mlp": mlp,
    "realmlp": realmlp,
    "resnet": resnet,
    "snn": snn,
    "tabm": tabm,
    "ft_transformer": ft_transformer,
}

STRUCTURE = ("family", *(name for family in FAMILIES.values() for name in family.STRUCTURE))

WARM_STARTS = tuple({"family": name} | start for name, family in FAMILIES.items() for start in family.WARM_STARTS)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample a family, then a network of it and how it is trained."""
    space: SearchSpace = FAMILIES[trial.suggest_categorical("family", list(FAMILIES))].suggest
    return space(trial)
