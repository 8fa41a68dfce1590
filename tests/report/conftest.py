from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure

from tuner.report.page import Code, Facts, Highlight, Notice, Page, Picture, Section, Table, Text, render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '<b onclick="alert(1)">&amp;</b><script>document.title="taken"</script>'
LONG = "a-name-without-any-place-to-break-it-" * 8


def draw_png(width: float, height: float) -> bytes:
    figure, buffer = Figure(figsize=(width, height), dpi=200, layout="constrained"), BytesIO()
    figure.subplots().plot([0, 1], [0, 1])
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def make_page() -> Page:
    """A page with every kind of part, hostile and long texts among them."""
    wide = Table(
        caption=f"Wide {HOSTILE}",
        head=[f"column {n}" for n in range(20)] + [HOSTILE],
        rows=[[f"{n}.{m}" for m in range(20)] + [HOSTILE] for n in range(3)],
        marked=0,
    )
    folded = Table(caption="Folded", head=("Name", "Value"), rows=[(LONG, "1")], folded=True)
    return Page(
        study=f"study {HOSTILE}",
        question=f"Which {HOSTILE} are {LONG}?",
        answer=[f"It is {HOSTILE}.", LONG],
        notices=[HOSTILE],
        highlights=[Highlight("0.9338", "AUC on test", "68 %: 0.93 to 0.94"), Highlight("64", HOSTILE)],
        sections=[
            Section(
                number="0", name="Frame", title=HOSTILE, blocks=[Text(LONG), Notice(HOSTILE), Facts([(HOSTILE, LONG)])]
            ),
            Section(number="7", name="Evaluate", title="Tables", blocks=[wide, folded, Code(LONG * 3)]),
            Section(
                number="",
                name="Reproduce",
                title="Pictures",
                blocks=[
                    Picture(png=draw_png(12, 3), title=HOSTILE, alt=HOSTILE),
                    Picture(png=draw_png(4, 3), title="b", alt="c"),
                ],
            ),
        ],
        made=datetime(2026, 11, 22, 19, 30, tzinfo=UTC),
        maker="signal-tuner 0.1.0",
    )


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(make_page()), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    switches = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*switches.split(), "--no-first-run"])
        yield browser
        browser.close()
