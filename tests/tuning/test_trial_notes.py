"""Notes of trials: what a reader finds in them, and that they fit."""

import pytest

from tuner.metrics import Measurement
from tuner.tuning.dashboard_notes import CHUNK
from tuner.tuning.trial_notes import TrialEnd, write_trial_note

COMPLETE = TrialEnd(
    number=12,
    state="complete",
    reason="All 30 epochs.",
    params={"lr": 0.0012345, "width|depth": "a|b", "schedule": "one_cycle"},
    host="node_7",
    seconds=75.0,
    summary={"best_epoch": 27, "epochs": 30, "n_parameters": 54017, "pack_size": 16, "validation_auc": 0.93},
    figures={"AUC": Measurement(0.9312, 0.9271, 0.9353), "1/eps_B at eps_S=0.3": Measurement(213.0, 198.0, 258.0)},
    cut=0.5271,
)


def test_a_complete_trials_note_tells_all():
    lines = write_trial_note(COMPLETE, keeps=20).splitlines()
    assert lines == [
        "**Complete.** All 30 epochs.",
        "",
        "Best at epoch 27 of 30; 54,017 parameters; in a pack of 16; 1 min 15 s; on node_7.",
        "",
        "| on validation, working point 0.5271 | value and 68 % interval |",
        "| --- | --- |",
        "| AUC | 0.9312 ± 0.0041 |",
        "| 1/eps_B at eps_S=0.3 | 213 +45 -15 |",
        "",
        "Figures at the working point are slightly optimistic: it was chosen on these same events.",
        "",
        "| setting | value |",
        "| --- | --- |",
        "| lr | 0.001234 |",
        "| width\\|depth | a\\|b |",
        "| schedule | one_cycle |",
        "",
        'Its network is kept while it is among the best 20: `tuner.predict(search, "new_events.root", trial=12)`, '
        '`tuner.export(search, "network.onnx", trial=12)`.',
    ]


def test_a_trial_that_came_to_nothing_says_why_and_no_more():
    end = TrialEnd(number=1, state="failed", reason="ValueError: `x` is\nno <number>", params={}, resumes=0)
    assert write_trial_note(end).splitlines() == [
        "**Failed.** ValueError: \\`x\\` is no \\<number\\>",
        "",
        "It resumes trial 0.",
    ]


@pytest.mark.parametrize("n_params", [1, 40, 2000])
@pytest.mark.parametrize("letters", [3, 5000])
def test_a_note_fits_into_one_attribute_whatever_there_is_to_tell(n_params, letters):
    end = TrialEnd(
        number=1,
        state="failed",
        reason="*" * letters,
        params={f"parameter_{n}": "x" * min(letters, 300) for n in range(n_params)},
        remark="It has no picture.",
    )
    note = write_trial_note(end)
    assert len(note) < CHUNK - 100
    shown = note.count("parameter_")
    assert shown == n_params or f"{n_params - shown} more setting" in note
