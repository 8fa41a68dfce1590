"""The page in a real browser: no overflow, nothing fetched, readable without scripts, printable."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuner.figures.dark_mode import CARD
from tuner.reporting.page import Code, Picture, Section, Table, Text, render_page

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser):
    """A function that opens a page in a new context and returns it with what it asked for and complained of."""
    contexts = []

    def open_page(path: Path, *, width: int = 1280, scripts: bool = True, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=scripts, color_scheme=scheme
        )
        contexts.append(context)
        page, heard = context.new_page(), []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("requestfailed", lambda request: heard.append(f"failed {request.url[:80]}"))
        page.on("request", lambda request: request.url.startswith("data:") or heard.append(request.url))
        page.goto(path.as_uri())
        return page, heard

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_overflows(open_page, hostile_page, width):
    page, _ = open_page(hostile_page, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """[...document.querySelectorAll('body *')]
           .filter(e => !e.closest('.scroll, .hidden') && e.getBoundingClientRect().right > innerWidth + 0.5)
           .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert beyond == []


def test_asks_for_nothing_and_complains_of_nothing(open_page, hostile_page):
    page, heard = open_page(hostile_page)
    assert heard == [hostile_page.as_uri()]
    assert page.title().startswith("study <b onclick")


def test_pictures_are_there_and_told_in_words(open_page, hostile_page):
    page, _ = open_page(hostile_page)
    pictures = page.evaluate("[...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt.length > 0])")
    assert pictures == [[True, True]] * 4
    sizes = page.evaluate("[...document.images].map(i => i.naturalWidth / Number(i.getAttribute('width')))")
    assert sizes == pytest.approx([2] * 4, abs=0.01)


def test_reads_without_scripts(open_page, hostile_page):
    page, _ = open_page(hostile_page, scripts=False)
    page.locator("summary").click()
    assert page.locator("details table").is_visible()
    assert page.locator("h2").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(open_page, hostile_page, scheme):
    """Contrast of at least 4.5 for all text, WCAG 2.2, 1.4.3."""
    page, _ = open_page(hostile_page, scheme=scheme)
    ratios = page.evaluate(
        """() => {
          const rgb = c => c.match(/[\\d.]+/g).map(Number);
          const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          const light = c => { const [r, g, b] = rgb(c).map(v => linear(v / 255));
                               return 0.2126 * r + 0.7152 * g + 0.0722 * b };
          const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                                if (rgb(c)[3] !== 0) return c } };
          const names = 'h1, h2, p, dt, dd, td, th, a, b, span, summary, code, figcaption, caption';
          return [...document.querySelectorAll(names)].map(e => {
            const a = light(getComputedStyle(e).color), b = light(ground(e));
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 60)] }) }"""
    )
    assert [r for r in ratios if r[0] < 4.5] == []


def test_links_of_the_contents_lead_somewhere(open_page, hostile_page):
    page, _ = open_page(hostile_page)
    assert page.evaluate("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")


BRIGHTNESS = """() => [...document.images].filter(i => i.checkVisibility()).map(i => {
  const c = document.createElement('canvas'); c.width = c.height = 32;
  const g = c.getContext('2d'); g.drawImage(i, 0, 0, 32, 32);
  const d = g.getImageData(0, 0, 32, 32).data; let sum = 0;
  for (let p = 0; p < d.length; p += 4) sum += d[p] + d[p + 1] + d[p + 2];
  return sum / (3 * 255 * 32 * 32) })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_light_or_dark_as_the_page_is_and_always_light_on_paper(open_page, hostile_page, scheme):
    page, _ = open_page(hostile_page, scheme=scheme)
    shown = page.evaluate(BRIGHTNESS)
    assert len(shown) == 2
    assert min(shown) > 0.85 if scheme == "light" else max(shown) < 0.3
    page.emulate_media(media="print")
    assert min(page.evaluate(BRIGHTNESS)) > 0.85
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_cards_of_dark_figures_are_those_of_the_page(open_page, hostile_page):
    page, _ = open_page(hostile_page, scheme="dark")
    card = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--card')")
    assert card.upper() == CARD


def test_a_shadow_tells_where_a_table_goes_on(open_page, hostile_page):
    page, _ = open_page(hostile_page, width=390)
    frame = page.locator(".scroll").first

    def darkness(x: float) -> float:
        """Of the table's frame at the height of its caption, where nothing is written at either end."""
        box = frame.bounding_box()
        shot = page.screenshot(clip={"x": box["x"] + x, "y": box["y"] + 1, "width": 3, "height": 2})
        with Image.open(BytesIO(shot)) as picture:
            return 252 - np.mean(picture.convert("L"))

    right = frame.bounding_box()["width"] - 4
    frame.scroll_into_view_if_needed()
    assert darkness(right) > 10 > 3 > darkness(1)
    frame.evaluate("e => e.scrollLeft = e.scrollWidth")
    assert darkness(1) > 10 > 3 > darkness(right)


def test_tables_and_commands_as_a_report_has_them_fit_into_a_page_of_1280_pixels(open_page, sample_page, tmp_path):
    """The figures of six baselines, the best trials with eight of their parameters, a command with all its options."""
    baselines = ("boosted trees (refitted)", "boosted trees (defaults)", "logistic regression (refitted)")
    figures = Table(
        caption="Baselines",
        head=("Figure", *baselines, *baselines),
        rows=[("calibration error (classes balanced)", *["0.0223\n0.0193 \N{EN DASH} 0.0242"] * 6)],
    )
    parameters = (
        "n_layers",
        "normalisation",
        "dropout.on",
        "embedding",
        "optimizer",
        "schedule_free.lr",
        "width",
        "lr",
    )
    trials = Table(
        caption="Trials",
        head=("Trial", "AUC", "Best epoch", "Parameters", *(f"mlp.{name}" for name in parameters)),
        rows=[
            ("110", "0.9560", "14", "134,689", "3", "none", "yes", "periodic", "schedule_free", "0.0123", "384", "yes")
        ],
        marked=0,
    )
    command = Code("tuner sweep studies/resonance.py --trials 6 --epochs 4 --tracker none --folder " + "/a/folder" * 6)
    section = Section(number="7", name="Evaluate", title="Title", blocks=[figures, trials, command])
    path = tmp_path / "tables.html"
    path.write_text(render_page(replace(sample_page, sections=[section])))
    page, _ = open_page(path)
    beyond = "[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(page.evaluate(beyond)) <= 0


def test_whose_the_figures_at_the_head_are_stands_above_them(open_page, sample_page, tmp_path):
    path = tmp_path / "subject.html"
    path.write_text(render_page(replace(sample_page, subject="The bag handed on")))
    page, _ = open_page(path)
    tops = page.evaluate(
        "['.subject', '.highlights dd'].map(s => document.querySelector(s).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)
    assert page.locator(".subject").inner_text() == "The bag handed on"


def test_panels_stand_side_by_side_or_below_each_other(open_page, sample_page, draw_png, tmp_path):
    panels = [draw_png(2, 0.4), *(draw_png(3, 3) for _ in range(3))]
    picture = Picture(png=draw_png(12, 3), title="t", alt="three panels", panels=panels)
    section = Section(number="1", name="One", title="Title", blocks=[picture])
    path = tmp_path / "panels.html"
    path.write_text(render_page(replace(sample_page, sections=[section])))
    tops = "[...document.querySelectorAll('.panels img.light')].map(i => Math.round(i.getBoundingClientRect().top))"
    page, _ = open_page(path)
    strip, *in_row = page.evaluate(tops)
    assert strip < in_row[0] == in_row[1] == in_row[2]
    page, _ = open_page(path, width=390)
    assert page.evaluate(tops) == sorted(set(page.evaluate(tops)))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        min(page.evaluate("[...document.images].map(i => i.checkVisibility() ? i.width / i.naturalWidth : 1)")) > 0.45
    )


def find_on_paper(page, selector: str) -> tuple[int, list[tuple[int, float]]]:
    """Print on A4; return the number of pages, and page (from 0) and height above its foot in points of elements."""
    page.evaluate(
        """selector => document.querySelectorAll(selector).forEach((e, i) => {
             e.id = `found${i}`;
             const a = document.createElement('a');
             a.href = `#found${i}`; a.textContent = '.';
             document.querySelector('footer').append(a) })""",
        selector,
    )
    printed = page.pdf(format="A4", print_background=True)
    objects = {int(number): body for number, body in re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", printed, re.DOTALL)}
    pages = [number for number, body in objects.items() if re.search(rb"/Type\s*/Page\b", body)]
    [named] = [body for body in objects.values() if b"/found0 [" in body or b"/found0[" in body]
    places = re.findall(rb"/found(\d+)\s*\[(\d+) 0 R\s*/XYZ \S+ ([\d.]+)", named)
    found = {int(index): (pages.index(int(on)), float(height)) for index, on, height in places}
    return len(pages), [found[index] for index in sorted(found)]


def test_on_paper_headings_stay_with_what_they_are_of_and_pages_are_full(open_page, sample_page, draw_png, tmp_path):
    table = Table(caption="Caption", head=("Name", "Value"), rows=[(f"row {n}", str(n)) for n in range(14)])
    blocks = [table, Text("Text. " * 40), *(Picture(png=draw_png(5, 4), title="t", alt="a") for _ in range(4))]
    sections = [
        Section(number=str(n), name=f"S{n}", title="Title", blocks=[Text("Text. " * 30 * n), *blocks]) for n in range(7)
    ]
    path = tmp_path / "long.html"
    path.write_text(render_page(replace(sample_page, sections=sections)))
    page, _ = open_page(path, scheme="dark")
    n_pages, found = find_on_paper(page, "h2, h2 + .blocks > :first-child, caption, tbody tr:first-child, figure")
    kinds = page.evaluate("[...document.querySelectorAll('[id^=found]')].map(e => e.tagName)")
    assert len(kinds) == len(found) == 7 * (2 + 2 + 4)
    for kind, (on, height), (next_on, next_height) in zip(kinds, found, found[1:], strict=False):
        if kind in ("H2", "CAPTION"):
            assert next_on == on, kind
            assert next_height < height
    figures = [place for kind, place in zip(kinds, found, strict=True) if kind == "FIGURE"]
    assert len(set(figures)) == len(figures) / 2, "two figures share a row"
    last = {on: min(height for page_, height in found if page_ == on) for on, _ in found}
    assert all(last.get(on, 0) < 600 for on in range(n_pages - 1)), "a page that is three quarters empty"


def test_prints(open_page, hostile_page, tmp_path):
    page, _ = open_page(hostile_page)
    printed = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().height") == 0
    assert page.evaluate("document.querySelector('details table').getBoundingClientRect().height") > 20
