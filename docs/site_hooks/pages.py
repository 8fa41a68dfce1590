"""Pages of the site that are made of the code: commands, JSON, the run folder, the executed tutorial."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from docs.site_hooks.notebooks import find_notebooks, render_notebooks  # noqa: E402
from docs.site_hooks.reference import write_codes, write_commands, write_folder, write_json  # noqa: E402

EXECUTE = "DOCS_NOTEBOOKS"
"""Environment variable: 0 shows the notebooks without running them, as where their events are not there."""

logger = logging.getLogger("mkdocs.hooks.pages")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of the code."""
    pages = {
        "reference/cli.md": write_commands(),
        "reference/json.md": write_json(),
        "reference/run_folder.md": write_folder(),
        "reference/findings.md": write_codes(),
    }
    notebooks = render_notebooks(find_notebooks(ROOT / "docs/tutorial"), execute=_can_execute())
    pages |= {f"tutorial/{name}.md": page for name, page in notebooks.items()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def _can_execute() -> bool:
    """Return whether the notebooks are to run, for which MAGIC's events must be on this machine."""
    from studies.magic import study

    if os.environ.get(EXECUTE) == "0":
        return False
    if not study.problem.events.find_files():
        logger.info("The tutorial is shown without output: TUNER_DATA names no folder with magic04.data.")
        return False
    return True
