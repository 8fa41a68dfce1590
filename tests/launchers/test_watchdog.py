"""A process that hangs is ended by another, which goes by its pace, and waits for one that is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuner.launchers.processes import describe_exit, is_outside
from tuner.launchers.watchdog_process import BUSY, HANG_SIGNAL, IDLE, LAST_SECONDS, Watch

START = """
import re, signal, sys, time
from tuner.launchers.watchdog import Watchdog
hang_seconds, leave_seconds = map(float, sys.argv[1:])
def spin():
    print("spinning", flush=True)
    while True:
        pass
def stick():
    print("sticking", flush=True)
    re.match("(a*)*b", "a" * 40)  # the interpreter runs no handler of Python's meanwhile
signal.signal(signal.SIGTERM, lambda *_: None)
with Watchdog(hang_seconds=hang_seconds, leave_seconds=leave_seconds) as watchdog:
"""


def start(code, *, hang=600.0, leave=600.0):
    command = [sys.executable, "-c", START + code, str(hang), str(leave)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("way", ["spin", "stick"])
def test_a_process_that_hangs_is_ended_and_says_where(way):
    with start(f"    with watchdog.expect_progress():\n        {way}()", hang=0.5) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == -HANG_SIGNAL
    assert "has made no progress" in err
    assert f"in {way}" in err
    assert describe_exit(process.returncode) == "made no progress for too long and was ended"
    assert not is_outside(process.returncode)


def test_a_process_that_does_not_leave_after_a_signal_is_killed():
    with start("    stick()", leave=0.5) as process:
        assert process.stdout.readline() == "sticking\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_what_beats_or_is_not_expected_to_come_forward_is_let_alone():
    code = (
        "    with watchdog.expect_progress():\n"
        "        with watchdog.rest():\n"
        "            time.sleep(2.5)\n"
        "    time.sleep(2.5)\n"
        "print('done', signal.set_wakeup_fd(-1))\n"
    )
    with start(code, hang=0.5) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "done -1\n", ""), "signals are told to nobody any more"


def test_a_rest_holds_whatever_is_nested_in_it_or_beats_or_rests_in_another_thread():
    code = (
        "    def rest():\n"
        "        with watchdog.rest():\n"
        "            pass\n"
        "    with watchdog.expect_progress(), watchdog.rest():\n"
        "        with watchdog.rest():\n"
        "            watchdog.beat()\n"
        "        threading.Thread(target=rest).start()\n"
        "        time.sleep(2.5)\n"
        "print('done')\n"
    )
    with start("    import threading\n" + code, hang=0.5) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "done\n", "")


def test_the_rest_of_another_thread_hides_no_hang():
    code = (
        "    import threading\n"
        "    def rest():\n"
        "        with watchdog.rest():\n"
        "            time.sleep(600)\n"
        "    with watchdog.expect_progress():\n"
        "        threading.Thread(target=rest, daemon=True).start()\n"
        "        time.sleep(20)\n"
    )
    with start(code, hang=0.5) as process:
        process.communicate(timeout=60)
    assert process.returncode == -HANG_SIGNAL


def test_a_watchdog_ends_with_its_process():
    with start("    print(watchdog._process.pid, flush=True)\n    time.sleep(60)") as process:
        pid = int(process.stdout.readline())
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_slow_steps_are_given_twenty_times_their_time(capsys):
    watch = Watch(1, hang_seconds=10.0, leave_seconds=5.0)
    watch.take(bytes([BUSY]), 0.0)
    watch.take(bytes([BUSY]), 3.0)
    assert watch.judge(60.0) is None
    assert watch.judge(63.5) == HANG_SIGNAL
    assert "no progress for 60 s" in capsys.readouterr().err
    assert watch.judge(63.5 + LAST_SECONDS) == signal.SIGKILL


def test_a_stop_is_no_hang_and_idleness_neither(capsys):
    watch = Watch(1, hang_seconds=10.0, leave_seconds=5.0)
    watch.take(bytes([BUSY]), 0.0)
    watch.pause(1000.0)
    assert watch.judge(1009.0) is None
    watch.take(bytes([IDLE]), 1009.0)
    assert watch.judge(1e6) is None
    watch.take(bytes([signal.SIGINT, signal.SIGWINCH, signal.SIGCHLD]), 1e6)
    assert watch.judge(2e6) is None
    watch.take(bytes([signal.SIGUSR1, signal.SIGUSR1]), 2e6)
    assert watch.judge(2e6 + 4.9) is None
    watch.pause(100.0)
    assert watch.judge(2e6 + 104.9) is None
    assert watch.judge(2e6 + 105.0) == signal.SIGKILL
    assert capsys.readouterr().err == ""
