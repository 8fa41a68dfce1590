"""Names that come with the data: drawn letter by letter, kept under a name that a file may have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.text import Text

from tuner.events.table import Events
from tuner.exploration import explore_events
from tuner.exploration.drawing import draw_features
from tuner.exploration.matrices import draw_correlations
from tuner.figures import (
    Drawing,
    draw_candidates,
    draw_importances,
    draw_learning_curves,
    draw_optimization_history,
    draw_parallel_coordinates,
    draw_permutation_importance,
    draw_roc,
    draw_scores,
    draw_sculpting,
    draw_significance,
    draw_survival,
    tabulate_trials,
)
from tuner.figures.drawing import name_file, start_figure, write_formulas, write_name
from tuner.metrics import Significance

ODD = [
    "$\\frac{$",
    "$x$",
    "$\\frac{$ and $",
    "a\\$b",
    "\\alpha_{",
    "E/p",
    "a:b",
    "..",
    "../../up",
    "two\nlines\tand\x07",
    "<script>alert(1)</script>",
    "%s {0} ^_#&~",
    "x" * 300,
    "\u00e9" * 200,
    "",
    " ",
]
RNG = np.random.default_rng(0)
LABELS, SCORES = np.tile([0, 1], 200), np.clip(np.tile([0.4, 0.6], 200) + RNG.normal(0, 0.2, 400), 0, 1)
VALUES = pd.DataFrame({"value": [0.9], "low": [0.8], "high": [1.0]})


class Trial:
    def __init__(self, number, **params):
        self.number, self.state, self.value, self.params = number, "complete", 0.9 + 0.01 * number, params


class OddSignificance(Significance):
    """A figure of one cut with a name of the user's."""

    name = "$\\frac{$, eps_S"


def draw_all(name):
    """Yield every figure that holds a name of the user's."""
    trials = tabulate_trials([Trial(0, **{name: f"{name}1", "b": 1}), Trial(1, **{name: f"{name}2", "b": 2})])
    curves = {0: pd.DataFrame({"epoch": [1], "train_loss": [1.0], "validation_loss": [1.0], "validation_auc": [0.9]})}
    yield draw_permutation_importance(VALUES.assign(feature=name), part="test", figure_name=name)
    yield draw_candidates(VALUES.assign(candidate=name), figure_name=name, part="test", best=name)
    yield draw_scores(LABELS, SCORES, threshold=0.5, figure_cut=(name, 0.7))
    yield draw_importances({name: 0.7, "b": 0.3})
    yield draw_parallel_coordinates(trials, parameters=[name], figure_name=name)
    yield draw_optimization_history(trials.assign(beside=[0.1, 0.2]), beside=name, figure_name=name)
    yield draw_learning_curves(curves, {0: "complete"}, 0, figure_name=name, loss_name=name)
    yield draw_sculpting(RNG.normal(size=400), LABELS, SCORES, threshold=0.5, name=name, part="test", n_subsamples=5)
    yield draw_survival(
        VALUES.assign(relative_systematic=0.0, p_holm=0.04, winner_at_floor=True, baseline_at_floor=False),
        names=(name, name),
    )
    yield draw_roc(LABELS, SCORES, others={name: SCORES}, n_replicas=3)


def explore(name):
    table = pd.DataFrame({name: RNG.normal(size=400), "b": RNG.normal(size=400)}, dtype=np.float32)
    events = Events(table, LABELS, np.ones(400), pd.DataFrame(index=range(400)), None, "here", digest="")
    exploration = explore_events(events)
    assert all(line.isprintable() for line in exploration.lines)
    for figure in (draw_features(exploration), draw_correlations(exploration)):
        yield Drawing(figure, table, "Features", "Features")


def is_our_formula(text):
    return any(known in text for known in ("\\mathdefault", "\\epsilon", "\\geq", "\\Delta", "\\leftarrow"))


@pytest.mark.parametrize("name", [*ODD[:4], ODD[9], ODD[12]])
def test_a_name_is_drawn_letter_by_letter_in_every_figure(name):
    for drawing in (*draw_all(name), *explore(name)):
        drawing.png_bytes(dpi=30)
        for text in drawing.figure.findobj(Text):
            assert not is_math_text(text.get_text()) or is_our_formula(text.get_text()), text.get_text()


def test_a_figure_of_merit_of_ones_own_is_drawn_by_its_name():
    labels, scores = np.tile([0, 1], 300), np.tile([0.4, 0.6], 300) + RNG.normal(0, 0.1, 600)
    drawing = draw_significance({"test": (labels, scores, None)}, [OddSignificance(s=10, b=100)], n_replicas=3)
    assert drawing.png_bytes(dpi=30).startswith(b"\x89PNG")


def test_our_own_formulas_stay_formulas_beside_a_name():
    assert write_formulas("1/eps_B at eps_S=0.3") == r"1/$\epsilon_B$ at $\epsilon_S$=0.3"
    assert write_formulas("$eps_B$") == r"\$$\epsilon_B$\$"
    assert write_name("pt [GeV]") == "pt [GeV]"
    assert write_name("a\n b") == "a b"


@pytest.mark.parametrize("name", ODD)
def test_a_file_lies_in_its_folder_whatever_the_name(tmp_path, name):
    figure = start_figure(1, 1)
    folder = tmp_path / "figures"
    png, pdf = Drawing(figure, VALUES, "title", "alt").save(folder, f"sculpting_{name}")
    assert {png, pdf} == set(folder.iterdir())
    assert set(tmp_path.iterdir()) == {folder}
    bare = name_file(name)
    assert bare not in ("", ".", "..")
    assert not set(bare) & set('/\\:*?"<>| \n')
    assert len(bare.encode()) < 130


def test_names_that_differ_have_files_that_differ():
    names = [*ODD, "E_p", "E:p", "E\\p", "a_b", "x" * 301, "..."]
    assert len({name_file(name) for name in names}) == len(names)
    assert name_file("sculpting_mass") == "sculpting_mass"
