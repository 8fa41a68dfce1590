from __future__ import annotations

import threading
import time

from tuner.trackers.background import BackgroundThread


def test_runs_jobs_in_order_on_another_thread():
    done: list[tuple[int, int]] = []
    thread = BackgroundThread(capacity=100, on_error=lambda error: None)
    for number in range(50):
        thread.submit(lambda number=number: done.append((number, threading.get_ident())))
    assert thread.close(10)
    assert [number for number, _ in done] == list(range(50))
    assert {ident for _, ident in done}.isdisjoint({threading.get_ident()})


def test_a_full_queue_drops_and_counts_and_does_not_block():
    gate, done = threading.Event(), []
    thread = BackgroundThread(capacity=3, on_error=lambda error: None)
    thread.submit(gate.wait)
    while thread._jobs.qsize():
        time.sleep(0.001)
    for number in range(10):
        thread.submit(lambda number=number: done.append(number), droppable=True)
    thread.submit(lambda: done.append("finish"))
    gate.set()  # which is not reached where one of them blocks
    assert thread.close(10)
    assert done == [0, 1, 2, "finish"]
    assert thread.dropped == 7


def test_the_first_error_is_told_once_and_ends_it():
    errors, done = [], []
    thread = BackgroundThread(capacity=10, on_error=errors.append)
    for _ in range(3):
        thread.submit(lambda: 1 / 0)
    assert thread.close(10)
    thread.submit(lambda: done.append(1))
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert thread.broken and not done


def test_close_waits_for_a_bounded_time():
    gate = threading.Event()
    thread = BackgroundThread(capacity=10, on_error=lambda error: None)
    thread.submit(gate.wait)
    assert not thread.close(0.1)
    gate.set()  # which is not reached where that waits for the job


def test_takes_jobs_after_close():
    done: list[int] = []
    thread = BackgroundThread(capacity=10, on_error=lambda error: None)
    for number in range(3):
        assert thread.submit(lambda number=number: done.append(number))
        assert thread.close(10)
    assert done == [0, 1, 2]


def test_jobs_after_a_close_that_timed_out_run_after_the_old_ones():
    gate, done = threading.Event(), []
    thread = BackgroundThread(capacity=10, on_error=lambda error: None)
    thread.submit(gate.wait)
    thread.submit(lambda: done.append(0))
    assert not thread.close(0.01)
    assert thread.submit(lambda: done.append(1))
    assert not thread.close(0.01)  # the old jobs are not done, so this one is neither
    thread.submit(lambda: done.append(2))
    gate.set()
    assert thread.close(10)
    assert done == [0, 1, 2]
    assert not thread.is_alive
