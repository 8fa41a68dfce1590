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
from dataclasses import replace

import pandas as pd

import tuner
from studies.magic import study
from tuner import Budget, EvaluationSettings, Settings, TrainingSettings, models, search_space
from tuner.trackers import NoTracker


@search_space(structure=["width"], warm_starts=[{"width": 64, "lr": 1e-2, "dropout": 0.1}])
def suggest(trial):
    width = trial.suggest_categorical("width", [32, 64])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    return Settings(
        network=models.MLPSettings(widths=(width, width), activation="silu", dropout=dropout),
        training=TrainingSettings(optimizer="schedule_free", schedule="constant", lr=lr, batch_size=256),
    )


study = replace(
    study,
    name="tutorial",
    search_space=suggest,
    budget=Budget(trials=8, epochs=6),
    evaluation=EvaluationSettings(finalists=1, seeds=2, bag=4, refit=False, baseline_trials=2, replicas=100),
)
search = tuner.sweep(study, workers=1, device="cpu", tracker=NoTracker())

# %% [markdown]
# What happens in the next line: the best setting is trained anew, twice; four networks of it are trained on train +
# validation, each without another quarter, and averaged (the **bag**); boosted trees and logistic regression are
# tuned and fitted on the same events; and then the test part is opened.

# %%
evaluation = tuner.evaluate(search)
evaluation

# %% [markdown]
# ## Sensitivity and specificity
#
# Of what is handed on, on test, at a cut that was chosen on events that the networks had not been trained on:

# %%
test = evaluation.part("test")
for name in ("AUC", "sensitivity", "specificity"):
    print(f"{name:12} {test[name]}")
print(f"at the cut: score >= {test.threshold:.3f} ({test.threshold_rule})")

# %% [markdown]
# The ± is a 68 % interval: had you judged many times, each time on other test events of the same kind, 68 % of these
# intervals would hold the true value.
# **A figure without one is not a result.** Check it by hand; the scores are in a file:

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
# All candidates side by side (`the verdict` is against the winner of the search; Holm's correction allows for looking
# at several):

# %%
pd.DataFrame(
    [(s.candidate, str(s.figure), s.verdict) for s in evaluation.standings_on("test")],
    columns=["candidate", "AUC on test", "against the winner it is"],
)

# %% [markdown]
# "Cannot be told apart" is a result, and a frequent one. It means: with these events, nobody can say.
#
# If the trees won here: eight trials of two small networks for six epochs are a budget for a page, not for an answer.
# The whole study, `tuner sweep studies/magic.py` with 64 trials, takes some minutes. Measured once, on 2026-11-27:
# the bag has AUC 0.9383 ± 0.0042 on test, the trees 0.9320.
#
# ## What was each feature worth?
#
# Shuffle one feature among the events, and see what the AUC loses. Was your guess of step 2 right?

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
