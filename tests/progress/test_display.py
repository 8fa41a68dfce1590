"""A terminal gets a panel that is redrawn, a log file gets a line for each event."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tuner.progress.display import NoDisplay, open_display
from tuner.progress.live import LiveDisplay
from tuner.progress.plain import PlainDisplay
from tuner.progress.snapshot import EndedTrial, Status
from tuner.progress.stages import Stage

BEGUN = Status(study="resonance", budget_trials=64, states={"running": 2}, workers=2, elapsed=3.0)
ONE = replace(
    BEGUN,
    states={"complete": 1, "running": 1},
    best_trial=0,
    best_value=0.93214,
    best_low=0.9298,
    best_high=0.9345,
    ended=(EndedTrial(number=0, state="complete", value=0.93214, reason="All 30 epochs."),),
)
TWO = replace(
    ONE,
    states={"complete": 1, "pruned": 1, "failed": 1},
    ended=(
        *ONE.ended,
        EndedTrial(number=1, state="pruned", value=0.81, reason="Pruned after epoch 3."),
        EndedTrial(number=2, state="failed", reason="ValueError: no"),
    ),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def write_lines(*steps: tuple[float, Status | Stage]) -> list[str]:
    text, clock = io.StringIO(), Clock()
    with PlainDisplay(Console(file=text, width=40), clock) as display:
        for time, step in steps:
            clock.now = time
            display.update(step) if isinstance(step, Status) else display.advance(step)
    return text.getvalue().splitlines()


def test_a_line_for_each_event() -> None:
    lines = write_lines((0.0, BEGUN), (1.0, BEGUN), (2.0, ONE), (3.0, ONE), (4.0, TWO))
    assert lines == [
        "resonance: 0 of 64 trials (2 running) in 3 s",
        "Trial 0 complete, AUC 0.9321: All 30 epochs.",
        "Best complete trial: 0, AUC 0.9321 ± 0.0024 on validation. 1 of 64 trials (1 complete, 1 running) in 3 s",
        "Trial 1 pruned, best validation AUC 0.8100: Pruned after epoch 3.",
        "Trial 2 failed: ValueError: no",
        "resonance: 2 of 64 trials (1 complete, 1 pruned, 1 failed) in 3 s",
    ]


def test_where_nothing_happens_a_line_comes_every_30_seconds() -> None:
    steps = [(float(second), replace(BEGUN, elapsed=float(second))) for second in range(100)]
    assert [line.rpartition(" in ")[2] for line in write_lines(*steps)] == [
        "0 s",
        "30 s",
        "1 min 0 s",
        "1 min 30 s",
        "1 min 39 s",
    ]


def test_what_ended_before_this_call_is_not_told_again() -> None:
    assert write_lines((0.0, TWO)) == ["resonance: 2 of 64 trials (1 complete, 1 pruned, 1 failed) in 3 s"]


def test_a_failure_that_was_warned_of_is_not_told_again() -> None:
    text = io.StringIO()
    with PlainDisplay(Console(file=text)) as display:
        display.update(BEGUN)
        logging.getLogger("tuner").warning("Trial %d failed: %s", 2, "ValueError: no")
        display.update(TWO)
    assert text.getvalue().count("Trial 2 failed: ValueError: no\n") == 1


def test_stages_are_told_when_they_begin_and_as_they_advance() -> None:
    training = Stage(name="finalists", text="Training 2 finalists anew, 2 seeds each", total=4)
    fitting = Stage(name="baselines", text="Fitting baselines", total=41, noun="setting")
    lines = write_lines(
        (0.0, training),
        (60.0, replace(training, done=1)),
        (61.0, replace(training, done=1)),
        (240.0, replace(training, done=4)),
        (241.0, fitting),
        (242.0, replace(fitting, done=1)),
        (300.0, replace(fitting, done=30)),
        (301.0, replace(fitting, done=41)),
        (302.0, Stage(name="test", text="Opening the test part")),
    )
    assert lines == [
        "Training 2 finalists anew, 2 seeds each",
        "1 of 4 trainings, about 3 min left",
        "4 of 4 trainings",
        "Fitting baselines",
        "30 of 41 settings, under a minute left",
        "41 of 41 settings",
        "Opening the test part",
    ]


def test_a_line_is_never_folded() -> None:
    assert max(map(len, write_lines((0.0, BEGUN), (1.0, ONE)))) > 80


@pytest.mark.parametrize(("terminal", "ci", "live"), [(True, "", True), (True, "true", False), (False, "", False)])
def test_choice_of_the_display(monkeypatch: pytest.MonkeyPatch, terminal: bool, ci: str, live: bool) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert isinstance(open_display(console), LiveDisplay if live else PlainDisplay)
    assert isinstance(open_display(console, live=not live), PlainDisplay if live else LiveDisplay)


PROGRAM = """
import logging, time, warnings
from tuner.progress import Status, open_display
from tuner.progress.stages import Stage
with open_display() as display, display:
    display.update(Status(study='s', budget_trials=4, states={'complete': 1, 'running': 1}))
    logging.getLogger('tuner').warning('a worker ended')
    time.sleep(0.7)
    display.update(Status(study='s', budget_trials=4, states={'complete': 3, 'running': 1}))
with open_display() as display:
    display.plan('s', ['finalists', 'report'])
    display.advance(Stage(name='finalists', text='Training', done=1, total=3))
    time.sleep(0.7)
    logging.getLogger('optuna').warning('a setting is odd')
    display.advance(Stage(name='report', text='Writing'))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
def test_live_display_leaves_a_terminal_as_it_was(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    screen = run_in_terminal([sys.executable, str(program)])
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert screen.count(hidden) == screen.count(shown) == 2
    assert screen.index(hidden) < screen.index("1 of 4 trials") < screen.index("3 of 4 trials") < screen.index(shown)
    assert screen.count("a worker ended") == 1
    assert screen.count("a setting is odd") == 1
    assert screen.index("1 of 3 trainings") < screen.rindex("✓")


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


def test_without_a_display_a_stage_is_noted_once_however_often_it_is_told(caplog):
    display = NoDisplay()
    with caplog.at_level(logging.INFO, logger="tuner"):
        for done in (0, 0, 0, 1):
            display.advance(Stage(name="bag", text="Training", done=done, total=2))
        display.advance(Stage(name="test", text="Opening"))
    assert [record.message for record in caplog.records] == ["Training", "Opening"]
