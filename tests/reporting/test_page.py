from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tuner.reporting.page import Picture, Table, render_page


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
        (["0.93\n0.92 to 0.94", "-0.1\n± 0.2"], True),
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
    assert [(view.width, view.height) for view in picture.views] == [(150, 100)]


def test_backticks_become_code_and_signs_stay_with_their_numbers(sample_page):
    page = replace(sample_page, notices=["Use `a < b`, 68 % of it"], answer=["0.9 (± 0.1)"], sections=[])
    html = render_page(page)
    assert "Use <code>a &lt; b</code>, 68\N{NO-BREAK SPACE}% of it" in html
    assert "0.9 (±\N{NO-BREAK SPACE}0.1)" in html


def test_minus_signs_and_efficiencies_are_set_as_formulas_but_code_is_not(sample_page):
    answer = ["1/eps_B at eps_S=0.3: -0.2 [-0.3, 0.1], largest eps_S - eps_B, (AUC - 1/2), 3.1e-05, 2026-11-22 `x -1`"]
    html = render_page(replace(sample_page, answer=answer, sections=[]))
    minus = "\N{MINUS SIGN}"
    assert f"1/ε<sub>B</sub> at ε<sub>S</sub>=0.3: {minus}0.2 [{minus}0.3, 0.1]" in html
    assert f"largest ε<sub>S</sub> {minus} ε<sub>B</sub>, (AUC {minus} 1/2), 3.1e-05, 2026-11-22" in html
    assert "<code>x -1</code>" in html


def test_each_sentence_of_the_answer_is_a_paragraph(sample_page):
    html = render_page(replace(sample_page, answer=["One.", "Two."], sections=[]))
    assert [line.strip() for line in html.splitlines() if "One." in line or "Two." in line] == [
        "<p>One.</p>",
        "<p>Two.</p>",
    ]


def test_the_second_line_of_a_cell_is_small(sample_page):
    table = Table(caption="c", head=("name", "x"), rows=[("a\nb", "1\n± 2")], marked=0)
    html = render_page(replace(sample_page, sections=[replace(sample_page.sections[0], blocks=[table])]))
    assert '<th scope="row">a<small>b</small></th>' in html
    assert '<td class="number">1<small>±\N{NO-BREAK SPACE}2</small></td>' in html


def test_a_caption_says_the_title_once():
    picture = Picture(png=b"", title="ROC curve.", alt="ROC curve. AUC 0.93.")
    assert picture.caption == "ROC curve. AUC 0.93."
    assert replace(picture, alt="AUC 0.93.").caption == "ROC curve. AUC 0.93."
    assert replace(picture, alt="ROC curve, test: AUC 0.93.").caption == "ROC curve, test: AUC 0.93."
    assert replace(picture, note="Read it so.").caption == "ROC curve. Read it so."
