"""What an expression may say, that nothing else gets through, and that a mistake is shown where it is."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import StudyError
from tuner.events.expressions.syntax import MAX_CHARACTERS, read_expression


def refuse(text):
    with pytest.raises(StudyError) as caught:
        read_expression(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("pt > 20 & abs(eta) < 2.5", ("pt", "eta")),
        ("`jet pt [GeV]` / MET.pt", ("jet pt [GeV]", "MET.pt")),
        ("len('jet_pt') + index(jet_pt, n)", ("jet_pt", "n")),
        ('class == "g" and process in ("a", "b")', ("class", "process")),
        ("sum + len(abs)", ("sum", "abs")),
        ("größe > 1\n  & True", ("größe",)),
        ("3", ()),
    ],
)
def test_columns_are_told_each_once_in_order(text, columns):
    assert read_expression(text).list_columns() == columns


def test_the_outermost_ands_are_the_parts():
    read = read_expression('pt > 20 && (abs(eta) < 2.5 & (m > 1 | n > 2)) and trigger & kind == "a"')
    assert [read.cut_out(part) for part in read.split()] == [
        "pt > 20",
        "abs(eta) < 2.5",
        "m > 1 | n > 2",
        "trigger",
        'kind == "a"',
    ]
    assert read.list_columns(read.split()[2]) == ("m", "n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must be a text, but is empty."),
        ("pt >", "at its end: something is missing or too much."),
        ("pt > 20 & abs(eta < 2.5", "at character 14, '(eta < 2.5': this is not closed."),
        ("pt > 20)", "at character 8, ')': this closes nothing that is open."),
        ("pt = 20", "at character 4, '= 20': Compare with `==`."),
        ("pt ^ 2", "Write a power as `**`."),
        ("pt > 20GeV", "at character 8, 'GeV': this has no meaning here."),
        ("pt > 1e999", "this number is too large."),
        ("sqr(pt)", 'there is no function `sqr`. Did you mean "sqrt"?'),
        ("fabs(pt)", "there is no function `fabs`. Write abs."),
        ("TMath::Abs(pt)", '"TMath::Abs" is not known here. Write abs.'),
        ("Sum$(jet_pt) > 2", '"Sum$" is not known here. Write sum.'),
        ("hypot(px)", "`hypot` takes 2 values, but was given 1."),
        ("pt ? 1 : 2", "Write `where(condition, a, b)` for a choice."),
        ("process in (a, b)", "after `in` there must be numbers or texts."),
        ('process in "a"', 'write several values after `in`, and only there: `process in ("a", "b")`.'),
        ("(pt, eta)", "it must be one value, but is several."),
        ("abs((1, 2))", "several values may stand only after `in`"),
        ('"a" "b" == kind', "two texts follow each other."),
        ('kind == "a', "A text ends with the quote that it begins with."),
    ],
)
def test_a_mistake_is_told_with_its_place(text, told):
    assert told in refuse(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__.__base__.__subclasses__()",
        "pt.__class__.__mro__[1]()",
        "(lambda: 1)()",
        "[x for x in pt]",
        "{pt}",
        "{**pt}",
        "f'{pt}'",
        "b'pt' == pt",
        "(x := 3)",
        "pt if pt else 3",
        "abs(*pt)",
        "abs(x=pt)",
        "abs(pt)(pt)",
        "pt[0:1]",
        "pt[0, 1]",
        "exec('1')",
        "open('/etc/passwd')",
        "getattr(pt, '__class__')",
        "abs.__call__(pt)",
        "`abs`(pt)",
        "import os",
        "pt; pt",
        "pt # comment",
        "await pt",
        "yield pt",
        "print(pt)",
        "pt @ pt",
        "pt << 1000",
        "None is pt",
        "...",
        "1_000",
        "0x10",
        "1j",
        "pt\\\n> 3",
        "\0",
    ],
)
def test_nothing_but_arithmetic_gets_through(text):
    refuse(text)


@pytest.mark.parametrize(
    "text",
    [
        "-" * 500 + "pt",
        "(" * 300 + "pt" + ")" * 300,
        "pt" + "+ pt" * 1500,
        "9" * (MAX_CHARACTERS + 1),
        "pt**" * 200 + "pt",
        "abs(" * 60 + "pt" + ")" * 60,
        "pt" + "[0]" * 500,
        "not " * 200 + "pt > 1",
    ],
)
def test_what_is_too_long_or_too_deep_is_refused(text):
    refuse(text)


@given(st.text(alphabet="ab1.0()[]+-*/%<>=!&|~,'\"` \n_$:@{}\\#;", max_size=40))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    try:
        read = read_expression(text)
    except StudyError as error:
        assert str(error).startswith("The expression ")
        return
    kinds = {type(node).__name__ for node in ast.walk(read.tree)}
    assert not kinds & {"Attribute", "Lambda", "ListComp", "JoinedStr", "NamedExpr", "Starred", "IfExp", "Dict"}
