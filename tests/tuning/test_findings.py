"""What checks find of a study's events stops a sweep or is told at its start, and is kept with it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from samples import Shown, make_study

import tuner
from tuner.errors import EventsError, StudyError
from tuner.trackers import NoTracker
from tuner.tuning.findings import open_findings
from tuner.tuning.search import open_search


@dataclass(frozen=True)
class Leaky:
    """Simulated events of which a feature is the label, and one in fifty comes twice."""

    source: tuner.events.Resonance
    has_label: bool = True

    def read(self) -> pd.DataFrame:
        table = self.source.read()
        table.iloc[-20:] = table.iloc[:20].to_numpy()
        table = table.infer_objects()
        return table.assign(truth=np.where(table["label"] == "signal", 4.0, 2.0)) if self.has_label else table

    def describe(self) -> str:
        return "leaky events"

    def at(self, path):
        return self


def make_leaky(*, has_label=True, **changes):
    study = make_study(trials=1, epochs=1, n_events=1000)
    return replace(study, problem=replace(study.problem, events=Leaky(study.problem.events, has_label), **changes))


def sweep(study, folder, **options):
    return tuner.sweep(study, folder=folder, tracker=NoTracker(), workers=1, **options)


def test_an_error_stops_before_anything_is_trained_and_says_how_to_go_on(tmp_path):
    for refuse in (lambda study: sweep(study, tmp_path), lambda study: tuner.check_study(study, folder=tmp_path)):
        with pytest.raises(EventsError, match=r'"truth" is the label in other words.*accepted=\("label-in-feature",\)'):
            refuse(make_leaky())
    assert not list(tmp_path.iterdir())


def test_a_code_that_is_none_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(StudyError, match='Did you mean "label-in-feature"'):
        sweep(make_leaky(accepted=("label-in-features",)), tmp_path)


def test_warnings_are_told_and_kept_and_follow_the_study(tmp_path, caplog):
    study, shown = make_leaky(has_label=False), Shown()
    search = sweep(study, tmp_path, display=shown)
    kept = open_findings(search)
    assert [(one.code, one.severity) for one in kept] == [("copies", "warning"), ("sculpting", "note")]
    assert str(kept[0]) in caplog.messages
    assert str(kept[1]) in shown.told
    search.folder.findings.unlink()
    assert open_findings(search) == kept
    calmed = open_search(replace(study, problem=replace(study.problem, accepted=("copies",))), folder=tmp_path)
    caplog.clear()
    sweep(calmed.study, tmp_path, display=shown)
    assert not [text for text in caplog.messages if "[copies]" in text]
    assert shown.told[-1] == "Accepted by the study: copies."
    assert [one.code for one in open_findings(calmed) if one.is_accepted] == ["copies"]
