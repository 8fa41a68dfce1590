# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 6 Tune
#
# Learning rate, width, dropout: you could try by hand, and would try what you thought of. A **search** tries more,
# and remembers. [Optuna](https://optuna.org) proposes settings, learns from how good they were, and stops those that
# do not promise much.
#
# ## What is searched
#
# A *search space* is a function of a trial. Each `suggest_...` is a knob with its range:

# %%
from dataclasses import replace

import tuner
from studies.magic import study
from tuner import Budget, EvaluationSettings, Settings, TrainingSettings, models, search_space
from tuner.trackers import NoTracker


@search_space(structure=["width"], warm_starts=[{"width": 64, "lr": 1e-2, "dropout": 0.1}])
def suggest(trial):
    width = trial.suggest_categorical("width", [32, 64])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)  # log: 0.001 to 0.01 matters as much as 0.01 to 0.1
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    return Settings(
        network=models.MLPSettings(widths=(width, width), activation="silu", dropout=dropout),
        training=TrainingSettings(optimizer="schedule_free", schedule="constant", lr=lr, batch_size=256),
    )


# %% [markdown]
# `structure` names the knobs that fix the shapes of tensors. Trials of one structure train **together**, as one
# batched network: that is why this takes seconds. The study is that of step 0 with a small budget; a real one has 64
# trials of 30 epochs and more.

# %%
study = replace(
    study,
    name="tutorial",
    search_space=suggest,
    budget=Budget(trials=8, epochs=6),
    evaluation=EvaluationSettings(finalists=1, seeds=2, bag=4, refit=False, baseline_trials=2, replicas=100),
)
search = tuner.sweep(study, workers=1, device="cpu", tracker=NoTracker())
search

# %% [markdown]
# Each **trial** is one setting, trained. `pruned` means that it was stopped early; `value` is the AUC on validation.

# %%
columns = ["number", "state", "value", "params_width", "params_lr", "params_dropout"]
search.trials_dataframe()[columns].sort_values("value", ascending=False).round(4)

# %% [markdown]
# ## How much of it is luck?
#
# The best of eight is better than the others in part because it was lucky: with other first parameters it would have
# another AUC. The spread between two trainings of *one* setting on this problem is about 0.001. Is the best trial
# ahead by more than that?
#
# The answer is the next step: the best settings are trained again, from scratch.
#
# ## What can go wrong
#
# - **Ranges too narrow or too wide.** If the best value lies at the edge of its range, widen it.
# - **Too many knobs for too few trials.** Eight trials cannot choose among ten knobs.
# - **Believing the best trial.** See above.
#
# ## Your turn
#
# Write this study into a file, `studies/mine.py`, and run `tuner sweep studies/mine.py --trials 64 --epochs 30`. Stop it
# with Ctrl-C, and run the same command again. `tuner dashboard studies/mine.py` shows the search in a browser.
#
# [Next: evaluate](7_evaluate.md)
