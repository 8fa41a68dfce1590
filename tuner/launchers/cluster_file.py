"""A file that names a Dask cluster to be started for a sweep, and how large it may become."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from tuner.errors import SearchError, raise_together, suggest_name

Kind = Literal["slurm", "htcondor", "pbs", "lsf", "sge", "cuda", "local"]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """A Dask cluster that is started for a sweep and ends with it."""

    kind: Kind
    """Batch system of which `dask-jobqueue` asks for jobs; "cuda" for the GPUs of this machine (`dask-cuda`), "local"
    for its cores."""
    minimum: int = 0
    """Jobs, or workers of this machine, at the least."""
    maximum: int = 10
    """At the most: as many are asked for as there are trials to train."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the cluster's class, such as `cores`, `memory`, `walltime`, `queue`, `account`,
    `job_extra_directives` (https://jobqueue.dask.org)."""

    def __post_init__(self) -> None:
        problems = []
        if self.minimum < 0:
            problems.append(f"`minimum` must be at least 0, but is {self.minimum}.")
        if self.maximum < max(1, self.minimum):
            problems.append(f"`maximum` must be at least {max(1, self.minimum)}, but is {self.maximum}.")
        raise_together(problems, SearchError, "The cluster")


_SETTINGS = TypeAdapter(ClusterSettings)
_NAMES = ("kind", "minimum", "maximum", "options")


def read_cluster_file(path: Path) -> ClusterSettings:
    """Return the cluster that a TOML file names.

    Raises:
        SearchError: It cannot be read, or says what no cluster has.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SearchError(f'The cluster file "{path}" must be one that can be read, but is not ({error}).') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SearchError(f'The cluster file "{path}" must be TOML, but is not: {error}') from error
    try:
        return _SETTINGS.validate_python(content)
    except ValidationError as error:
        problems = [_describe(problem["loc"], problem["msg"]) for problem in error.errors()]
        raise_together(problems, SearchError, f'The cluster file "{path}"')
        raise


def _describe(location: tuple[int | str, ...], message: str) -> str:
    """Return a problem of a cluster file as a sentence."""
    name = ".".join(map(str, location))
    return f"`{name}`: {message[:1].lower()}{message[1:]}.{'' if name in _NAMES else suggest_name(name, _NAMES)}"
