"""The record of a study as a whole, which trackers keep: how it was asked, how the search went, what was judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.checked_files import read_json, warn_once
from tuner.errors import DamagedFileError
from tuner.evaluation.ballparks import tabulate_ballparks
from tuner.evaluation.record_figures import summarize_evaluation, tabulate_evaluation
from tuner.evaluation.results import Evaluation
from tuner.evaluation.verdicts import tabulate_verdicts
from tuner.events.part_sources import find_event_source
from tuner.markdown import escape_markdown
from tuner.passwords import hide_passwords
from tuner.preparation.kept_events import load_cut_flow
from tuner.problem import write_formula
from tuner.trackers.base import Artifact, StudyRecord
from tuner.tuning.best_so_far import follow_best
from tuner.tuning.parameter_importances import measure_parameter_importances
from tuner.tuning.provenance import describe_frame
from tuner.tuning.pruners import make_pruner
from tuner.tuning.samplers import describe_sampler, make_sampler
from tuner.tuning.search import PROVENANCE_ADVICE, Search
from tuner.tuning.status import read_status


def record_study(search: Search, evaluation: Evaluation | None, *, network: Path | None = None) -> StudyRecord:
    """Return what is known of a study: its search, and its evaluation where there is one.

    Report and figures are taken from the run folder where they are not older than the evaluation and the last trial.

    Args:
        search: The search.
        evaluation: None where there is none.
        network: What is handed on as ONNX, where it was exported.
    """
    provenance = read_provenance(search)
    importances = measure_parameter_importances(search)
    tables = {"trials": _tabulate_trials(search)}
    if importances:
        tables["parameter importances"] = pd.DataFrame(importances.items(), columns=["parameter", "importance"])
    if (flow := load_cut_flow(search.folder.events)) is not None:
        tables["selection"] = flow.frame()
    if search.study.problem.ballparks:
        tables["ballparks"] = tabulate_ballparks(search.study.problem, evaluation)
    if evaluation is not None:
        tables |= tabulate_evaluation(evaluation)
    return StudyRecord(
        study=search.study.name,
        folder=search.folder.path,
        config=_describe_study(search, evaluation, provenance),
        notes=_write_notes(search, evaluation, provenance),
        tags=("study", "searched" if evaluation is None else "evaluated"),
        summary=_summarize_search(search) | (summarize_evaluation(evaluation) if evaluation else {}),
        history=_trace_best(search),
        tables={name: table for name, table in tables.items() if len(table)},
        pictures={path.stem: path for path in _list_pictures(search, evaluation)},
        artifacts=tuple(_list_artifacts(search, evaluation, network)),
    )


def read_provenance(search: Search) -> dict[str, Any]:
    """Return what the sweeps wrote down of themselves; nothing, and a warning, where that is damaged."""
    try:
        return read_json(search.folder.provenance, advice=PROVENANCE_ADVICE)
    except DamagedFileError as error:
        warn_once(str(error))
        return {}


def find_last_call(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last call of the sweep; nothing where none was written down."""
    calls = provenance.get("calls")
    last = calls[-1] if isinstance(calls, list) and calls else {}
    return last if isinstance(last, Mapping) else {}


def _describe_study(search: Search, evaluation: Evaluation | None, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the frame of the problem, and all that the search and its judgement were set to."""
    study, problem = search.study, search.study.problem
    settings = study.evaluation if evaluation is None else evaluation.settings
    return {
        "study": study.name,
        "frame": describe_frame(problem)
        | {
            "events": hide_passwords(find_event_source(problem).describe()),
            "event_id": problem.event_id,
            "features": list(search.splits.preprocessing.features),
            "inputs": list(search.splits.preprocessing.inputs),
            "observers": list(problem.all_observers),
            "columns": {name: write_formula(formula) for name, formula in problem.columns.items()},
            "optimum": problem.optimum,
            "undefined": str(problem.undefined),
            "before": problem.before,
            "after": problem.after,
            "worse_error": problem.worse_error,
            "expected_signal": problem.yields[0],
            "expected_background": problem.yields[1],
            "ballparks": {ballpark.name: asdict(ballpark) for ballpark in problem.ballparks},
            "nuisances": [nuisance.name for nuisance in problem.nuisances],
        },
        "preparation": asdict(study.preparation),
        "budget": asdict(study.budget),
        "judgement": asdict(settings),
        "sampler": describe_sampler(make_sampler(study, study.seed)),
        "pruner": type(make_pruner(study)).__name__,
        "seed": study.seed,
        "split_seed": study.preparation.seed,
        "events_digest": search.splits.events_digest,
        "split_fingerprint": search.splits.fingerprint,
        "part_fingerprints": dict(search.splits.fingerprints),
        "search_id": search.search_id,
        "git_commit": find_last_call(provenance).get("git_commit"),
        "versions": provenance.get("versions"),
        "platform": provenance.get("platform"),
    }


def _write_notes(search: Search, evaluation: Evaluation | None, provenance: Mapping[str, Any]) -> str:
    """Return in Markdown what was asked, who has won, and how to do it again."""
    found = "There is no evaluation of what the search is now." if evaluation is None else tabulate_verdicts(evaluation)
    question = escape_markdown(search.study.problem.question)
    return "\n\n".join([f"**{question}**", found, *_tell_how_to_repeat(search, provenance)])


def _tell_how_to_repeat(search: Search, provenance: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paragraphs on how to resume and reproduce the search."""
    last = find_last_call(provenance)
    if command := last.get("command"):
        yield f"To resume or reproduce it:\n\n```\n{str(command).replace('```', '')}\n```"
    else:
        yield "To resume or reproduce it, call `tuner.sweep(study)` with the same study."
    commit = last.get("git_commit") or "none: it was in no git checkout"
    yield (
        f"Commit {commit}; seeds {search.study.seed} (search) and {search.study.preparation.seed} (split); events "
        f"sha256 {search.splits.events_digest}; split sha256 {search.splits.fingerprint}."
    )


def _summarize_search(search: Search) -> dict[str, Any]:
    """Return by name how many trials there are in each state, the best of them, and what they cost."""
    status = read_status(search)
    found: dict[str, Any] = {f"search/{state}": count for state, count in status.states.items()}
    found["search/epochs"] = status.trained_epochs
    if status.best_value is not None:
        figure = f"search/best {status.figure_of_merit} on validation"
        found |= {figure: status.best_value, "search/best trial": status.best_trial}
    if status.elapsed is not None:
        found["search/minutes"] = status.elapsed / 60
    return found


def _trace_best(search: Search) -> list[dict[str, float]]:
    """Return a row for each trial that finished, from the first complete one on: trials, minutes, best figure."""
    found = follow_best(search.trials, lambda trial: trial.value if trial.figure is None else trial.figure)
    return [
        {"trials": number, "minutes": seconds / 60, "best": best}
        for number, (seconds, best) in enumerate(zip(found.seconds, found.best, strict=True), 1)
        if math.isfinite(best)
    ]


def _tabulate_trials(search: Search) -> pd.DataFrame:
    """Return a row for each trial: how it went, then its parameters."""
    figure = search.study.problem.figure_of_merit.name
    return pd.DataFrame(
        {
            "number": trial.number,
            "state": trial.state,
            "best validation AUC": trial.value,
            **({} if figure == "AUC" else {figure: trial.figure}),
            "best epoch": trial.best_epoch,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            "network parameters": trial.n_parameters,
            "reason": trial.reason,
        }
        | {f"param: {name}": value for name, value in trial.params.items()}
        for trial in search.trials
    )


def _list_pictures(search: Search, evaluation: Evaluation | None) -> list[Path]:
    """Return the report's figures in the run folder that are of this state of the search."""
    return [path for path in sorted(search.folder.figures.glob("*.png")) if _is_recent(path, search, evaluation)]


def _is_recent(path: Path, search: Search, evaluation: Evaluation | None) -> bool:
    """Return whether a file is there, and not older than the evaluation and the last trial that was told."""
    if not path.exists():
        return False
    ends = [trial.finished.timestamp() for trial in search.trials if trial.finished]
    if evaluation is not None and search.folder.evaluation.exists():
        ends.append(search.folder.evaluation.stat().st_mtime)
    return path.stat().st_mtime >= max(ends, default=0.0)


def _list_artifacts(search: Search, evaluation: Evaluation | None, network: Path | None) -> Iterator[Artifact]:
    """Yield what the study made and was made from: events, splits, network, scores, report."""
    splits = search.splits
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    source = hide_passwords(find_event_source(search.study.problem).describe())
    n_events = sum(len(part.labels) for part in parts.values())
    yield Artifact(
        name="events",
        kind="dataset",
        metadata={"source": source, "sha256": splits.events_digest, "events": n_events},
    )
    yield Artifact(
        name="splits",
        kind="dataset",
        metadata={"sha256": splits.fingerprint, "seed": search.study.preparation.seed}
        | {name: len(part.labels) for name, part in parts.items()},
        made_from=("events",),
    )
    made = ["splits"]
    if network is not None and evaluation is not None:
        yield Artifact(
            name="network",
            kind="model",
            files=(network,),
            metadata=_describe_network(search, evaluation),
            aliases=("winner",),
            made_from=("splits",),
        )
        made.append("network")
    if evaluation is not None and evaluation.opening is not None and search.folder.scores.exists():
        metadata = {"part": "test", "opening": evaluation.opening}
        yield Artifact(
            name="scores", kind="dataset", files=(search.folder.scores,), metadata=metadata, made_from=tuple(made)
        )
        made = ["scores"]
    if _is_recent(search.folder.report, search, evaluation):
        yield Artifact(name="report", kind="report", files=(search.folder.report,), made_from=tuple(made))


def _describe_network(search: Search, evaluation: Evaluation) -> dict[str, Any]:
    """Return whose network it is, what it takes, and its figures on the last part that is open."""
    part, cut = evaluation.own_part, evaluation.handed_on_cut
    figures = {} if part is None else {f"{part.part}/{name}": m.value for name, m in part.measurements.items()}
    return {
        "networks": evaluation.handed_on.description,
        "features": list(search.splits.preprocessing.features),
        "cut": None if cut is None else cut.name,
        "threshold": None if cut is None else cut.threshold,
        **figures,
    }
