"""What was written comes back as it was, or is refused in one sentence: no flipped bit goes unnoticed."""

import hashlib
import json
import random
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tuner import checked_files
from tuner.checked_files import (
    append_line,
    hash_file,
    read_archive,
    read_csv,
    read_json,
    read_lines,
    read_table,
    write_atomically,
    write_csv,
    write_json,
    write_table,
)
from tuner.errors import DamagedFileError, FolderError
from tuner.training.state_files import read_state, write_state

CONTENT = {"name": "é \N{GREEK SMALL LETTER MU}", "figures": [0.1, -1e300, None], "deep": {"n": 3, "zeros": "0" * 64}}
TABLE = pd.DataFrame({"row": np.arange(40), "score": np.linspace(0, 1, 40), "name": [f"event {i}" for i in range(40)]})
STATE = {"layer.weight": torch.linspace(0, 1, 60).reshape(6, 10), "age": 4, "curve": [{"epoch": 1, "auc": 0.75}]}
CSV = "epoch,auc\n1,0.75\n2,0.8125\n"

FORMATS = {
    "a.json": (lambda path: write_json(path, CONTENT), read_json, CONTENT),
    "a.parquet": (lambda path: write_table(path, TABLE), read_table, TABLE),
    "a.csv": (lambda path: write_csv(path, CSV), read_csv, pd.DataFrame({"epoch": [1, 2], "auc": [0.75, 0.8125]})),
    "a.pt": (lambda path: write_state(path, STATE), read_state, STATE),
}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, pd.DataFrame):
        return a.equals(b) and a.dtypes.equals(b.dtypes)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    return a == b


@pytest.fixture(params=FORMATS)
def kept(request, tmp_path):
    """A file, how it is read, and what it holds."""
    write, read, content = FORMATS[request.param]
    path = tmp_path / "folder" / request.param
    write(path)
    return path, read, content


def test_what_was_written_comes_back(kept):
    path, read, content = kept
    assert same(read(path), content)
    assert {p.name for p in path.parent.iterdir()} <= {path.name, f".{path.name}.sha256"}


def test_no_damage_changes_what_is_read(kept):
    path, read, content = kept
    whole, draw = path.read_bytes(), random.Random(0)
    n_refused = 0
    for number in range(400):
        damaged, place = bytearray(whole), draw.randrange(len(whole))
        match number % 4:
            case 0:
                del damaged[place:]
            case 1:
                damaged[place : place + 40] = bytes(len(damaged[place : place + 40]))
            case 2:
                damaged[place:place] = draw.randbytes(8)
            case _:
                damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(read(path), content), f"silently another: damage {number} at {place}"
        except DamagedFileError as error:
            n_refused += 1
            assert str(path) in str(error)
            assert str(error).endswith("Restore it from a copy.")
    assert n_refused > 250


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"[1, 2]", b"[" * 100_000, b"\xff\xfe", b"PAR1PAR1", b"PK\5\6"])
@pytest.mark.parametrize("read", [read_json, read_table, read_state, read_archive])
def test_what_is_no_such_file_is_told(tmp_path, read, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r'"/.*/file" must be as it was written, but it .*\. Do this\.$'):
        read(path, advice="Do this.")


def test_files_without_a_checksum_are_read_as_they_are(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CONTENT))
    assert read_json(tmp_path / "a.json") == CONTENT
    TABLE.to_parquet(tmp_path / "a.parquet")
    assert same(read_table(tmp_path / "a.parquet"), TABLE)
    (tmp_path / "a.csv").write_text(CSV)
    assert len(read_csv(tmp_path / "a.csv")) == 2
    torch.save(STATE, tmp_path / "a.pt")
    assert same(read_state(tmp_path / "a.pt"), STATE)
    assert read_json(tmp_path / "not there.json") == {}


def test_others_read_what_we_write(tmp_path):
    """Python's json, pandas, PyTorch and sha256sum know nothing of our checksums."""
    for name, (write, _, _) in FORMATS.items():
        write(tmp_path / name)
    content = json.loads((tmp_path / "a.json").read_text())
    assert {**CONTENT, "sha256": content["sha256"]} == content
    assert pd.read_parquet(tmp_path / "a.parquet").equals(TABLE)
    assert same(torch.load(tmp_path / "a.pt", weights_only=True), STATE)
    subprocess.run(["sha256sum", "--check", "--quiet", ".a.csv.sha256"], cwd=tmp_path, check=True, timeout=30)


def test_a_json_object_that_was_read_may_be_written_again(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    write_json(path, read_json(path) | {"n": 1})
    assert read_json(path) == CONTENT | {"n": 1}


def test_a_torn_line_costs_itself_only(tmp_path):
    path = tmp_path / "log.jsonl"
    for number in range(3):
        append_line(path, {"number": number})
    path.write_bytes(path.read_bytes()[:-30])
    append_line(path, {"number": 3})
    lines = read_lines(path)
    assert [line["number"] for line in lines.whole] == [0, 1, 3]
    assert lines.damaged == (3,)


def test_a_last_line_that_lacks_only_its_end_is_whole(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(path, {"number": 0})
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append_line(path, {"number": 1})
    assert read_lines(path) == checked_files.Lines(({"number": 0}, {"number": 1}), ())


def test_a_changed_line_is_not_believed_and_one_of_an_older_log_is(tmp_path):
    path = tmp_path / "log.jsonl"
    append_line(path, {"number": 10})
    path.write_text(path.read_text().replace("10", "11") + '{"number": 12}\n')
    assert read_lines(path) == checked_files.Lines(({"number": 12},), (1,))
    assert read_lines(tmp_path / "not there.jsonl") == checked_files.Lines((), ())


def test_a_checksum_that_is_none_any_more_is_damage(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    path.write_text(re.sub("[0-9a-f]{64}", "z" * 64, path.read_text()))
    with pytest.raises(DamagedFileError, match="its checksum is another"):
        read_json(path)


def test_a_file_is_hashed_again_once_it_has_changed(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1000))
    for number in range(20):
        content = bytearray(path.read_bytes())
        content[200 + number] ^= 1
        path.write_bytes(content)
        assert hash_file(path) == hashlib.sha256(content).hexdigest()


def test_a_full_disk_is_told_and_leaves_what_was_there():
    with pytest.raises(FolderError, match=r'"/dev/full/a\.json" must be writable, but is not'):
        write_atomically(Path("/dev/full/a.json"), "new")


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_half(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FolderError, match=r"\(No space left on device\)\. Free some space"):
        write_json(path, {"n": 2})
    assert read_json(path) == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
