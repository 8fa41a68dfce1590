"""Learning curves of all trials: pruned ones faint, the best one strong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tuner.figures.drawing import GOOD, INK, Drawing, add_legend, dress, headline, start_figure, write_formulas
from tuner.figures.trials import STATES, find_best

TRAINING_LOSS = (
    "The training loss lies above that of validation: it is the mean over an epoch, while the network still changes, "
    "and with dropout if there is any; validation comes after the epoch, without dropout."
)


def draw_learning_curves(
    curves: Mapping[int, pd.DataFrame],
    states: Mapping[int, str],
    best: int | None = None,
    *,
    winner: int | None = None,
    figure_name: str = "validation AUC",
    loss_name: str = "loss",
) -> Drawing:
    """Draw validation AUC and losses against the epoch.

    curves: trial number to a table with epoch, train_loss, validation_loss, validation_auc. states: trial number to
    state. best: the trial to be highlighted, with its training loss and its best epoch. winner: the trial whose
    setting won the judgement, drawn dashed where it is another one. figure_name, loss_name: what the axes say.
    """
    known = {number: curve for number, curve in sorted(curves.items()) if len(curve)}
    figure = start_figure(11.4, 4.6)
    area, loss = figure.subplots(1, 2)
    for number, curve in known.items():
        if number != best:
            _draw_faint(area, curve, "validation_auc", states.get(number, "complete"))
            _draw_faint(loss, curve, "validation_loss", states.get(number, "complete"))
    dress(area, x="epoch", y=write_formulas(figure_name))
    dress(loss, x="epoch", y=write_formulas(loss_name))
    _limit(area, [c["validation_auc"] for c in known.values()], low_tail=0.10, high_tail=0.0)
    _limit(loss, [c["validation_loss"] for c in known.values()], low_tail=0.0, high_tail=0.10)
    for axes in (area, loss):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if best is not None and best in known:
        _draw_best(area, loss, known[best])
        add_legend(loss, "upper right")
    judged = winner if winner in known and winner != best else None
    if judged is not None:
        _draw_winner(area, loss, known[judged])
    handles = _make_handles(states, known, best)
    if judged is not None:
        handles.insert(min(1, len(handles)), _make_winner_handle(judged, known[judged]))
    add_legend(area, "lower right", handles=handles)
    title = f"Learning curves of {len(known)} trials"
    headline(figure, title)
    frame = pd.concat(
        [curve.assign(trial=number, state=states.get(number, "complete")) for number, curve in known.items()]
        or [pd.DataFrame(columns=["epoch", "train_loss", "validation_loss", "validation_auc", "trial", "state"])],
        ignore_index=True,
    )
    return Drawing(figure, frame, title, _describe(title, known, best, judged), panels=(area, loss))


def _draw_faint(axes: Axes, curve: pd.DataFrame, column: str, state: str) -> None:
    """Draw a trial in the background; a pruned one ends in its marker."""
    colour, marker = STATES[state]
    faint = state != "complete"
    axes.plot(curve["epoch"], curve[column], color=colour, linewidth=0.8, alpha=0.55 if faint else 0.35, zorder=1.5)
    if faint:
        axes.plot(curve["epoch"].iloc[-1:], curve[column].iloc[-1:], marker=marker, markersize=4, color=colour)


def _draw_best(area: Axes, loss: Axes, curve: pd.DataFrame) -> None:
    area.plot(curve["epoch"], curve["validation_auc"], color=GOOD, linewidth=2.4, zorder=4)
    top = find_best(curve, "validation_auc")
    area.plot(
        [top["epoch"]],
        [top["validation_auc"]],
        marker="*",
        markersize=14,
        color=GOOD,
        markeredgecolor="white",
        zorder=5,
    )
    loss.plot(
        curve["epoch"], curve["validation_loss"], color=GOOD, linewidth=2.4, zorder=4, label="best trial, validation"
    )
    loss.plot(
        curve["epoch"],
        curve["train_loss"],
        color=GOOD,
        linewidth=1.6,
        linestyle=":",
        zorder=4,
        label="best trial, train",
    )
    bottom, ceiling = loss.get_ylim()
    lowest, highest = float(curve["train_loss"].min()), float(curve["train_loss"].max())
    margin = 0.04 * (ceiling - bottom)
    loss.set_ylim(np.fmin(bottom, lowest - margin), np.fmax(ceiling, highest + margin))


def _draw_winner(area: Axes, loss: Axes, curve: pd.DataFrame) -> None:
    for axes, column in ((area, "validation_auc"), (loss, "validation_loss")):
        axes.plot(curve["epoch"], curve[column], color=INK, linewidth=1.6, linestyle="--", zorder=4)


def _make_winner_handle(number: int, curve: pd.DataFrame) -> Line2D:
    label = f"won after retraining: trial {number}, {curve['validation_auc'].max():.4f}"
    return Line2D([], [], color=INK, linewidth=1.6, linestyle="--", label=label)


def _limit(axes: Axes, columns: list[pd.Series], *, low_tail: float, high_tail: float) -> None:
    """Cut off the first epochs of hopeless trials, so that the good ones can be told apart."""
    values = np.concatenate([column.to_numpy(dtype=np.float64) for column in columns]) if columns else np.empty(0)
    values = values[np.isfinite(values)]
    if len(values):
        low, high = np.quantile(values, low_tail), np.quantile(values, 1 - high_tail)
        margin = 0.08 * (high - low) or 0.01
        axes.set_ylim(low - margin, high + margin)


def _make_handles(states: Mapping[int, str], known: Mapping[int, pd.DataFrame], best: int | None) -> list[Line2D]:
    """Return one legend entry per state that occurs, with its number of trials."""
    handles = []
    if best is not None and best in known:
        value = known[best]["validation_auc"].max()
        handles.append(
            Line2D(
                [], [], color=GOOD, linewidth=2.4, marker="*", markersize=10, label=f"best: trial {best}, {value:.4f}"
            )
        )
    for state, (colour, marker) in STATES.items():
        count = sum(states.get(number, "complete") == state for number in known)
        if count:
            ends = marker if state != "complete" else ""
            label = f"{state} ({count})"
            handles.append(Line2D([], [], color=colour, linewidth=1.0, marker=ends, markersize=4, label=label))
    return handles


def _describe(title: str, known: Mapping[int, pd.DataFrame], best: int | None, judged: int | None) -> str:
    if best is None or best not in known:
        return f"{title}."
    curve = known[best]
    top = find_best(curve, "validation_auc")
    value, epoch = top["validation_auc"], top["epoch"]
    won = "" if judged is None else f" Dashed is trial {judged}, which won after retraining."
    told = f"{title}. The best trial is {best}, with a validation AUC of {value:.4f} at epoch {epoch:.0f}.{won}"
    return f"{told} {TRAINING_LOSS}" if (curve["train_loss"] > curve["validation_loss"]).any() else told
