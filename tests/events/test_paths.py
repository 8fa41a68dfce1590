"""Where files are looked for, and what is said when they are not there."""

import pytest

from tuner.errors import EventsError
from tuner.events import File, OpenML, Resonance, read_events
from tuner.events.paths import find_files
from tuner.problem import Problem

MAGIC = ("fLength", "fWidth", "fSize", "fConc", "fConc1", "fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist", "class")


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNER_DATA", raising=False)
    return tmp_path


@pytest.fixture
def magic(tmp_path):
    path = tmp_path / "store" / "magic04.data"
    path.parent.mkdir()
    path.write_text("".join(f"{','.join(str(i * 10 + j) for j in range(10))},{'gh'[i % 2]}\n" for i in range(8)))
    return path


def make_question(source):
    return Problem(question="Which?", events=source, label="class", signal="g")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Let each connection be refused, and no data set be kept."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "kept"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)


def test_the_working_folder_comes_before_the_data_folder(tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.mkdir()
    (store / "e.csv").touch()
    with pytest.raises(EventsError, match=r"TUNER_DATA names no folder to look in"):
        find_files("e.csv")
    monkeypatch.setenv("TUNER_DATA", str(store))
    assert find_files("e.csv") == [store / "e.csv"]
    (tmp_path / "e.csv").touch()
    assert [path.resolve() for path in find_files("e.csv")] == [tmp_path / "e.csv"]
    assert find_files(store / "e.csv") == [store / "e.csv"]


def test_a_pattern_names_files_in_order(tmp_path):
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files("*.csv")] == ["a.csv", "b.csv"]
    (tmp_path / "odd[1].csv").touch()
    assert [path.name for path in find_files("odd[1].csv")] == ["odd[1].csv"]
    with pytest.raises(EventsError, match=r'No file matches "\*\.root"'):
        find_files("*.root")


def test_a_missing_file_names_the_nearest_and_the_way_out(tmp_path, magic, monkeypatch):
    monkeypatch.setenv("TUNER_DATA", str(magic.parent))
    with pytest.raises(
        EventsError, match=r'no file "magic4.data" in .* and not in \$TUNER_DATA .* Did you mean "magic04.d'
    ):
        read_events(make_question("magic4.data"))
    with pytest.raises(EventsError, match=r"--events"):
        read_events(make_question(tmp_path / "no" / "such.csv"))


def test_openml_is_read_from_a_local_copy(magic, monkeypatch):
    source = OpenML(1120, file="magic04.data", columns=MAGIC)
    expected = read_events(make_question(source.at(magic)))
    assert expected.features == MAGIC[:-1]
    assert expected.source == "OpenML 1120 (magic04.data)"
    assert read_events(make_question(source.at(magic.parent))).digest == expected.digest
    monkeypatch.setenv("TUNER_DATA", str(magic.parent))
    assert read_events(make_question(source)).digest == expected.digest


def test_openml_offline_says_what_to_do(offline):
    source = OpenML(1120, file="magic04.data", columns=MAGIC)
    with pytest.raises(EventsError) as caught:
        read_events(make_question(source))
    for part in ("could not be downloaded", "--events PATH", "TUNER_DATA", "magic04.data", "openml.org/d/1120"):
        assert part in str(caught.value)


def test_openml_at_a_place_that_is_not_there_does_not_ask_the_network(offline, tmp_path):
    with pytest.raises(EventsError, match=r"There is no file .*lost\.data"):
        read_events(make_question(OpenML(1120, file="magic04.data").at(tmp_path / "lost.data")))


def test_a_folder_stands_for_the_file_in_it(magic):
    source = File("magic04.data", columns=MAGIC)
    assert read_events(make_question(source.at(magic.parent))).labels.sum() == 4
    assert File("old.root", tree="events").at(magic.parent / "new.root").describe().endswith("new.root:events")


def test_a_simulation_may_be_read_from_a_file(tmp_path):
    path = tmp_path / "resonance.parquet"
    source = Resonance(100)
    source.read().to_parquet(path)
    frame = {"question": "?", "label": "label", "signal": "signal", "weight": "weight", "undefined": -999.0,
             "observers": ("mass",), "optimum": "log_likelihood_ratio"}  # fmt: skip
    direct = read_events(Problem(events=source, **frame))
    assert read_events(Problem(events=source.at(path), **frame)).digest == direct.digest
    assert direct.optimum == "log_likelihood_ratio"


def test_real_events_are_what_their_authors_say(data_folder):
    from studies.higgsml import study as higgsml
    from studies.magic import study as magic

    events = read_events(magic.problem)
    assert (events.labels.sum(), (1 - events.labels).sum()) == (12332, 6688)
    events = read_events(higgsml.problem)
    assert (events.labels.sum(), (1 - events.labels).sum(), len(events.features)) == (7789, 15011, 30)
    assert events.table["DER_mass_MMC"].isna().mean() == pytest.approx(0.15, abs=0.005)
    assert events.table["PRI_jet_subleading_pt"].isna().mean() == pytest.approx(0.71, abs=0.005)
    assert events.weights[events.labels == 1].sum() == pytest.approx(19.782685, abs=1e-6)


def test_a_folder_is_told_with_a_pattern_for_its_files(tmp_path):
    for name in ("a.csv", "b.csv", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(EventsError, match=r"is a folder.*/\*\.csv"):
        find_files(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EventsError, match=r"is a folder.*/\*\.root"):
        find_files(tmp_path / "empty")
