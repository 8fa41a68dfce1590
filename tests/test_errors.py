from __future__ import annotations

from tuner.errors import describe_error


def test_a_password_that_is_cut_at_the_end_of_the_line_is_hidden_as_well():
    url = "postgresql://user:hush5hush5@host/db"
    for length in range(120, 200):
        told = describe_error(ValueError("x" * length + url))
        assert "hush" not in told
        assert len(told) <= 200


def test_an_error_is_one_line_also_without_words():
    assert describe_error(ValueError("no\nway")) == "ValueError: no"
    assert describe_error(ValueError()) == "ValueError: "
