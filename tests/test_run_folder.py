"""What is written for a user lies where it was said, in a format that it names, and over nothing that is needed."""

import os

import pytest

from tuner.errors import FolderError
from tuner.run_folder import RunFolder, check_output

ENDINGS = (".parquet", ".csv", ".csv.gz")


@pytest.fixture
def folder(tmp_path):
    """A run folder with some of its files."""
    folder = RunFolder(tmp_path / "runs" / "small")
    for path in (folder.journal, folder.scores, folder.curves / "trial_00000.csv", folder.path / "mine.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    return folder


@pytest.mark.parametrize("name", ["x.root", "x.h5", "x.pt2", "x.parquet.bak", "csv", "x.gz", "x.tar.gz"])
def test_a_format_that_is_not_written_is_refused_by_its_name(folder, tmp_path, name):
    with pytest.raises(FolderError, match=rf'must end in \.parquet or \.csv or .*, but ".*{name}" does not'):
        check_output(tmp_path / name, ENDINGS, folder=folder)


@pytest.mark.parametrize("name", ["x.csv", "deep/x.PARQUET", "x.csv.gz", "runs/small/mine.csv", "runs/small/new.csv"])
def test_other_paths_are_free(folder, tmp_path, name):
    check_output(tmp_path / name, ENDINGS, folder=folder)


def name_plainly(path, tmp_path):
    return path


def name_relatively(path, tmp_path):
    return path.parent / ".." / path.parent.name / path.name


def link_softly(path, tmp_path):
    (tmp_path / "link.csv").symlink_to(path)
    return tmp_path / "link.csv"


def link_hard(path, tmp_path):
    os.link(path, tmp_path / "link.csv")
    return tmp_path / "link.csv"


@pytest.mark.parametrize("name_it", [name_plainly, name_relatively, link_softly, link_hard])
@pytest.mark.parametrize("kind", ["events", "scores", "curve", "journal"])
def test_what_is_read_is_not_overwritten(folder, tmp_path, name_it, kind):
    events = tmp_path / "events.csv"
    events.write_text("kept")
    curve = folder.curves / "trial_00000.csv"
    path = {"events": events, "scores": folder.scores, "curve": curve, "journal": folder.journal}[kind]
    with pytest.raises(FolderError, match="must not overwrite what it is computed from"):
        check_output(name_it(path, tmp_path), (*ENDINGS, ".log"), reads=[events], folder=folder)


def test_a_folder_is_no_output(folder, tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(FolderError, match="is a folder"):
        check_output(tmp_path / "x.csv", ENDINGS, folder=folder)
