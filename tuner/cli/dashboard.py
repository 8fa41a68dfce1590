"""Step 6, looked at in a browser: `dashboard`."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from typing import Annotated

import typer

from tuner.cli.loading import open_study_search
from tuner.cli.options import RUNS, FolderOption, StorageOption, StudyArgument
from tuner.cli.output import print_text


def dashboard(
    study: StudyArgument,
    *,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    host: Annotated[
        str, typer.Option(help="Address to serve at: ::1 for IPv6, 0.0.0.0 for every machine that reaches yours.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to serve at. Default: 8080, or a free one.", show_default=False),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser where there is one.", show_default=False)
    ] = True,
) -> None:
    """[dim]6  [/]  Serve Optuna Dashboard on this study, pictures included, until Ctrl-C. Safe while a sweep runs."""
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.cli.dashboard_app import make_dashboard
    from tuner.cli.server import has_browser, is_loopback, name_address, open_browser, open_server

    optuna_study = search.optuna_study
    warnings.filterwarnings("ignore", category=UserWarning, module="optuna")  # of importances with few trials
    with open_server(make_dashboard(optuna_study._storage, search.folder.artifacts), host, port) as server:
        address = f"{name_address(server, host)}/dashboard/studies/{optuna_study._study_id}"
        print_text(f"{search.study.name} is served at {address} until Ctrl-C.")
        if not is_loopback(server):
            print_text("Whoever reaches this address can change and delete the study; there is no password.")
        if browser and has_browser(os.environ):
            open_browser(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
