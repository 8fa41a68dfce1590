# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 2 Visualize
#
# Look at the events before any network does. Rows and types, balance of the classes, a histogram of each feature, and
# what goes together. Only the **training** events are shown: if you look at the test events, you will decide by them.

# %%
import matplotlib.pyplot as plt

import tuner
from studies.magic import study

exploration = tuner.explore(study)
exploration

# %% [markdown]
# From top to bottom: how many events of each class; some of the rows; and each feature with a small histogram of both
# classes. The rest of this page says what the numbers are. (*Effective events* are fewer than events where weights
# differ; here they do not.)
#
# ## One feature at a time
#
# `fAlpha` is the angle between the long axis of the ellipse and the line to the source. A gamma from the source
# points to it, so its angle is small; hadrons come from anywhere.

# %%
from tuner.events import read_events

events = read_events(study.problem)
train = tuner.preparation.prepare_splits(events, study.problem, study.preparation).train.rows
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for value, name in ((1, "gamma"), (0, "hadron")):
    rows = train[events.labels[train] == value]
    axis.hist(
        events.table["fAlpha"].iloc[rows], bins=45, range=(0, 90), density=True, histtype="step", lw=2, label=name
    )
axis.set(xlabel="fAlpha [deg]", ylabel="share of the class per degree")
legend = axis.legend()

# %% [markdown]
# The **separation** of two histograms is a number for what you see: 0 where they are the same, 1 where they do not
# overlap. And the AUC of a feature alone says what a simple cut on it could reach.

# %%
exploration.features[["separation", "auc", "undefined"]].round(3)

# %% [markdown]
# No single feature is near the ballpark of 0.93. The rest must come from how features go **together**. The
# *correlation* of two features is +1 where one rises with the other, -1 where it falls, and 0 where they have nothing
# to do with each other (it sees only straight lines):

# %%
print(*exploration.strongest, sep="\n")

# %% [markdown]
# ## What can go wrong
#
# - **Scales.** `fLength` is some 50, `fM3Long` may be -300, `fConc` is below 1. A network sees sums of these: the
#   large ones would win. That is what step 3 is for.
# - **Tails.** A single value far beyond all others squeezes the rest into one bin.
# - **Looking too long.** Whoever looks at enough plots finds a difference by chance.
#
# ## Your turn
#
# Which two features would you give to a network that may have only two? Keep your answer for the end of step 7, where
# the network says what each feature was worth to it.
#
# [Next: prepare the data](3_prepare.md)
