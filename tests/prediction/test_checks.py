"""What `tuner check` accepts runs to the exported file; what it refuses is told by stage and setting."""

from dataclasses import replace

import pytest
import torch
from own_networks import WRONG, Own, Sharp
from samples import HaltingSettings, make_settings, make_study

import tuner
from tuner.errors import StudyError

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch, of `clamp_` under vmap


def make_kinds(*kinds, **changes):
    """Return a study of networks by name."""

    def suggest(trial):
        return replace(make_settings(batch_size=128), network=Own(trial.suggest_categorical("kind", kinds)))

    return make_study(n_events=900, search_space=tuner.search_space(structure=["kind"])(suggest), **changes)


def test_networks_of_ones_own_go_the_whole_way_and_nothing_is_kept(tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    lines = tuner.check_study(make_kinds("tied", "squeezed"), folder=tmp_path).lines
    assert torch.rand(1) == expected
    assert any(line.startswith("Azimuths: lepton2_phi: cosine and sine of the angle to lepton1_phi.") for line in lines)
    assert "saved, loaded and exported to ONNX" in lines[-1]
    assert "So was 1 other setting, to try each choice" in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_what_is_another_network_once_it_is_loaded_is_refused_for_each_setting(tmp_path):
    with pytest.raises(StudyError, match=f"has {len(WRONG)} problems") as raised:
        tuner.check_study(make_kinds("double", *WRONG), folder=tmp_path)
    told = str(raised.value)
    assert told.count("must be the same once it is saved and loaded, but for {'kind': ") == len(WRONG)
    assert "'double'" not in told


def test_a_knob_that_a_pack_cannot_see_is_refused(tmp_path):
    @tuner.search_space(structure=["batch_size"])
    def suggest(trial):
        settings = make_settings(batch_size=trial.suggest_categorical("batch_size", [128]))
        return replace(settings, network=Sharp(trial.suggest_float("factor", 0.1, 4.0)))

    with pytest.raises(StudyError, match=r"saved and loaded, but for .*'factor'.*knob must act through"):
        tuner.check_study(make_study(n_events=900, search_space=suggest), folder=tmp_path)


def test_what_cannot_be_exported_is_refused(tmp_path):
    pytest.importorskip("onnx", reason='needs the extra "onnx"')
    study = make_study(n_events=900, search_space=lambda trial: replace(make_settings(), network=HaltingSettings()))
    with pytest.raises(StudyError, match=r"must be exported, but for \{\}: The network must be one that torch\.onnx"):
        tuner.check_study(study, folder=tmp_path)


def test_without_the_extra_export_is_not_tried_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.prediction.checks.is_exporting_possible", lambda: False)
    lines = tuner.check_study(make_kinds("double"), folder=tmp_path).lines
    assert "saved, and loaded" in lines[-2]
    assert 'pip install "signal-tuner[onnx]"' in lines[-1]
