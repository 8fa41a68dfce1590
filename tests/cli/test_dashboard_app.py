"""The real Optuna Dashboard, asked as a browser asks it."""

from __future__ import annotations

import io
import json
import sys

import optuna
import optuna_dashboard
import pytest

from tuner.cli.dashboard_app import make_dashboard
from tuner.tuning.dashboard_notes import CHUNK, read_note, save_note
from tuner.tuning.storage import open_storage


@pytest.fixture(params=["journal", "database"])
def study(request, tmp_path):
    """A study of three trials; the first two have notes, one of them long."""
    url = f"sqlite:///{tmp_path}/trials.db" if request.param == "database" else None
    study = optuna.create_study(storage=open_storage(tmp_path / "journal.log", url), direction="maximize")
    trials = [study.ask() for _ in range(3)]
    for trial in trials:
        trial.suggest_float("lr", 0.0, 1.0)
        study.tell(trial, 0.5 + 0.1 * trial.number)
    save_note(study, "Of the study.")
    save_note(trials[0], "Of the first.")
    save_note(trials[1], "long " * CHUNK)
    return study


@pytest.fixture
def ask(study, tmp_path):
    """A function that asks the dashboard: status and content."""
    application = make_dashboard(study._storage, tmp_path / "artifacts")

    def ask(path, method="GET", content=None):
        path, _, query = path.partition("?")
        body = b"" if content is None else json.dumps(content).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }
        status = []
        answer = application(environ, lambda line, *_: status.append(int(line.split()[0])))
        content = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        return status[0], content

    return ask


def test_the_answer_is_that_of_the_dashboard_itself(study, ask):
    """Notes of trials take another way through the storage, and arrive all the same."""
    plain = optuna_dashboard.wsgi(study._storage)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/api/studies/{study._study_id}", "wsgi.errors": sys.stderr}
    theirs = json.loads(b"".join(plain(environ, lambda *_: None)))
    status, ours = ask(f"/api/studies/{study._study_id}")
    assert status == 200
    assert json.loads(ours) == theirs
    assert "Of the first." in theirs["trials"][0]["note"]["body"]
    assert theirs["best_trials"][0]["number"] == 2


def test_later_trials_alone(study, ask):
    _, answer = ask(f"/api/studies/{study._study_id}?after=1")
    trials = json.loads(answer)["trials"]
    assert [trial["number"] for trial in trials] == [1, 2]
    assert "long long" in trials[0]["note"]["body"]


def test_a_note_is_edited(study, ask):
    trial = study.get_trials()[0]
    path = f"/api/studies/{study._study_id}/{trial._trial_id}/note"
    assert ask(path, "PUT", {"version": 2, "body": "Mine."})[0] == 204
    assert ask(path, "PUT", {"version": 2, "body": "Another's."})[0] == 409
    _, answer = ask(f"/api/studies/{study._study_id}")
    assert json.loads(answer)["trials"][0]["note"] == {"version": 2, "body": "Mine."}
    assert "Of the study." in read_note(study)


def upload(study, folder, content=b"\x89PNG"):
    file = folder / "roc.png"
    file.write_bytes(content)
    store = optuna.artifacts.FileSystemArtifactStore(folder / "artifacts")
    return optuna.artifacts.upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=study)


def test_artifacts_of_the_folder_are_served_and_nothing_else(study, ask, tmp_path, capfd, caplog):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    good, linked, gone = (upload(study, tmp_path) for _ in range(3))
    (tmp_path / "artifacts" / linked).unlink()
    (tmp_path / "artifacts" / linked).symlink_to(secret)
    (tmp_path / "artifacts" / gone).unlink()
    (tmp_path / "artifacts" / "abc").write_text("hush")  # no artifact of the study
    served = f"/artifacts/{study._study_id}"
    assert ask(f"{served}/{good}") == (200, b"\x89PNG")
    for path in (linked, gone, "abc", "..%2Fsecret", "../secret", str(secret)):
        status, content = ask(f"{served}/{path}")
        assert status == 404
        assert b"hush" not in content
    assert "Traceback" not in "".join(capfd.readouterr()) + caplog.text


def test_an_error_of_the_dashboard_is_one_line(ask, caplog, capfd):
    assert ask("/api/studies/0/note", "PUT")[0] == 500
    assert all("\n" not in message for message in caplog.messages)
    assert "Traceback" not in "".join(capfd.readouterr())
    assert len(caplog.messages) == 1
