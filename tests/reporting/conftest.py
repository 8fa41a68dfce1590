from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from tuner.evaluation.hand_on_choice import HandOnChoice
from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import Standing, find_baseline
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.selection_bias import SelectionBias
from tuner.metrics.measurement import Measurement
from tuner.models import MLPSettings
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.problem import Problem
from tuner.reporting.page import Code, Facts, Highlight, Notice, Page, Picture, Section, Table, Text, render_page
from tuner.run_folder import RunFolder
from tuner.training.settings import Settings, TrainingSettings
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.study import Budget, Study
from tuner.tuning.trial_attributes import BEST_EPOCH, EPOCHS, FAILURE, FIGURE, N_PARAMETERS, REASON

if TYPE_CHECKING:
    pass

HOSTILE = '<b onclick="alert(1)">&amp;</b><script>document.title="taken"</script>'
LONG = "a-name-without-any-place-to-break-it-" * 8


def make_png(width: float, height: float) -> bytes:
    figure, buffer = Figure(figsize=(width, height), dpi=200), BytesIO()
    figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, 1], [0, 1])
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def draw_png() -> Callable[[float, float], bytes]:
    """A function that draws a figure of a width and a height in inches as PNG."""
    return make_png


def make_page() -> Page:
    """A page with every kind of part, hostile and long texts among them."""
    wide = Table(
        caption=f"Wide {HOSTILE}",
        head=[f"column {n}" for n in range(20)] + [HOSTILE],
        rows=[[f"{n}.{m}" for m in range(20)] + [HOSTILE] for n in range(3)],
        marked=0,
    )
    folded = Table(caption="Folded", head=("Name", "Value"), rows=[(LONG, "1")], folded=True)
    return Page(
        study=f"study {HOSTILE}",
        question=f"Which {HOSTILE} are {LONG}?",
        answer=[f"It is {HOSTILE}.", LONG],
        notices=[HOSTILE],
        highlights=[Highlight("0.9338", "AUC on test", "68 %: 0.93 to 0.94"), Highlight("64", HOSTILE)],
        sections=[
            Section(
                number="0", name="Frame", title=HOSTILE, blocks=[Text(LONG), Notice(HOSTILE), Facts([(HOSTILE, LONG)])]
            ),
            Section(number="7", name="Evaluate", title="Tables", blocks=[wide, folded, Code(LONG * 3)]),
            Section(
                number="",
                name="Reproduce",
                title="Pictures",
                blocks=[
                    Picture(png=make_png(12, 3), title=HOSTILE, alt=HOSTILE),
                    Picture(png=make_png(4, 3), title="b", alt="c"),
                ],
            ),
        ],
        made=datetime(2026, 11, 22, 19, 30, tzinfo=UTC),
        maker="signal-tuner 0.1.0",
    )


@pytest.fixture(scope="session")
def sample_page() -> Page:
    return make_page()


@pytest.fixture(scope="session")
def hostile_page(sample_page: Page, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(sample_page), encoding="utf-8")
    return path


@pytest.fixture
def make_search(tmp_path: Path) -> Callable[..., Search]:
    """A function that makes a search with a real journal: trials of each state, the later the better."""
    made = itertools.count()

    def make(*, complete: int = 0, pruned: int = 0, failed: int = 0, params: dict[str, Any] | None = None) -> Search:
        problem = Problem(question="Which are showers?", events="events.csv", label="class", signal="g")
        settings = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
        budget = Budget(trials=5, epochs=4)
        study = Study(name="s", problem=problem, search_space=suggest, budget=budget, evaluation=settings)
        search = Search(study, RunFolder(tmp_path / f"{next(made)}").create())
        trials = optuna.create_study(study_name="s", direction="maximize", storage=open_storage(search.folder.journal))
        states = [TrialState.COMPLETE] * complete + [TrialState.PRUNED] * pruned + [TrialState.FAIL] * failed
        for number, state in enumerate(states):
            trials.add_trial(make_trial(number, state, params))
            write_curve(search, number)
        return search

    return make


def make_trial(number: int, state: TrialState, params: dict[str, Any] | None) -> optuna.trial.FrozenTrial:
    figure = 0.91 + 0.005 * number
    complete, failed = state == TrialState.COMPLETE, state == TrialState.FAIL
    return optuna.trial.create_trial(
        state=state,
        value=None if failed else figure,
        params=params or {"lr": 1e-4 * (number + 1), "depth": 2, "dropout": 0.1, "width": 64},
        distributions=DISTRIBUTIONS,
        intermediate_values={} if failed else {1: figure - 0.02, 2: figure},
        user_attrs={EPOCHS: 3, N_PARAMETERS: 54017}
        | ({FIGURE: figure, BEST_EPOCH: 2} if complete else {})
        | ({REASON: "the loss is not a number <b>", FAILURE: "not a number"} if failed else {}),
    )


def write_curve(search: Search, number: int) -> None:
    search.curve_path(number).parent.mkdir(exist_ok=True)
    rows = [f"{epoch},{0.6 / epoch},{0.7 / epoch},{0.9 + 0.01 * epoch},0.001" for epoch in (1, 2, 3)]
    search.curve_path(number).write_text(
        "\n".join(["epoch,train_loss,validation_loss,validation_auc,lr", *rows]), encoding="utf-8"
    )


DISTRIBUTIONS = {
    "lr": FloatDistribution(1e-5, 1e-2, log=True),
    "depth": IntDistribution(1, 4),
    "dropout": FloatDistribution(0.0, 0.5),
    "width": CategoricalDistribution([64, 128]),
}


def suggest(trial: optuna.Trial) -> Settings:
    depth, width = trial.suggest_int("depth", 1, 4), trial.suggest_categorical("width", [64, 128])
    lr = trial.suggest_float("lr", 1e-5, 1e-2, log=True)
    network = MLPSettings(widths=(width,) * depth, dropout=trial.suggest_float("dropout", 0.0, 0.5))
    return Settings(network=network, training=TrainingSettings(lr=lr))


def make_standing(candidate: str, verdict: Any, difference: Measurement, *, part: str = "test") -> Standing:
    """How a candidate stands: trials are trained twice, all others once."""
    kind: Any = "finalist" if candidate.startswith("trial") else "ensemble" if candidate == "ensemble" else "baseline"
    value = 0.93384 + difference.value
    return Standing(
        candidate=candidate,
        kind=kind,
        part=part,
        figure=Measurement(value, value - 0.0026, value + 0.0026),
        singles=(value - 0.001, value + 0.001) if kind == "finalist" else (value,),
        difference=difference,
        p_value=0.004 if verdict in ("better", "worse") else 0.4,
        p_holm=0.012 if verdict in ("better", "worse") else 0.8,
        verdict=verdict,
        n_parameters={"trial 2": 54017, "trial 0": 12001}.get(candidate),
    )


def make_standings(**verdicts: str) -> tuple[Standing, ...]:
    """Standings on validation and on test: trial 2 won, the ensemble, trial 0 and the trees are as `verdicts` says.

    trees, trial, ensemble: "better", "worse" or "not distinguishable".
    """
    sizes = {"better": 0.0041, "not distinguishable": -0.0012, "worse": -0.0143}
    rivals = [
        ("boosted trees", verdicts.get("trees", "worse")),
        ("trial 0", verdicts.get("trial", "not distinguishable")),
        ("ensemble", verdicts.get("ensemble", "not distinguishable")),
    ]
    made = [
        make_standing(name, verdict, Measurement(size := sizes[verdict], size - 0.0011, size + 0.0011), part=part)
        for part in ("validation", "test")
        for name, verdict in rivals
    ]
    won = [make_standing("trial 2", "winner", Measurement(0.0, 0.0, 0.0), part=part) for part in ("validation", "test")]
    return tuple(sorted([*won, *made], key=lambda standing: -standing.figure.value))


@pytest.fixture
def evaluation() -> Evaluation:
    """Trial 2 has won against boosted trees; the network's figures on validation and test."""
    common: dict[str, Any] = {
        "candidate": "single network",
        "n_signal": 2466,
        "n_background": 1338,
        "effective_signal": 2466.0,
        "effective_background": 1338.0,
        "negative_fraction": 0.0,
        "threshold": 0.61,
        "threshold_rule": "largest eps_S - eps_B on validation",
        "selected_signal": 2099,
        "selected_background": 191,
    }
    cut = {"sensitivity": Measurement(0.851, 0.846, 0.856), "specificity": Measurement(0.857, 0.851, 0.863)}
    share = {"share of the optimum": Measurement(0.982, 0.978, 0.986)}
    validation = {"AUC": Measurement(0.93712, 0.9346, 0.9395), **cut, **share}
    test = {"AUC": Measurement(0.93384, 0.93121, 0.93643), **cut, **share}
    return Evaluation(
        study="s",
        winner=2,
        seed=1,
        settings=EvaluationSettings(bag=None, refit=False, finalists=2, seeds=2, replicas=20),
        rests_on={"events": "ab" * 32},
        standings=make_standings(),
        over_baseline=find_baseline([s for s in make_standings() if s.part == "test"]),
        cheapest="trial 0",
        selection=SelectionBias(
            n_trials=3,
            best=0.9401,
            noise=0.0012,
            expected_excess=0.0018,
            retrained=Measurement(0.9371, 0.9345, 0.9396),
            test=Measurement(0.93384, 0.93121, 0.93643),
        ),
        figure_of_merit="AUC",
        opening=1,
        openings=1,
        events_digest="ab" * 32,
        predictors=(Predictor("single network", (TrainedNetwork(2, "seed", 1),)),),
        choice=HandOnChoice(candidate="single network", reason="the study asks for it"),
        parts=(
            PartEvaluation(part="validation", measurements=validation, **common),
            PartEvaluation(part="test", measurements=test, **common),
        ),
    )


@pytest.fixture
def judge(evaluation: Evaluation) -> Callable[..., Evaluation]:
    """A function that returns the evaluation with other verdicts, as `make_standings` takes them."""

    def judge(**verdicts: str) -> Evaluation:
        standings = make_standings(**verdicts)
        over_baseline = find_baseline([s for s in standings if s.part == "test"])
        return replace(evaluation, standings=standings, over_baseline=over_baseline)

    return judge
