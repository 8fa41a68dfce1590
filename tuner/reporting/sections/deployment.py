"""Step 8 on the page, and how to do it all again: what lies in the run folder for others to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from tuner.checked_files import read_json
from tuner.evaluation.results import Evaluation
from tuner.prediction.networks import SINGLE_NETWORK
from tuner.progress.wording import write_count
from tuner.reporting.formatting import stack, stack_interval
from tuner.reporting.page import Block, Code, Facts, Notice, Section, Table, Text
from tuner.reporting.summary import describe_handed_on, tell_cuts
from tuner.run_folder import RunFolder
from tuner.tuning.commands import has_address, name_command, open_in_python, quote_path
from tuner.tuning.search import PROVENANCE_ADVICE, Search
from tuner.tuning.storage import STORAGE_VARIABLE


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
    commands = list(dict.fromkeys(str(call["command"]) for call in calls if call.get("command")))
    blocks: list[Block] = [Code("\n".join(commands)) if commands else Text(FROM_A_SESSION), Facts(facts)]
    if str(last.get("git_commit")).endswith("+changes"):
        blocks.append(
            Notice("The checkout had changes that were not committed: the commit alone does not bring it back.")
        )
    return Section(number="", name="Reproduce", title="How to do it again", blocks=blocks)


FROM_A_SESSION = "It was called in a Python session: `tuner.sweep(study)` with the same study does it again."


def write_hand_off(search: Search, evaluation: Evaluation | None = None) -> Section:
    """Return step 8: what is handed on and what it costs, what lies in the run folder, how to use it."""
    folder, database = search.folder, search.folder.mlflow.absolute() / "mlflow.db"
    kept = {
        "evaluation.json": (folder.evaluation, "every figure of merit, with intervals"),
        "scores.parquet": (folder.scores, "scores of the test part"),
        "winner.onnx": (folder.network, "the network handed on, with its preparation inside"),
        "network.onnx": (folder.path / "network.onnx", "what `tuner export` wrote, with its preparation inside"),
        "bag_scores.parquet": (
            folder.bag_out_of_fold,
            "scores of train and validation, each by the network of the bag that did not train on the event",
        ),
        "cut_scores.parquet": (folder.cut_scores, "scores of the events that its cuts were chosen on"),
        "figures/": (folder.figures, "every figure as PNG and PDF"),
        "checkpoints/": (folder.checkpoints, "best-epoch parameters of the best trials"),
        "curves/": (folder.curves, "epochs of each trial, as CSV"),
        "wandb/": (folder.wandb, "a W&B run per trial; `tuner sync` with the study's file sends offline ones"),
        "tracking/": (folder.tracking, "numbers of each trial as JSON lines: `pandas.read_json(path, lines=True)`"),
        "tensorboard/": (
            folder.tensorboard,
            f"TensorBoard's events: `tensorboard --logdir {quote_path(folder.tensorboard)}`",
        ),
        "mlflow/": (
            folder.mlflow,
            f"MLflow's runs: `mlflow ui --backend-store-uri {quote(f'sqlite:///{database}')}`",
        ),
        "journal.log": (folder.journal, "every trial, for Optuna and Optuna Dashboard"),
    }
    facts = [(name, what) for name, (path, what) in kept.items() if path.exists()]
    blocks: list[Block] = [] if evaluation is None else _write_costs(search, evaluation)
    blocks += [Text(f"All of it lies in {folder.path}, and nothing elsewhere."), Facts(facts)]
    if search.best_trial is not None:
        blocks += _name_uses(search)
    return Section(number="8", name="Predict", title="What is handed on", blocks=blocks)


def _write_costs(search: Search, evaluation: Evaluation) -> list[Block]:
    """Return what is handed on and why, and what each candidate that may be handed on costs; nothing for none."""
    if not evaluation.costs or evaluation.choice is None:
        return []
    choice, last, names = evaluation.choice, evaluation.last_part, [cost.name for cost in evaluation.costs]
    head = ("Candidate", f"{evaluation.figure_of_merit} on {last}", "Size", "One event", "10,000 events")
    rows = []
    for cost in evaluation.costs:
        part = evaluation.part(last, cost.name)
        rows.append(
            (
                stack(cost.name, write_count(cost.n_networks, "network")),
                stack_interval(None if part is None else part.measurements.get(evaluation.figure_of_merit)),
                stack(f"{cost.n_bytes / 1e3:,.0f} kB", write_count(cost.n_parameters, "parameter")),
                _write_milliseconds(cost.seconds_one),
                _write_milliseconds(cost.seconds_many),
            )
        )
    marked = names.index(choice.candidate) if choice.candidate in names else None
    another = name_command(search, "predict", "new_events.parquet", "--candidate", "single")
    how = f" `{another}` uses the single network instead." if another and choice.candidate != SINGLE_NETWORK else ""
    return [
        Text(f"Handed on is {describe_handed_on(evaluation)}. {choice.reason}.{how}"),
        *([Text(evaluation.choice_on_test)] if evaluation.choice_on_test else []),
        *([Text(cuts)] if (cuts := tell_cuts(evaluation)) else []),
        Table(caption="What may be handed on, and what it costs", head=head, rows=rows, marked=marked),
        Text(COSTS),
    ]


COSTS = "Size: files of parameters. Times: this machine's CPU time for prepared events, in PyTorch."


def _write_milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _name_uses(search: Search) -> list[Block]:
    """Return how to use the winner: commands, or what a program says where no file holds the study."""
    commands = [
        name_command(search, *words)
        for words in (("predict", "new_events.parquet"), ("export",), ("dashboard",), ("sync",))
        if words[0] != "sync" or search.folder.wandb.exists()
    ]
    if all(commands):
        blocks: list[Block] = [Code("\n".join(filter(None, commands)))]
    else:
        calls = (
            open_in_python(search),
            'scores = tuner.predict(search, "new_events.parquet")',
            'network = tuner.export(search, "network.onnx")',
        )
        blocks = [Text("No file of its own holds the study. In the program that does:"), Code("\n".join(calls))]
    if has_address(search):
        blocks.append(
            Text(f"The environment variable {STORAGE_VARIABLE} stands for the address of the trials' database.")
        )
    return blocks
