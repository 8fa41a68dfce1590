"""Units: the problem's own come before what a column's name says."""

from __future__ import annotations

import pytest

from tuner.figures.units import split_unit


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("pt [GeV]", ("pt", "GeV")),
        ("pt (GeV)", ("pt", "GeV")),
        ("met_MeV", ("met", "MeV")),
        ("fAlpha_deg", ("fAlpha", "deg")),
        ("lepton1_pt", ("lepton1_pt", "")),
    ],
)
def test_units_are_taken_from_names(column, expected):
    assert split_unit(column) == expected


def test_what_the_problem_says_counts_before_the_name():
    assert split_unit("met_MeV", {"met_MeV": "GeV"}) == ("met_MeV", "GeV")
    assert split_unit("pt [GeV]", {"mass": "GeV"}) == ("pt", "GeV")
