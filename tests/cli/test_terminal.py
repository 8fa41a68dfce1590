"""A sweep on a terminal of 80 columns: panels that are drawn in place, warnings above them, results below."""

from __future__ import annotations

import re

import pytest
from terminal_screen import show

COLUMNS = 80
ROOM = 3
"""Columns to the right of a panel, where a terminal writes `^C`."""


@pytest.fixture(scope="module")
def written(shared_workplace) -> str:
    """All that a sweep wrote to a terminal, in which one setting of the small study fails."""
    study = shared_workplace.folder / "small.py"
    fails = (
        'def suggest(trial):\n    if trial.number == 1:\n        raise ValueError("no such luck")\n'
        "    if trial.number == 2:\n        __import__('time').sleep(4)\n"  # long enough to be seen
    )
    text = study.read_text().replace("def suggest(trial):\n", fails).replace("trials=6, epochs=3", "trials=3, epochs=2")
    study.write_text(text.replace("baseline_trials=0", "baseline_trials=1"))
    code, written = shared_workplace.run_in_terminal(
        "sweep", "small.py", "--workers", "2", "--tracker", "none", columns=COLUMNS
    )
    assert code == 0, written
    return written


@pytest.fixture(scope="module")
def screen(written) -> list[str]:
    return show(written, COLUMNS)


def test_in_the_end_each_panel_stands_there_once_and_whole(screen) -> None:
    tops = [number for number, line in enumerate(screen) if line.startswith("╭")]
    ends = [number for number, line in enumerate(screen) if line.startswith("╰")]
    assert [re.sub("[╭╮─]", "", screen[top]).strip() for top in tops] == ["small", "small: evaluation"]
    for top, end in zip(tops, ends, strict=True):
        assert {len(line) for line in screen[top : end + 1]} == {COLUMNS - ROOM}
        assert all(line[0] + line[-1] == "││" for line in screen[top + 1 : end])
    search, evaluation = (" ".join(screen[top:end]) for top, end in zip(tops, ends, strict=True))
    assert "3 of 3 trials" in search
    assert "1 failed" in search
    assert re.search(r"best complete trial: \d  AUC 0\.\d+", search)
    assert re.search("✓  finalists trained anew · 1 training · .*✓  baselines · .*✓  report", evaluation)


def test_the_failed_trial_is_told_once_above_the_panel(screen) -> None:
    (told,) = (number for number, line in enumerate(screen) if line.startswith("Trial 1 failed: ValueError: no such"))
    assert told < next(number for number, line in enumerate(screen) if line.startswith("╭"))


def test_while_it_ran_the_panel_showed_running_trials_and_what_is_left(written) -> None:
    said = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written)
    assert "training now: trial, epoch, best validation AUC so far" in said
    assert "then evaluation, under a minute" in " ".join(said.split()) or "about 1 min" in said
    assert re.search("●  ", said)
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h")


def test_results_follow_and_fit(screen) -> None:
    end = max(number for number, line in enumerate(screen) if line.startswith("╰"))
    results = screen[end + 1 :]
    assert max(map(len, results)) <= COLUMNS
    assert [line for line in results if line.startswith("Report: runs/small/report.html")]
    assert any(line.startswith("boosted trees") for line in results)
