"""What a command of tuner shows on a terminal, as a picture such as the README's.

    python -m docs.site_hooks.terminal_picture docs/terminal.png --after 20 -- sweep studies/tutorial.py --tracker none

`--after` takes the screen as it is after so many seconds, and ends the command; without it the command runs to its end.
Needs Chromium, which `TUNER_CHROMIUM` names, or Playwright's own. Run folders go into a folder that is thrown away.
"""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from terminal_screen import show  # noqa: E402


def main() -> None:
    """Run the command, and write its screen as PNG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--columns", type=int, default=90)
    parser.add_argument("--lines", type=int, default=60, help="the last lines that are shown, at most")
    parser.add_argument("--after", type=float, help="seconds")
    parser.add_argument("--folder", help="where run folders live, in place of a new one")
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*options.arguments, "--folder", options.folder or folder]
        written = record(arguments, columns=options.columns, seconds=options.after)
    lines = [line for line in show(written, options.columns, styled=True) if line.strip()]
    draw(" ".join(["tuner", *options.arguments]), lines[-options.lines :], options.columns, options.output)


def record(arguments: Sequence[str], *, columns: int, seconds: float | None) -> str:
    """Return all that `tuner ...` writes to a terminal until it ends, or until these seconds are over."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"COLUMNS": str(columns), "LINES": "60", "TERM": "xterm-256color"}
    written = bytearray()
    end = time.monotonic() + (seconds or float("inf"))
    with subprocess.Popen(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            while time.monotonic() < end:
                if select.select([ours], [], [], 0.1)[0]:
                    written += os.read(ours, 65536)
        except OSError:
            pass  # Linux ends a terminal without a writer so
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            while select.select([ours], [], [], 30)[0]:  # what it says while it ends is not shown, but must go out
                try:
                    os.read(ours, 65536)
                except OSError:
                    break
        os.close(ours)
    return written.decode(errors="ignore")


def draw(title: str, lines: Sequence[str], columns: int, output: Path) -> None:
    """Write lines with their colours as a picture of a terminal's window."""
    from playwright.sync_api import sync_playwright

    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    svg = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title, theme=MONOKAI), flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("TUNER_CHROMIUM") or None, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.set_content(f'<body style="margin:0"><div id="picture">{svg}</div></body>')
        page.locator("#picture svg").screenshot(path=output, omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
