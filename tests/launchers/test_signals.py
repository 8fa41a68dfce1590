"""Ctrl-C once lets what runs end in order, twice leaves at once."""

import signal
import threading

import pytest

from tuner.launchers.signals import watch_interrupt

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_the_event_and_the_second_leaves(number):
    before, told = signal.getsignal(number), []
    with watch_interrupt(lambda: told.append(number)) as interrupted:
        assert not interrupted.is_set()
        signal.raise_signal(number)
        assert (interrupted.is_set(), told) == (True, [number])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert told == [number]
    assert signal.getsignal(number) == before
