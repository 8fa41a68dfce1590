"""What a trial is made of: a network's settings and how it is trained. No torch here: search spaces import this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from tuner.errors import StudyError, raise_together
from tuner.fields import check_keywords, settle_fields, to_plain
from tuner.models.settings import check_settings

if TYPE_CHECKING:
    from torch import nn

OptimizerKind = Literal["adamw", "adam", "sgd", "schedule_free"]
ScheduleKind = Literal["constant", "cosine", "flat-cosine"]


class NetworkSettings(Protocol):
    """A frozen dataclass that builds a network.

    Fields marked `field(metadata=KNOB)` (`tuner.models.settings`) may differ between the members of a pack; all
    others are structure: they fix the shapes of tensors and the path through the code.
    """

    def build(self, d_in: int) -> nn.Module:
        """Return a network that maps features [n, d_in] to one logit each, [n].

        It computes in float32, whatever it is built in. First parameters and buffers follow from the trial's seed.
        What else is drawn here (an order of the inputs in a list) is the same for all trials: the members of a pack
        are computed by one network, and `tuner.training.building.CONSTANTS_SEED` builds it when it is loaded, too.
        """
        ...


@check_keywords
@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained. Optimizer kind and batch size are structure, all others are knobs."""

    optimizer: OptimizerKind = "adamw"
    """AdamW (arXiv:1711.05101), Adam (arXiv:1412.6980), SGD with Nesterov momentum, or schedule-free AdamW.

    The last (arXiv:2405.15682) averages its parameters instead of letting the learning rate fall: they are as good at
    any epoch as those at the end of a schedule, which is what pruning asks for. It wants three to ten times the
    learning rate of AdamW.
    """
    batch_size: int = 256
    """Events in a step. An epoch is cut into equal batches of the size nearest to this."""
    lr: float = 1e-3
    """Learning rate at its highest."""
    weight_decay: float = 0.0
    """Decoupled for the kinds of AdamW, added to the gradient for Adam and SGD. Matrices only, not biases and norms."""
    momentum: float = 0.9
    """Momentum of SGD; beta_1 of the others."""
    beta2: float = 0.999
    """beta_2 of all but SGD."""
    schedule: ScheduleKind = "cosine"
    """Constant; a cosine down to zero over the budget's epochs; constant for half of them, then the cosine."""
    warmup: float = 0.05
    """Share of all steps in which the learning rate rises linearly from zero."""
    label_smoothing: float = 0.0
    """Labels become 1 - s/2 and s/2. Leave at zero where scores are to be probabilities."""
    clip_norm: float = 1.0
    """Longest gradient (Euclidean norm over the network); infinity for no clipping."""
    patience: int = 16
    """Epochs without a better validation figure after which training stops."""

    def __post_init__(self) -> None:
        settle_fields(self, "TrainingSettings")
        checks = {
            "`batch_size` must be at least 2": self.batch_size >= 2,
            "`lr` must be above 0": self.lr > 0,
            "`weight_decay` must not be negative": self.weight_decay >= 0,
            "`momentum` must be in [0, 1)": 0 <= self.momentum < 1,
            "`beta2` must be in [0, 1)": 0 <= self.beta2 < 1,
            "`warmup` must be in [0, 1)": 0 <= self.warmup < 1,
            "`label_smoothing` must be in [0, 1)": 0 <= self.label_smoothing < 1,
            "`clip_norm` must be above 0": self.clip_norm > 0,
            "`patience` must be at least 1": self.patience >= 1,
            f"`optimizer` must be one of {', '.join(get_args(OptimizerKind))}": self.optimizer
            in get_args(OptimizerKind),
            f"`schedule` must be one of {', '.join(get_args(ScheduleKind))}": self.schedule in get_args(ScheduleKind),
            '`schedule` must be "constant" where `optimizer` is "schedule_free"': self.optimizer != "schedule_free"
            or self.schedule == "constant",
            '`momentum` must be above 0 where `optimizer` is "schedule_free"': self.optimizer != "schedule_free"
            or self.momentum > 0,
        }
        check_settings(self, checks)


@check_keywords
@dataclass(frozen=True, kw_only=True)
class Settings:
    """One setting, whole: what a search space returns and a trial trains."""

    network: NetworkSettings
    training: TrainingSettings = TrainingSettings()

    def __post_init__(self) -> None:
        problems = []
        if not callable(getattr(self.network, "build", None)) or isinstance(self.network, type):
            problems.append(
                f"`network` must be settings with a method `build(d_in)`, but is {type(self.network).__name__}."
            )
        if not isinstance(self.training, TrainingSettings):
            problems.append(f"`training` must be `TrainingSettings`, but is {type(self.training).__name__}.")
        problems += [
            f"`{name}` must be numbers, text or tuples of them, but is {kind}. Write it as a tuple."
            for name, kind in find_arrays(self.network, type(self.network).__name__)
        ]
        raise_together(problems, StudyError, "Settings")


def find_arrays(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield name and type of each array or tensor in settings: two settings with one can neither be equal nor not."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from find_arrays(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from find_arrays(item, f"{name}[{place}]")
    elif hasattr(value, "__array__") and to_plain(value) is value and not isinstance(value, type):
        yield name, f"{type(value).__module__}.{type(value).__name__}"
