"""The command `tuner`: its commands in the order of the workflow, and one way to tell an error."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tuner.cli import comparing, dashboard, data, deploy, evaluate, maintenance, submit, sweep, templates
from tuner.errors import TunerError
from tuner.launchers.signals import INTERRUPTED_CODE, REQUEUE_CODE, Preempted, leave_at_once, take_signals

_HELP = """Tune, track and judge networks that tell signal from background.

The workflow: frame a question in a study file, look at the events, sweep a search space, evaluate the winner, use it.
A study is one Python file; everything that a sweep makes is kept in runs/<study>/.

[bold]tuner new events.parquet[/]       writes studies/events.py
[bold]tuner check studies/events.py[/]  finds every mistake before anything is trained
[bold]tuner sweep studies/events.py[/]  tunes, evaluates, reports; resumes after Ctrl-C
"""

FRAME = "Steps 0 to 2: frame the problem, get the events, look at them"
TUNE = "Steps 3 to 6: prepare, define, train, tune"
JUDGE = "Step 7: evaluate"
USE = "Step 8: use the winner"
KEEP = "At any time: repair a search, repeat a trial, take a search further"


class WorkflowGroup(TyperGroup):
    """Commands in the order they were added; a `TunerError` becomes one message and exit code 2, never a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` wherever it was typed."""
        before, dashes, after = _split_at_dashes(args)
        if "--debug" in before:
            before = ["--debug", *(a for a in before if a != "--debug")]
        return super().parse_args(ctx, before + dashes + after)

    def invoke(self, ctx: Any) -> Any:
        """Run the command and tell what goes wrong."""
        try:
            return super().invoke(ctx)
        except TunerError as error:
            if ctx.params.get("debug"):
                raise
            tell_error(error)
            raise typer.Exit(2) from None
        except Preempted:
            print(f"Interrupted: rerun the same command to resume. Exit code {REQUEUE_CODE}.", file=sys.stderr)
            raise typer.Exit(REQUEUE_CODE) from None
        except KeyboardInterrupt:
            if ctx.params.get("debug"):
                raise
            print("Interrupted.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED_CODE) from None


def tell_error(error: TunerError) -> None:
    """Write an error to standard error: the message, red where that shows."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Error: ", "bold red"), (str(error), "red")))


def _split_at_dashes(args: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return arguments before, at and after a `--`: what follows it is no option."""
    if "--" not in args:
        return args, [], []
    index = args.index("--")
    return args[:index], ["--"], args[index + 1 :]


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"tuner {version('signal-tuner')}")
        raise typer.Exit


def _join_lines(command: Callable[..., None]) -> str:
    """Return a command's docstring with each paragraph on one line, so that it fills a terminal of any width."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


def _requeue_on_signal(command: Callable[..., None]) -> Callable[..., None]:
    """Let a batch system's signal end a command that resumes, wherever it is, with the code on which a job requeues."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        with take_signals(leave_at_once):
            command(*args, **options)

    return run


app = typer.Typer(
    cls=WorkflowGroup,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take options that stand before any command; they act in `WorkflowGroup` and `_tell_version`."""


for panel, commands in (
    (FRAME, (data.new, data.check, data.explore)),
    (TUNE, (sweep.sweep, sweep.work, submit.submit, sweep.status, dashboard.dashboard)),
    (JUDGE, (evaluate.evaluate, evaluate.report, comparing.compare, templates.templates)),
    (USE, (deploy.predict, deploy.export, deploy.sync)),
    (KEEP, (maintenance.doctor, maintenance.replay, maintenance.fork)),
):
    for command in commands:
        resumes = command in (sweep.sweep, sweep.work, evaluate.evaluate)
        run = _requeue_on_signal(command) if resumes else command
        app.command(rich_help_panel=panel, help=_join_lines(command))(run)
