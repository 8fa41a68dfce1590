"""Step 8 on the page, and how to do it all again: what lies in the run folder for others to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tuner.checked_files import read_json
from tuner.report.page import Block, Code, Facts, Notice, Section, Text
from tuner.report.writing import write_count
from tuner.run_folder import RunFolder
from tuner.tune.search import PROVENANCE_ADVICE


def write_reproduction(folder: RunFolder) -> Section:
    """Return what one needs to do it again, from `provenance.json`."""
    record: dict[str, Any] = read_json(folder.provenance, advice=PROVENANCE_ADVICE)
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
    calls = read_json(folder.provenance, advice=PROVENANCE_ADVICE).get("calls", [])
    words = str(calls[-1].get("command")).split() if calls else []
    study = next((word for word in words if word.endswith(".py")), "STUDY")
    place = next((f" {a} {b}" for a, b in pairwise(words) if a == "--folder"), "")
    return study + place
