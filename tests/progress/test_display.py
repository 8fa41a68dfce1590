"""A terminal gets a panel that is redrawn, a log file gets lines; both say the same of the search."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tuner.progress.display import open_display
from tuner.progress.live import LiveDisplay, render_status
from tuner.progress.plain import PlainDisplay
from tuner.progress.snapshot import Status

BEGUN = Status(study="resonance", budget_trials=64, states={"running": 2}, training=(0, 1), workers=2, elapsed=3.0)
HALFWAY = Status(
    study="resonance",
    question="Which pairs come from the resonance?",
    budget_trials=64,
    states={"complete": 12, "pruned": 19, "running": 16, "failed": 1},
    best_value=0.93214,
    best_trial=23,
    best_params={"mlp.width": 256, "lr": 0.00213, "mlp.activation": "silu"},
    history=(0.9, 0.91, 0.93, 0.93214),
    training=tuple(range(31, 47)),
    trained_epochs=611,
    elapsed=192.3,
    rate=9.66,
    seconds_left=205.0,
    workers=2,
)
SPENT = replace(
    HALFWAY, states={"complete": 30, "pruned": 34}, training=(), seconds_left=0.0, winner_test={"AUC": 0.93612}
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def draw(status: Status, *, since: float = 0.0, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_status(status, since=since))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def write_lines(*steps: tuple[float, Status]) -> list[str]:
    text, clock = io.StringIO(), Clock()
    with PlainDisplay(Console(file=text, width=40), clock) as display:
        for time, status in steps:
            clock.now = time
            display.update(status)
    return text.getvalue().splitlines()


def test_panel_tells_what_one_wants_to_know() -> None:
    text = draw(HALFWAY)
    for words in (
        "resonance",
        "Which pairs come from the resonance?",
        "31/64 trials",
        "9.7 trials/min",
        "about 3 min left",
        "12 complete",
        "19 pruned",
        "16 running",
        "1 failed",
        "0.9321",
        "trial 23",
        "lr 0.00213",
        "mlp.activation silu",
        "611 epochs",
        "31, 32, 33, 34, 35, 36 and 10 more",
        "3 min 12 s",
        "2 workers",
    ):
        assert words in text


def test_clock_goes_on_between_two_updates() -> None:
    text = draw(HALFWAY, since=60.0)
    assert "4 min 12 s" in text
    assert "about 2 min left" in text
    assert "6 min 40 s" in draw(replace(SPENT, elapsed=400.0), since=60.0)


def test_panel_of_a_spent_budget_shows_the_test_part() -> None:
    text = draw(SPENT)
    assert "budget spent" in text
    assert " left" not in text
    assert "winner on the test part" in text
    assert "AUC 0.9361" in text


def test_panel_names_trials_whose_worker_died() -> None:
    assert "33, 34" in draw(replace(HALFWAY, stale_leases=(33, 34)))


@pytest.mark.parametrize("status", [BEGUN, HALFWAY, SPENT])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_panel_fits_the_terminal(status: Status, width: int) -> None:
    assert {len(line) for line in draw(status, width=width).splitlines()} == {width}


def test_lines_come_when_the_best_improves_and_every_ten_seconds() -> None:
    better = replace(HALFWAY, best_value=0.94, best_trial=40)
    trained = replace(better, trained_epochs=700)
    lines = write_lines(
        (0.0, BEGUN), (1.0, BEGUN), (2.0, HALFWAY), (3.0, HALFWAY), (4.0, better), (13.0, trained), (14.5, trained)
    )
    assert [("best" in line, "0.9400" in line) for line in lines] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]


def test_no_line_where_nothing_changed() -> None:
    assert len(write_lines((0.0, HALFWAY), (60.0, HALFWAY), (120.0, HALFWAY))) == 1


def test_last_status_is_always_written() -> None:
    lines = write_lines((0.0, HALFWAY), (1.0, SPENT))
    assert len(lines) == 2
    assert lines[1].startswith("resonance, 3 min 12 s: 64/64 trials (30 complete, 34 pruned)")


def test_a_line_is_never_folded() -> None:
    (line,) = write_lines((0.0, HALFWAY))
    assert len(line) > 100


@pytest.mark.parametrize(("terminal", "ci", "live"), [(True, "", True), (True, "true", False), (False, "", False)])
def test_choice_of_the_display(monkeypatch: pytest.MonkeyPatch, terminal: bool, ci: str, live: bool) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert isinstance(open_display(console), LiveDisplay if live else PlainDisplay)
    assert isinstance(open_display(console, live=not live), PlainDisplay if live else LiveDisplay)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
def test_live_display_leaves_a_terminal_as_it_was(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import time\n"
        "from tuner.progress import Status, open_display\n"
        "with open_display() as display:\n"
        "    display.update(Status(study='s', budget_trials=4, states={'complete': 1, 'running': 1}))\n"
        "    display.tell('a worker ended')\n"
        "    time.sleep(0.7)\n"
        "    display.update(Status(study='s', budget_trials=4, states={'complete': 3, 'running': 1}))\n"
    )
    screen = run_in_terminal([sys.executable, str(program)])
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert screen.count(hidden) == screen.count(shown) == 1
    assert screen.index(hidden) < screen.index("1/4 trials") < screen.index("3/4 trials") < screen.index(shown)
    assert "a worker ended" in screen


def run_in_terminal(command: list[str]) -> str:
    """Run a command in a pseudo-terminal and return all that it wrote."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"}
    environment.pop("CI", None)
    written = bytearray()

    def read() -> None:
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                return
            if not chunk:
                return
            written.extend(chunk)

    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        assert process.wait(30) == 0
        reader.join(10)
    os.close(ours)
    return written.decode()
