"""Figures: their numbers against scikit-learn and numpy, their files, and that drawing leaves no trace."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.figures import (
    Drawing,
    draw_importances,
    draw_learning_curves,
    draw_optimization_history,
    draw_parallel_coordinates,
    draw_roc,
    draw_scores,
    tabulate_trials,
)
from tuner.metrics import Measurement


def draw_events(n: int = 1_500, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    return labels, norm.cdf(generator.normal(labels * 1.5 - 0.75, 1.0)), generator.exponential(1.0, n)


def make_trials() -> pd.DataFrame:
    """Every state, a choice, a switch, a logarithmic, a constant and a conditional parameter, a hopeless trial."""
    generator = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "number": range(12),
            "state": ["complete"] * 5 + ["pruned"] * 4 + ["failed", "running", "waiting"],
            "value": [*generator.uniform(0.90, 0.93, 8), 0.4, np.nan, 0.91, np.nan],
            "mlp.lr": 10 ** generator.uniform(-5, -1, 12),
            "mlp.n_layers": generator.integers(1, 5, 12),
            "mlp.activation": generator.choice(["relu", "silu"], 12),
            "mlp.decay.on": [True, False] * 6,
            "mlp.decay": [1e-3, np.nan, 1e-4] * 4,
            "mlp.fixed": 3,
        }
    )
    table.loc[2, "value"] = 0.95
    return table


def make_curves() -> tuple[dict[int, pd.DataFrame], dict[int, str]]:
    curves = {}
    for number in range(4):
        epochs = np.arange(1, 10 if number < 2 else 3)
        area, loss = 0.9 - 0.3 / epochs + 0.01 * number, 0.4 + 0.3 / epochs
        columns = {"train_loss": loss - 0.01 * epochs, "validation_loss": loss, "validation_auc": area}
        curves[number] = pd.DataFrame({"epoch": epochs, **columns})
    curves[4] = pd.DataFrame(columns=["epoch", "train_loss", "validation_loss", "validation_auc"])
    return curves, {0: "complete", 1: "complete", 2: "pruned", 3: "failed", 4: "waiting"}


DRAWERS: dict[str, Callable[[], Drawing]] = {
    "roc": lambda: draw_roc(*draw_events(), threshold=0.6, n_replicas=10),
    "scores": lambda: draw_scores(*draw_events(), train=draw_events(seed=2), threshold=0.6, n_replicas=10),
    "learning curves": lambda: draw_learning_curves(*make_curves(), best=1),
    "history": lambda: draw_optimization_history(make_trials()),
    "importances": lambda: draw_importances({"mlp.lr": 0.7, "mlp.n_layers": 0.3}),
    "parallel coordinates": lambda: draw_parallel_coordinates(make_trials()),
}
NOTHING: dict[str, Callable[[], Drawing]] = {
    "learning curves": lambda: draw_learning_curves({}, {}),
    "history": lambda: draw_optimization_history(tabulate_trials([])),
    "importances": lambda: draw_importances({}),
    "parallel coordinates": lambda: draw_parallel_coordinates(tabulate_trials([])),
    "one trial": lambda: draw_optimization_history(make_trials().iloc[:1]),
    "one setting": lambda: draw_parallel_coordinates(make_trials().iloc[:1]),
}


@pytest.mark.parametrize("draw", DRAWERS.values(), ids=DRAWERS.keys())
def test_every_figure_is_saved_twice_tells_its_numbers_and_what_it_shows(draw, tmp_path):
    drawing = draw()
    png, pdf = drawing.save(tmp_path / "figures", "one")
    pixels = imread(png)
    assert min(pixels.shape[:2]) > 300
    assert pixels.std() > 0.02
    assert pdf.read_bytes().startswith(b"%PDF")
    assert len(drawing.frame())
    assert drawing.alt.startswith(drawing.title)
    assert len(drawing.alt) > len(drawing.title) + 10


@pytest.mark.parametrize("draw", NOTHING.values(), ids=NOTHING.keys())
def test_a_search_that_has_hardly_begun_is_drawn_too(draw):
    assert imread(io.BytesIO(draw().png_bytes(dpi=40))).size


def test_drawing_changes_no_settings_and_works_in_threads():
    before, found = dict(mpl.rcParams), []

    def draw(name: str) -> None:
        found.append(DRAWERS[name]().png_bytes(dpi=40))

    threads = [threading.Thread(target=draw, args=(name,)) for name in ("history", "importances", "history")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert dict(mpl.rcParams) == before


def test_figures_are_imported_when_drawn_and_never_through_pyplot():
    code = (
        "import sys, tuner.figures; a = 'matplotlib' in sys.modules; "
        "tuner.figures.draw_importances({'a': 1.0}).png_bytes(dpi=40); "
        "print(a, *(name in sys.modules for name in ('matplotlib.pyplot', 'torch', 'sklearn', 'mplhep')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False False False False"


def test_the_curve_that_is_drawn_is_scikit_learns_with_its_band_around_it():
    labels, scores, weights = draw_events()
    frame = draw_roc(labels, scores, weights, n_replicas=60).frame()
    eps_b, eps_s, thresholds = reference.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    rows = np.searchsorted(-thresholds, -frame["threshold"])
    np.testing.assert_allclose(frame["eps_s"], eps_s[rows])
    np.testing.assert_allclose(frame["eps_b"], eps_b[rows])
    middle = frame[(frame["eps_b"] > 0.05) & (frame["eps_b"] < 0.5)]
    assert ((middle["eps_s_low"] < middle["eps_s"]) & (middle["eps_s"] < middle["eps_s_high"])).mean() > 0.9
    assert ((middle["eps_b_low"] < middle["eps_b"]) & (middle["eps_b"] < middle["eps_b_high"])).mean() > 0.9
    expected = np.sqrt(0.8 * 0.2 / 375)  # binomial, with the effective number of signal events
    near = middle.iloc[(middle["eps_s"] - 0.8).abs().argmin()]
    assert (near["eps_s_high"] - near["eps_s_low"]) / 2 == pytest.approx(expected, rel=0.6)


def test_the_three_conventions_show_the_same_working_point_with_formulas_on_the_axes():
    labels, scores, weights = draw_events()
    drawing = draw_roc(labels, scores, weights, threshold=0.6, n_replicas=5)
    learning, tmva, tagging = drawing.figure.axes
    eps_s = reference.recall_score(labels, scores >= 0.6, sample_weight=weights)
    eps_b = 1 - reference.recall_score(labels, scores >= 0.6, sample_weight=weights, pos_label=0)
    points = [
        [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "o"] for axes in (learning, tmva, tagging)
    ]
    np.testing.assert_allclose(np.squeeze(points), [[eps_b, eps_s], [eps_s, 1 - eps_b], [eps_s, 1 / eps_b]])
    assert r"\epsilon_B" in learning.get_xlabel()
    assert "weighted events" in learning.get_xlabel()
    assert r"1-\epsilon_B" in tmva.get_ylabel()
    assert r"1/\epsilon_B" in tagging.get_ylabel()
    assert tagging.get_yscale() == "log"


def test_candidates_and_the_optimum_are_drawn_beside_the_network():
    labels, scores, weights = draw_events()
    worse = scores + np.random.default_rng(3).normal(0, 0.3, len(scores))
    drawing = draw_roc(labels, scores, weights, others={"trees": worse}, optimum=norm.ppf(scores), n_replicas=5)
    assert list(drawing.frame()["candidate"].unique()) == ["network", "trees", "optimum"]
    dashed = [line for line in drawing.figure.axes[0].lines if line.get_label().startswith("optimum")]
    assert dashed[0].get_linestyle() == "--"
    expected = reference.roc_auc_score(labels, worse, sample_weight=weights)
    assert f"trees AUC {expected:.3f}"[:-1] in drawing.alt


def test_negative_weights_are_drawn():
    labels, scores, weights = draw_events()
    weights[::7] *= -0.5
    drawing = draw_roc(labels, scores, weights, n_replicas=5)
    assert np.isfinite(drawing.frame()["eps_s"]).all()
    assert draw_scores(labels, scores, weights, n_replicas=5).png_bytes(dpi=40)


def test_score_histograms_have_area_one_and_errors_of_the_sum_of_squared_weights():
    labels, scores, weights = draw_events()
    frame = draw_scores(labels, scores, weights, train=draw_events(seed=2), n_replicas=5).frame()
    areas = (frame["density"] * (frame["high"] - frame["low"])).groupby([frame["part"], frame["class"]]).sum()
    np.testing.assert_allclose(areas, 1.0)
    signal = frame[(frame["part"] == "test") & (frame["class"] == "signal")].iloc[30]
    inside = weights[(labels == 1) & (scores >= signal["low"]) & (scores < signal["high"])]
    total = weights[labels == 1].sum() * (signal["high"] - signal["low"])
    assert signal["error"] == pytest.approx(np.sqrt((inside**2).sum()) / total)


def test_a_gap_that_was_measured_elsewhere_is_told_as_it_is():
    labels, scores, weights = draw_events()
    gap = Measurement(0.0007, -0.0014, 0.0028)
    drawing = draw_scores(labels, scores, weights, train=(labels, scores, weights), gap=gap)
    assert "gap +0.0007 ± 0.0021" in drawing.alt


def test_overtraining_is_told_as_a_gap_in_auc_with_its_interval():
    labels, scores, weights = draw_events()
    better = norm.cdf(norm.ppf(scores) + 0.8 * (labels - 0.5))
    overtrained = draw_scores(labels, scores, weights, train=(labels, better, weights))
    train, test = (reference.roc_auc_score(labels, s, sample_weight=weights) for s in (better, scores))
    told = re.search(r"AUC train (\d.\d+), test (\d.\d+), gap \+(\d.\d+) (± |\+)(\d.\d+)", overtrained.alt)
    assert [float(number) for number in told.group(1, 2, 3)] == pytest.approx([train, test, train - test], abs=6e-4)
    assert len({len(number) for number in told.group(1, 2, 3, 5)}) == 1  # decimals


def test_the_best_of_the_history_is_the_best_complete_trial_and_never_falls():
    trials = make_trials()
    trials.loc[6, "value"] = 0.99  # pruned: it does not count
    drawing = draw_optimization_history(trials)
    best = drawing.frame()["best"].to_numpy()
    assert best[-1] == 0.95
    assert (np.diff(best) >= 0).all()
    assert "Starred is trial 2 with" in drawing.alt
    bottom, _ = drawing.figure.axes[0].get_ylim()
    assert bottom > 0.5
    assert "Arrows at the bottom: 1 below" in drawing.alt


def test_the_star_of_the_history_is_the_trial_that_is_named_also_where_another_has_a_larger_value():
    drawing = draw_optimization_history(make_trials(), best=1, figure_name="AMS")
    [star] = [line for line in drawing.figure.axes[0].lines if line.get_marker() == "*"]
    assert star.get_xydata()[0].tolist() == [1, make_trials()["value"][1]]
    assert f"Starred is trial 1 with AMS {make_trials()['value'][1]:.4f}" in drawing.alt


def test_what_chose_is_drawn_and_what_pruned_below_it_with_the_trials_that_have_nothing_else():
    trials = make_trials()
    chosen = trials["value"].where(trials["state"] == "complete") * 4
    drawing = draw_optimization_history(
        trials.assign(value=chosen, beside=trials["value"]), best=2, winner=0, figure_name="AMS", beside="AUC"
    )
    upper, lower = drawing.figure.axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("AMS", "AUC")
    for axes, values in ((upper, chosen), (lower, trials["value"])):
        stars, diamonds = ([line for line in axes.lines if line.get_marker() == marker] for marker in "*D")
        assert [line.get_xydata()[0].tolist() for line in (*stars, *diamonds)] == [[2, values[2]], [0, values[0]]]
    drawn = {
        kind: sum(len(dots.get_offsets()) for dots in axes.collections)
        for kind, axes in zip("ul", (upper, lower), strict=True)
    }
    assert drawn == {"u": 5, "l": 12}  # 11 that are not waiting, and an arrow
    assert drawing.frame()["best"].max() == chosen.max()
    assert "with AMS 3.8000. Below is the AUC, by which trials are pruned." in drawing.alt
    lines = draw_parallel_coordinates(trials.assign(value=chosen), figure_name="AMS")
    assert "Highlighted is trial 2 (AMS 3.8000)" in lines.alt
    assert "Not drawn: 7 trials without AMS." in lines.alt
    assert [axes.get_xlabel() for axes in lines.figure.axes][-1] == "AMS"


def test_the_winners_training_loss_is_shown_whole():
    curves, states = make_curves()
    curves[1]["train_loss"] = np.linspace(3.0, 0.001, len(curves[1]))
    bottom, top = draw_learning_curves(curves, states, best=1).figure.axes[1].get_ylim()
    assert bottom < 0.001
    assert top > 3.0


def test_learning_curves_show_the_best_strong_and_count_the_others_by_state():
    drawing = draw_learning_curves(*make_curves(), best=1)
    area = drawing.figure.axes[0]
    widths = {line.get_linewidth() for line in area.lines}
    assert max(widths) > 2 * min(widths)
    texts = [text.get_text() for text in area.get_legend().get_texts()]
    assert texts == ["best: trial 1, 0.8767", "complete (2)", "pruned (1)", "failed (1)"]
    assert "at epoch 9" in drawing.alt
    assert set(drawing.frame()["trial"]) == {0, 1, 2, 3}


def test_the_winner_of_the_judgement_is_marked_where_it_is_not_the_best_of_the_search():
    for winner, marked in ((0, True), (1, False), (None, False)):
        history = draw_optimization_history(make_trials(), best=1, winner=winner)
        diamonds = [line.get_xydata()[0] for line in history.figure.axes[0].lines if line.get_marker() == "D"]
        assert [place.tolist() for place in diamonds] == ([[0, make_trials()["value"][0]]] if marked else [])
        curves = draw_learning_curves(*make_curves(), best=1, winner=winner)
        texts = [text.get_text() for text in curves.figure.axes[0].get_legend().get_texts()]
        assert ("won after retraining: trial 0, 0.8667" in texts) == marked
        assert ("trial 0, which won after retraining" in curves.alt) == marked
        assert ("trial 0, which won after retraining" in history.alt) == marked


def test_importances_are_ranked_and_the_rest_summed_up():
    drawing = draw_importances({f"p{i}": i / 45 for i in range(10)}, most=3)
    assert list(drawing.frame()["parameter"]) == ["p9", "p8", "p7", "7 others"]
    assert drawing.frame()["importance"].sum() == pytest.approx(1.0)


def test_parallel_coordinates_leave_out_constants_and_show_what_is_not_used():
    drawing = draw_parallel_coordinates(make_trials(), logarithmic={"mlp.lr", "mlp.decay"})
    axes = drawing.figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert "mlp.lr" in texts
    assert "mlp.fixed" not in texts
    assert texts.count("not used") == 1
    assert {"relu", "silu", "True", "False", "0.001"} <= set(texts)
    assert "Highlighted is trial 2 (validation AUC 0.9500)" in drawing.alt
    strongest = max(axes.lines, key=lambda line: line.get_linewidth())
    column = make_trials()["mlp.lr"][make_trials()["value"].notna()]
    low, high = np.log10(column.min()), np.log10(column.max())
    assert strongest.get_xdata()[0] == pytest.approx((np.log10(make_trials()["mlp.lr"][2]) - low) / (high - low))


def test_parallel_coordinates_highlight_the_trial_that_is_named_and_keep_to_the_most_important():
    drawing = draw_parallel_coordinates(make_trials(), parameters=["mlp.n_layers", "mlp.lr"], best=0, most=1)
    assert "Highlighted is trial 0" in drawing.alt
    assert "1 of 2 that vary" in drawing.title
    assert drawing.alt.endswith("Left out, less important: mlp.lr.")
    assert "mlp.lr" not in [text.get_text() for text in drawing.figure.axes[0].texts]
    trials = make_trials()
    trials.loc[6, "value"] = 0.99  # pruned: not the best
    assert "Highlighted is trial 2" in draw_parallel_coordinates(trials).alt


def test_trials_become_a_table():
    class Trial:
        number, state, value, params = 3, "running", None, {"mlp.lr": 0.1}

    table = tabulate_trials([Trial()])
    assert list(table.columns) == ["number", "state", "value", "mlp.lr"]
    assert np.isnan(table["value"][0])
