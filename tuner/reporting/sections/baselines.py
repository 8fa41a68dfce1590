"""What step 7 says of baselines: how each came about and what that took; and what a blend with the trees gains."""

from __future__ import annotations

from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.results import Evaluation
from tuner.progress.wording import write_count, write_duration
from tuner.reporting.formatting import DASH, stack, write_value
from tuner.reporting.page import Block, Table, Text

EXPLANATION = (
    "Each kind is fitted on train with each setting. The one with the best {figure} on validation is chosen and "
    "refitted on train and validation, with as many more trees as there are more events. The defaults are "
    "scikit-learn's, fitted on train and validation. A bag has trees for each fold of the networks' bag. The best "
    "baseline is the one whose settings did best on validation, scored by fits that did not see these events; where "
    "these settings were refitted, the refitted row is the best baseline on test."
)


def write_baselines(evaluation: Evaluation) -> list[Block]:
    """Return how each baseline came about, what a person should know of them, and what the blend gains."""
    if not evaluation.baselines:
        return []
    notes = dict.fromkeys(
        f"{record.name[:1].upper()}{record.name[1:]}: {note}"
        for record in evaluation.baselines
        for note in record.notes
    )
    table = Table(
        caption="How the baselines came about",
        head=("Baseline", "Fitted on", "Settings tried", "Time", "Chosen"),
        rows=[_write_row(record) for record in evaluation.baselines],
    )
    figure = next((record.chosen_by for record in evaluation.baselines if record.chosen_by), "figure of merit")
    return [table, Text(EXPLANATION.format(figure=figure)), *map(Text, notes), *_write_blend(evaluation)]


def _write_row(record: BaselineRecord) -> tuple[str, ...]:
    """Return a baseline's row; what was fitted anew tells the number of its trees alone."""
    planned = f"of {record.n_planned}" if record.n_planned > record.n_trials else ""
    tried = stack(str(record.n_trials), planned) if record.n_planned else DASH
    trees = write_count(int(record.params["n_trees"]), "tree") if "n_trees" in record.params else ""
    settings = [
        f"{name.replace('_', ' ')} {write_value(value)}"
        for name, value in record.params.items()
        if record.n_planned and name != "n_trees"
    ]
    return (
        record.name,
        record.fitted_on,
        tried,
        write_duration(record.seconds),
        stack(trees, ", ".join(settings)) if trees else ", ".join(settings) or DASH,
    )


def _write_blend(evaluation: Evaluation) -> list[Block]:
    """Return what a blend with boosted trees gains on the bag of networks; nothing where there is none."""
    if (blend := evaluation.blend) is None:
        return []
    told = (
        f"The blend is the weighted mean of the logits of two bags on the same folds: networks, and {blend.trees} with "
        f"a share of {write_value(blend.share)}, which is fitted out of fold."
    )
    if (gain := blend.over_bag) is None:
        same, other = ("networks", blend.trees) if blend.share == 0 else (blend.trees, "networks")
        return [Text(f"{told} So it is the bag of {same}: {other} add nothing to it.")]
    told += f" {evaluation.figure_of_merit} on {gain.part}: {gain.difference.signed} compared with the bag of networks"
    verdicts = {
        "better": ", which is better.",
        "worse": ", which is worse.",
        "not distinguishable": ", which cannot be told from it.",
    }
    how = "" if evaluation.handed_on.name == "blend" else ' `hand_on="blend"` in the study\'s settings hands it on.'
    return [Text(f"{told}{verdicts[gain.verdict]}{how if gain.verdict == 'better' else ''}")]
