"""A look at the events as text for a terminal, and as a card for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tuner.events.checks.finding import wrap_told
from tuner.exploration.binning import FeatureHistogram
from tuner.exploration.overview import write_size
from tuner.notebook_cards import BACKGROUND, SIGNAL, draw_steps, write_card, write_lines, write_table
from tuner.progress.wording import write_count

if TYPE_CHECKING:
    from tuner.exploration.exploration import Exploration

WIDTH = 80
MAX_WHOLE = 1e7
"""Whole numbers below are written in full, such as years and runs."""
MAX_LETTERS = 24
"""Of a name in a terminal."""
MAX_SHOWN = 15
"""Columns and features that are listed; all of them are in the tables."""
N_BLOCKS = 11
"""Letters of a histogram in a terminal."""
_BLOCKS = " ▁▂▃▄▅▆▇█"


def describe_exploration(exploration: Exploration) -> tuple[str, ...]:
    """Return the exploration as a person reads it in a terminal of 80 columns."""
    cuts = [] if exploration.cut_flow is None else ["Selection, of all events", *exploration.cut_flow.lines, ""]
    warnings = (
        ["", *(line for warning in exploration.warnings for line in wrap_told(warning))] if exploration.warnings else []
    )
    return (
        exploration.source,
        *wrap(exploration.shown, WIDTH),
        _tell_size(exploration),
        "",
        *cuts,
        *_list_classes(exploration.classes),
        "",
        *_list_columns(exploration),
        "",
        *_list_features(exploration),
        "",
        "Correlations",
        *(line for sentence in exploration.strongest for line in _wrap(sentence)),
        *warnings,
    )


def write_exploration_card(exploration: Exploration) -> str:
    """Return what a notebook shows: classes, a few events, the most telling features, correlations, warnings."""
    classes = [
        [
            str(name),
            f"{row['events']:,.0f}",
            _percent(row["share_events"]),
            f"{row['weight']:,.6g}",
            _percent(row["share_weight"]),
            f"{row['effective']:,.0f}",
        ]
        for name, row in exploration.classes.iterrows()
    ]
    columns = exploration.columns.head(MAX_SHOWN)
    values = exploration.rows.T
    listed = [
        [str(name), str(row["role"]), str(row["kind"]), f"{row['distinct']:,}", *map(_write, values.loc[str(name)])]
        for name, row in columns.iterrows()
    ]
    features = [
        [
            str(name),
            _write(row["separation"], ".3f"),
            _write(row["auc"], ".3f"),
            _percent(row["undefined"]),
            _draw(histogram),
        ]
        for (name, row), histogram in zip(
            exploration.features.head(MAX_SHOWN).iterrows(), exploration.ranked_histograms, strict=False
        )
    ]
    drawn = "signal (blue), background (orange)"
    return write_card(
        exploration.source,
        exploration.shown,
        _tell_size(exploration),
        *([] if (flow := exploration.cut_flow) is None else [write_table(flow.head, flow.rows)]),
        write_table(("class", "events", "share", "sum of weights", "share", "effective events"), classes),
        write_table(
            ("column", "role", "values", "distinct", *(f"event {n:,}" for n in exploration.rows.index)),
            listed,
            texts=("role", "values"),
        ),
        write_lines(_tell_more(len(exploration.columns), "column", "`.columns`"), faint=True),
        write_table(("feature", "separation", "AUC", "undefined", drawn), features, texts=(drawn,)),
        write_lines(_tell_more(len(exploration.features), "feature", "`.frame()`"), faint=True),
        write_lines(exploration.strongest),
        write_lines(exploration.warnings),
    )


def _tell_size(exploration: Exploration) -> str:
    n_events, n_features = exploration.n_events, len(exploration.features)
    counts = f"{write_count(n_events, 'event')}, {write_count(n_features, 'feature')}"
    return f"{counts}, {write_size(exploration.memory)} in memory"


def _tell_more(n: int, noun: str, where: str) -> list[str]:
    return [f"{write_count(n - MAX_SHOWN, noun)} more: {where}"] if n > MAX_SHOWN else []


def _list_classes(classes: pd.DataFrame) -> Iterator[str]:
    yield f"{'class':<12}{'events':>12}{'share':>9}{'sum of weights':>18}{'share':>9}{'effective events':>20}"
    for name, row in classes.iterrows():
        yield (
            f"{name!s:<12}{row['events']:>12,.0f}{_percent(row['share_events']):>9}{row['weight']:>18,.6g}"
            f"{_percent(row['share_weight']):>9}{row['effective']:>20,.0f}"
        )


def _list_columns(exploration: Exploration) -> Iterator[str]:
    """Yield a line a column, with its value in the first event, in one from the middle, and in the last."""
    rows = exploration.rows.iloc[[0, len(exploration.rows) // 2, -1]]
    names = [_keep_on_a_line(str(name), 22) for name in exploration.columns.index[:MAX_SHOWN]]
    width = max(len("column"), *map(len, names))
    events = "".join(f"{place:>10}" for place in ("first", "middle", "last"))
    yield f"{'column':<{width}}  {'values':<13} {'distinct':>10}{events}"
    for name, (column, row) in zip(names, exploration.columns.iterrows(), strict=False):
        values = "".join(f"{_shorten(_write(value, '.3g')):>10}" for value in rows[str(column)])
        kind = row["kind"] if row["role"] != "observer" else "observer"
        yield f"{name:<{width}}  {kind:<13} {row['distinct']:>10,}{values}"
    yield from (f"... and {more}" for more in _tell_more(len(exploration.columns), "column", "`.columns`"))


def _list_features(exploration: Exploration) -> Iterator[str]:
    """Yield a line a feature, with its histograms."""
    names = [_keep_on_a_line(str(name), MAX_LETTERS) for name in exploration.features.index[:MAX_SHOWN]]
    width = max(len("feature"), *map(len, names))
    yield f"{'feature':<{width}}  separation    AUC  undefined  {'signal':<{N_BLOCKS}}  background"
    ranked = zip(names, exploration.features.iterrows(), exploration.ranked_histograms, strict=False)
    for name, (_, row), histogram in ranked:
        signal, background = _draw_blocks(histogram)
        yield (
            f"{name:<{width}}  {_write(row['separation'], '.3f'):>10}  {_write(row['auc'], '.3f'):>5}  "
            f"{_percent(row['undefined']):>9}  {signal}  {background}"
        ).rstrip()
    yield from (f"... and {more}" for more in _tell_more(len(exploration.features), "feature", "`.frame()`"))


def _draw_blocks(histogram: FeatureHistogram) -> tuple[str, str]:
    """Return the shares of signal and of background as blocks, over one scale, a space where there is none."""
    n = len(histogram.signal)
    starts = np.unique(np.linspace(0, n, min(n, N_BLOCKS), endpoint=False).astype(int))
    both = [np.add.reduceat(np.maximum(shares, 0), starts) for shares in (histogram.signal, histogram.background)]
    highest = max(float(shares.max()) for shares in both) or 1.0
    signal, background = (
        "".join(_BLOCKS[int(np.ceil(share / highest * (len(_BLOCKS) - 1)))] for share in shares) for shares in both
    )
    return f"{signal:<{N_BLOCKS}}", background


def _draw(histogram: FeatureHistogram) -> Markup:
    shares = {SIGNAL: histogram.signal.tolist(), BACKGROUND: histogram.background.tolist()}
    return draw_steps(shares, label=f"Shares of signal and of background by {histogram.name}")


def _wrap(sentence: str) -> Sequence[str]:
    clean = "".join(letter if letter.isprintable() else " " for letter in sentence)
    return wrap(clean, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"


def _write(value: Any, form: str = ".4g") -> str:
    """Return a cell: a whole number with all digits, others in a form, a text as it is, a dash for an undefined one."""
    if isinstance(value, str):
        return _keep_on_a_line(value, MAX_LETTERS)
    if pd.isna(value):
        return "-"
    if not isinstance(value, float | np.floating):
        return str(value)
    is_short = form.endswith("g") and float(value).is_integer() and abs(float(value)) < MAX_WHOLE
    return f"{value:.0f}" if is_short else f"{value:{form}}"


def _shorten(text: str) -> str:
    return text if len(text) < 10 else f"{text[:8]}\N{HORIZONTAL ELLIPSIS}"


def _keep_on_a_line(text: str, most: int) -> str:
    """Return a text with its middle left out where it is too long, and a blank for what no terminal prints."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    if len(kept) <= most:
        return kept
    return f"{kept[: most - most // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{kept[len(kept) - most // 2 :]}"
