# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # 7 Evaluate
#
# Now the test part is opened, once. This page answers the two questions of the beginning.
#
# The study is that of [step 6](6_tune.md). If its search is in `runs/tutorial/` it is taken from there; else it is
# made now.

# %%
import pandas as pd

import tuner
from studies.tutorial import study
from tuner.trackers import NoTracker

search = tuner.sweep(study, workers=1, device="cpu", tracker=NoTracker())

# %% [markdown]
# What happens in the next line: the best setting is trained anew, twice; four networks of it are trained on train +
# validation, each without another quarter, and averaged (the **bag**); boosted trees and logistic regression are
# tuned and fitted on the same events; and then the test part is opened. The study says `hand_on="bag"`: the bag is what
# you will use, so it is "your network" from here on.

# %%
evaluation = tuner.evaluate(search)
evaluation

# %% [markdown]
# The lower table has more figures than you need. Of those that may be new to you: `1/eps_B at eps_S=0.5` of 30 means
# that a cut which half of the gammas pass lets one of 30 hadrons pass; `eps_gamma at eps_hadron=0.01` is the share of
# gammas that pass where one of 100 hadrons does; `loacc` and `hiacc` are means of such shares, and `Q` is
# `eps_S` / √`eps_B` at the cut. [The reference](../reference/metrics.md) has the formulae.
#
# ## Sensitivity and specificity
#
# Of your network, on test, at a cut that was chosen on events that the networks had not been trained on:

# %%
test = evaluation.part("test")
for name in ("AUC", "sensitivity", "specificity"):
    print(f"{name:12} {test[name]}")
print(f"at the cut: score >= {test.threshold:.3f} ({test.threshold_rule})")

# %% [markdown]
# The ± is a 68 % interval: had you judged many times, each time on other test events of the same kind, 68 % of these
# intervals would hold the true value. **A figure without one is not a result.** Check the figures by hand; the scores
# are in a file:

# %%
table = pd.read_parquet(search.folder.scores)
passed, is_gamma = table["score"] >= test.threshold, table["label"] == 1
confusion = pd.crosstab(is_gamma.map({True: "gamma", False: "hadron"}), passed.map({True: "passes", False: "does not"}))
sensitivity = (passed & is_gamma).sum() / is_gamma.sum()
specificity = (~passed & ~is_gamma).sum() / (~is_gamma).sum()
print(f"sensitivity {sensitivity:.4f}, specificity {specificity:.4f}")
confusion

# %% [markdown]
# ## Does it beat the trees?
#
# Both have scored the same test events, so the comparison is *paired*: luck of the events that both share does not
# count.

# %%
trees = evaluation.over_baseline
print(f"{trees.candidate}: AUC {trees.figure}")
print(f"{evaluation.handed_on.description}: AUC {test['AUC']}")
print(f"trees minus network: {trees.difference.signed}, p = {trees.p_value:.2g}")
print(f"The trees are {trees.verdict}." if trees.verdict != "not distinguishable" else "They cannot be told apart.")

# %% [markdown]
# p is the chance of a difference as large as this, up or down, if there were none.
#
# All candidates side by side. Here each is compared with the *winner of the search*, the mean of its two trainings; as
# that makes many comparisons, each must be clearer than one alone (Holm's correction):

# %%
pd.DataFrame(
    [(s.candidate, str(s.figure), s.verdict) for s in evaluation.standings_on("test")],
    columns=["candidate", "AUC on test", "against the winner it is"],
)

# %% [markdown]
# "Cannot be told apart" is a result, and a frequent one. It means: with these events, nobody can say.
#
# Eight trials of 15 epochs are a budget for a page, not for an answer. The whole study, `tuner sweep studies/magic.py`
# with 64 trials, takes some minutes. Measured once, on 2026-11-27: the bag has AUC 0.9383 ± 0.0042 on test, the trees
# 0.9320.
#
# ## What was each feature worth?
#
# Shuffle one feature among the events, and see how much AUC is lost. Was your guess of step 2 right?

# %%
for importance in evaluation.importances[:4]:
    print(f"{importance.feature:10} {importance.drop}")

# %% [markdown]
# ## What can go wrong
#
# - **Opening test again after a change.** Then it has chosen something, and flatters. `tuner` logs it:

# %%
print(search.folder.openings.read_text()[:200], "...")

# %% [markdown]
# - **A cut chosen on test.** It was chosen before, and frozen.
# - **No difference, but a story.** If p is 0.05 or more, which is to say that the 95 % interval of the difference holds
#   zero, do not tell that one is better. The ± is a 68 % interval, and misses the truth in every third case.
#
# ## Your turn
#
# Write your answer in two sentences, with the intervals: *"My network has a sensitivity of ... and a specificity of
# ... It is (better than | worse than | not to be told from) boosted trees, by ..."* That is what an examiner wants to
# hear.
#
# `tuner.report(search, evaluation)` writes it all on one page.
#
# [Next: predict](8_predict.md)
