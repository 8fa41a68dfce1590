# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 5 Train
#
# Training is four lines, a thousand times over: predict, measure how wrong, find out which way to turn each knob,
# turn it a little. We write them once by hand. After that, `tuner` does it.

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn

from studies.magic import study
from tuner.events import read_events
from tuner.metrics import auc
from tuner.preparation import prepare_splits

splits = prepare_splits(read_events(study.problem), study.problem, study.preparation)
x, y, weight = (
    torch.from_numpy(array.copy()) for array in (splits.train.x, splits.train.labels, splits.train.training_weights)
)
torch.manual_seed(0)
torch.set_num_threads(1)
network = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))

# %% [markdown]
# `x` holds the prepared features, `y` the labels (1 gamma, 0 hadron), and `weight` makes both classes count the same
# (step 3).
#
# ## How wrong: the loss
#
# The **loss** is one number that is small where scores are right. For two classes it is the *binary cross-entropy*:
# minus the logarithm of the score that the true class got. A network that says 0.5 to everything has ln 2 = 0.693.

# %%
loss_function = nn.BCEWithLogitsLoss(reduction="none")


def compute_loss(rows):
    return (weight[rows] * loss_function(network(x[rows]), y[rows])).mean()


first = compute_loss(torch.arange(256))
first.item()

# %% [markdown]
# The untrained network is about as good as one that says 0.5 to everything.
#
# ## Which way: autograd
#
# `backward()` walks from the loss back through every operation, and leaves in each parameter the **gradient**: how
# much the loss would change if this parameter were a little larger. That is the chain rule, done for you. Check it on
# one parameter, by changing it a little:

# %%
first.backward()
parameter = network[0].weight
by_autograd = parameter.grad[0, 0].item()
step = 1e-3
with torch.no_grad():
    parameter[0, 0] += step
    above = compute_loss(torch.arange(256)).item()
    parameter[0, 0] -= 2 * step
    below = compute_loss(torch.arange(256)).item()
    parameter[0, 0] += step
print(f"autograd {by_autograd:.5f}, by hand {(above - below) / (2 * step):.5f}")

# %% [markdown]
# ## Turn the knobs: the optimizer
#
# The optimizer moves each parameter against its gradient, by a step whose size is the **learning rate**. It takes a
# *batch* of events at a time; once through all events is an *epoch*.

# %%
optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
validation_x = torch.from_numpy(splits.validation.x.copy())
curve = []
for epoch in range(8):
    order = torch.randperm(len(x))
    total = 0.0
    for start in range(0, len(x), 256):
        loss = compute_loss(order[start : start + 256])
        optimizer.zero_grad()  # gradients add up unless they are set back
        loss.backward()
        optimizer.step()
        total += loss.item()
    with torch.no_grad():  # no gradients are needed to look
        scores = network(validation_x).sigmoid().numpy()
    curve.append((total / (len(x) // 256 + 1), auc(splits.validation.labels, scores, splits.validation.weights)))
    print(f"epoch {epoch + 1}: training loss {curve[-1][0]:.4f}, validation AUC {curve[-1][1]:.4f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
for axis, values, name in zip(axes, zip(*curve, strict=True), ("training loss", "validation AUC"), strict=True):
    axis.plot(range(1, len(values) + 1), values, marker="o")
    axis.set(xlabel="epoch", ylabel=name)

# %% [markdown]
# That is a trained network. Its AUC on validation is not far below the ballpark of boosted trees, 0.928. What remains
# is to choose better what we chose by feeling: 32, 3e-3, 256, 8 epochs.
#
# ## What to look at
#
# | what you see | what it means | what to do |
# |---|---|---|
# | loss falls, AUC rises, both level off | it has learnt what it can | stop; a larger network, perhaps |
# | training loss falls, validation AUC falls too | overfitting | stop early, dropout, decay, a smaller network |
# | loss jumps or is not a number | learning rate too high | a tenth of it |
# | loss hardly moves | learning rate too low, or inputs not scaled | ten times it; step 3 |
#
# ## What can go wrong
#
# - **Forgetting `zero_grad`**: gradients of all batches add up.
# - **Forgetting `eval()`**: dropout goes on dropping while you score.
# - **Training longer because validation still moves up and down.** It is noise; the interval of an AUC on 3,800
#   events is ± 0.004.
#
# ## Your turn
#
# Set the learning rate to 1, and to 1e-5. Which rows of the table do you see?
#
# [Next: tune it](6_tune.md)
