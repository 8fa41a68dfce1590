from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tuner.report.page import Picture, Table, render_page


def test_all_text_is_escaped(hostile_page):
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)
    parser.feed(hostile_page.read_text())
    assert "h1" in tags
    assert not {"script", "link" * 2, "iframe"} & set(tags)
    assert "<b onclick" not in hostile_page.read_text()


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["0.9338", "1,234", "3.1e-05", "-2"], True),
        (["12 %", "± 3", "\N{EN DASH}", "∞"], True),
        (["", "4"], True),
        (["0.93", "measured"], False),
        (["arXiv:2407.04491"], False),
        (["", ""], False),
    ],
)
def test_columns_of_numbers_are_found(cells, numeric):
    table = Table(caption="c", head=("name", "x"), rows=[("name", cell) for cell in cells])
    assert table.numeric == ({1} if numeric else set())


def test_a_picture_has_two_pixels_for_one():
    from io import BytesIO

    from matplotlib.figure import Figure

    buffer = BytesIO()
    Figure(figsize=(3, 2), dpi=100).savefig(buffer, format="png")
    picture = Picture(png=buffer.getvalue(), title="t", alt="a")
    assert (picture.width, picture.height) == (150, 100)


def test_backticks_become_code_and_signs_stay_with_their_numbers(sample_page):
    page = replace(sample_page, notices=["Use `a < b`, 68 % of it"], answer=["0.9 (± 0.1)"], sections=[])
    html = render_page(page)
    assert "Use <code>a &lt; b</code>, 68\N{NO-BREAK SPACE}% of it" in html
    assert "0.9 (±\N{NO-BREAK SPACE}0.1)" in html


def test_a_caption_says_the_title_once():
    picture = Picture(png=b"", title="ROC curve.", alt="ROC curve. AUC 0.93.")
    assert picture.caption == "ROC curve. AUC 0.93."
    assert replace(picture, alt="AUC 0.93.").caption == "ROC curve. AUC 0.93."
