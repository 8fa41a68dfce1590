# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 4 Choose a network
#
# A network is a function with many knobs, called *parameters*. It takes ten numbers and gives one. Training turns the
# knobs. To choose a network is to choose the form of the function.
#
# ## Tensors
#
# PyTorch computes with **tensors**: arrays of numbers, as NumPy has them, that can live on a GPU and that remember
# how they came about (step 5 needs that). Here are five events of ten features:

# %%
import torch
from torch import nn

from studies.magic import study
from tuner.events import read_events
from tuner.preparation import prepare_splits

splits = prepare_splits(read_events(study.problem), study.problem, study.preparation)
x = torch.from_numpy(splits.train.x[:5].copy())
x.shape, x.dtype

# %% [markdown]
# ## A layer
#
# `nn.Linear(10, 32)` multiplies by a matrix and adds a vector: 32 sums, each of all ten features. The matrix has 320
# parameters, the vector 32. At first they are random.

# %%
torch.manual_seed(0)
layer = nn.Linear(10, 32)
layer(x).shape, sum(p.numel() for p in layer.parameters())

# %% [markdown]
# Sums of sums are sums. What makes a network more than one big sum is the bend in between: the **activation**. ReLU
# keeps what is positive and makes the rest 0.

# %%
network = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
logits = network(x)
logits

# %% [markdown]
# Five events in, five numbers out. They are **logits**, any number from minus to plus infinity. The sigmoid makes
# scores of them, between 0 and 1. As nothing is trained yet, all are near one half:

# %%
torch.sigmoid(logits)

# %% [markdown]
# `grad_fn`, behind the numbers, is how PyTorch remembers which operation made the tensor. Step 5 walks along it backwards.
#
# ## How large?
#
# | too small | too large |
# |---|---|
# | cannot bend enough: bad on train and on validation (*underfitting*) | learns the training events by heart: good on train, worse on validation (*overfitting*) |
#
# The number of layers, their width, the kind of activation, dropout: these are **hyperparameters**. No formula gives
# them. `tuner` knows several kinds of networks; their settings are small objects:

# %%
from tuner import models

for settings in (models.MLPSettings(widths=(32, 32)), models.MLPSettings(widths=(256, 256, 256), dropout=0.1)):
    built = settings.build(splits.d_in)
    print(f"{sum(p.numel() for p in built.parameters()):8,} parameters   {settings}")

# %% [markdown]
# ## What can go wrong
#
# - **A sigmoid too many.** If the network ends with a sigmoid and the loss applies another, it learns slowly and
#   stays timid. Networks here end with a logit.
# - **Wrong shape.** `[n, 1]` and `[n]` broadcast to `[n, n]` without an error. `nn.Flatten(0)` at the end makes
#   `[n]`.
#
# ## Your turn
#
# How many parameters has `nn.Linear(10, 32)` followed by `nn.Linear(32, 1)`? Compute it, then let PyTorch count.
#
# [Next: train it](5_train.md)
