"""In what the studies of several searches differ: settings, ranges of parameters, and where they ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tuner.checked_files import expect_form, read_json
from tuner.errors import SearchError
from tuner.passwords import hide_passwords
from tuner.problem import EventSource
from tuner.progress.wording import join_words, write_count, write_number
from tuner.reporting.formatting import DASH, name_network, write_value
from tuner.tuning.contents import agree, describe_contents
from tuner.tuning.pruners import make_pruner
from tuner.tuning.samplers import make_sampler
from tuner.tuning.search import PROVENANCE_ADVICE, Search, TrialRecord
from tuner.tuning.study import Budget, SearchSpace

LEFT_OUT = ("question", "ballparks")
"""Fields of a problem that change no number."""
SHOWN_NAMES = 3
"""Of the parameters that not all search spaces have."""
ALONE = "search_spaces."
"""Package whose name is left out: all search spaces may be in it."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A setting that is not the same in all studies."""

    name: str
    shown: tuple[str, ...]
    """As text, one for each search; a dash where there is none."""


@dataclass(frozen=True)
class _Setting:
    """A setting of one study: what is shown of it, and what it is by its contents."""

    text: str
    contents: str


def find_differences(searches: Sequence[Search]) -> tuple[Difference, ...]:
    """Return the settings in which the studies differ, in the order of the workflow; functions count by their code."""
    studies = [dict(_list_settings(search)) for search in searches]
    ranges = [_list_ranges(search.trials) for search in searches]
    same_space = _are_alike([settings["search space"] for settings in studies])
    common = [name for name in ranges[0] if all(name in own for own in ranges)]
    found = [
        settings
        | {f"range of {name}": own[name] for name in common}
        | ({} if same_space else {"parameters of its own": _tell([n for n in own if n not in common], _write_names)})
        | dict(_list_origin(search))
        for settings, own, search in zip(studies, ranges, searches, strict=True)
    ]
    missing = _Setting(DASH, "")
    names = dict.fromkeys(name for settings in found for name in settings)
    rows = {name: [settings.get(name, missing) for settings in found] for name in names}
    return tuple(Difference(name=name, shown=_tell_apart(row)) for name, row in rows.items() if not _are_alike(row))


def _are_alike(row: Sequence[_Setting]) -> bool:
    return all(agree(row[0].contents, other.contents) for other in row[1:])


def _tell_apart(row: Sequence[_Setting]) -> tuple[str, ...]:
    """Return settings as text; those that read alike and are not, such as a function of other code, say so."""
    told = []
    for place, setting in enumerate(row):
        alike = [other for other in row[:place] if other.text == setting.text]
        is_other = any(not agree(other.contents, setting.contents) for other in alike)
        told.append(f"{setting.text} (other contents)" if is_other else setting.text)
    return tuple(told)


def _list_settings(search: Search) -> Iterator[tuple[str, _Setting]]:
    study, record = search.study, read_json(search.folder.provenance, advice=PROVENANCE_ADVICE)
    yield from _list_fields(study.problem, "", leave_out=LEFT_OUT)
    yield "events digest", _tell(record.get("events_digest"), lambda digest: str(digest)[:12])
    yield from _list_fields(study.preparation, "preparation: ")
    yield "search space", _Setting(_name_space(study.space), describe_contents(study.space))
    usual = replace(study, budget=Budget())  # what follows from seed or epochs is no difference of its own
    for name, made in (("sampler", make_sampler(usual, 0)), ("pruner", make_pruner(usual))):
        yield name, _Setting(type(made).__name__, describe_contents(made))
    yield from _list_fields(study.budget, "budget: ")
    yield "seed", _tell(study.seed)
    yield from _list_fields(study.evaluation, "evaluation: ")
    yield "network of the best trial", _tell(_name_best(search))


def _list_fields(settings: Any, prefix: str, *, leave_out: Sequence[str] = ()) -> Iterator[tuple[str, _Setting]]:
    for field in fields(settings):
        if field.name not in leave_out:
            yield f"{prefix}{field.name.replace('_', ' ')}", _tell(getattr(settings, field.name))


def _tell(value: Any, write: Callable[[Any], str] | None = None) -> _Setting:
    return _Setting((write or _write)(value) if value is not None else DASH, describe_contents(value))


def _write(value: Any) -> str:
    """Return a setting in a few words, without the password of a URL."""
    return hide_passwords(_write_openly(value))


def _write_openly(value: Any) -> str:
    if isinstance(value, EventSource):
        return value.describe()
    if isinstance(named := getattr(value, "name", None), str):
        return named
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_write_openly(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_write_openly, value)) or DASH
    return write_value(value)


def _name_space(space: SearchSpace) -> str:
    function = space.suggest
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    return name.removeprefix(ALONE)


def _name_best(search: Search) -> str | None:
    if search.best_trial is None:
        return None
    try:
        return name_network(search, search.best_trial)
    except SearchError:  # the search space has changed since
        return write_count(search.best_trial.n_parameters, "parameter") if search.best_trial.n_parameters else None


def _list_origin(search: Search) -> Iterator[tuple[str, _Setting]]:
    """Yield with what, and where, a search ran the last time: times are comparable only where this is the same."""
    record = read_json(search.folder.provenance, advice=PROVENANCE_ADVICE)
    with expect_form(search.folder.provenance, advice=PROVENANCE_ADVICE):
        call: Mapping[str, Any] = (record.get("calls") or [{}])[-1]
        for name in ("workers", "device"):
            yield name, _tell(call.get(name))
        yield "commit", _tell(call.get("git_commit"), _shorten_commit)
        yield "platform", _tell(record.get("platform"))
        for package, version in record.get("versions", {}).items():
            yield f"version of {package}", _tell(version)


def _shorten_commit(commit: str) -> str:
    number, changes, _ = commit.partition("+changes")
    return number[:12] + changes


def _list_ranges(trials: Sequence[TrialRecord]) -> dict[str, _Setting]:
    """Return the range that each parameter had in the last trial with it."""
    ranges = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            ranges[name] = _Setting(_write_range(distribution), repr(distribution))
    return ranges


def _write_range(distribution: Any) -> str:
    if (choices := getattr(distribution, "choices", None)) is not None:
        return ", ".join(map(write_value, choices))
    scale = ", log" if distribution.log else ""
    return f"{write_number(distribution.low)} to {write_number(distribution.high)}{scale}"


def _write_names(names: Sequence[str]) -> str:
    shown = list(names[:SHOWN_NAMES])
    return join_words([*shown, f"{len(names) - len(shown)} more"] if len(names) > len(shown) else shown) or DASH
