"""Steps 7 and 8 on the page: how good the winner is, how to do it again, what is handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.report.answering import SHARE, SHARE_FORMULA
from tuner.report.page import Block, Code, Facts, Notice, Picture, Section, Table, Text
from tuner.report.writing import DASH, write_count, write_measurement, write_number
from tuner.run_folder import RunFolder, read_json


def write_evaluation(evaluation: Evaluation, pictures: Sequence[Picture], *, weighted: bool = False) -> Section:
    """Return step 7: every measurement on validation and on test, and how often the test part was opened.

    weighted: whether the problem has event weights.
    """
    parts = evaluation.parts
    names = dict.fromkeys(name for part in parts for name in part.measurements)
    head = ["Figure", *(cell for part in parts for cell in (_name_part(part), "68 % interval"))]
    rows = [(name, *(cell for part in parts for cell in _write_cells(part, name))) for name in names]
    events = [
        (
            _name_part(part),
            *(f"{n:,}" for n in (part.n_signal, part.selected_signal, part.n_background, part.selected_background)),
            f"{part.effective_signal:,.0f}",
            f"{part.effective_background:,.0f}",
        )
        for part in parts
    ]
    events_head = ("Part", "Signal", "above cut", "Background", "above cut", "Effective signal", "Effective background")
    cut = [
        ("Cut", f"score ≥ {part.threshold:.4g}: {part.threshold_rule}") for part in parts if part.part == "validation"
    ]
    if any(SHARE in part.measurements for part in parts):
        cut.append(("Share of the optimum", SHARE_FORMULA))
    return Section(
        number="7",
        name="Evaluate",
        title="How good the winner is",
        blocks=[
            Table(caption=f"Figures of merit{', with event weights' if weighted else ''}", head=head, rows=rows),
            *_write_figure_cut(evaluation),
            Table(caption="Events they rest on, counted", head=events_head, rows=events),
            Facts([*cut, ("Intervals", "68 %, from a weighted bootstrap over the events; not over trainings")]),
            *pictures,
            _tell_openings(evaluation),
        ],
    )


def _write_figure_cut(evaluation: Evaluation) -> list[Block]:
    """Return the cut of the declared figure of merit with what lies above it; nothing where it is not one of a cut."""
    cuts = [(part, part.figure_cut) for part in evaluation.parts if part.figure_cut is not None]
    if not cuts:
        return []
    head = ("Part", "Cut", "s", "b", "Signal, counted", "Background, counted", "Background, effective")
    rows = [
        (
            _name_part(part),
            f"{cut.threshold:.4g}",
            write_number(cut.s),
            write_number(cut.b),
            f"{cut.n_signal:,}",
            f"{cut.n_background:,}",
            f"{cut.effective_background:,.0f}",
        )
        for part, cut in cuts
    ]
    name = evaluation.figure_of_merit
    estimators = ", on ".join(f"{_name_part(part)} it is the value {cut.estimator}" for part, cut in cuts)
    return [
        Table(caption=f"Above the cut of {name}; s and b rescaled to what is expected", head=head, rows=rows),
        Text(f"How {name} is estimated: on {estimators}."),
    ]


def _tell_openings(evaluation: Evaluation) -> Block:
    """Return how often the test part was opened."""
    if evaluation.opening is None:
        return Text("The test part is still closed.")
    if evaluation.openings == 1:
        return Text("The test part has been opened once, for this.")
    return Notice(
        f"These figures are from opening {evaluation.opening} of the test part, which has been opened "
        f"{evaluation.openings} times: the more often one looks, the less they are those of unseen events."
    )


def write_reproduction(folder: RunFolder) -> Section:
    """Return what one needs to do it again, from `provenance.json`."""
    record: dict[str, Any] = read_json(folder.provenance)
    if not record:
        missing = Notice("There is no provenance.json in the run folder: this search cannot be traced.")
        return Section(number="", name="Reproduce", title="How to do it again", blocks=[missing])
    calls: Sequence[Mapping[str, Any]] = record.get("calls", [])
    last = calls[-1] if calls else {}
    facts = [
        ("Commit", str(last.get("git_commit") or "not in a git checkout")),
        ("Seed", f"{record.get('seed')} (search), {record.get('split_seed')} (split)"),
        ("Events", f"sha256 {record.get('events_digest')}"),
        ("Device", f"{last.get('device')}, {write_count(int(last.get('workers', 1)), 'worker')}"),
        ("Platform", str(record.get("platform"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())),
    ]
    blocks: list[Block] = [Code("\n".join(dict.fromkeys(str(call.get("command")) for call in calls))), Facts(facts)]
    if str(last.get("git_commit")).endswith("+changes"):
        blocks.append(
            Notice("The checkout had changes that were not committed: the commit alone does not bring it back.")
        )
    return Section(number="", name="Reproduce", title="How to do it again", blocks=blocks)


def write_hand_off(folder: RunFolder, *, has_winner: bool) -> Section:
    """Return step 8: what lies in the run folder for others to use, and how to use it."""
    kept = {
        "evaluation.json": (folder.evaluation, "every figure of merit, with intervals"),
        "scores.parquet": (folder.scores, "scores of the test part"),
        "network.onnx": (folder.path / "network.onnx", "the winner with its preparation inside"),
        "figures/": (folder.figures, "every figure as PNG and PDF"),
        "checkpoints/": (folder.checkpoints, "best-epoch parameters of the best trials"),
        "curves/": (folder.curves, "epochs of each trial, as CSV"),
        "wandb/": (folder.wandb, "a W&B run per trial; `tuner sync` sends offline ones"),
        "journal.log": (folder.journal, "every trial, for Optuna and Optuna Dashboard"),
    }
    facts = [(name, what) for name, (path, what) in kept.items() if path.exists()]
    blocks: list[Block] = [Text(f"All of it lies in {folder.path}, and nothing elsewhere."), Facts(facts)]
    if has_winner:
        study = _find_study_file(folder)
        blocks.append(Code(f"tuner predict {study} new_events.parquet\ntuner export {study}\ntuner dashboard {study}"))
    return Section(number="8", name="Predict", title="What is handed on", blocks=blocks)


def _find_study_file(folder: RunFolder) -> str:
    """Return the study file and the run folder's option as the last call named them; STUDY where none did."""
    calls = read_json(folder.provenance).get("calls", [])
    words = str(calls[-1].get("command")).split() if calls else []
    study = next((word for word in words if word.endswith(".py")), "STUDY")
    place = next((f" {a} {b}" for a, b in pairwise(words) if a == "--folder"), "")
    return study + place


def _name_part(part: PartEvaluation) -> str:
    return part.part if part.candidate == "winner" else f"{part.candidate}, {part.part}"


def _write_cells(part: PartEvaluation, name: str) -> tuple[str, str]:
    measured = part.measurements.get(name)
    return write_measurement(measured) if measured else (DASH, DASH)
