"""Cards of HTML that a notebook shows for a product; they take the notebook's own colours, light or dark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

_CODE = re.compile("`([^`]+)`")

SIGNAL, BACKGROUND, BEST = "#3a93cf", "#d55e00", "#16a47c"
"""Of the figures' palette, signal and best a shade brighter, so that they are seen on white and on black."""

_STYLE = Markup("""<style>
.tuner-card { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; font-size: 13px; line-height: 1.45;
  max-width: 60rem; padding: .3em 0; color: inherit; }
.tuner-card .title { font-size: 1.15em; font-weight: 600; }
.tuner-card p { margin: .2em 0; max-width: 46rem; }
.tuner-card .faint, .tuner-card svg text { opacity: .7; }
.tuner-card svg { display: block; max-width: 100%; }
.tuner-card table { border-collapse: collapse; margin: .6em 0; font-size: inherit; color: inherit; }
.tuner-card table caption { caption-side: top; text-align: left; font-weight: 600; padding: 0 0 .2em; color: inherit; }
.tuner-card table th, .tuner-card table td { text-align: right; vertical-align: middle; padding: .18em .7em;
  font-variant-numeric: tabular-nums; }
.tuner-card table thead th { font-weight: 600; border-bottom: 1px solid currentColor; }
.tuner-card table th:first-child, .tuner-card table td:first-child, .tuner-card table .text { text-align: left; }
.tuner-card table tbody th { font-weight: 400; opacity: .7; vertical-align: top; }
</style>""")


def write_card(title: str, *blocks: Markup | str) -> str:
    """Return a card: a title, and below it what `write_lines`, `write_table` and the pictures gave. Text is escaped.

    Args:
        title: Stands in bold at the top.
        blocks: HTML as `Markup`; plain text becomes a paragraph.
    """
    body = Markup("").join(block if isinstance(block, Markup) else write_lines([block]) for block in blocks)
    return str(Markup('{}<div class="tuner-card"><p class="title">{}</p>{}</div>').format(_STYLE, title, body))


def write_lines(lines: Iterable[str], *, faint: bool = False) -> Markup:
    """Return a paragraph for each line that is not empty; what stands between backticks is set as code."""
    opened = "<p class=faint>" if faint else "<p>"
    written = (_CODE.sub(r"<code>\1</code>", str(escape(line))) for line in lines if line)
    return Markup("".join(f"{opened}{line}</p>" for line in written))


def write_facts(facts: Mapping[str, str]) -> Markup:
    """Return a table of two columns, a name and what it is; what is empty is left out."""
    row = Markup('<tr><th>{}</th><td class="text">{}</td></tr>')
    rows = Markup("").join(row.format(name, fact) for name, fact in facts.items() if fact)
    return Markup("<table><tbody>{}</tbody></table>").format(rows)


def write_table(
    head: Sequence[str], rows: Iterable[Sequence[str | Markup]], *, caption: str = "", texts: Sequence[str] = ()
) -> Markup:
    """Return a table.

    Args:
        head: Name of each column; the first stands to the left, the others, numbers, to the right.
        rows: Cells of each row.
        caption: Stands above the table.
        texts: Names of further columns that hold words and stand to the left.
    """
    kinds = [Markup(' class="text"') if name in texts else Markup("") for name in head]

    def write_row(cells: Sequence[str | Markup], tag: str) -> Markup:
        written = (Markup("<{0}{1}>{2}</{0}>").format(tag, *pair) for pair in zip(kinds, cells, strict=True))
        return Markup("<tr>{}</tr>").format(Markup("").join(written))

    above = Markup("<caption>{}</caption>").format(caption) if caption else Markup("")
    body = Markup("").join(write_row(row, "td") for row in rows)
    return Markup("<table>{}<thead>{}</thead><tbody>{}</tbody></table>").format(above, write_row(head, "th"), body)


def draw_steps(lines: Mapping[str, Sequence[float]], *, width: int = 150, height: int = 26, label: str = "") -> Markup:
    """Return a small picture of histograms over the same bins, as steps.

    Args:
        lines: Colour to contents of the bins, all of one length.
        width: Pixels.
        height: Pixels.
        label: What the picture shows, for who cannot see it.
    """
    highest = max((value for line in lines.values() for value in line), default=0.0)
    drawn = Markup("").join(
        _draw_line(colour, _outline(line, highest, width, height)) for colour, line in lines.items()
    )
    return _open_picture(width, height, label).format(drawn)


def draw_progress(points: Sequence[tuple[float, float]], best: Sequence[tuple[float, float]], *, label: str) -> Markup:
    """Return a picture of a search: a dot for each trial, and the best so far as a line of steps.

    Args:
        points: Number and value of each trial, at least one.
        best: Number and value of the best so far, in order.
        label: What the picture shows, for who cannot see it.
    """
    width, height, left, edge = 460, 130, 60, 10
    # A quarter of the values may lie below what is drawn, at its lower edge: poor trials must not flatten the others.
    values = sorted(value for _, value in points)
    low, high = min(values[len(values) // 4], best[0][1] if best else values[-1]), values[-1]
    span, last = (high - low) or 1.0, max(number for number, _ in points) or 1.0

    def locate(number: float, value: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (value - low) / span))
        return left + (width - left - edge) * number / last, height - edge - (height - 2 * edge) * share

    dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="2.8" fill="{}"/>')
    dots = Markup("").join(dot.format(*locate(*point), SIGNAL) for point in points)
    corners: list[tuple[float, float]] = []
    for x, y in (locate(*point) for point in best):
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    words = Markup('<text x="{}" y="{}" text-anchor="end" font-size="11" fill="currentColor">{}</text>')
    ends = words.format(left - 12, height - edge + 4, f"{low:.4g}") + words.format(left - 12, edge + 4, f"{high:.4g}")
    return _open_picture(width, height, label).format(ends + dots + _draw_line(BEST, corners, width=2))


def _open_picture(width: int, height: int, label: str) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" '
        'aria-label="{2}">{{}}</svg>'
    ).format(width, height, label.replace("{", "(").replace("}", ")"))


def _draw_line(colour: str, corners: Iterable[tuple[float, float]], *, width: float = 1.4) -> Markup:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{}"/>').format(places, colour, width)


def _outline(line: Sequence[float], highest: float, width: int, height: int) -> list[tuple[float, float]]:
    """Return the corners of a histogram's outline."""
    step, scale = width / max(len(line), 1), (height - 3) / (highest or 1.0)
    corners = [(0.0, height - 1.0)]
    for number, value in enumerate(line):
        y = height - 1 - scale * max(value, 0.0)
        corners += [(number * step, y), ((number + 1) * step, y)]
    return [*corners, (float(width), height - 1.0)]
