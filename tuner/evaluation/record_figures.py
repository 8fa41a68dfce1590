"""Every figure of an evaluation by a name of its own, and as tables: what trackers show of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tuner.evaluation.results import BlendGain, Evaluation
from tuner.evaluation.statistics.comparison import Standing
from tuner.evaluation.statistics.metrics_table import PartEvaluation
from tuner.evaluation.statistics.nuisances import NuisanceEffects
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver
from tuner.evaluation.statistics.selection_bias import SelectionBias
from tuner.evaluation.statistics.systematics import Survival
from tuner.evaluation.statistics.template_comparison import TemplateComparison
from tuner.metrics.measurement import Measurement

_COUNTS = (
    "n_signal",
    "n_background",
    "effective_signal",
    "effective_background",
    "negative_fraction",
    "threshold",
    "selected_signal",
    "selected_background",
)
_OF_A_BASELINE = ("n_trials", "n_planned", "seconds")
_OF_A_WORKING_POINT = (
    "at",
    "threshold",
    "n_signal",
    "n_background",
    "effective_signal",
    "effective_background",
)
_OF_THE_FIGURES_CUT = ("threshold", "s", "b", "n_signal", "n_background", "effective_background")


def summarize_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Return all figures of an evaluation by name: `part/candidate/figure`, and `.../low`, `.../high` of its interval.

    Means over trainings are `part/candidate/mean of <figure>`; what belongs to no candidate stands under `selection`,
    `survival`, `nuisances`, `fit of the score`, `sculpting`, `importance`, `baselines`, `blend` and `ensemble` (the
    share of each network). `part/candidate/threshold` is the working point; `part/candidate/figure cut/threshold` the
    cut of a figure of merit that has one of its own; `handed on, cut/threshold` whichever of the two is handed on.
    """
    found: dict[str, Any] = {
        "winner": evaluation.winner,
        "winner seed": evaluation.seed,
        "handed on": evaluation.handed_on.name,
        "figure of merit": evaluation.figure_of_merit,
        "cheapest": evaluation.cheapest,
        "opening": evaluation.opening,
        "openings": evaluation.openings,
    }
    for part in evaluation.parts:
        found |= _summarize_part(part)
    for standing in evaluation.standings:
        found |= _summarize_standing(standing, evaluation.figure_of_merit)
    for standing in evaluation.by_auc:
        found |= _summarize_standing(standing, "AUC", "by AUC/")
    if evaluation.over_baseline is not None:
        figure, subject = evaluation.figure_of_merit, "against what is handed on/"
        found |= _summarize_standing(evaluation.over_baseline, figure, subject)
    found |= _summarize_choice(evaluation)
    for cost in evaluation.costs:
        found |= {f"cost/{cost.name}/{name}": value for name, value in vars(cost).items() if name != "name"}
    for predictor in evaluation.predictors:
        found |= {f"{predictor.name}/{network.name}": network.weight for network in predictor.networks}
    found["examined"] = evaluation.examined or None
    if evaluation.train_gap is not None:
        found |= evaluation.train_gap.spread("AUC on train minus AUC on the last part")
    for importance in evaluation.importances:
        found |= importance.drop.spread(f"importance/{importance.part}/{importance.feature}")
    for record in evaluation.baselines:
        found |= {f"baselines/{record.name}/{name}": value for name, value in record.params.items()}
        found |= {f"baselines/{record.name}/{name}": getattr(record, name) for name in _OF_A_BASELINE}
    found |= dict(_name_blend(evaluation.blend)) if evaluation.blend else {}
    found |= dict(_name_selection(evaluation.selection)) if evaluation.selection else {}
    found |= dict(_name_survival(evaluation.survival)) if evaluation.survival else {}
    found |= dict(_name_nuisances(evaluation.nuisances)) if evaluation.nuisances else {}
    found |= dict(_name_fits(evaluation.templates)) if evaluation.templates else {}
    for sculpted in evaluation.sculpting:
        found |= dict(_name_sculpted(sculpted))
    return {name: value for name, value in found.items() if value is not None}


def _summarize_choice(evaluation: Evaluation) -> dict[str, Any]:
    """Return why what is handed on is, and which cut is handed on with it."""
    found: dict[str, Any] = {}
    if (choice := evaluation.choice) is not None:
        found |= {"handed on, because": choice.reason, "handed on, but on test": evaluation.choice_on_test or None}
        for standing in choice.standings:
            found |= _summarize_standing(standing, choice.figure_of_merit, "to choose what is handed on/")
    if (cut := evaluation.handed_on_cut) is not None:
        found |= {"handed on, cut": cut.name, "handed on, cut/threshold": cut.threshold}
    return found


def _summarize_standing(standing: Standing, figure: str, subject: str = "") -> dict[str, Any]:
    """Return a candidate's mean, the winner's lead on it, and the verdict."""
    prefix = f"{standing.part}/{standing.candidate}/{subject}"
    found: dict[str, Any] = standing.figure.spread(f"{prefix}mean of {figure}")
    if standing.verdict != "winner":
        found |= standing.lead.spread(f"{prefix}lead of the winner")
    found[f"{prefix}the winner is"] = standing.verdict_on_winner
    return found | {f"{prefix}p": standing.p_value, f"{prefix}p after Holm": standing.p_holm}


def tabulate_evaluation(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Return the figures, the verdicts, each training of the finalists, and what importances there are, by name."""
    tables = {
        "figures": evaluation.to_frame(),
        "verdicts": pd.DataFrame(
            {"part": s.part, "candidate": s.candidate, "kind": s.kind, "trainings": len(s.singles)}
            | _list_ends(s.figure)
            | _list_ends(s.lead, "lead")
            | {"p": s.p_value, "p after Holm": s.p_holm, "the winner is": s.verdict_on_winner}
            | {"parameters": s.n_parameters}
            for s in evaluation.standings
        ),
        "finalists": pd.DataFrame(
            {"part": s.part, "candidate": s.candidate, "training": number, "value": value}
            for s in evaluation.standings
            if s.kind == "finalist"
            for number, value in enumerate(s.singles, 1)
        ),
        "permutation importances": pd.DataFrame(
            {"feature": i.feature, "part": i.part} | _list_ends(i.drop, "drop") for i in evaluation.importances
        ),
    }
    if evaluation.survival is not None:
        tables["survival"] = evaluation.survival.frame()
    if evaluation.nuisances is not None:
        tables["nuisances"] = evaluation.nuisances.frame()
    return tables


def _summarize_part(part: PartEvaluation) -> dict[str, Any]:
    prefix = f"{part.part}/{part.candidate}"
    found: dict[str, Any] = {f"{prefix}/{name}": getattr(part, name) for name in _COUNTS}
    if part.figure_cut is not None:
        found |= {f"{prefix}/figure cut/{name}": getattr(part.figure_cut, name) for name in _OF_THE_FIGURES_CUT}
    for name, measured in part.measurements.items():
        found |= measured.spread(f"{prefix}/{name}")
    for row in part.working_points:
        found |= row.efficiency.spread(f"{prefix}/{row.name}")
        found |= {f"{prefix}/{row.name}/{name}": getattr(row, name) for name in _OF_A_WORKING_POINT}
    return found


def _name_blend(blend: BlendGain) -> Iterator[tuple[str, Any]]:
    yield "blend/share of the trees", blend.share
    if (gain := blend.over_bag) is None:
        return
    yield from gain.figure.spread(f"blend/{gain.part}").items()
    yield from gain.difference.spread(f"blend/gain on the bag, {gain.part}").items()
    yield "blend/p", gain.p_value
    yield "blend/p after Holm", gain.p_holm


def _name_selection(selection: SelectionBias) -> Iterator[tuple[str, Any]]:
    yield "selection/complete trials", selection.n_trials
    yield "selection/best on validation", selection.best
    yield "selection/noise", selection.noise
    yield "selection/expected excess", selection.expected_excess
    for name, measured in (("trained anew", selection.retrained), ("on test", selection.test)):
        if measured is not None:
            yield from measured.spread(f"selection/{name}").items()


def _name_survival(survival: Survival) -> Iterator[tuple[str, Any]]:
    yield "survival/verdict", survival.verdict
    yield "survival/replicas", survival.n_replicas
    yield "survival/s", survival.s
    yield "survival/b", survival.b
    yield from survival.d_auc.spread("survival/difference in AUC").items()
    yield from _name_ends("survival/difference in AUC", survival.d_auc_95)
    for row, p_value in zip(survival.rows, survival.p_values[1:], strict=True):
        prefix = f"survival/background known to {100 * row.relative_systematic:g} %"
        yield from row.z_winner.spread(f"{prefix}/z of the winner").items()
        yield from row.z_baseline.spread(f"{prefix}/z of the baseline").items()
        yield from row.d_z.spread(f"{prefix}/difference in z").items()
        yield from _name_ends(f"{prefix}/difference in z", row.d_z_95)
        yield f"{prefix}/p after Holm", p_value


def _name_nuisances(nuisances: NuisanceEffects) -> Iterator[tuple[str, Any]]:
    yield "nuisances/nominal", nuisances.nominal
    yield "nuisances/total up", nuisances.total_up
    yield "nuisances/total down", nuisances.total_down
    for effect in nuisances.effects:
        for direction, shift in (("up", effect.up), ("down", effect.down)):
            for name in ("figure", "d_figure", "signal", "background"):
                yield f"nuisances/{effect.name}/{direction}/{name}", getattr(shift, name)


def _name_fits(comparison: TemplateComparison) -> Iterator[tuple[str, Any]]:
    yield "fit of the score/verdict", comparison.verdict
    for fit in comparison.fits:
        prefix = f"fit of the score/{fit.candidate}"
        yield from fit.significance.spread(f"{prefix}/significance").items()
        yield f"{prefix}/significance of exact templates", fit.of_exact_templates
        yield f"{prefix}/p", fit.p_value
        yield f"{prefix}/limit", fit.limit
    if comparison.difference is not None:
        yield from comparison.difference.spread("fit of the score/difference in significance").items()
        yield "fit of the score/p", comparison.p_value


def _name_sculpted(sculpted: SculptedObserver) -> Iterator[tuple[str, Any]]:
    prefix = f"sculpting/{sculpted.part}/{sculpted.observer}"
    yield from sculpted.divergence.spread(f"{prefix}/divergence").items()
    yield from sculpted.chance.spread(f"{prefix}/by chance").items()
    yield f"{prefix}/p", sculpted.p_value
    yield f"{prefix}/divergence of the baseline", sculpted.baseline
    yield f"{prefix}/peak", sculpted.peak
    if sculpted.signal is not None:
        yield from sculpted.signal.spread(f"{prefix}/median of the signal").items()


def _name_ends(name: str, sure: Measurement) -> Iterator[tuple[str, float]]:
    """Yield the ends of the 95 % interval that a verdict rests on."""
    yield f"{name}/low of 95 %", sure.low
    yield f"{name}/high of 95 %", sure.high


def _list_ends(measured: Measurement, name: str = "value") -> dict[str, float]:
    prefix = "" if name == "value" else f"{name} "
    ends = {name: measured.value, f"{prefix}low": measured.low, f"{prefix}high": measured.high}
    return {name: end + 0.0 for name, end in ends.items()}  # never -0.0, the winner's lead on itself
