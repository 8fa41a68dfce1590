"""What a figure of one cut promises is kept, and it puts the better of two candidates first: 200 toy experiments."""

from __future__ import annotations

import pytest

from benchmarks.cut_promises import FIGURES, keep_promises


@pytest.mark.slow
def test_a_promise_is_unbiased_and_ranks_candidates_as_often_right_as_the_auc():
    came = keep_promises(FIGURES["Z, b >> s"], range(200), n=10_000)
    assert abs(came.bias) < 0.1 * came.spread
    assert came.own_bias > 0.3 * came.spread
    assert came.effective > 50
    assert came.right >= came.right_by_auc - 0.01
