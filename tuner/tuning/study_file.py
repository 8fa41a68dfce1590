"""Read a study from its file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import fields
from pathlib import Path
from types import ModuleType

from tuner.errors import StudyError, TunerError, name_all, refuse_exit, suggest_name
from tuner.tuning.study import Study

STUDIES = "studies"
"""Package of all study files: without an `__init__.py`, so that one's own lie beside those that are installed."""

_being_read: list[Path] = []
"""Study files whose code is running at this moment."""


def load_study(path: str | Path) -> Study:
    """Return the `study` of a study file.

    Args:
        path: A Python file that defines `study = Study(...)`; it may import modules beside it.

    Returns:
        The study.

    Raises:
        StudyError: The file is missing, raises, or defines no `study`.
    """
    file = Path(path)
    if not file.is_file():
        around = [str(p) for p in (*file.parent.glob("*.py"), *Path("studies").glob("*.py")) if p.name != "__init__.py"]
        raise StudyError(
            f'There must be a study file "{file}", but there is none.{suggest_name(file, around)} '
            f"Study files here: {name_all(sorted(set(around))) or 'none'}. `tuner new EVENTS` writes one."
        )
    study = getattr(_run_file(file), "study", None)
    if not isinstance(study, Study):
        came = "no `study`" if study is None else f"`study` as {type(study).__name__}"
        raise StudyError(f'A study file must define `study = Study(...)`, but "{file}" defines {came}.')
    return study


def _run_file(file: Path) -> ModuleType:
    """Run a study file: as the module it is where it lies in a package, else under a name that is no other module's."""
    resolved = file.resolve()
    for folder in (resolved.parent, resolved.parent.parent):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    in_package = resolved.parent.name == STUDIES or (resolved.parent / "__init__.py").exists()
    name = f"{resolved.parent.name}.{resolved.stem}" if in_package else f"tuner_study_{resolved.stem}"
    known = sys.modules.get(name)
    if (
        in_package
        and known is not None
        and getattr(known, "__file__", None)
        and Path(str(known.__file__)).resolve() == resolved
    ):
        return known
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise StudyError(f'A study file must be Python (".py"), but "{file}" is not.')
    module = importlib.util.module_from_spec(spec)
    shadowed = sys.modules.get(name)
    sys.modules[name] = module
    _being_read.append(file)
    try:
        with refuse_exit("A study file"):
            spec.loader.exec_module(module)
    except Exception as error:
        if shadowed is None:
            del sys.modules[name]
        else:
            sys.modules[name] = shadowed
        raise StudyError(_describe_failure(file, resolved, error)) from error
    finally:
        _being_read.pop()
    return module


def refuse_while_reading() -> None:
    """Raise `StudyError` where a study file sweeps while it is read: each worker would read it, and sweep, again."""
    if _being_read:
        raise StudyError(
            f'A study file must only define its study, but "{_being_read[-1]}" starts a sweep when it is read. '
            'Put the call below `if __name__ == "__main__":`, or into another file.'
        )


def _describe_failure(file: Path, resolved: Path, error: Exception) -> str:
    """Return what a study file raised, and in which of its lines."""
    if isinstance(error, SyntaxError):
        return f'The study file "{file}" is not valid Python: {error.msg} in line {error.lineno}.'
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == resolved]
    place = f" in line {lines[-1]}" if lines else ""
    if isinstance(error, TunerError):
        return f'The study file "{file}" does not hold{place}. {error}'
    return f'The study file "{file}" must run, but raised {type(error).__name__}{place}: {error}'


def find_study_file(study: Study) -> Path | None:
    """Return the file of the imported module that holds this study as `study`; None where there is none.

    Budget and seed may differ: workers read those in the storage. The main script does not count, under whatever name
    it is known (`__mp_main__` too): a worker that read it would start a sweep itself.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name != "__main__" and path and path != script and _is_same(getattr(module, "study", None), study):
            return Path(path)
    return None


def _is_same(other: object, study: Study) -> bool:
    """Return whether the other is this very study, or one that differs from it in budget and seed only."""
    return isinstance(other, Study) and all(
        getattr(other, field.name) is getattr(study, field.name)
        for field in fields(study)
        if field.name not in ("budget", "seed")
    )
