from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tuner.report.page import Picture, Table


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
