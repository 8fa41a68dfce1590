# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 3 Prepare
#
# Two things: **split** the events into three parts, and **scale** the features.
#
# | part | what it is for | who may look |
# |---|---|---|
# | train | the network learns from it | the network, at every step |
# | validation | choose between networks, stop the training, place the cut | you, as often as you like |
# | test | say how good the chosen one is | once, at the very end |
#
# Why three? Whatever you choose by, flatters you. Of a hundred networks the best on validation is partly the luckiest
# there. The test part has chosen nothing, so it is honest, **as long as it stays closed**.

# %%
from studies.magic import study
from tuner.events import read_events
from tuner.preparation import prepare_splits

events = read_events(study.problem)
splits = prepare_splits(events, study.problem, study.preparation)
splits

# %% [markdown]
# ## Scaling
#
# Each feature is mapped so that its values spread evenly, by a function that is fitted on the **training part only**.
# Were it fitted on all events, the test part would have had a say.

# %%
import numpy as np

raw = events.table["fLength"].to_numpy()[splits.train.rows]
prepared = splits.train.x[:, list(splits.preprocessing.inputs).index("fLength")]
for name, values in (("as read", raw), ("prepared", prepared)):
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    print(f"fLength {name:9} 1 %: {low:8.2f}   middle: {middle:7.2f}   99 %: {high:8.2f}")

# %% [markdown]
# What goes into the network is a table of numbers, one row an event, one column an input:

# %%
{name: getattr(splits, name).x.shape for name in ("train", "validation", "test")}

# %% [markdown]
# ## Weights
#
# There are twice as many gammas as hadrons here. In training each class counts the same in all: a gamma's weight is
# smaller than a hadron's.

# %%
part = splits.train
{name: round(float(part.training_weights[part.labels == value].sum())) for name, value in (("gamma", 1), ("hadron", 0))}

# %% [markdown]
# ## What can go wrong
#
# - **Preparing before splitting**: the classic leak. Here it cannot happen, as `prepare_splits` does both.
# - **Scaling new events by their own mean.** The function that was fitted on train must be used for ever. It travels
#   inside the exported network.
# - **Opening test "just to see".** There is no way to un-see it. `tuner` counts openings, and the report shows the
#   count.
#
# ## Your turn
#
# You train ten networks, choose the one that is best on test, and report its test AUC. What is wrong with it?
#
# [Next: choose a network](4_choose.md)
