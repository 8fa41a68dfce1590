# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 0 Frame the problem
#
# Before any data: what do you want to know, and what would be a good answer? Most networks that fail in practice
# answered another question than the one that was asked.
#
# The MAGIC telescope on La Palma looks for **gamma rays** from the sky. A gamma ray that hits the air makes a shower
# of particles, whose faint blue light the camera sees as an ellipse of a few nanoseconds. Cosmic rays (mostly
# protons, "hadrons") make showers too, a thousand times as many. Each image is reduced to ten numbers: length and
# width of the ellipse, its brightness, its angles.
#
# > Which camera images are gamma showers?
#
# A **study** is a file in which such a question is written down, for people and for programs: here
# `studies/magic.py`. These are its main facts; words that are new to you are explained below.

# %%
from studies.magic import study

problem = study.problem
for name, fact in problem.facts.items():
    if not name.startswith("Ballpark"):
        print(f"{name:16} {fact}")

# %% [markdown]
# *Events* says where the table comes from: the data base OpenML, or a file of yours that has this name. *Signal* is
# what you look for. *Features* are the columns that a network learns from, here all but the label, `class`. The
# *figure of merit* is the number by which networks are compared, and the *working point* the cut that is used in the
# end.
#
# ## The questions to ask
#
# | question | here |
# |---|---|
# | What goes in, what comes out? | ten numbers of an image in; out comes a **score**, 0 like a hadron, 1 like a gamma |
# | What kind of task is it? | *supervised* (the simulation knows the truth), *classification*, two classes |
# | What are the classes called? | gamma is **signal**, hadron is **background**; signal is always 1 |
# | How good is good? | the *figure of merit*, here the area under the ROC curve (**AUC**): the chance that a gamma scores higher than a hadron. 0.5 is guessing, 1 is perfect |
# | Which error hurts more? | a hadron that is taken for a gamma, as there are so many of them |
# | What do others reach? | the *ballparks* below: what you expect before you train anything |
# | What happens next? | a **cut** on the score; what passes is counted by direction |

# %%
for known in problem.ballparks:
    print(f"{known.name:28} AUC {known.figures['AUC']:.4f}   {known.source}")

# %% [markdown]
# All three learnt from 80 % of the events and were judged on the others, the *test part* (step 3).
#
# ## The words of an examiner
#
# After a cut on the score there are four kinds of events. All figures are made of them:
#
# | | score above the cut | score below the cut |
# |---|---|---|
# | **gamma** | true positive (TP) | false negative (FN) |
# | **hadron** | false positive (FP) | true negative (TN) |
#
# - **sensitivity** = TP / (TP + FN): the share of gammas that pass. Physicists say *signal efficiency*, `eps_S`.
# - **specificity** = TN / (TN + FP): the share of hadrons that do not pass. 1 - specificity is the *background
#   efficiency*, `eps_B`, the share of hadrons that pass.
#
# A looser cut has more sensitivity and less specificity. The ROC curve shows all cuts at once: `eps_S` against `eps_B`.
# The working point above is the cut at which `eps_S - eps_B` is largest.
#
# ## What can go wrong
#
# - **A figure that says little.** Of a sky with 1,000 hadrons for each gamma, a network that always says "hadron" is
#   right in 99.9 % of the cases. Accuracy is no good figure of merit there.
# - **An input that you will not have.** The simulation knows the energy of the particle; the telescope does not.
# - **No reference.** An AUC of 0.93: is that good? Without the ballparks you cannot say.
#
# ## Your turn
#
# Boosted trees reach 0.928 with their defaults. Before you go on, write down what you expect of a network: better,
# worse, the same? By how much would it have to be better for you to use it?
#
# [Next: get the data](1_get.md)
