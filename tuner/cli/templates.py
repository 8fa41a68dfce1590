"""Step 7, for the fit that comes next: `templates`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.loading import open_study_search
from tuner.cli.options import RUNS, FolderOption, JsonOption, OutputOption, StorageOption, StudyArgument
from tuner.cli.output import print_json, print_text
from tuner.run_folder import check_output


def templates(
    study: StudyArgument,
    *,
    signal: Annotated[
        float | None,
        typer.Option("--signal", metavar="S", help="Signal events expected.", show_default="the problem's"),
    ] = None,
    background: Annotated[
        float | None,
        typer.Option("--background", metavar="B", help="Background events expected.", show_default="the problem's"),
    ] = None,
    bins: Annotated[int, typer.Option("--bins", metavar="N", min=1, help="Bins of the score at the most.")] = 10,
    min_background: Annotated[
        float,
        typer.Option(
            "--min-background", metavar="N", min=1, help="Effective background events that each bin must hold."
        ),
    ] = 50.0,
    output: OutputOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]7  [/]  Write the histograms of the score as a pyhf workspace; fit it with all declared systematics.

    Of what is handed on, and of the best baseline beside it: whether the gain survives. Bins are chosen on out-of-fold
    or validation scores. Statistical errors, the problem's nuisances and the declared uncertainty of the background are
    in the workspace. Never opens the test part: uses the scores that `tuner evaluate` kept. While it is closed,
    templates are of validation, which chose bins, network and baseline, and there is no verdict.
    """
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.evaluation.statistics.template_comparison import describe_bins
    from tuner.evaluation.templates import ENDINGS, make_templates

    path = output or search.folder.path / "templates.json"
    check_output(path, ENDINGS, folder=search.folder)
    made = make_templates(search, s=signal, b=background, n_bins=bins, least_background=min_background)
    paths = made.save(path)
    if as_json:
        print_json(made.to_json() | {"files": [str(each) for each in paths]})
        return
    comparison = made.comparison
    print_text(comparison.sentence())
    print_text(f"{describe_bins(comparison)}. {describe_systematics(comparison.systematics)}")
    for each in paths:
        print_text(f"Wrote {each}")


def describe_systematics(systematics: tuple[str, ...]) -> str:
    """Return what the fit profiles, in a sentence."""
    if not systematics:
        return "Systematics: none are declared; the fit profiles the templates' statistical error alone."
    return f"Systematics: {', '.join(('statistical error of the templates', *systematics))}."
