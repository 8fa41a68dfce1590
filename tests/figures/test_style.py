"""Experiments' styles: fonts and ticks are theirs, also when written later; nothing stays behind."""

from __future__ import annotations

import logging
import sys

import matplotlib as mpl
import numpy as np
import pytest

from tuner.errors import MissingPackage, StudyError
from tuner.figures import draw_confusion, draw_importances, use_style
from tuner.figures.drawing import COLUMN

mplhep = pytest.importorskip("mplhep")

EVENTS = np.tile([0, 1], 20), np.linspace(0, 1, 40)


def fonts_of(drawing, folder):
    return {name for name in (b"TeXGyreHeros", b"DejaVuSans") if name in drawing.save(folder, "one")[1].read_bytes()}


@pytest.mark.parametrize("name", ["ATLAS", "CMS", "LHCb2", "ALICE", "DUNE"])
def test_figures_are_drawn_in_an_experiments_style(name, caplog, tmp_path):
    with caplog.at_level(logging.WARNING), use_style(name):
        drawing = draw_importances({"mlp.lr": 0.7, "mlp.n_layers": 0.3})
    axes = drawing.figure.axes[0]
    assert all(spine.get_visible() for spine in axes.spines.values())
    assert drawing.style == name
    assert axes.xaxis.label.get_fontsize() == 11
    assert axes.xaxis.get_major_ticks()[0].get_tickdir() == "in"
    assert not any(line.get_visible() for line in axes.get_xgridlines())
    with caplog.at_level(logging.WARNING):
        pixels = mpl.image.imread(drawing.save(tmp_path, "one")[0])
    assert pixels.shape[1] == pytest.approx(COLUMN * 160, abs=1)
    assert not caplog.records


def test_fonts_are_the_experiments_although_the_figure_is_written_later(tmp_path):
    with use_style("CMS"):
        drawing = draw_importances({"mlp.lr": 1.0})
    assert fonts_of(drawing, tmp_path) == {b"TeXGyreHeros"}
    house = draw_importances({"mlp.lr": 1.0})
    with use_style("CMS"):
        assert fonts_of(house, tmp_path) == {b"DejaVuSans"}
        with use_style("house"):
            inside = draw_importances({"mlp.lr": 1.0})
    assert inside.style == "house"
    assert not inside.figure.axes[0].spines["top"].get_visible()
    assert fonts_of(inside, tmp_path) == {b"DejaVuSans"}


def test_nothing_is_changed_once_the_style_is_left_even_by_an_error():
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), use_style("ATLAS"):
        assert dict(mpl.rcParams) != before
        raise ZeroDivisionError
    assert dict(mpl.rcParams) == before
    assert draw_confusion(*EVENTS, threshold=0.5, part="test").style == "house"


def test_an_unknown_style_is_told_with_the_nearest_and_one_that_needs_latex_is_refused(monkeypatch):
    with pytest.raises(StudyError, match=r'"ATLAS2".*but is "Atlas2"\. Did you mean "ATLAS2"\?'), use_style("Atlas2"):
        pass
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StudyError, match='take "CMS"'), use_style("CMSTex"):
        pass


def test_the_package_that_is_missing_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mplhep", None)
    with pytest.raises(MissingPackage, match=r"signal-tuner\[mplhep\]"), use_style("ATLAS"):
        pass
