"""Study files: what must hold is told, with the line and the way out."""

import pytest

from tuner.errors import StudyError
from tuner.tuning.study_file import load_study

GOOD = """
from tuner import Problem, Settings, Study

study = Study(name="small", problem=Problem(question="Is it?", events="e.csv", label="y", signal=1),
              search_space=lambda trial: None)
"""


def write(path, text):
    path.write_text(text)
    return path


def test_a_study_is_read_with_modules_beside_it(tmp_path):
    write(tmp_path / "my_space_of_this_test.py", "def suggest(trial): return 'mine'")
    text = GOOD.replace("lambda trial: None", "my_space_of_this_test.suggest") + "\n"
    study = load_study(write(tmp_path / "one.py", "import my_space_of_this_test\n" + text))
    assert study.name == "small"
    assert study.space(None) == "mine"


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path / "magic.py", GOOD)
    with pytest.raises(StudyError, match=r"there is none\. Did you mean .*magic\.py"):
        load_study(tmp_path / "magik.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n\ny = 1 / 0\n", "raised ZeroDivisionError in line 3"),
        ("def f(:\n", "not valid Python.* in line 1"),
        ("import nonexistent_module_xyz\n", "ModuleNotFoundError in line 1"),
        ("x = 1\n", "defines no `study`"),
        ("study = 3\n", "`study` as int"),
        (GOOD.replace('"small"', '"a/b"'), r"does not hold in line 4.*name of a folder"),
        (GOOD.replace('label="y"', 'label="y", weight="y"'), 'Column "y" has more than one role: label, weight'),
    ],
)
def test_what_does_not_hold_is_told(tmp_path, text, message):
    with pytest.raises(StudyError, match=message):
        load_study(write(tmp_path / "wrong.py", text))


def test_a_file_that_sweeps_when_it_is_read_is_refused(tmp_path):
    path = write(tmp_path / "bomb.py", GOOD + f"\nimport tuner\ntuner.sweep(study, folder={str(tmp_path)!r})\n")
    with pytest.raises(StudyError, match=r"only define its study.*if __name__ =="):
        load_study(path)
    assert not (tmp_path / "small").exists()


def test_a_mended_file_is_read_anew(tmp_path):
    path = write(tmp_path / "mended.py", "study = 3\n")
    with pytest.raises(StudyError):
        load_study(path)
    assert load_study(write(path, GOOD)).name == "small"


def test_a_file_named_like_a_library_does_not_stand_for_it(tmp_path):
    import sys

    before = sys.modules["signal"]
    assert load_study(write(tmp_path / "signal.py", GOOD)).name == "small"
    assert sys.modules["signal"] is before
