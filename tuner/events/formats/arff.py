"""Events in ARFF, the format of Weka and of OpenML. SciPy's reader knows no text attributes and no quoted names."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd

from tuner.errors import EventsError
from tuner.events.formats.text_opening import find_encoding, open_text
from tuner.events.listing import Wanted, check_names

_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.+)""", re.IGNORECASE)
_NUMBERS = ("numeric", "real", "integer")


def read_arff(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of an ARFF file: numbers, and text for nominal, string and date; "?" is undefined.

    Raise `EventsError` where it is no such file, or a sparse one.
    """
    with open_text(path, find_encoding(path)) as file:
        attributes: list[tuple[str, str]] = []
        for line in file:
            bare = line.strip()
            if bare.lower().startswith("@data"):
                break
            if found := _ATTRIBUTE.match(bare):
                attributes.append((_unquote(found[1]), found[2].strip().lower()))
            elif bare.lower().startswith("@attribute"):
                raise EventsError(f'"{path}" must name each attribute and its type, but one line is: {bare[:80]}')
        else:
            raise EventsError(f'"{path}" must have a line @data below its attributes, but has none. Was it cut off?')
        names = [name for name, _ in attributes]
        check_names(path, names)
        body = file.read()
    first = next((line for line in body.splitlines() if line.strip() and not line.startswith("%")), "")
    if first.lstrip().startswith("{"):
        raise EventsError(f'"{path}" is a sparse ARFF file, which is not read. Write it as CSV or Parquet.')
    is_number = {name: kind.split()[0] in _NUMBERS for name, kind in attributes}
    kept = [name for name in names if wanted(name)]
    quote = '"' if first.count('"') > first.count("'") else "'"
    table = pd.read_csv(
        io.StringIO(body),
        header=None,
        names=names,
        usecols=kept,
        index_col=False,
        skipinitialspace=True,
        comment="%",
        quotechar=quote,
        escapechar="\\",
        keep_default_na=False,
        na_values=["?"],
        dtype={name: object for name in kept if not is_number[name]},
        low_memory=False,
    )
    _check_width(path, body, len(names), quote)
    return table[kept]


def _check_width(path: Path, body: str, n_values: int, quote: str) -> None:
    """Raise `EventsError` where a line has not as many values as there are attributes, as where a file was cut off."""
    for line in body.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("%") or quote in bare:
            continue
        if bare.count(",") + 1 != n_values:
            raise EventsError(
                f'Each line of data in "{path}" must have {n_values} values, but one has {bare.count(",") + 1}: '
                f"{bare[:60]}. Was the file cut off or damaged? Copy or make it again."
            )


def _unquote(name: str) -> str:
    bare = name[1:-1] if name[:1] in "'\"" and len(name) > 1 and name[-1] == name[0] else name
    return bare.replace("\\'", "'").replace('\\"', '"')
