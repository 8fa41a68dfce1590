"""The password of a database is in no file, no message and no process list."""

import logging
import os
import shlex
import sys
import threading
from pathlib import Path

import pytest
from samples import make_study

import tuner
from tuner.errors import SearchError, StudyError
from tuner.passwords import hide_parts, hide_passwords
from tuner.tuning.storage import open_storage

SECRET = "hush5"

STUDY = """
from samples import make_study

study = make_study(name="quiet", trials=2, epochs=1, n_events=600)
"""


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        ("postgresql://u:{}@host:5432/db", "hush5"),
        ("postgresql+psycopg2://u:{}@host/db", "p%40ss%2Fw"),
        ("mysql://u:{}@host/db", "p@ss/w:rd?x"),
        ("--storage=mysql://u:{}@host/db", "with a 'quote' and space"),
        ("postgresql://:{}@host/db", "hush5"),
        ("postgresql://host/db?user=u&password={}&sslmode=require", "hush5"),
        ("postgresql://host/db?sslpassword={}", "hush5"),
        ("http://host/?api_key={}&x=1", "hush5"),
        ("could not connect to postgresql://u:{}@host/db (refused)", "p@ss"),
        ("dsn: host=h user=u password={} dbname=d", "hush5"),
        ('there is none in "postgresql://u:{}@host/db". Name another', "hush5"),
    ],
)
def test_a_password_is_hidden_and_the_rest_is_not(shown, hidden):
    assert hide_passwords(shown.format(hidden)) == shown.format("***")


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///folder/file.db",
        "postgresql://user@host/db",
        "see http://127.0.0.1:8080/dashboard",
        "FTTransformerSettings(n_blocks=1, d_token=8)",
        "mail a@b.org: no URL",
        "runs/tiny/journal.log",
    ],
)
def test_what_is_no_password_stays(text):
    assert hide_passwords(text) == text


@pytest.mark.parametrize("told", ["hush%207", "hush 7"])
def test_a_driver_may_tell_a_password_as_it_was_given_or_decoded(told):
    assert hide_parts(f"no user u by {told}", "postgresql://u:hush%207@host/db") == "no user u by ***"


def test_a_password_with_signs_of_a_url_is_hidden_as_a_whole():
    assert hide_parts("no user u by p@ss/w", "postgresql://u:p@ss/w@host/db") == "no user u by ***"


def test_errors_and_logs_hide_it(caplog):
    url = f"postgresql://u:{SECRET}@host/db"
    assert SECRET not in str(StudyError(f"of {url}"))
    logging.getLogger("tuner").warning("of %s", url)
    assert caplog.messages == ["of postgresql://u:***@host/db"]


@pytest.mark.parametrize("password", [SECRET, f"a@{SECRET}", f"a:{SECRET}/b", f"{SECRET}@b", f"a?{SECRET}"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2", "mysql", "nosuch", "sqlite"])
def test_a_storage_that_cannot_be_opened_is_told_without_it(tmp_path, scheme, password):
    with pytest.raises(SearchError) as caught:
        open_storage(tmp_path / "journal.log", f"{scheme}://u:{password}@127.0.0.1:1/db?connect_timeout=1")
    assert SECRET not in str(caught.value)
    assert "Encode the special characters" in str(caught.value) or "@" not in password


def test_a_missing_search_is_told_without_it(tmp_path):
    url = f"sqlite:///file:{tmp_path}/trials.db?uri=true&password={SECRET}"
    with pytest.raises(SearchError, match=r"password=\*\*\*") as caught:
        tuner.open_search(make_study(), tmp_path, url)
    assert SECRET not in str(caught.value)


def read_children() -> set[str]:
    """Return the command lines of the processes that this one has started."""
    lines = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                lines.add((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return lines


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the process list is read from /proc")
def test_nothing_that_a_search_writes_or_starts_shows_it(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)]))
    url = f"sqlite:///file:{tmp_path}/trials.db?uri=true&password={SECRET}"
    path = tmp_path / "quiet.py"
    path.write_text(STUDY)
    monkeypatch.setattr(sys, "argv", ["tuner", *shlex.split(f"sweep quiet.py --storage '{url}'")])
    seen, over = set(), threading.Event()

    def look():
        while not over.wait(0.05):
            seen.update(read_children())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        study = tuner.load_study(path)
        search = tuner.sweep(study, folder=tmp_path / "runs", storage=url, workers=2)
    finally:
        over.set()
        thread.join()
    assert any(" work " in line for line in seen)
    assert not [line for line in seen if SECRET in line]
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert any(path.suffix == ".wandb" for path in written)
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert "password=***" in search.folder.provenance.read_text()


def test_a_record_whose_arguments_do_not_fit_is_written_all_the_same(caplog):
    logging.getLogger("tuner").warning("%d events of postgresql://me:hush@host", "x")
    assert "hush" not in caplog.text
    assert "x" in caplog.text
