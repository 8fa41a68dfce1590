"""Ctrl-C once lets what runs end in order, twice leaves at once; a batch system's signals always end it in order."""

import signal
import threading

import pytest

from tuner.launchers.signals import (
    INTERRUPTED_CODE,
    PREEMPTION_SIGNALS,
    REQUEUE_CODE,
    Preempted,
    describe_stop,
    find_exit_code,
    leave_at_once,
    take_signals,
    watch_interrupt,
)

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread"
)


def test_the_first_ctrl_c_sets_the_event_and_the_second_leaves():
    before, told = signal.getsignal(signal.SIGINT), []
    with watch_interrupt(lambda by: told.append(by.signal)) as interrupted:
        assert not interrupted.is_set()
        signal.raise_signal(signal.SIGINT)
        assert (interrupted.is_set(), interrupted.is_preemption, told) == (True, False, [signal.SIGINT])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert told == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", PREEMPTION_SIGNALS)
def test_a_batch_systems_signals_count_once_however_often_they_come(number):
    before, told = signal.getsignal(number), []
    with watch_interrupt(lambda by: told.append(by.signal)) as interrupted:
        for sent in (number, *PREEMPTION_SIGNALS, signal.SIGINT):
            signal.raise_signal(sent)
        assert (interrupted.is_preemption, interrupted.signal) == (True, number)
    assert told == [number]
    assert signal.getsignal(number) == before


def test_a_batch_systems_signal_after_ctrl_c_leaves_less_time():
    told = []
    with watch_interrupt(lambda by: told.append(by.signal)) as interrupted:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGUSR1)
        assert interrupted.is_preemption
    assert told == [signal.SIGINT, signal.SIGUSR1]


def test_a_hang_up_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watch_interrupt(lambda by: None) as interrupted:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupted.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_has_nothing_to_end_in_order_leaves_and_each_way_has_its_code():
    for number in (signal.SIGINT, *PREEMPTION_SIGNALS):
        with take_signals(leave_at_once), pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(number)
        is_preemption = number != signal.SIGINT
        assert isinstance(raised.value, Preempted) is is_preemption
        assert find_exit_code(number) == (REQUEUE_CODE if is_preemption else INTERRUPTED_CODE)
        assert (number.name in describe_stop(number)) is is_preemption
