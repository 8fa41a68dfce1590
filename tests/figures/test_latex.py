"""Texts for LaTeX: what a reader of TeX would take for a command stands there as a letter."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from tuner.figures import draw_permutation_importance, draw_roc, draw_sculpting
from tuner.figures.drawing import write_formulas
from tuner.figures.latex import escape

COMMANDS = re.compile(r"(?<!\\)[_%&#^~]|(?<!\\)\\(?![_%&#{}$]|textbackslash|textascii|ldots)")
"""What TeX takes for a command outside of formulas (The TeXbook, chapter 7)."""
ODD = "lepton1_pt & 68 % of #1 {x} ~ ^2 \\input{/etc/passwd} $m$"


def read_letters(text: str) -> str:
    """Take formulas out of a text."""
    return re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lepton1_pt", r"lepton1\_pt"),
        ("68 % & #1 {x}", r"68 \% \& \#1 \{x\}"),
        (r"a\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        (r"$\epsilon_S$ of a_b", r"$\epsilon_S$ of a\_b"),
        (r"costs 5\$ or 6\$ a_b", r"costs 5\$ or 6\$ a\_b"),
        ("0.9 ± 0.1, Δφ, Λ, ∞…", r"0.9 $\pm$ 0.1, $\Delta$$\phi$, $\Lambda$, $\infty$\ldots{}"),
        ("dω, λ, 质", r"d$\omega$, $\lambda$, ?"),
        ("one\ntwo", "one\ntwo"),
    ],
)
def test_letters_stand_for_themselves(text, expected):
    assert escape(text) == expected


def test_a_name_cannot_call_a_command():
    assert not COMMANDS.search(read_letters(escape(write_formulas(ODD))))
    assert COMMANDS.search(read_letters(ODD))


@pytest.fixture
def drawings():
    rng = np.random.default_rng(0)
    labels, scores = np.repeat([0, 1], 300), np.linspace(0.01, 0.99, 600)
    rows = [{"feature": name, "value": 0.1, "low": 0.0, "high": 0.2} for name in ("lepton1_pt", ODD)]
    with mpl.rc_context({"text.usetex": True}):
        return [
            draw_permutation_importance(pd.DataFrame(rows), part="test"),
            draw_roc(labels, scores, others={"a_b": scores[::-1]}, threshold=0.6, n_replicas=5),
            draw_sculpting(rng.normal(size=600), labels, scores, threshold=0.3, name=ODD, part="test", n_subsamples=20),
        ]


def test_all_texts_of_figures_are_escaped_once_names_at_ticks_too(drawings):
    for drawing in drawings:
        texts = [text.get_text() for text in drawing.figure.findobj(Text)]
        assert any(text.strip() for text in texts)
        assert [text for text in texts if COMMANDS.search(read_letters(text))] == []
    rows = drawings[0].figure.axes[0].yaxis
    assert rows.get_major_formatter().format_ticks([0, 1])[0] == r"lepton1\_pt"
    label = drawings[0].figure.axes[0].get_xlabel()
    assert label.endswith(r"68 \% intervals")


def test_other_styles_keep_their_texts():
    drawing = draw_permutation_importance(
        pd.DataFrame([{"feature": "lepton1_pt", "value": 0.1, "low": 0.0, "high": 0.2}]), part="test"
    )
    assert drawing.figure.axes[0].get_xlabel().endswith("68 % intervals")
    assert drawing.figure.axes[0].yaxis.get_major_formatter().format_ticks([0]) == ["lepton1_pt"]
