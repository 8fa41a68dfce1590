"""Step 6, looked at in a browser: `dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.opening import open_study_search
from tuner.cli.options import RUNS, FolderOption, StorageOption, StudyArgument
from tuner.cli.printing import print_text


def dashboard(
    study: StudyArgument,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    host: Annotated[str, typer.Option(help="Address to serve at; 0.0.0.0 for every machine that reaches yours.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to serve at; 0 for a free one.")] = 8080,
) -> None:
    """[dim]6  [/]  Serve Optuna Dashboard on this study, artifacts included, until Ctrl-C. Safe while a sweep runs."""
    search = open_study_search(study, folder=folder, storage=storage)
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    from tuner.cli.serving import open_server
    from tuner.tune.storage import open_storage

    search.folder.artifacts.mkdir(parents=True, exist_ok=True)
    application = wsgi(
        open_storage(search.folder.journal, storage), FileSystemArtifactStore(str(search.folder.artifacts))
    )
    with open_server(application, host, port) as server:
        address = f"http://{host}:{server.server_port}/dashboard/studies/{search.optuna_study._study_id}"
        print_text(f"{search.study.name} is served at {address} until Ctrl-C.")
        server.serve_forever()
