"""Text is read as those who wrote it, and pandas and NumPy, read it: names, separators, decimal commas, comments."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tuner.drafts.draft import draft_study
from tuner.errors import EventsError
from tuner.events import File, read_events, read_features
from tuner.events.formats.text_layout import is_header


@pytest.fixture
def write(tmp_path):
    def write(text, name="events.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def table():
    """Fractions, whole numbers, a class; rows picked from a larger table."""
    rng = np.random.default_rng(0)
    numbers = pd.DataFrame(rng.normal(size=(40, 2)).round(4), columns=["a", "b"])
    return numbers.assign(n=np.arange(40) % 7, label=np.arange(40) % 2)[3:]


HABITS = {
    "commas": {"index": False},
    "semicolons": {"index": False, "sep": ";"},
    "tabs": {"index": False, "sep": "\t"},
    "blanks": {"index": False, "sep": " "},
    "decimal commas": {"index": False, "sep": ";", "decimal": ","},
    "decimal commas and tabs": {"index": False, "sep": "\t", "decimal": ","},
    "windows": {"index": False, "lineterminator": "\r\n"},
    "quotes": {"index": False, "quoting": 1},
    "byte order mark": {"index": False, "encoding": "utf-8-sig"},
    "index": {},
}


@pytest.mark.parametrize("habit", HABITS)
def test_what_pandas_writes_is_read_as_pandas_has_it(table, tmp_path, make_problem, habit):
    path = tmp_path / "events.csv"
    table.to_csv(path, **HABITS[habit])
    problem = make_problem(events=path, label="label", weight=None, observers=(), ignored=())
    events = read_events(problem)
    assert events.features == ("a", "b", "n")
    np.testing.assert_array_equal(events.table, table[["a", "b", "n"]].to_numpy(np.float32))
    np.testing.assert_array_equal(events.labels, table["label"])
    assert ("row index" in "".join(events.notes)) == (habit == "index")
    draft = draft_study(str(path))
    assert "File(" not in draft.text
    assert "3 other columns" in draft.text


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("label", [["g", "h"], [0, 1]])
def test_columns_that_are_named_by_whole_numbers(tmp_path, index, label):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 3))).assign(label=np.array(label)[np.arange(40) % 2])
    table.to_csv(tmp_path / "events.csv", index=index)
    read = File(tmp_path / "events.csv").read()
    assert list(read.columns) == ["Unnamed: 0"] * index + ["0", "1", "2", "label"]
    pd.testing.assert_frame_equal(
        read[["0", "1", "2", "label"]], table.set_axis(["0", "1", "2", "label"], axis=1), check_exact=False
    )
    assert "3 other columns" in draft_study(str(tmp_path / "events.csv")).text


@pytest.mark.parametrize("delimiter", [" ", ",", "\t", ";"])
@pytest.mark.parametrize("header", ["a b label", "made by sim 1.2, long ago\na{0}b{0}label", "a{0}b{0}label"])
def test_what_numpy_writes_has_its_names_behind_a_hash(tmp_path, delimiter, header):
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=(30, 2)), np.arange(30) % 2])
    path = tmp_path / "events.txt"
    np.savetxt(path, values, header=header.format(delimiter), footer="the end", delimiter=delimiter)
    table = File(path).read()
    assert list(table.columns) == ["a", "b", "label"]
    np.testing.assert_allclose(table, values)
    if "\n" not in header and header.count(" ") != 2:
        expected = np.genfromtxt(path, names=True, delimiter=None if delimiter == " " else delimiter)
        assert expected.dtype.names == ("a", "b", "label")
    problem = draft_study(str(path))
    assert 'label="label"' in problem.text


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("#,a,b", ["#", "a", "b"]),
        ("#id,a,b", ["id", "a", "b"]),
        ("# id,a,b", ["id", "a", "b"]),
        ("n#jets,a,b", ["n#jets", "a", "b"]),
        ("# made by sim\n# today\nid,a,b", ["id", "a", "b"]),
        ("\n\nid,a,b", ["id", "a", "b"]),
        ('"mass [GeV, raw]",a,"b;c"', ["mass [GeV, raw]", "a", "b;c"]),
        ("id,1,2", ["id", "1", "2"]),
        ("Na,NaN,inf_x", ["Na", "NaN", "inf_x"]),
        ("id,a,b,", ["id", "a", "b"]),
        ("# id,a,b\n# -,GeV,GeV/c", ["id", "a", "b"]),
    ],
)
def test_names_are_read_from_many_kinds_of_headers(write, head, names):
    table = File(write(f"{head}\n0,1.5,2.25\n1,2.5,3.5\n2,3.5,0.25\n")).read()
    assert table.to_dict("list") == dict(zip(names, ([0, 1, 2], [1.5, 2.5, 3.5], [2.25, 3.5, 0.25]), strict=True))


@pytest.mark.parametrize(
    "lines",
    [
        "1.5,2,g\n2.5,3,h\n",
        "1,2,g\n5,3,h\n4,4,g\n",
        "?,2.5,g\n1.0,3,h\n",
        "nan,2.5,0\n1.5,2,1\n",
        "1,5;2,5;g\n1,5;2,75;h\n",
    ],
)
def test_a_file_without_names_asks_for_them_and_the_draft_gives_them(write, lines):
    path = write(lines)
    with pytest.raises(EventsError, match="must name the columns, but holds the values"):
        File(path).read()
    names = ("p", "q", "r")
    table = File(path, columns=names).read()
    assert (len(table), tuple(table.columns)) == (lines.count("\n"), names)


def test_a_draft_and_the_reader_agree_on_what_is_a_header(write):
    for lines in (
        "0,1,2,label\n.5,.1,.2,1\n.5,.3,.2,0\n.1,.2,.1,1\n",
        "# a b label\n1 2 0\n3 4 1\n",
        ",a,label\n0,1,1\n1,3,0\n",
    ):
        path = write(lines)
        assert "columns=(" not in draft_study(str(path)).text
        assert len(File(path).read()) == lines.count("\n") - 1


def test_row_names_that_r_writes_are_an_index(write):
    table = File(write('"a" "b" "label"\n"1" 0.5 0.25 1\n"2" 1.5 0.75 0\n', "r.txt")).read()
    assert table[["a", "b", "label"]].to_numpy().tolist() == [[0.5, 0.25, 1], [1.5, 0.75, 0]]
    assert table.attrs["index"] == ("Unnamed: 0",)


def test_a_closing_separator_is_no_column(write):
    for head in ("a,b,label,", "a,b,label"):
        path = write(f"{head}\n1,2,1,\n3,4,0,\n")
        draft = draft_study(str(path))
        assert "2 other columns" in draft.text


def test_question_marks_among_numbers_are_undefined_and_counted(write, make_problem):
    rows = "".join(f"{'?' if n in (3, 7) else n / 7},{n % 5}.25,{n % 2}\n" for n in range(40))
    path = write("a,b,y\n" + rows)
    events = read_events(make_problem(events=path, weight=None, observers=(), ignored=()))
    assert np.flatnonzero(events.table["a"].isna()).tolist() == [3, 7]
    assert events.notes == ('"?" counts as undefined in 2 values of "a", the first of them in event 4.',)
    assert "2 other columns" in draft_study(str(path)).text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a,b,c\n1,2,3\n4,5,6,7\n8,9,1\n", "Expected 3 fields in line 3, saw 4"),
        ("a,b,c\n1,2,3,9\n4,5,6\n7,8,9\n", "its first event has more values than there are columns"),
        ("a,b,c\n1,2,3\n4,5\n8,9,1\n", "must have 3 values, but line 3 has 2"),
        ("a,b,c\n1,2,3\n4,5,6\n8,9", "must have 3 values, but line 4 has 2. Was the file cut off"),
        ('a,b\n1,"2\n3,4\n5,6\n', "EOF inside string"),
        ("a,b\n1,2\n".encode("utf-16-le"), "it is no text, but holds zero bytes"),
        (b"a,b\n1,2\n3,\x004\n", "it is no text, but holds zero bytes"),
    ],
)
def test_lines_that_do_not_fit_are_told_and_never_cut(write, lines, said):
    path = write(lines)
    with pytest.raises(EventsError, match=re.escape(said)) as caught:
        File(path).read()
    assert str(path) in str(caught.value)


def test_values_that_are_undefined_at_the_end_of_a_line_are_no_damage(write):
    table = File(write("a,b\n1,\n2,3\n")).read()
    np.testing.assert_array_equal(table["b"], [np.nan, 3])


def test_a_comment_between_the_events_is_no_line_that_was_cut_off(write):
    table = File(write("# a b c\n1 2 0\n# pause\n3 4 nan\n", "events.txt")).read()
    np.testing.assert_array_equal(table.to_numpy(), [[1, 2, 0], [3, 4, np.nan]])


@pytest.mark.parametrize("mark", ["#", "%"])
def test_the_mark_of_comments_within_a_value_stays(write, mark):
    lines = [f"{mark} made by sim", "process,pt,label", f"C{mark}1,0.5,2", f"  {mark} pause, 1, 2", f"A{mark},1.5,3"]
    for end in ("\n", "\r\n", "\r"):
        table = File(write(end.join([*lines, f"{mark} the end"]))).read()
        assert table.to_numpy().tolist() == [[f"C{mark}1", 0.5, 2], [f"A{mark}", 1.5, 3]]


def test_whole_numbers_above_fractions_have_no_decimal_comma(write):
    table = File(write("a;b\n" + "1;2\n" * 150 + "0.5;2\n")).read()
    assert table["a"].iloc[-1] == 0.5


def test_a_compressed_file_that_was_cut_off_is_told(tmp_path):
    path = tmp_path / "events.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("a,b\n" + "".join(f"{n / 7},{n}\n" for n in range(2000)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(EventsError, match="could not be read as text"):
        File(path).read()


@pytest.mark.parametrize(
    ("cells", "rows", "expected"),
    [
        (["0", "1", "2", "3"], [["5", "3", "1", "2"], ["4", "4", "1", "1"]], True),
        (["0", "1"], [["5", "3"], ["4", "4"]], False),
        (["10", "20"], [["0.5", "0.3"], ["0.4", "4.5"], ["1.5", "2.5"]], True),
        (["1", "2"], [["0.5", "3"], ["0.4", "4"], ["1.5", "2.5"]], True),
        (["7", "7"], [["0.5", "0.3"], ["0.4", "4.5"], ["1.5", "2.5"]], False),
        (["3", "2", "g"], [["0.5", "3", "h"]], False),
        (["pt", "eta"], [], True),
        (["1.5", "eta"], [["1.5", "2"]], False),
        (["", ""], [["1", "2"]], False),
    ],
)
def test_headers_of_numbers(cells, rows, expected):
    assert is_header(cells, rows) == expected


GERMAN = "pt;eta;label\n4.571;-1,5;1\n577;0,25;0\n12.208;1,75;1\n"


@pytest.mark.parametrize(
    ("text", "pt"),
    [
        (GERMAN, [4571, 577, 12208]),
        (GERMAN.replace("12.208", "12.208,5"), [4571, 577, 12208.5]),
        (GERMAN.replace("577", "?"), [4571, np.nan, 12208]),
        (GERMAN.replace(",", "x").replace(".", ",").replace("x", "."), [4571, 577, 12208]),
        ('pt,eta,label\n"4,238.33",-1.5,1\n385.04,0.25,0\n"1,234,567",1.75,1\n', [4238.33, 385.04, 1234567]),
        ('pt,eta,label\n"4.571","-1,5",1\n577,"0,25",0\n"12.208","1,75",1\n', [4571, 577, 12208]),
    ],
)
def test_marks_between_thousands_are_no_decimal_marks(write, text, pt):
    table = File(write(text)).read()
    np.testing.assert_array_equal(pd.to_numeric(table["pt"], errors="coerce"), pt)
    np.testing.assert_array_equal(table["eta"], [-1.5, 0.25, 1.75])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GERMAN + "577;0,5;1\n" * 150 + "0.5;1,5;0\n", 'Column "pt" of .* has "0.5" in line 155 and "4.571" in line 2'),
        (GERMAN.replace("577", "4572"), 'Column "pt" of .* has "4572" in line 3 and "4.571" in line 2'),
        (GERMAN.replace("1,75", "1.75"), 'line 2 has "-1,5", and column "pt" has "4.571" in line 2, which may be'),
        ('pt,eta\n"1,234",0.5\n"1,2",0.25\n', 'Column "pt" of .* has "1,2" in line 3 and "1,234" in line 2'),
    ],
)
def test_marks_that_may_be_either_are_refused_with_column_and_line(write, text, said):
    with pytest.raises(EventsError, match=said):
        File(write(text)).read()


def test_texts_with_commas_stay_texts(write):
    table = File(write('a,hits,name\n0.5,"1,2,3","Doe, J"\n1.5,"4,5","Roe, K"\n')).read()
    assert (table["hits"].tolist(), table["name"].tolist()) == (["1,2,3", "4,5"], ["Doe, J", "Roe, K"])


@pytest.mark.parametrize(
    ("encoding", "is_told"),
    [("latin-1", True), ("cp1252", True), ("utf-16", False), ("utf-8-sig", False), ("utf-32", False)],
)
def test_letters_are_read_in_whatever_encoding_and_a_guess_is_told(write, make_problem, encoding, is_told):
    name = "Gr\u00f6\u00dfe" + ("\u20ac" if encoding == "cp1252" else "")
    rows = "".join(f"{n / 7},{n % 5}.25,{n % 2}\n" for n in range(40))
    path = write(f"{name},b,y\n{rows}".encode(encoding))
    events = read_events(make_problem(events=path, weight=None, observers=(), ignored=()))
    assert events.features == (name, "b")
    assert bool(events.notes) == is_told
    assert not is_told or "is not in UTF-8 and was read as" in events.notes[0]
    assert is_told == any("is not in UTF-8" in line for line in draft_study(str(path)).reasons)


def test_an_encoding_is_found_late_and_may_be_named(write):
    path = write(("a,b\n" + "1,x\n" * 300_000 + "2,\u00e9\n").encode("latin-1"))
    assert File(path).read()["b"].iloc[-1] == "\u00e9"
    path = write("a,b\n1,\u0436\n".encode("koi8-r"))
    assert File(path, encoding="koi8-r").read()["b"].tolist() == ["\u0436"]
    with pytest.raises(EventsError, match=r"no text in UTF-8.*Name its encoding"):
        File(path, encoding="utf-8").read()


LINES = "1,5;2;1\n2,5;3;0\n"
DECIMALS = {
    "first lines are whole": ("1;2;1\n" * 300 + LINES, 1.5),
    "first lines may be either, a later one has a comma": ("42,383;2;1\n" * 300 + LINES, 42.383),
    "first lines may be either, a later one has a point": ("42,383;2;1\n" * 300 + "1.5;2;0\n", 42383),
    "another column has a point": ("42,383;2.5;1\n" * 300, 42383),
    "two marks are between thousands": ("42,383;2;1\n1,234,567;2;0\n", 42383),
    "two points are, too": ("42.383;2;1\n1.234.567;2;0\n", 42383),
}


@pytest.mark.parametrize("kind", DECIMALS)
def test_the_decimal_mark_is_judged_by_all_numbers_of_the_file(write, kind):
    lines, expected = DECIMALS[kind]
    table = File(write("pt;eta;label\n" + lines)).read()
    assert expected in (table["pt"].iloc[0], table["pt"].iloc[-2])


def test_numbers_that_may_be_read_in_two_ways_are_refused_until_the_study_says_which(write):
    for text in ("pt;eta;label\n1;2;1\n42,383;3;0\n", 'pt,eta,label\n1,2,1\n"42,383",3,0\n', "pt\n1\n42,383\n"):
        path = write(text)
        with pytest.raises(EventsError, match=r'"42,383" in line 3, column "pt", is 42.383 if .* and 42383 if'):
            File(path).read()
        assert File(path, decimal=",").read()["pt"].tolist() == [1, 42.383]
        assert File(path, decimal=".").read()["pt"].tolist() == [1, 42383]


def test_marks_among_numbers_are_counted_told_and_undefined_in_every_role(write, make_problem):
    marks = ["?", "1.#INF", "-1.#IND", "N/A", "--", "None", "missing", "?"]
    rows = [f"{mark},{mark},{n}.5,{n % 2}" for n, mark in enumerate(marks)]
    rows += [f"nan,nan,{n}.25,{n % 2}\n,,1D3,1\n{n}.5,{n}.5,,0" for n in range(5)]
    path = write("a,m,c,y\n" + "\n".join(rows) + "\n")
    events = read_events(make_problem(events=path, weight=None, observers=("m",), ignored=(), undefined=None))
    assert np.isfinite(events.table["a"]).sum() == np.isfinite(events.observers["m"]).sum() == 5
    assert events.table["c"].max() == 1000
    assert len(events.notes) == len(set(marks))
    assert events.notes[0] == '"?" counts as undefined in 4 values, 2 of "a", 2 of "m", the first of them in event 1.'
    new = read_features(make_problem(events=path), path, features=("a", "c"))
    assert new.notes[1] == '"1.#INF" counts as undefined in 2 values, 1 of "a", 1 of "m", the first of them in event 2.'


def test_texts_that_are_marks_elsewhere_stay_labels(write):
    assert File(write("a,label\n1.5,NA\n2.5,None\n")).read()["label"].tolist() == ["NA", "None"]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.bz2", "csv.xz", "csv.zst"])
@pytest.mark.parametrize(
    "text",
    [
        "sep=;\na;b;label\n1.5;2;1\n2.5;3;0\n",
        "a,b,label\nGeV,,\n1.5,2,1\n2.5,3,0\n",
        "a\tb\tlabel\r\n[GeV]\t[rad]\t-\r\n1.5\t2\t1\r\n2.5\t3\t0\r\n",
        "% made by sim\na , b , label\n1.5 , 2 , 1\n% pause\n2.5 , 3 , 0\n",
        "a,b,label\n1.5,2,1\n# pause\n2.5,3,0\n",
        '"a","b","label",\n1.5,2,1,\n2.5,3,0,\n',
    ],
)
def test_habits_of_programs_that_write_text(tmp_path, ending, text):
    path = tmp_path / f"events.{ending}"
    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": pa.Codec("zstd").compress}
    path.write_bytes(compress.get(ending[4:], bytes)(text.encode()))
    assert File(path).read().to_dict("list") == {"a": [1.5, 2.5], "b": [2, 3], "label": [1, 0]}
