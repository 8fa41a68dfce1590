"""The page in a real browser: no overflow, nothing fetched, readable without scripts, printable."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert pictures == [[True, True]] * 2
    sizes = page.evaluate("[...document.images].map(i => i.naturalWidth / Number(i.getAttribute('width')))")
    assert sizes == pytest.approx([2, 2], abs=0.01)


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


def test_prints(open_page, hostile_page, tmp_path):
    page, _ = open_page(hostile_page)
    printed = page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().height") == 0
    assert page.evaluate("document.querySelector('details table').getBoundingClientRect().height") > 20
