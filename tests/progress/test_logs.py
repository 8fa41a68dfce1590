"""The log file holds what happened, in all processes; a user's own logging shows what it showed before."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tuner.progress import logs
from tuner.progress.logs import NOTES, open_log, quiet_optuna, show_warnings

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (INFO   |WARNING) \w+ \S+:\d+  \S")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tuner.log"


def read_messages(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    assert all(LINE.match(line) or line.startswith("    ") for line in lines)
    return [line.partition("  ")[2] if LINE.match(line) else line for line in lines]


def test_notes_and_warnings_come_into_the_file_each_with_time_level_and_process(path: Path) -> None:
    with open_log(path, "sweep"):
        NOTES.info("Trial %d complete", 3)
        logging.getLogger("tuner").warning("Two lines\nof one record")
        logging.getLogger("optuna").warning("a setting is odd")
        with open_log(path, "evaluate"):
            NOTES.info("once")
    NOTES.info("after")
    assert [line.split(None, 2)[1] for line in path.read_text().splitlines() if line[0] != " "] == [
        "INFO",
        "WARNING",
        "WARNING",
        "INFO",
    ]
    assert f" sweep {os.uname().nodename}:{os.getpid()}  Trial 3 complete" in path.read_text()
    assert [message.rpartition("  ")[2] for message in path.read_text().splitlines()] == [
        "Trial 3 complete",
        "Two lines",
        "of one record",
        "a setting is odd",
        "once",
    ]


def test_pythons_warnings_are_kept_and_shown_as_before(path: Path) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with open_log(path, "sweep"):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in path.read_text()
    assert [str(warning.message) for warning in shown] == ["old"]


def test_passwords_are_hidden_whoever_logs_them(path: Path) -> None:
    url = "postgresql://me:secret@host/db"
    with open_log(path, "sweep"):
        NOTES.info("storage %s", url)
        logging.getLogger("tuner").warning("storage %s", url)
        logging.getLogger("optuna").warning("storage %s", url)
    assert "secret" not in path.read_text()
    assert path.read_text().count("postgresql://me:***@host/db") == 3


def test_notes_reach_a_users_logging_only_where_it_takes_their_level(caplog: pytest.LogCaptureFixture) -> None:
    NOTES.info("not wanted")
    assert caplog.messages == []
    with caplog.at_level(logging.INFO):
        NOTES.info("wanted")
    assert caplog.messages == ["wanted"]


PROGRAM = """
import logging, sys
from pathlib import Path
from tuner.progress.logs import NOTES, open_log
{setup}
with open_log(Path(sys.argv[1]), "sweep"):
    NOTES.info("a note")
    logging.getLogger("tuner").warning("a warning")
"""


@pytest.mark.parametrize(
    ("setup", "shown"),
    [
        ("", "a warning\n"),
        ("logging.basicConfig(format='mine: %(message)s')", "mine: a warning\n"),
        ("logging.basicConfig(format='mine: %(message)s', level=logging.INFO)", "mine: a note\nmine: a warning\n"),
        ("logging.getLogger('tuner').setLevel(logging.ERROR)", ""),
        ("logging.getLogger('tuner').addHandler(logging.NullHandler())", ""),
    ],
)
def test_warnings_are_seen_once_by_a_user_with_and_without_a_logging_of_their_own(
    path: Path, setup: str, shown: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup), str(path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == shown
    assert "a note" in path.read_text()


def test_a_file_that_cannot_be_written_is_given_up_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with open_log(path, "sweep"):
        for _ in range(3):
            NOTES.info("lost")
    assert [message.partition(": ")[0] for message in caplog.messages] == [
        f'The log "{path}" cannot be written any more'
    ]


def test_a_log_that_is_too_large_is_put_aside_when_a_sweep_begins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 10)
    path.write_text("a long time ago\n")
    with open_log(path, "work"):
        NOTES.info("a worker")
    assert path.read_text().startswith("a long time ago\n")
    with open_log(path, "sweep"):
        NOTES.info("anew")
    assert path.with_name("tuner.old.log").read_text().startswith("a long time ago\n")
    assert path.read_text().count("\n") == 1


def test_a_users_choice_for_optuna_comes_back() -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    try:
        for level, inside in ((logging.DEBUG, logging.WARNING), (logging.ERROR, logging.ERROR)):
            optuna.logging.set_verbosity(level)
            with quiet_optuna():
                assert optuna.logging.get_verbosity() == inside
            assert optuna.logging.get_verbosity() == level
    finally:
        optuna.logging.set_verbosity(before)


def test_a_display_shows_optunas_warnings_in_place_of_optuna(capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    shown: list[str] = []
    optuna.logging.get_logger("optuna")
    handlers = list(logging.getLogger("optuna").handlers)
    assert handlers
    with show_warnings(shown.append):
        logging.getLogger("optuna").warning("a setting is odd")
        logging.getLogger("tuner").info("not a warning")
    assert shown == ["a setting is odd"]
    assert set(logging.getLogger("optuna").handlers) == set(handlers)
    assert "odd" not in capfd.readouterr().err
