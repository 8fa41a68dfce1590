# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 8 Predict
#
# The network is there to be used: on events whose truth nobody knows. The study is that of [step 6](6_tune.md); what
# was trained and evaluated already is taken from `runs/tutorial/`.

# %%
import numpy as np

import tuner
from studies.tutorial import study
from tuner.events import read_events
from tuner.trackers import NoTracker

search = tuner.sweep(study, workers=1, device="cpu", tracker=NoTracker())
evaluation = tuner.evaluate(search)

# %% [markdown]
# A night of the telescope is a table of the same ten columns, without a label. We take a thousand events, and forget
# their class.

# %%
night = read_events(study.problem).table.sample(1_000, random_state=0)
scores = tuner.predict(search, night)
scores

# %% [markdown]
# One score an event, in the order of the events. With the frozen cut they become a decision:

# %%
print(f"{scores.decisions.sum()} of {len(scores)} images have a score of at least {scores.cut:.3f}: gammas, it seems")

# %% [markdown]
# ## Hand it on
#
# ONNX is a file format for networks that C++, Java and JavaScript read. The preparation of step 3 is inside: raw
# numbers in, score out.

# %%
path = tuner.export(search, "network.onnx")
f"{path}: {path.stat().st_size / 1e3:.0f} kB"

# %% [markdown]
# Another program reads it, one that knows nothing of PyTorch or of us:

# %%
import onnxruntime

session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
(again,) = session.run(["score"], {"features": night.to_numpy(np.float32)})
print(f"largest difference: {np.abs(again - np.asarray(scores)).max():.1e}")

# %% [markdown]
# ## What can go wrong
#
# - **Other units, another order of the columns, another calibration.** The network cannot notice; it gives a number.
#   `tuner.predict` compares new events with those of training and says in what they differ:

# %%
strange = night.assign(fLength=night["fLength"] * 100)
for finding in tuner.predict(search, strange).findings:
    print(finding)

# %% [markdown]
# - **A score is no probability in the sky.** 0.9 means: were there as many gammas as hadrons, nine of ten such images
#   would be gammas. In the sky there are a thousand hadrons for each gamma.
# - **Simulation is not nature.** The network knows the simulation. What it does on real images is a systematic
#   uncertainty: see [nuisances](../how_to/pyhf.md).
#
# ## Done
#
# You framed a question, looked at the data, trained a network by hand, let a search do better, judged it honestly,
# and handed it on. Next: [your own events](../how_to/own_events.md), [your own network](../how_to/own_network.md).
