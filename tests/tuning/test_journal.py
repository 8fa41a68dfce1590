"""The journal outlives what happens to its writers: kills, power cuts, full disks. Optuna's own reader is the judge."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock

from tuner.checked_files import append_line, read_lines, wait_for_space
from tuner.errors import SearchError
from tuner.tuning import journal as journal_module
from tuner.tuning.journal import JournalLock
from tuner.tuning.storage import open_storage

pytestmark = pytest.mark.timeout(60)

ADD_TRIALS = """
import sys, optuna
from pathlib import Path
optuna.logging.set_verbosity(optuna.logging.WARNING)
if sys.argv[2] == "tuner":
    from tuner.tuning.storage import open_storage
    storage = open_storage(Path(sys.argv[1]))
else:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="s", storage=storage)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0, 1))
"""

HOLD = """
import sys, time
from pathlib import Path
from tuner.tuning.journal import JournalLock
with JournalLock(Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""

COUNT = """
import sys
from pathlib import Path
from tuner.tuning.journal import JournalLock
journal, counter = Path(sys.argv[1]), Path(sys.argv[2])
stale = '{"host": "%s", "pid": 0, "started": "1"}'
from tuner.launchers.processes import name_host
for _ in range(40):
    with JournalLock(journal).hold():
        counter.write_text(str(int(counter.read_text()) + 1))
        lock = JournalLock(journal).path
        lock.unlink()
        lock.write_text(stale % name_host())  # as if this holder had been killed here
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal of three told trials."""
    path = tmp_path / "journal.log"
    study = optuna.create_study(study_name="s", storage=open_storage(path))
    add_trials(study, 3)
    return path


def add_trials(study: optuna.Study, number: int) -> None:
    for _ in range(number):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 0, 1))


def load(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="s", storage=open_storage(path))


def read_values(path: Path) -> list[float | None]:
    """Return the values of trials as plain Optuna reads them."""
    study = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    return [trial.value for trial in study.get_trials()]


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("damage", ["torn", "zeros", "garbage"])
def test_an_incomplete_last_line_costs_itself_only(journal, damage, caplog):
    before = read_values(journal)
    whole = journal.read_bytes()
    last = whole.splitlines(keepends=True)[-1]  # the third trial's end
    left = {"torn": last[:-40], "zeros": b"\0" * 300, "garbage": b'{"op_code":6,\xff\xfe\n'}[damage]
    journal.write_bytes(whole.removesuffix(last) + left)
    study = load(journal)
    assert [trial.value for trial in study.get_trials()] == [*before[:2], None]
    study.tell(2, 0.5)
    add_trials(study, 1)
    assert read_values(journal)[:3] == [*before[:2], 0.5]
    assert len(read_values(journal)) == 4
    assert journal.with_name("journal.log.torn").read_bytes().rstrip(b"\n") == left.rstrip(b"\n")
    assert [record.getMessage().startswith("The last line of") for record in caplog.records] == [True]


def test_a_whole_last_line_without_a_line_break_is_kept(journal):
    before = read_values(journal)
    journal.write_bytes(journal.read_bytes().removesuffix(b"\n"))
    add_trials(load(journal), 1)
    assert read_values(journal)[:3] == before
    assert not journal.with_name("journal.log.torn").exists()


def test_a_last_line_longer_than_any_buffer_is_kept(journal):
    study = load(journal)
    study.set_user_attr("long", "x" * 300_000)
    study.set_user_attr("next", 1)
    assert load(journal).user_attrs == {"long": "x" * 300_000, "next": 1}


def test_a_writer_notices_a_line_torn_while_it_was_open(journal):
    study = load(journal)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"killed","stu')
    add_trials(study, 2)
    assert len(study.get_trials()) == len(read_values(journal)) == 5


DAMAGES = {
    "two records in one": lambda line: line[:30] + line,
    "no JSON": lambda line: b"#" + line[1:],
    "zeros": lambda line: b"\0" * (len(line) - 1) + b"\n",
    "no UTF-8": lambda line: b'{"\xff' + line[3:],
    "another key": lambda line: line.replace(b'"study_id"', b'"study_ie"').replace(b'"trial_id"', b'"trial_ie"'),
    "no operation of Optuna's": lambda line: re.sub(rb'"op_code":\d+', b'"op_code":99', line),
    "a list": lambda line: b"[]\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_line_is_named_and_what_stands_before_it_can_be_saved(journal, damage):
    lines = journal.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if b'"trial_id":1' in line and b'"op_code":6' in line)
    broken = b"".join([*lines[:place], DAMAGES[damage](lines[place]), *lines[place + 1 :]])
    before = read_values(journal)
    journal.write_bytes(broken)
    with pytest.raises(SearchError, match=rf"line {place + 1} is damaged") as caught:
        load(journal)
    assert str(journal) in str(caught.value)
    subprocess.run(str(caught.value).splitlines()[-1], shell=True, check=True)
    assert [trial.value for trial in load(journal).get_trials()] == [before[0], None]
    assert journal.with_name("journal.log.damaged").read_bytes() == broken


def test_a_full_disk_leaves_no_half_line(journal):
    """A limit on the size of files stands for the disk: the system writes what fits, then refuses."""
    program = f"""
import resource, sys
from pathlib import Path
size = Path({str(journal)!r}).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, size + 700))
{ADD_TRIALS}
"""
    child = subprocess.run(
        [sys.executable, "-c", program, str(journal), "tuner", "50"], capture_output=True, text=True, check=False
    )
    assert "File too large" in child.stderr
    assert journal.read_bytes().endswith(b"\n")
    n_before = len(read_values(journal))
    add_trials(load(journal), 1)
    assert len(read_values(journal)) == n_before + 1


def test_a_disk_that_is_full_only_when_asked_to_keep_it_costs_no_record_twice(journal, monkeypatch):
    before, keep, refused = len(journal.read_bytes().splitlines()), os.fsync, []

    def refuse_once(descriptor):
        if not refused:
            refused.append(descriptor)
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(descriptor)

    study = load(journal)
    monkeypatch.setattr(os, "fsync", refuse_once)
    with wait_for_space():
        study.set_user_attr("a", 1)
    assert refused
    assert len(journal.read_bytes().splitlines()) == before + 1
    refused.clear()
    log = journal.with_name("log.jsonl")
    with wait_for_space():
        append_line(log, {"a": 1})
    assert refused
    assert read_lines(log).whole == ({"a": 1},)


def test_killed_writers_leave_a_journal_that_plain_optuna_reads(journal):
    n_trials = 3
    for delay in (0.0, 0.01, 0.03, 0.05):
        with start(ADD_TRIALS, journal, "tuner", 10_000) as child:
            assert child.stdout.readline() == "ready\n"
            signal.sigtimedwait([], delay)
            child.kill()
        add_trials(load(journal), 1)
        assert len(read_values(journal)) > n_trials
        n_trials = len(read_values(journal))


def test_the_lock_of_a_killed_holder_is_taken_at_once(journal, monkeypatch):
    monkeypatch.setattr(journal_module, "GRACE_SECONDS", 1e9)
    monkeypatch.setattr(journal_module, "NAMELESS_SECONDS", 1e9)
    with start(HOLD, journal) as child:
        assert child.stdout.readline() == "held\n"
        assert JournalLock(journal).path.exists()
        child.kill()
    add_trials(load(journal), 1)
    assert not JournalLock(journal).path.exists()


def make_stale(journal: Path, kind: str) -> None:
    """Leave a lock behind as a killed writer does."""
    lock = JournalLock(journal).path
    if kind == "dangling link":
        lock.symlink_to("runs/tiny/journal.log")
    elif kind == "link":
        assert JournalFileSymlinkLock(str(journal)).acquire()
    elif kind == "file":
        assert JournalFileOpenLock(str(journal)).acquire()
    else:
        lock.write_text('{"host": "elsewhere", "pid": 1, "started": "1", "id": "a"}')


@pytest.mark.parametrize("kind", ["dangling link", "link", "file", "other host"])
def test_a_lock_whose_owner_cannot_be_seen_is_taken_after_a_while(journal, kind, monkeypatch):
    monkeypatch.setattr(journal_module, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(journal_module, "NAMELESS_SECONDS", 0.1)
    make_stale(journal, kind)
    add_trials(load(journal), 1)
    assert len(read_values(journal)) == 4
    assert not os.path.lexists(JournalLock(journal).path)


def test_a_relative_path_makes_no_lock_that_dangles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("runs") / "tiny" / "journal.log"
    optuna.create_study(study_name="s", storage=open_storage(path))
    with start(HOLD, path) as child:
        assert child.stdout.readline() == "held\n"
        assert JournalLock(path).path.exists()  # follows links
        child.kill()
    add_trials(load(path), 1)
    assert len(read_values(path)) == 1


def test_a_holder_that_was_taken_for_dead_does_not_remove_the_next_ones_lock(journal):
    lock = JournalLock(journal)
    with lock.hold():
        lock.path.unlink()
        assert JournalFileOpenLock(str(journal)).acquire()
    assert lock.path.exists()


def test_of_many_that_see_a_stale_lock_one_takes_it(journal, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    children = [start(COUNT, journal, counter) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert counter.read_text() == "160"
    for child in children:
        child.stdout.close()


def test_a_stale_lock_that_another_has_replaced_since_is_left_alone(journal, tmp_path):
    lock = JournalLock(journal)
    lock.path.write_text("left behind")
    seen = lock._mark()
    lock.path.rename(tmp_path / "old")
    with lock.hold():
        lock._take_away(seen)
        assert lock.path.exists()


def test_plain_optuna_and_tuner_write_side_by_side(journal):
    children = [start(ADD_TRIALS, journal, kind, 15) for kind in ("tuner", "optuna", "tuner")]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    assert len(read_values(journal)) == 3 + 3 * 15
    assert [trial.value for trial in load(journal).get_trials()] == read_values(journal)
