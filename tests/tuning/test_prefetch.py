"""Asking ahead: the next item is made beside the taker's work, in order, each once."""

from __future__ import annotations

import errno
import sys
import threading
import time
from pathlib import Path

import pytest

from tuner.checked_files import retry_when_full, wait_for_space
from tuner.tuning.prefetch import TURN_SECONDS, Ahead, take_short_turns


def test_items_come_in_order_each_once():
    with Ahead(iter(range(5))) as ahead:
        assert list(ahead) == [0, 1, 2, 3, 4]
        assert next(ahead, "over") == "over"
    assert ahead.left == ()


def test_the_next_item_is_made_while_the_last_one_is_used():
    made = threading.Event()

    def items():
        yield "first"
        made.set()
        yield "second"

    with Ahead(items()) as ahead:
        assert next(ahead) == "first"
        assert made.wait(5), "the second was not begun before it was wanted"
        assert next(ahead) == "second"


def test_only_one_is_made_ahead():
    begun = []

    def items():
        for number in range(9):
            begun.append(number)
            yield number

    with Ahead(items()) as ahead:
        next(ahead)
        time.sleep(0.2)
        assert begun == [0, 1]
    assert ahead.left == (1,)


def test_what_nobody_took_is_left_even_after_an_error_of_the_taker():
    ahead = Ahead(iter("ab"))
    with pytest.raises(RuntimeError, match="taker"), ahead:
        next(ahead)
        raise RuntimeError("taker")
    assert ahead.left == ("b",)


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        raise ValueError("no more")

    with Ahead(items()) as ahead:
        assert next(ahead) == 1
        with pytest.raises(ValueError, match="no more"):
            next(ahead)
        assert next(ahead, None) is None


def test_what_is_made_waits_for_space_where_the_taker_does(monkeypatch):
    monkeypatch.setattr("tuner.checked_files.SHORTEST_PAUSE", 0.01)
    tries = []

    def write():
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return "written"

    def items():
        yield retry_when_full(Path("x"), write)

    with wait_for_space(), Ahead(items()) as ahead:
        assert next(ahead) == "written"


def test_threads_take_short_turns_for_a_while():
    before = sys.getswitchinterval()
    with pytest.raises(KeyError), take_short_turns():
        assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
        raise KeyError
    assert sys.getswitchinterval() == before
