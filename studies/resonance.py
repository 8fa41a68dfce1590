"""Default study: a simulated resonance in two leptons over a continuum, with an optimum that is known exactly."""

from __future__ import annotations

from search_spaces import mlp
from tuner.events import Resonance
from tuner.problem import Ballpark, Nuisance, Problem
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.study import Budget, Study

study = Study(
    name="resonance",
    problem=Problem(
        question="Which lepton pairs come from the decay of a heavy particle?",
        events=Resonance(40_000),
        before="Simulated collisions with two leptons, and a jet in half of them; no trigger, no selection.",
        after="A cut on the score, then a search for a bump in the mass of what is left.",
        worse_error="Background that is selected: the cut shapes its mass like a signal.",
        label="label",
        signal="signal",
        weight="weight",
        observers=("mass",),
        optimum="log_likelihood_ratio",
        expected_signal=200,  # before the cut: 2 sigma without a network
        expected_background=10_000,
        undefined=-999.0,
        units=dict.fromkeys(("lepton1_pt", "lepton2_pt", "jet_pt", "mass"), "GeV")
        | dict.fromkeys(("lepton1_phi", "lepton2_phi"), "rad"),
        nuisances=(
            Nuisance(
                name="momentum scale, 1 %",
                up=Resonance(40_000, variant="scale_up"),
                down=Resonance(40_000, variant="scale_down"),
            ),
        ),
        ballparks=(
            Ballpark(
                name="boosted trees, defaults", auc=0.880, source="HistGradientBoosting, azimuths as read, measured"
            ),
            Ballpark(name="MLP 3x128, 20 epochs", auc=0.933, source="azimuths as read, measured"),
            Ballpark(name="likelihood ratio: no network is better", auc=0.962, source="exact; .960-.963 by seed"),
        ),
    ),
    search_space=mlp.suggest,
    # Enough to see what there is to see, and small enough for ten minutes on two cores.
    budget=Budget(trials=24, epochs=20),
    evaluation=EvaluationSettings(finalists=2),
)
