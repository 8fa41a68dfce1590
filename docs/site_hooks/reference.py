"""Pages of the reference, made of the code: what they say cannot drift from what it does."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import click
from typer.main import get_command

from tuner import run_folder
from tuner.cli.app import app
from tuner.cli.json_forms import FORMS
from tuner.evaluation.results import Evaluation
from tuner.events.checks.finding import CODES

STEP = re.compile(r"\[dim\](.*?)\[/\]\s*")
MARKUP = re.compile(r"\[/?[a-z ]*\]")


def list_commands() -> dict[str, click.Command]:
    """Return the commands by name, in the order of the workflow."""
    group = get_command(app)
    return {name: command for name, command in group.commands.items() if not command.hidden}  # type: ignore[attr-defined]


def write_commands() -> str:
    """Return the page of all commands with their arguments and options."""
    parts = [
        "# Command line",
        "One command for each step, in the order of the workflow. Options say where and how much, never "
        "hyperparameters: those are in the study's search space. How commands end is in [exit codes](exit_codes.md), "
        "what they print for a machine in [JSON output](json.md).",
    ]
    for name, command in list_commands().items():
        parts += _write_command(name, command)
    return "\n\n".join(parts) + "\n"


def _write_command(name: str, command: click.Command) -> Iterator[str]:
    step = STEP.match(command.help or "")
    context = click.Context(command, info_name=f"tuner {name}")
    yield f"## `tuner {name}`" + (f" {{ data-step='{step[1].strip()}' }}" if step else "")
    yield f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```"
    yield MARKUP.sub("", STEP.sub("", command.help or ""))
    rows = [_describe(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [row for row in rows if row[0] != "`--help`"]
    yield "\n".join(["| | | default |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def _describe(parameter: click.Parameter) -> tuple[str, str, str]:
    """Return how a parameter is written, what it means, and what holds without it."""
    metavar = parameter.metavar or ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{metavar}`"
    elif metavar:
        names += f" `{metavar}`"
    told = getattr(parameter, "show_default", None)
    value = parameter.default
    default = told if isinstance(told, str) else ""
    if not default and told is not False and isinstance(value, int | float | str) and not isinstance(value, bool):
        default = f"`{value}`"
    text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    return names.replace("|", "\\|"), text, default


def write_json() -> str:
    """Return the page of what commands print with `--json`."""
    parts = [
        "# JSON output",
        "With `--json` a command prints exactly one JSON object to standard output, and nothing else there. Progress, "
        "warnings and errors go to standard error; `--quiet` silences progress. Where a command fails it prints no "
        "JSON: look at its [exit code](exit_codes.md). Infinity and not-a-number, which JSON does not have, are "
        '`null`, in `evaluation.json` the texts `"Infinity"`, `"-Infinity"` and `"NaN"`. Fields may be added in '
        "later versions; those that are here keep their meaning.",
        "```sh\ntuner sweep studies/mine.py --json --quiet | jq .evaluation.figures.test.AUC\n```",
    ]
    for command, form in FORMS.items():
        parts += _write_form(command, form.__doc__ or "", form.model_json_schema())
    parts += [
        "## `tuner evaluate --json`",
        "The content of `evaluation.json`: every field of [`Evaluation`](python.md#tuner.evaluation.results.Evaluation)"
        ", of which these are the first to look at: `winner`, `opening`, `parts` (figures with intervals by candidate "
        "and part), `standings` (verdicts), `over_baseline` (the best baseline against what is handed on).",
        f"Fields: {', '.join(f'`{name}`' for name in inspect.get_annotations(Evaluation))}.",
    ]
    return "\n\n".join(parts) + "\n"


def _write_form(command: str, description: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## `tuner {command} --json`"
    if ": " in (first := description.split("\n", maxsplit=1)[0]):
        yield first.partition(": ")[2].capitalize()
    rows = [
        f"| `{name}` | {_name_type(field)} | {' '.join(field.get('description', '').split())} |"
        for name, field in schema["properties"].items()
    ]
    yield "\n".join(["| field | type | |", "|---|---|---|", *rows])
    yield f'??? note "JSON schema"\n\n    ```json\n{_indent(json.dumps(schema, indent=1))}\n    ```'


def _name_type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(map(_name_type, field["anyOf"]))
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2].removesuffix("Form").lower()
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array" and "items" in field:
        return f"list of {_name_type(field['items'])}"
    return str(field.get("type", "any"))


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def write_folder() -> str:
    """Return the page of what lies in a run folder: the properties of `RunFolder` with their docstrings."""
    tree = ast.parse(inspect.getsource(run_folder))
    (owner,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    rows = []
    for node in owner.body:
        if not (isinstance(node, ast.FunctionDef) and node.decorator_list and isinstance(node.body[-1], ast.Return)):
            continue
        name = ast.unparse(node.body[-1]).rpartition("/ ")[2].strip("'")
        if not name.startswith("."):
            rows.append(f"| `{name}` | {' '.join((ast.get_docstring(node) or '').split())} |")
    return "\n".join(
        [
            "# Run folder",
            "",
            "Everything that a sweep makes lies in `runs/<study>/`, and nothing is written elsewhere. Deleting the "
            "folder undoes the sweep. Files that later steps read carry checksums: one that a disk or a hand has "
            "changed is refused by name.",
            "",
            "| name | what it is |",
            "|---|---|",
            *sorted(rows),
            "",
        ]
    )


def write_codes() -> str:
    """Return the page of what checks of events may find."""
    rows = [f"| `{code}` | {told} |" for code, told in CODES.items()]
    intro = (
        "`tuner new`, `check`, `explore`, the start of a sweep and the report tell whether the events can be trusted; "
        "`predict` tells in what new events are unlike those of training. Each finding has a code. Errors stop a "
        'sweep; `Problem(accepted=("copies",))` lists what you have looked into.'
    )
    return "\n".join(["# Findings", "", intro, "", "| code | what it stands for |", "|---|---|", *rows, ""])
