"""What the judgement found: figures with intervals, by candidate and part; and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from tuner.errors import SearchError
from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.hand_on_choice import HandOnChoice
from tuner.evaluation.shortening import Shortening
from tuner.evaluation.statistics.comparison import Standing
from tuner.evaluation.statistics.importance import Importance
from tuner.evaluation.statistics.metrics_table import WORKING_POINT, HandedOnCut, PartEvaluation
from tuner.evaluation.statistics.nuisances import NuisanceEffects
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver
from tuner.evaluation.statistics.selection_bias import SelectionBias
from tuner.evaluation.statistics.systematics import Survival
from tuner.evaluation.statistics.template_comparison import TemplateComparison
from tuner.metrics.measurement import Measurement
from tuner.prediction.cost import PredictorCost
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.tuning.evaluation_settings import EvaluationSettings

if TYPE_CHECKING:
    import pandas as pd

    from tuner.prediction.classifier import SignalClassifier


@dataclass(frozen=True, kw_only=True)
class BlendGain:
    """What boosted trees have to add to the bag of networks."""

    trees: str
    """Who grew them: "boosted trees" (scikit-learn), "LightGBM", ..."""
    share: float
    """Weight of their logit in the blend, in [0, 1]; the networks' has the rest."""
    over_bag: Standing | None = None
    """The blend against the bag, on test where it was opened, else out of fold; None where the share is 0 or 1, and the
    blend is one of its two bags."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """The judgement of a search."""

    study: str
    winner: int
    """Number of the winning trial: its setting has the best mean over trainings, on validation (`choose_winner`)."""
    seed: int
    """Number of the seed of the single network: the winner's best training on validation."""
    figure_of_merit: str
    """Name of the figure that chose the winner, on validation."""
    opening: int | None
    """Number of the opening of the test part that these figures come from; None while it is closed."""
    openings: int
    """How often the test part was opened until then."""
    events_digest: str
    """Hash of the events that were judged."""
    part_fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Hash of which events are in each part, by its name; empty where an older version judged."""
    settings: EvaluationSettings
    """How many finalists, seeds, baselines."""
    shortening: Shortening | None = None
    """What was wanted where there was no time for it; None where `settings` are what was wanted."""
    rests_on: Mapping[str, str]
    """What the judgement rests on, by name: settings, rules, and hashes of the complete trials and of the events."""
    predictors: tuple[Predictor, ...]
    """Networks that `tuner predict` can use; the first of them is what is handed on."""
    choice: HandOnChoice | None = None
    """Why the first of them is handed on; None where that is not known."""
    choice_on_test: str = ""
    """Where test says otherwise of it than what chose it: both, in a sentence. Empty where it does not."""
    handed_on_cut: HandedOnCut | None = None
    """The frozen cut of what is handed on: the figure of merit's where it has one, else the working point. Of this cut
    are `nuisances` and `sculpting`, too. None where it is not known."""
    cuts: Mapping[str, HandedOnCut] = field(default_factory=dict)
    """The frozen cut of each of `predictors` by its name, chosen on events that it was not trained on, as
    `handed_on_cut` is; of the refit on scores of networks of the same configuration. Empty where an older version
    judged."""
    costs: tuple[PredictorCost, ...] = ()
    """Size and speed of each of them."""
    parts: tuple[PartEvaluation, ...]
    """The single network, means of networks and the baselines, each on the parts that it did not train on."""
    standings: tuple[Standing, ...] = ()
    """Each finalist's mean over trainings, ensemble and baselines against the winner: on validation, on test."""
    by_auc: tuple[Standing, ...] = ()
    """The same by AUC on the last part that is open; none where AUC is the declared figure."""
    over_baseline: Standing | None = None
    """The best baseline, which validation chose, against what is handed on, paired, on the last part that is open; None
    without a baseline, and where what is handed on was trained on that part."""
    cheapest: str = ""
    """The finalist with the fewest parameters among those that cannot be told from the winner on validation."""
    baselines: tuple[BaselineRecord, ...] = ()
    """How each baseline came about, and what that took."""
    blend: BlendGain | None = None
    """What a blend with boosted trees gains; None without a bag of networks or of trees."""
    examined: str = ""
    """The candidate that gap to train, importances, survival, nuisances and sculpting are of, on the last part that is
    open: what is handed on; the single network where that was trained on the part. Empty where it is not known."""
    selection: SelectionBias | None = None
    """How much of the best validation figure is luck."""
    train_gap: Measurement | None = None
    """AUC on the training part minus that on the last part that is open: what is gained on events trained on."""
    importances: tuple[Importance, ...] = ()
    """Permutation importance of each feature, on the last part that is open."""

    survival: Survival | None = None
    """Whether the gain of `examined` on the best baseline survives a cut and the background's uncertainty; None without
    baselines."""
    nuisances: NuisanceEffects | None = None
    """What the problem's nuisances do to `examined` at its frozen cut; None where it names none."""
    templates: TemplateComparison | None = None
    """What `examined` and the best baseline expect of a fit of their scores on test, with all declared systematics.
    None without declared yields, without pyhf, with too few events, or while test is closed: validation chose them."""
    sculpting: tuple[SculptedObserver, ...] = ()
    """What `examined` at its frozen cut does to each observer in background, most sculpted first; not the optimum."""
    search: Annotated[Any, Field(exclude=True)] = field(default=None, compare=False)
    """The search that was judged; None where the judgement was read from JSON alone."""

    @property
    def network(self) -> SignalClassifier:
        """What is handed on as a fitted classifier of scikit-learn. Raise `SearchError` without a search."""
        from tuner.prediction.classifier import open_classifier

        if self.search is None:
            raise SearchError(
                "The networks of a judgement are in the run folder of its search, but this one was read from JSON "
                "alone. Take it from `tuner.evaluate(search)`."
            )
        return open_classifier(self.search, candidate=self.handed_on.name)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process gets: figures alone, as a search whose study is in no file stays here."""
        return {name: value for name, value in vars(self).items() if name != "search"}

    def __repr__(self) -> str:
        """Return the verdict and what was judged, in two lines."""
        from tuner.evaluation.evaluation_card import describe_evaluation

        return describe_evaluation(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from tuner.evaluation.evaluation_card import write_evaluation_card

        return write_evaluation_card(self)

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy table of every figure: candidate, part, figure, value, low and high (68 %)."""
        import pandas as pd

        rows = [
            (part.candidate, part.part, name, measured.value, measured.low, measured.high)
            for part in self.parts
            for name, measured in part.measurements.items()
        ]
        return pd.DataFrame(rows, columns=["candidate", "part", "figure", "value", "low", "high"])

    @property
    def wanted(self) -> EvaluationSettings:
        """How many finalists, seeds, baselines there were to be, had there been time."""
        return self.settings if self.shortening is None else self.shortening.wanted

    @property
    def sculpted(self) -> tuple[SculptedObserver, ...]:
        """The observers that the frozen cut sculpts in background beyond chance, the most sculpted first."""
        return tuple(observer for observer in self.sculpting if observer.beyond_chance)

    @property
    def handed_on(self) -> Predictor:
        """What `tuner predict` and `tuner export` use, by the name of its candidate."""
        return self.predictors[0]

    @property
    def cut_name(self) -> str:
        """What the cut that is handed on is called: "AMS cut", or "cut of the working point"."""
        return WORKING_POINT if self.handed_on_cut is None else self.handed_on_cut.name

    @property
    def ensemble(self) -> tuple[TrainedNetwork, ...]:
        """Networks of the ensemble and their shares; none where there is no ensemble."""
        return next((predictor.networks for predictor in self.predictors if predictor.name == "ensemble"), ())

    def part(self, name: str, candidate: str | None = None) -> PartEvaluation | None:
        """Return the figures on a part of a candidate (None: of what is handed on); None where there are none."""
        wanted = candidate or self.handed_on.name
        return next((p for p in self.parts if p.part == name and p.candidate == wanted), None)

    @property
    def own_parts(self) -> tuple[PartEvaluation, ...]:
        """The figures of what is handed on, part by part."""
        return tuple(part for part in self.parts if part.candidate == self.handed_on.name)

    @property
    def own_part(self) -> PartEvaluation | None:
        """The figures of what is handed on: on test where it was opened, else on events that it did not train on."""
        return self.own_parts[-1] if self.own_parts else None

    @property
    def last_part(self) -> str:
        """The part that the judgement is read from: "test" where it was opened, else "validation"."""
        return "validation" if self.opening is None else "test"

    def standings_on(self, part: str) -> tuple[Standing, ...]:
        """Return the standings on a part, best first."""
        return tuple(standing for standing in self.standings if standing.part == part)

    def to_json(self) -> str:
        """Return all figures as JSON, which `from_json` reads back exactly.

        What JSON has no number for is the text "Infinity", "-Infinity" or "NaN".
        """
        return to_json(self, indent=2, inf_nan_mode="strings", exclude={"search"}).decode() + "\n"

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Return the evaluation that `to_json` told. Raise `ValueError` for what is none."""
        return _adapt().validate_json(text)


@cache
def _adapt() -> TypeAdapter[Evaluation]:
    return TypeAdapter(Evaluation)


def describe_mismatch(error: ValueError) -> str:
    """Return in a few words why a text is no evaluation."""
    if not isinstance(error, ValidationError):
        return f"cannot be read: {error}"
    first, *others = error.errors(include_url=False, include_input=False)
    place = ".".join(map(str, first["loc"]))
    more = f", and {len(others)} more" if others else ""
    return f"is not: {f'{place}: ' if place else ''}{first['msg']}{more}"
