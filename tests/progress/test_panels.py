"""Panels hold all that they are given, at any width: no number is parted or cut, and what is left out is said."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from tuner.progress.live import LiveDisplay
from tuner.progress.panels import render_stages, render_status, say_trials
from tuner.progress.snapshot import DeviceUse, EndedTrial, GpuUse, RunningTrial, Status
from tuner.progress.stages import Stage, StageClock

WIDTHS = (40, 60, 80, 120, 200)
BEGUN = Status(study="resonance", budget_trials=64, states={"running": 2}, workers=2, elapsed=3.0)
HALFWAY = Status(
    study="resonance",
    question="Which pairs come from the resonance?",
    budget_trials=64,
    budget_epochs=30,
    states={"complete": 12, "pruned": 19, "running": 16, "failed": 1},
    best_value=0.93214,
    best_low=0.9298,
    best_high=0.9345,
    best_trial=23,
    best_params={"mlp.width": 256, "lr": 0.00213, "mlp.activation": "silu", "embedding.frequencies": 48},
    history=(0.9, 0.91, 0.93, 0.93214),
    running=tuple(RunningTrial(number=n, epoch=n - 30, values=(0.7, 0.8, 0.9 + n / 10_000)) for n in range(31, 47)),
    ended=(EndedTrial(number=7, state="failed", reason="The loss is not a number after epoch 3."),),
    trained_epochs=6110,
    elapsed=192.3,
    rate=9.66,
    seconds_left=205.0,
    evaluation_seconds=140.0,
    workers=2,
    devices=DeviceUse(cores=1.93, n_cores=2, gpus=(GpuUse(index=0, utilisation=0.87, used=12.3, total=79.6),)),
)
SPENT = replace(
    HALFWAY,
    states={"complete": 30, "pruned": 34},
    running=(),
    seconds_left=0.0,
    winner=23,
    handed_on="bag of 8 networks",
    handed_on_test={"AUC": 0.93612},
)


def draw(panel: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(panel)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def read_words(panel: RenderableType, width: int = 80) -> str:
    """Return what a panel says as one line, without its frame."""
    return " ".join(re.sub(r"[│╭╮╰╯─━╸╺▁▂▃▄▅▆▇█]", " ", draw(panel, width)).split())


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_that_is_known_of_a_search_is_shown(width: int) -> None:
    said = read_words(render_status(HALFWAY, rows=16), width)
    for words in (
        "resonance",
        "Which pairs come from the resonance?",
        "31 of 64 trials",
        "12 complete",
        "19 pruned",
        "16 running",
        "1 failed",
        "about 3 min of search left",
        "then evaluation, about 2 min",
        "3 min 12 s",
        "9.7 trials/min",
        "6,110 epochs",
        "31.8 epochs/s",
        "2 workers",
        "CPU 1.9 of 2 cores",
        "GPU 0: 87%, 12.3 of 80 GiB",
        "best complete trial: 23",
        "AUC 0.9321 ± 0.0024 on validation",
        "mlp.width 256",
        "lr 0.00213",
        "mlp.activation silu",
        "embedding.frequencies 48",
        "31 1/30 0.9031",
        "46 16/30 0.9046",
        "trial 7 failed: The loss is not a number after epoch 3.",
    ):
        assert words in said


def test_failures_are_counted_by_kind() -> None:
    kinds = {"hang": {"failed": 1, "resumed": 2}, "preemption": {"failed": 0, "resumed": 12}}
    said = read_words(render_status(replace(HALFWAY, failure_kinds=kinds)), 120)
    assert "1 trial failed (hang) · 2 trials given back (hang) · 12 trials given back (preemption)" in said


@pytest.mark.parametrize("status", [BEGUN, HALFWAY, SPENT])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_panel_fits_the_terminal(status: Status, width: int) -> None:
    assert {len(line) for line in draw(render_status(status), width).splitlines()} == {width}


@given(
    st.integers(34, 220),
    st.dictionaries(st.text("abcdefgh_.", min_size=1, max_size=60), st.floats(1e-9, 1e9) | st.integers(), max_size=25),
    st.integers(1, 10**6),
)
@settings(deadline=None, max_examples=50)
def test_no_number_is_lost_at_any_width(width: int, params: dict[str, float], number: int) -> None:
    status = replace(HALFWAY, best_params=params, best_trial=number, states={"complete": number, "running": 16})
    lines = draw(render_status(status), width).splitlines()
    assert {len(line) for line in lines} == {width}
    shown = re.sub(r"[│\s]", "", "".join(lines))
    for value in params.values():
        assert (f"{value:.4g}" if isinstance(value, float) else str(value)) in shown
    assert f"{number:,}complete" in shown


def test_trials_that_there_is_no_room_for_are_counted() -> None:
    assert "and 10 more" in read_words(render_status(HALFWAY, rows=2), 80)
    assert "training now" not in read_words(render_status(HALFWAY, rows=0), 80)


@pytest.mark.parametrize("height", [18, 24, 60])
def test_the_panel_counts_running_trials_that_a_low_terminal_has_no_room_for(height: int) -> None:
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)
    crowded = replace(HALFWAY, running=tuple(RunningTrial(number=number) for number in range(100)))
    with LiveDisplay(console) as display:
        display.update(crowded)
        lines = console.render_lines(display._render(), pad=False)
    assert len(lines) < height
    said = "".join(segment.text for line in lines for segment in line)
    assert ("training now" in said) == (height > 18)
    assert re.search(r"and \d+ more", said) or height == 18


def test_a_figure_of_merit_is_named_with_its_lopsided_interval() -> None:
    status = replace(HALFWAY, figure_of_merit="1/eps_B at eps_S=0.5", best_value=29.31, best_low=27.2, best_high=33.1)
    assert "1/eps_B at eps_S=0.5 29.3 +3.8 -2.1" in read_words(render_status(status))
    assert "AUC 0.9321 on validation mlp" in read_words(render_status(replace(HALFWAY, best_low=None, best_high=None)))


def test_the_clock_goes_on_between_two_updates_while_trials_run() -> None:
    said = read_words(render_status(HALFWAY, since=60.0))
    assert "4 min 12 s" in said
    assert "about 2 min of search left" in said
    assert "3 min 12 s" in read_words(render_status(SPENT, since=60.0))


def test_a_spent_budget_shows_the_test_part() -> None:
    said = read_words(render_status(SPENT))
    assert "64 of 64 trials" in said
    assert " left" not in said
    assert "handed on: bag of 8 networks; on the test part AUC 0.9361" in said
    judged_next = replace(SPENT, handed_on_test=None)
    assert "search done, then evaluation, about 2 min" in read_words(render_status(judged_next))


def test_trials_whose_worker_died_do_not_count_as_running() -> None:
    said = read_words(render_status(replace(HALFWAY, stale_leases=(33, 34), workers=0, devices=None)))
    assert "14 running · 1 failed · 2 without a live worker" in said
    assert "trials 33-34: the worker is gone; the next sweep resumes what it left" in said
    assert "33 3/30" not in said
    assert "0 workers" not in said


def test_a_reason_is_told_once_and_older_ones_are_counted() -> None:
    reasons = {3: "First.", 5: "Second.", 6: "Third.\nA trace.", 7: "Third.\nA trace.", 9: "Second."}
    ended = tuple(EndedTrial(number=n, state="failed", reason=reason) for n, reason in reasons.items())
    said = read_words(render_status(replace(HALFWAY, ended=ended)))
    assert "trials 5, 9 failed: Second. trials 6-7 failed: Third. trial 3 failed for other reasons: see" in said
    assert "trace" not in said


def test_numbers_of_trials_are_drawn_together() -> None:
    assert [say_trials(n) for n in ((7,), (7, 8, 9, 3), (1, 3))] == ["trial 7", "trials 3, 7-9", "trials 1, 3"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def begin(done: int = 0, after: float = 0.0, **changes: object) -> tuple[StageClock, Clock]:
    """Return stages of which the first has come so far after some time."""
    clock = Clock()
    stages = StageClock(clock)
    stages.plan(["finalists", "baselines", "test"])
    stage = Stage(**{"name": "finalists", "text": "Training", "total": 10, **changes})  # type: ignore[arg-type]
    stages.advance(stage)
    clock.now = after
    stages.advance(replace(stage, done=done))
    return stages, clock


@pytest.mark.parametrize("width", WIDTHS)
def test_stages_are_done_under_way_or_to_come(width: int) -> None:
    stages, clock = begin(done=4, after=400.0)
    said = read_words(render_stages("resonance", stages), width)
    for words in ("resonance: evaluation ● finalists trained anew", "6 min 40 s · 0.6/min", "about 10 min left"):
        assert words in said
    assert "○ baselines ○ test part 4 of 10 trainings 6 min 40 s" in said
    stages.advance(Stage(name="finalists", text="Training", done=10, total=10))
    stages.advance(Stage(name="baselines", text="Fitting", total=17, noun="setting"))
    clock.now = 402.0
    stages.advance(Stage(name="test", text="Opening"))
    clock.now = 405.0
    stages.end()
    said = read_words(render_stages("resonance", stages), width)
    assert re.search("✓ finalists trained anew (· )?10 trainings · 6 min 40 s ✓ baselines · 0 settings · 2 s", said)
    assert "✓ test part · 3 s" in said
    assert {len(line) for line in draw(render_stages("resonance", stages), width).splitlines()} == {width}


def test_time_left_follows_the_pace_and_its_limit_and_counts_down() -> None:
    stages, clock = begin(done=5, after=100.0)
    (timed,) = stages.begun.values()
    assert timed.seconds_left(100.0) == pytest.approx(100.0)
    assert timed.seconds_left(130.0) == pytest.approx(70.0)
    assert timed.seconds_left(900.0) == 0.0
    (limited,) = begin(done=5, after=100.0, most_seconds=120.0)[0].begun.values()
    assert limited.seconds_left(clock.now) == pytest.approx(20.0)
    (unknown,) = begin()[0].begun.values()
    assert unknown.seconds_left(50.0) is None


def test_what_was_done_before_says_nothing_of_the_pace() -> None:
    clock = Clock()
    stages = StageClock(clock)
    stages.advance(Stage(name="finalists", done=8, total=10))
    clock.now = 30.0
    stages.advance(Stage(name="finalists", done=9, total=10))
    (timed,) = stages.begun.values()
    assert timed.seconds_left(30.0) == pytest.approx(30.0)
