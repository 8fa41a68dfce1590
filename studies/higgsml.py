"""Higgs bosons that decay to two tau leptons: first events of the HiggsML challenge's file.

Source: ATLAS collaboration, CERN Open Data, CC0, doi:10.7483/OPENDATA.ATLAS.ZBP2.M5T8.
"""

from __future__ import annotations

from search_spaces import mlp
from tuner.events import File
from tuner.metrics.figures_of_merit import Ams
from tuner.problem import Ballpark, Problem
from tuner.tuning.study import Budget, Study

TREES = "HistGradientBoosting, defaults, event weights scaled to equal sums of both classes, mean of 3 seeds, fitted"
SPLIT = "test part of this split, with event weights"

study = Study(
    name="higgsml",
    problem=Problem(
        question="Which events are decays of a Higgs boson to two tau leptons?",
        events=File("higgsml_22800.csv.gz"),
        before="ATLAS's full simulation of 8 TeV collisions, with one lepton and one hadronic tau selected.",
        after="Events above one cut on the score are counted, and tested against the background-only hypothesis.",
        worse_error="Background that is selected: there is six hundred times as much of it as of signal.",
        label="Label",
        signal="s",
        weight="Weight",
        event_id="EventId",
        ignored=("KaggleSet", "KaggleWeight"),
        undefined=-999.0,
        # Weighted totals of the whole challenge file: each part's weights are scaled up to them, class by class.
        figure_of_merit=Ams(s=692.0, b=411_000.0),
        ballparks=(
            Ballpark(name="boosted trees, defaults", auc=0.926, source=f"{TREES} on train alone", split=SPLIT),
            Ballpark(
                name="boosted trees, refitted",
                auc=0.9275,
                source=f"{TREES} on train + validation",
                split=SPLIT,
                to_beat=True,
            ),
        ),
    ),
    search_space=mlp.suggest,
    budget=Budget(trials=40, epochs=30),
)
