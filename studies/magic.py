"""Real events: images of air showers in the MAGIC telescope's camera (UCI, CC BY 4.0, doi:10.24432/C52C8B)."""

from __future__ import annotations

from search_spaces import mlp
from tuner.events import OpenML
from tuner.problem import Ballpark, Problem
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.study import Budget, Study

COLUMNS = ("fLength", "fWidth", "fSize", "fConc", "fConc1", "fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist", "class")
FITTED, SPLIT = "fitted on the other 80 %", "test part of this split"

study = Study(
    name="magic",
    problem=Problem(
        question="Which camera images are gamma showers?",
        events=OpenML(1120, file="magic04.data", columns=COLUMNS),
        before="Simulated showers (CORSIKA) seen by the camera; each image is reduced to ten parameters (Hillas).",
        after="A cut on the score keeps the gamma-like images, whose directions are searched for a source.",
        worse_error="Background that is selected: hadrons are far more frequent in the sky than gammas.",
        label="class",
        signal="g",
        gamma_telescope=True,
        ballparks=(
            Ballpark(name="boosted trees, defaults", auc=0.9281, source=f"HistGradientBoosting, {FITTED}", split=SPLIT),
            Ballpark(name="random forest, 300 trees", auc=0.9315, source=f"scikit-learn, {FITTED}", split=SPLIT),
            Ballpark(name="RealMLP, tuned defaults", auc=0.9344, source=f"arXiv:2407.04491, {FITTED}", split=SPLIT),
        ),
    ),
    search_space=mlp.suggest,
    budget=Budget(trials=64, epochs=30),
    evaluation=EvaluationSettings(finalists=2),  # 10 trainings: some three minutes on two cores
)
