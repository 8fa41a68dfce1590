"""Roles follow from names and values, and what cannot be told is asked for by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.drafts.roles import infer_roles
from tuner.errors import EventsError
from tuner.events.listing import Lists, Reason

N = 2000


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "EventNumber": np.arange(N) + 10**6,
            "pt": rng.exponential(40.0, N),
            "eta": rng.normal(size=N),
            "jet_pt": np.where(rng.random(N) < 0.4, -999.0, 25 + rng.exponential(40.0, N)),
            "mcWeight": rng.normal(1.0, 0.3, N),
            "class": rng.choice(["gamma", "hadron"], N),
        }
    )


def test_every_role_of_a_customary_table_is_found(table: pd.DataFrame) -> None:
    roles = infer_roles(table)
    assert (roles.label, roles.signal, roles.weight, roles.event_id) == ("class", "gamma", "mcWeight", "EventNumber")
    assert roles.undefined == -999.0
    assert roles.features == ("pt", "eta", "jet_pt")
    assert set(roles.reasons) == {"label", "signal", "weight", "event_id", "undefined"}


@pytest.mark.parametrize("name", ["label", "Class", "target", "is_signal", "isSignal", "y"])
@pytest.mark.parametrize(
    ("values", "signal"),
    [((0, 1), 1), ((-1, 1), 1), ((False, True), True), (("s", "b"), "s"), (("bkg", "Signal"), "Signal")],
)
def test_labels_and_signals(table: pd.DataFrame, name: str, values: tuple[object, object], signal: object) -> None:
    table = table.drop(columns="class").assign(**{name: [values[n % 2] for n in range(N)], "flag": np.arange(N) % 2})
    roles = infer_roles(table)
    assert (roles.label, roles.signal) == (name, signal)
    assert type(roles.signal) is type(signal)


def test_signal_without_a_telling_name_is_the_rarer_and_called_a_guess(table: pd.DataFrame) -> None:
    table["class"] = np.where(np.arange(N) % 3 == 0, "proton", "iron")
    roles = infer_roles(table)
    assert roles.signal == "proton"
    assert "guess" in roles.reasons["signal"]


def test_what_is_named_is_taken(table: pd.DataFrame) -> None:
    table = table.assign(hits=np.arange(N) % 2, strength=1.5 + np.arange(N))
    roles = infer_roles(table, label="hits", signal="0", weight="strength")
    assert (roles.label, roles.signal, roles.weight) == ("hits", 0, "strength")
    assert "mcWeight" in roles.ignored


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"label": "clas"}, 'Column "clas" is not in the file. Did you mean "class"?'),
        ({"signal": "gama"}, '"gama" is not a value of column "class".*Did you mean "gamma"?'),
        ({"label": "pt"}, r'two values, or .*, but "pt" has 2,000: '),
        ({"weight": "mcweight"}, 'Did you mean "mcWeight"?'),
    ],
)
def test_wrong_names_are_answered(table: pd.DataFrame, named: dict[str, str], message: str) -> None:
    with pytest.raises(EventsError, match=message):
        infer_roles(table, **named)


def test_no_label_and_several_labels_are_told(table: pd.DataFrame) -> None:
    with pytest.raises(EventsError, match="none has two values"):
        infer_roles(table.drop(columns="class"))
    with pytest.raises(EventsError, match='Column "class" has 40'):
        infer_roles(table.assign(**{"class": np.arange(N) % 40}))
    several = table.drop(columns="class").assign(a=np.arange(N) % 2, b=np.arange(N) % 2)
    with pytest.raises(EventsError, match=r'"a", "b".*--label'):
        infer_roles(several)


def test_a_second_weight_is_no_feature(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(KaggleWeight=table["mcWeight"] * 2, constant_weight=1.0))
    assert roles.weight == "mcWeight"
    assert roles.ignored == ("KaggleWeight", "constant_weight")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_somewhere_is_the_weight_and_told(table: pd.DataFrame, value: float) -> None:
    table.loc[3, "mcWeight"] = value
    roles = infer_roles(table)
    assert (roles.weight, roles.ignored) == ("mcWeight", ())
    assert "no finite number in 1 event, the first of them event 4" in roles.reasons["weight"]
    assert infer_roles(table.assign(weight_2=1.0, KaggleWeight=table["pt"])).weight == "KaggleWeight"


def test_a_weight_of_zeros_is_the_weight_and_told_and_one_of_ones_is_none(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(mcWeight=0.0))
    assert roles.weight == "mcWeight"
    assert "zero in all events" in roles.reasons["weight"]
    roles = infer_roles(table.assign(mcWeight=1.0))
    assert roles.weight is None
    assert roles.reasons["ignored"] == '"mcWeight": a weight that does not vary'


def test_units_in_brackets_are_no_part_of_a_name(table: pd.DataFrame) -> None:
    roles = infer_roles(table.rename(columns={"mcWeight": "weight [pb]", "pt": "m_ll (GeV/c^2)"}))
    assert (roles.weight, roles.observers) == ("weight [pb]", ("m_ll (GeV/c^2)",))


def test_one_of_one_and_two_is_called_a_guess(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(**{"class": 1 + (np.arange(N) % 3 > 0)}))
    assert roles.signal == 1
    assert "guess" in roles.reasons["signal"]
    assert "--signal" in roles.reasons["signal"]


def test_a_blank_behind_a_word_for_signal_does_not_hide_it(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(**{"class": np.where(np.arange(N) % 3 > 0, "signal ", "background ")}))
    assert (roles.signal, roles.reasons["signal"]) == ("signal ", "named like signal")


@pytest.mark.parametrize(
    ("values", "named", "formula", "why"),
    [
        (["tt", "tt", "W", "ttH"], None, "process == 'ttH'", 'a guess, "ttH", the rarest'),
        (["tt", "sig_1000", "W", "W"], None, "process == 'sig_1000'", "named like signal"),
        (["tt", "tt", "W", "ttH"], "W", "process == 'W'", "as you said"),
        (["it's", "b", "c", "c"], "it's", 'process == "it\'s"', "as you said"),
        ([0, 2, 0, 1], None, "process == 1", "a guess, 1, the rarest"),
        ([0, 0, 4, 5], None, "process == 5", "a b jet"),
        (["0", "1", "1", "2"], "2", "process == 2", "as you said"),
    ],
)
def test_a_label_of_several_processes_is_made_one_of_two_values(
    table: pd.DataFrame, values: list[object], named: str | None, formula: str, why: str
) -> None:
    table = table.drop(columns="class").assign(hit=np.arange(N) % 2, process=[values[n % 4] for n in range(N)])
    roles = infer_roles(table.iloc[: N - 1], signal=named)
    assert (roles.label, roles.signal, roles.columns) == ("is_signal", True, {"is_signal": formula})
    assert (roles.selection, roles.features) == (None, ("pt", "eta", "jet_pt", "hit"))
    assert why in roles.reasons["signal"]
    assert "All others count as background" in roles.reasons["signal"]


def test_data_and_events_without_a_process_are_left_out_of_the_processes(table: pd.DataFrame) -> None:
    kinds = np.array(["tt", "W", "W", "data", "?", None, "tt", "tt"], object)
    roles = infer_roles(table.assign(**{"class": kinds[np.arange(N) % 8]}))
    assert roles.columns == {"is_signal": "class == 'W'"}
    assert roles.selection == "class not in ('?', 'data')"
    assert '500 events without a process and "data", which seems to be no simulation' in roles.reasons["selection"]
    numbers = np.array([0.0, 1.0, 2.0, np.nan])[np.arange(N) % 4]
    assert infer_roles(table.assign(**{"class": numbers})).selection == "isfinite(class)"


def test_the_values_of_a_label_that_has_too_many_are_listed(table: pd.DataFrame) -> None:
    words = np.array(["signal", "background", "sginal"])[np.append(np.arange(N - 1) % 2, 2)]
    told = infer_roles(table.assign(**{"class": words})).reasons["label"]
    assert "has 3: 'signal' (1,000 events), 'background' (999 events), 'sginal' (1 event)" in told
    with pytest.raises(EventsError, match=r"has 50: .*events\) and 44 more\."):
        infer_roles(table.assign(**{"class": np.arange(N) % 50}))


def test_a_text_among_numbers_is_told_with_its_event(table: pd.DataFrame) -> None:
    texts = table["pt"].astype(str).astype(object)
    texts[6] = "n/a?"
    roles = infer_roles(table.assign(pt=texts))
    assert roles.reasons["ignored"] == '"pt": not a number: "n/a?" in event 7, beside numbers'


def test_columns_that_cannot_be_inputs_are_ignored(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(detector="south", energy_unit=1.0, empty=np.nan, run=np.arange(N) // 100))
    assert set(roles.ignored) == {"detector", "energy_unit", "empty", "run"}
    for why in ("not a number", "constant", "entirely missing", "bookkeeping"):
        assert why in roles.reasons["ignored"]


def test_an_event_number_that_rows_share_is_an_id_unless_far_too_many_do(table: pd.DataFrame) -> None:
    assert infer_roles(table.assign(EventNumber=np.arange(N) // 4)).event_id == "EventNumber"
    roles = infer_roles(table.assign(EventNumber=np.arange(N) // 100))
    assert (roles.event_id, roles.ignored) == (None, ("EventNumber",))
    assert "index" in infer_roles(table.assign(EventNumber=1, index=np.arange(N) // 4)).features


def test_few_texts_are_a_category_and_many_are_ignored(table: pd.DataFrame) -> None:
    texts = {"channel": np.resize(["ee", "em", "mm"], N), "file": [f"{i}.root" for i in range(N)]}
    roles = infer_roles(table.assign(**texts))
    assert "channel" in roles.features
    assert roles.reasons['"channel"'] == "a category of 3 texts"
    assert roles.ignored == ("file",)


@pytest.mark.parametrize(
    ("values", "undefined"),
    [
        (lambda rng: np.where(rng.random(N) < 0.1, -9999.0, rng.normal(size=N)), -9999.0),
        (lambda rng: np.where(rng.random(N) < 0.1, 999.0, rng.normal(size=N)), 999.0),
        (lambda rng: np.where(rng.random(N) < 0.1, -500.0, rng.normal(size=N)), -500.0),
        (lambda rng: np.maximum(rng.normal(size=N), 0.0), None),
        (lambda rng: rng.integers(-3, 4, N).astype(float), None),
        (lambda rng: np.append(rng.normal(size=N - 1), -999.0), None),
        (lambda rng: np.minimum(rng.normal(size=N) * 2000, 999.0), None),
    ],
)
def test_undefined_is_a_repeated_extreme_far_from_the_rest(table: pd.DataFrame, values, undefined) -> None:
    table = table.assign(jet_pt=values(np.random.default_rng(1)))
    assert infer_roles(table).undefined == undefined


def test_several_marks_for_undefined_are_all_found(table: pd.DataFrame) -> None:
    turns = np.arange(N)
    table["eta"] = table["eta"].where(turns % 9 > 0, -99.0).where(turns % 11 > 0, -999.0)
    roles = infer_roles(table)
    assert roles.undefined == (-999.0, -99.0)
    assert '-99 in "eta", 202 times' in roles.reasons["undefined"]


def test_a_mark_that_is_a_proper_value_elsewhere_is_told_by_column(table: pd.DataFrame) -> None:
    energy = np.linspace(900, 1100, N).round(0)
    table = table.assign(tau=table["eta"].where(np.arange(N) % 9 > 0, 999.0), energy=energy)
    assert infer_roles(table).undefined == {"jet_pt": -999.0, "tau": 999.0}


def test_a_mark_of_narrow_numbers_is_written_as_a_person_would(table: pd.DataFrame) -> None:
    table["jet_pt"] = table["jet_pt"].replace(-999.0, -999.9).astype(np.float32)
    assert infer_roles(table).undefined == -999.9


def test_a_row_index_is_no_feature(table: pd.DataFrame) -> None:
    table = table.assign(**{"__index_level_0__": np.arange(N), "key": np.arange(N) % 7})
    table.attrs["index"] = ("__index_level_0__", "key")
    assert infer_roles(table).features == ("pt", "eta", "jet_pt")
    table = table.drop(columns="EventNumber").rename(columns={"__index_level_0__": "event"})
    table.attrs["index"] = ("event", "key")
    assert infer_roles(table).event_id == "event"


def test_texts_that_are_numbers_or_undefined_are_features(table: pd.DataFrame) -> None:
    texts = table["pt"].astype(str).astype(object)
    texts[::7] = "?"
    roles = infer_roles(table.assign(momentum=texts, word="a"))
    assert "momentum" in roles.features
    assert roles.ignored == ("word",)


def test_a_flag_that_is_named_a_weight_or_a_date_that_has_two_values_stops_nothing(table: pd.DataFrame) -> None:
    dates = pd.to_datetime(["2026-01-01", "2026-01-02"])
    roles = infer_roles(table.assign(w=np.arange(N) % 2 == 0, day=dates[np.arange(N) % 2]))
    assert (roles.label, roles.weight) == ("class", "mcWeight")
    assert roles.ignored == ("w", "day")


def test_the_truth_is_an_observer(table: pd.DataFrame) -> None:
    roles = infer_roles(table.assign(true_energy=table["pt"], log_likelihood=table["eta"], trueness=table["eta"] ** 2))
    assert roles.observers == ("true_energy", "log_likelihood")
    assert "trueness" in roles.features


@pytest.mark.parametrize("name", ["mass", "m", "inv_mass", "m_bb", "mjj [GeV]", "Invariant mass (GeV)"])
def test_the_only_mass_is_an_observer_where_a_fit_would_use_it(table: pd.DataFrame, name: str) -> None:
    roles = infer_roles(table.assign(**{name: table["pt"] + 20}))
    assert roles.observers == (name,)
    assert "the only mass, smooth in background" in roles.reasons["observers"]


SMOOTH = 20 + np.random.default_rng(5).exponential(40.0, N)


@pytest.mark.parametrize(
    "masses",
    [
        dict.fromkeys(("m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"), SMOOTH),  # the HIGGS data set
        {"m_ll": SMOOTH, "fatjet_msd": SMOOTH},
        {"m_ll": np.where(np.arange(N) % 3, SMOOTH, 0.0)},  # a spike
        {"m_ll": np.where(np.arange(N) % 3, SMOOTH, np.nan)},  # not of every event
        {"m_ll": SMOOTH.round(-1)},  # few values
        {"m_ll": np.where(np.arange(N) % 2, SMOOTH / 1000 + 50, SMOOTH / 1000 + 150)},  # two lumps
        {"mass_ratio": SMOOTH},
        {"jet_mass": SMOOTH},
    ],
)
def test_other_masses_are_proposed_and_stay_features(table: pd.DataFrame, masses: dict[str, np.ndarray]) -> None:
    roles = infer_roles(table.assign(**masses))
    assert roles.observers == ()
    assert {*masses} <= {*roles.features}
    value, why = roles.proposed["observers"]
    assert value == tuple(masses)
    assert "named like masses" in why


@pytest.mark.parametrize("name", ["met", "max", "mva", "mean", "multiplicity", "m2_ratio", "amass_"])
def test_no_mass_but_beginning_with_m(table: pd.DataFrame, name: str) -> None:
    roles = infer_roles(table.assign(**{name: SMOOTH}))
    assert name in roles.features
    assert not roles.proposed


def test_numbers_that_are_names_are_categories(table: pd.DataFrame) -> None:
    kinds = {"lep_pdgId": np.resize([11, -11, 13], N), "decay_mode": np.arange(N) % 5, "n_jets": np.arange(N) % 4}
    roles = infer_roles(table.assign(**kinds, flavour=np.arange(N) % 2 == 0))
    assert roles.categories == ("lep_pdgId", "decay_mode")
    assert {*kinds, "flavour"} <= {*roles.features}


def test_lists_become_columns_where_there_is_no_other_feature(table: pd.DataFrame) -> None:
    why = Reason("holds float[] for each event", lists=Lists())
    table.attrs["left_out"] = dict.fromkeys(("Jet_eta", "Jet_pt", "Muon_pt", "HLT path"), why) | {"s": "holds a struct"}
    proposed, _ = infer_roles(table).proposed["columns"]
    assert proposed["n_Jet"] == "len(Jet_pt)"
    assert proposed["first_HLT_path"] == "index(`HLT path`, 0)"
    assert list(proposed)[1:3] == ["first_Jet_pt", "first_Jet_eta"]
    assert infer_roles(table).columns == {}
    bare = table[["class"]]
    bare.attrs = table.attrs
    assert infer_roles(bare).columns == proposed
    assert infer_roles(bare).reasons['"s"'] == "left out by the reader: it holds a struct"
    taken = infer_roles(table.assign(nJet=2.0)).proposed["columns"][0]
    assert "n_Jet" not in taken


def test_members_of_objects_are_told_by_their_own_names(table: pd.DataFrame) -> None:
    table = table.rename(columns={"EventNumber": "EventInfoAuxDyn.eventNumber"}).drop(columns="mcWeight")
    table = table.assign(**{"EventInfoAuxDyn.runNumber": np.arange(N) // 500})
    weights = Reason("holds 3 values for each event", lists=Lists(3))
    table.attrs["left_out"] = {"EventInfoAuxDyn.mcEventWeights": weights}
    roles = infer_roles(table)
    assert (roles.event_id, roles.ignored) == ("EventInfoAuxDyn.eventNumber", ("EventInfoAuxDyn.runNumber",))
    assert roles.proposed["weight"][0] == "index(EventInfoAuxDyn.mcEventWeights, 0)"
    assert "columns" not in roles.proposed
