# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 1 Get the data
#
# The frame names where the events are. Reading them checks that they are what the frame says: that the label has two
# values, that features are numbers, that weights are finite.

# %%
from studies.magic import study
from tuner.events import read_events

events = read_events(study.problem)
events

# %% [markdown]
# Each row is an **event** (in other fields: a sample, an instance), each column a **feature**. Signal has label 1. The
# last column is the event's weight: how much it counts. These events have none, so each counts 1. Of each feature you
# should know where it lies:

# %%
events.table.describe().T[["mean", "std", "min", "max"]].round(2)

# %% [markdown]
# ## Can the events be trusted?
#
# A program looks for what people overlook: features that give the answer away, copies, values that stand for "not
# known", parts that differ (`prepare_splits` makes these parts: step 3). A finding is no verdict; it is a question to
# you.

# %%
from tuner.preparation import prepare_splits
from tuner.tuning.findings import check_splits

splits = prepare_splits(events, study.problem, study.preparation)
for finding in check_splits(events, splits, study.problem):
    print(finding, "\n")

# %% [markdown]
# In brackets stands what was looked for. Copies: some images are in the file more than once. If one copy were in
# training and another in the test part, the network could remember the answer. `tuner` keeps copies together, in one
# part. Sorted by class: the file has all gammas first. Had you taken its first half for training, the network would
# have seen no hadron. Nothing is to be done here, as the parts are drawn at random.
#
# ## What can go wrong
#
# - **Leaks.** A column that is made of the label, such as the number of the simulation run, gives an AUC of 1 in
#   training, and nothing on real events. *An AUC that is too good is a bug until you know better.*
# - **-999.** Where a quantity is not defined, physicists write -999. A network takes it for a number. Declare it:
#   `Problem(undefined=-999)`.
#
# ## Your turn
#
# Which class is more frequent here, and is it so in the sky?

# %%
{"gammas": int(events.labels.sum()), "hadrons": int((1 - events.labels).sum())}

# %% [markdown]
# [Next: look at the data](2_visualize.md)
