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
# A *search space* is a function of a trial. Each `suggest_...` is a knob with its range. Together with the question of
# step 0 and a budget it makes a study, which is one file:

# %%
from pathlib import Path

from studies import tutorial

print(Path(tutorial.__file__).read_text())

# %% [markdown]
# | in the file | what it says |
# |---|---|
# | `structure` | the knobs that fix the shapes of tensors. Trials that agree in them train **together**, as one batched network: that is why this takes seconds |
# | `warm_starts` | settings to begin with, as you would: a guess, or what was good elsewhere |
# | `activation="silu"` | a ReLU with a round corner |
# | `optimizer="schedule_free"` | AdamW as in step 5, but the parameters that are used are a mean over the steps: [arXiv:2405.15682](https://arxiv.org/abs/2405.15682) |
# | `replace(magic.study, ...)` | the study of step 0, with some of its entries exchanged |
# | `budget` | 8 trials of at most 15 epochs, for this page. A real one has 64 trials of 30 epochs and more |
# | `evaluation` | how much is done in step 7: less than usual, again for this page |
#
# ## Search

# %%
import tuner
from tuner.trackers import NoTracker

search = tuner.sweep(tutorial.study, workers=1, device="cpu", tracker=NoTracker())
search

# %% [markdown]
# Each **trial** is one setting, trained. `pruned` means that it was stopped early; `value` is the AUC on validation.

# %%
columns = ["number", "state", "value", "params_width", "params_lr", "params_dropout"]
search.trials_dataframe()[columns].sort_values("value", ascending=False).round(4)

# %% [markdown]
# All that the search made is in the folder `runs/tutorial/`. Run the cell above once more: the budget is spent, so
# nothing is trained again.
#
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
# Make the study yours: copy `studies/tutorial.py` to `studies/mine.py`, write `name="mine"`, and add a knob, such as the
# number of layers. Then, in a terminal in the folder of the repository:
#
# ```sh
# source .venv/bin/activate
# tuner check studies/mine.py
# tuner sweep studies/mine.py --trials 64 --epochs 30
# ```
#
# Stop it with Ctrl-C, and run the same command again: it goes on where it was. `tuner dashboard studies/mine.py` shows
# the search in a browser.
#
# [Next: evaluate](7_evaluate.md)
