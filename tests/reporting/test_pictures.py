"""Pictures of the page: written alike by a process of its own and by this one, in the style that is in use."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.figures import draw_roc, draw_significance, use_style
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics import Significance
from tuner.reporting.pictures import keep_drawings

LABELS = np.repeat([0, 1], 150)
EVENTS = (LABELS, np.random.default_rng(0).beta(1 + LABELS, 2 - LABELS), None)


def draw():
    yield "roc", draw_roc(*EVENTS, threshold=0.5, n_replicas=2)
    yield "significance", draw_significance({"test": EVENTS}, [Significance(s=10, b=100)], n_replicas=2)


def test_another_process_writes_the_same_pictures(make_search, tmp_path):
    pytest.importorskip("mplhep")
    search = make_search(complete=1)
    with use_style("ATLAS"):
        with ProcessPool(0, tmp_path) as none:
            here = keep_drawings(search, draw(), none, {"roc": "Read it so."})
        for path in search.folder.figures.iterdir():
            path.unlink()
        with ProcessPool(1, tmp_path) as pool:
            there = keep_drawings(search, draw(), pool, {"roc": "Read it so."})
    assert list(there) == ["roc", "significance"]
    assert there == here
    assert (there["roc"].note, len(there["roc"].panels)) == ("Read it so.", 4)
    files = {path.name for path in search.folder.figures.iterdir()}
    assert files == {"roc.png", "roc.pdf", "significance.png", "significance.pdf"}
