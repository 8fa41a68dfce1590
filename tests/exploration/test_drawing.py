"""The pictures hold the numbers, and say what they show without colour."""

import pickle
import re
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from tuner.events import read_events
from tuner.exploration import drawing, explore_events
from tuner.exploration.drawing import draw_features, part_features
from tuner.exploration.matrices import draw_correlations
from tuner.exploration.planes import draw_pairs
from tuner.exploration.saving import _save_features, save_exploration
from tuner.figures.units import split_unit


@pytest.fixture
def exploration(make_events, make_problem):
    table = make_events(500).rename(columns={"a": "energy [GeV]"})
    table["n_jets"] = np.arange(500) % 4
    return explore_events(read_events(make_problem(table)))


def test_every_feature_is_drawn_with_its_histograms(exploration):
    axes = [axis for axis in draw_features(exploration).axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in axes] == [split_unit(n)[0] for n in exploration.features.index]
    assert {axis.get_title(loc="left") for axis in axes} == {"energy", "b", "n_jets"}
    energy = next(axis for axis in axes if axis.get_title(loc="left") == "energy")
    assert energy.get_xlabel().startswith("GeV")
    drawn = [patch.get_data().values for patch in energy.patches]
    histogram = next(h for h in exploration.histograms if h.name == "energy [GeV]")
    for values in (histogram.signal, histogram.background):
        assert any(np.array_equal(values, found) for found in drawn)
    assert [patch.get_hatch() for patch in energy.patches if patch.get_fill() and patch.get_hatch()] == ["////"]


def test_units_of_the_problem_stand_below_their_features(exploration):
    axes = draw_features(exploration, units={"b": "mm"}).axes
    labels = {axis.get_title(loc="left"): axis.get_xlabel().split()[0] for axis in axes if axis.get_visible()}
    assert labels == {"energy": "GeV", "b": "mm", "n_jets": "AUC"}


def test_undefined_shares_are_written(exploration):
    axes = draw_features(exploration).axes
    text = next(axis.get_xlabel() for axis in axes if axis.get_title(loc="left") == "b")
    row = exploration.features.loc["b"]
    assert text.endswith(
        f"undefined: {row['undefined_signal']:.0%} of signal, {row['undefined_background']:.0%} of background"
    )


def test_correlations_are_drawn_and_numbered(exploration):
    linear, ranks, difference, _ = draw_correlations(exploration).axes
    lower, upper = np.tril_indices(3, -1), np.triu_indices(3, 1)
    for axis, matrices in ((linear, exploration.correlations), (ranks, exploration.rank_correlations)):
        drawn = axis.images[0].get_array().filled(np.nan)
        np.testing.assert_array_equal(drawn[lower], matrices["signal"].to_numpy()[lower])
        np.testing.assert_array_equal(drawn[upper], matrices["background"].to_numpy()[upper])
        assert np.isnan(np.diag(drawn)).all()
    signal, background = (exploration.correlations[kind].to_numpy() for kind in ("signal", "background"))
    drawn = difference.images[0].get_array()
    np.testing.assert_allclose(drawn[lower], (signal - background)[lower])
    written = {text.get_position(): text.get_text() for text in linear.texts}
    assert written[1, 0] == str(round(100 * background[0, 1])).replace("-", "\N{MINUS SIGN}")


def test_files_are_written_and_pyplot_is_not_used(exploration, tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    paths = save_exploration(exploration, tmp_path / "figures")
    figures = {f"{name}.{kind}" for name in ("features", "correlations", "pairs") for kind in ("png", "pdf")}
    matrices = {f"{kind}_{name}" for kind in ("correlations", "rank_correlations") for name in ("signal", "background")}
    assert {path.name for path in paths} == figures | {f"{name}.csv" for name in ("features", "columns", *matrices)}
    assert all(path.stat().st_size for path in paths)
    picture = imread(tmp_path / "figures" / "features.png")
    assert picture[..., :3].std() > 0.05
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_many_features_have_several_pages_and_none_is_left_of_an_earlier_look(exploration, tmp_path, monkeypatch):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "features-07.png").touch()
    with monkeypatch.context() as patch:
        patch.setattr("tuner.exploration.drawing.N_PAGE", 2)
        pages = part_features(exploration)
        _save_features(exploration, folder, {})
    assert [histogram.name for page in pages for histogram in page] == list(exploration.features.index)
    assert {path.name for path in folder.iterdir()} == {"features-01.png", "features-02.png", "features.pdf"}
    assert len(re.findall(rb"/Type /Page\b", (folder / "features.pdf").read_bytes())) == 2
    second = draw_features(exploration, pages[1])
    assert "3 to 3 of 3 features" in [text.get_text() for text in second.texts]
    _save_features(exploration, folder, {})
    assert {path.name for path in folder.iterdir()} == {"features.png", "features.pdf"}


def test_figures_can_be_sent_to_another_process(exploration):
    for figure in (draw_features(exploration), draw_correlations(exploration), draw_pairs(exploration)):
        again = pickle.loads(pickle.dumps(figure))
        assert len(again.axes) == len(figure.axes)


def test_ticks_that_are_drawn_at_once_are_those_of_matplotlib(make_events, make_problem, monkeypatch):
    table = make_events(400).assign(tail=np.exp(4 * np.linspace(-1, 1, 400) ** 3), phi=np.linspace(-3.14, 3.14, 400))
    seen = explore_events(read_events(make_problem(table)))
    assert {"linear", "logarithmic", "angle"} <= {histogram.axis for histogram in seen.histograms}
    pictures = []
    for settle in (drawing._settle_ticks, lambda axis, which: None):
        monkeypatch.setattr(drawing, "_settle_ticks", settle)
        canvas = FigureCanvasAgg(draw_features(seen))
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba()).copy())
    np.testing.assert_array_equal(*pictures)
