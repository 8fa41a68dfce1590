"""Weights & Biases: one run per trial, written off the training thread, offline unless logged in.

The only file that imports wandb, which takes a second and is done on the tracker's own thread.
"""

from __future__ import annotations

import errno
import logging
import netrc
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tuner.errors import TunerError
from tuner.passwords import hide_passwords
from tuner.trackers.background import BackgroundThread
from tuner.trackers.base import NO_PICTURES, StudyRecord

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline", "disabled"]

INIT_TIMEOUT = 15.0
"""Seconds after which the server counts as out of reach."""

LEAST_SPACE = 1_000_000
"""Free bytes below which a disk counts as full; a run takes about 50,000."""

logger = logging.getLogger("tuner")


class WeightsAndBiases:
    """Tracks each trial as one W&B run under `<run folder>/wandb`; the study is the group.

    Logging never blocks, slows or ends a sweep: what cannot be written is told in one warning, and the sweep goes on.
    Where W&B is logged in but not reached, runs are kept offline: send them later with `tuner sync STUDY`.
    """

    def __init__(
        self, *, project: str | None = None, entity: str | None = None, mode: Mode | None = None, capacity: int = 4096
    ) -> None:
        """Name where runs go.

        `project`: default `$WANDB_PROJECT`, else "tuner". `mode`: default `$WANDB_MODE`, else online where logged in,
        else offline. `capacity`: epochs that may wait to be written; more are dropped and counted.
        """
        self._project = project or os.environ.get("WANDB_PROJECT") or "tuner"
        self._entity = entity
        self._asked_mode = mode
        self._mode: Mode | None = "disabled" if (mode or os.environ.get("WANDB_MODE")) == "disabled" else None
        self._runs: dict[str, wandb.Run] = {}
        self._thread = BackgroundThread(capacity=capacity, on_error=self._warn)

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> _RunLog:
        """Open the run of a trial in `folder`/wandb. Returns at once and never raises."""
        number = trial if resumes is None else resumes
        log = _RunLog(self, f"{study}/{number}")
        if self._mode != "disabled":
            about = {"group": study, "name": f"trial {number}", "config": _make_plain(config), "tags": list(tags)}
            self._thread.submit(partial(self._start, log.key, Path(folder), about))
        return log

    def log_study(self, record: StudyRecord) -> None:
        """Write the run of the study, in place of what it held before. Returns at once and never raises."""
        if self._mode != "disabled":
            self._thread.submit(partial(self._write_study, record))

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds; runs still open end as interrupted."""
        self._thread.submit(self._interrupt)
        if not self._thread.close(timeout):
            logger.warning("Weights & Biases was not done within %g s: the last runs may be incomplete.", timeout)
        if self._thread.dropped and not self._thread.broken:
            logger.warning("Weights & Biases was too slow: %d epochs were not logged.", self._thread.dropped)

    def _log(self, key: str, figures: Mapping[str, float]) -> None:
        self._runs[key].log(dict(figures))

    def _start(self, key: str, folder: Path, about: Mapping[str, Any]) -> None:
        if self._mode is None:
            _start_service(folder)
            self._mode = _choose_mode(self._asked_mode)
        _check_space(folder)
        run_id = f"{_read_sweep_id(folder)}-{_make_slug(key)}"
        try:
            run = self._open_run(run_id, folder, about)
        except Exception as error:
            if self._mode != "online":
                raise
            self._go_offline(error)
            # W&B keeps the first name in use until the process ends.
            run = self._open_run(f"{run_id}-offline", folder, about)
        run.define_metric("epoch", hidden=True)
        run.define_metric("*", step_metric="epoch")
        self._runs[key] = run

    def _open_run(self, run_id: str, folder: Path, about: Mapping[str, Any]) -> wandb.Run:
        """Return a new run, as cheap as W&B makes them: 0.015 s; listing the installed packages alone takes 0.16 s."""
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            symlink=False,
            use_dot_wandb=False,
            init_timeout=INIT_TIMEOUT,
            finish_timeout=15,
            finish_timeout_raises=True,
            stop_fn=_ignore_stop,
            x_disable_stats=True,
            # The command line is part of what W&B tells of the machine.
            x_disable_meta=any(hide_passwords(word) != word for word in sys.argv),
            x_save_requirements=False,
        )
        return wandb.init(
            project=self._project,
            entity=self._entity,
            dir=folder,
            id=run_id,
            mode=self._mode,
            reinit="create_new",
            resume="allow" if self._mode == "online" else None,
            settings=settings,
            **about,
        )

    def _write_study(self, record: StudyRecord) -> None:
        key = f"{record.study}/study"
        about = {"group": record.study, "name": record.study, "notes": record.notes, "job_type": "study"}
        self._start(key, record.folder, {**about, "config": _make_plain(record.config), "tags": list(record.tags)})
        self._finish(key, "complete", _make_plain(record.summary), record.pictures, None)

    def _finish(  # noqa: PLR0917 - handed on by `partial`
        self,
        key: str,
        state: str,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path],
        reason: str | None,
        notes: str = "",
    ) -> None:
        import wandb

        run = self._runs.pop(key)
        if notes:
            run.notes = notes
        shown = {name: wandb.Image(str(path)) for name, path in pictures.items() if path.exists()}
        if shown:
            run.log(shown)
        run.tags = (*(run.tags or ()), state)
        run.summary.update({**summary, "state": state, **({"reason": reason} if reason else {})})
        try:
            run.finish(exit_code=1 if state == "failed" else 0)
        except TimeoutError as error:
            self._go_offline(error)
        _check_space(Path(run.dir))

    def _interrupt(self) -> None:
        for key in list(self._runs):
            self._finish(key, "interrupted", {}, NO_PICTURES, None)

    def _go_offline(self, error: Exception) -> None:
        """Keep further runs on disk, and say so the first time."""
        if self._mode == "online":
            self._mode = "offline"
            logger.warning(
                "Weights & Biases cannot be reached (%s). Runs are kept offline; send them later with `tuner sync`.",
                _describe(error),
            )

    def _warn(self, error: Exception) -> None:
        logger.warning("Weights & Biases cannot log (%s). The sweep goes on without it.", _describe(error))


class _RunLog:
    """The log of one trial: hands everything on to the tracker's thread."""

    def __init__(self, tracker: WeightsAndBiases, key: str) -> None:
        self.key = key
        self._tracker = tracker

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log one epoch's figures against `epoch`."""
        if self._tracker._mode != "disabled":
            job = partial(self._tracker._log, self.key, {"epoch": epoch, **figures})
            self._tracker._thread.submit(job, droppable=True)

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """Log final figures and pictures, tag the run with its state, and end it; a failed trial is a failed run."""
        if self._tracker._mode != "disabled":
            job = partial(self._tracker._finish, self.key, state, _make_plain(summary), dict(pictures), reason, notes)
            self._tracker._thread.submit(job)


def sync_runs(folder: Path) -> int:
    """Send the offline runs of a run folder to the W&B server, and return how many arrived.

    Raises:
        TunerError: W&B is not logged in, or not all runs arrived.
    """
    runs = [path for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")) if not _is_synced(path)]
    if not runs:
        return 0
    _start_service(folder)
    if not _is_logged_in():
        raise TunerError(
            f"Sending {len(runs)} runs needs a Weights & Biases login, and there is none. "
            "Log in with `wandb login`, or set WANDB_API_KEY; then run `tuner sync` again."
        )
    environment = {"WANDB_X_GRAPHQL_RETRY_MAX": "3", **os.environ, "WANDB_CACHE_DIR": str(folder / "wandb" / "cache")}
    command = [sys.executable, "-m", "wandb", "sync", *(str(path) for path in runs)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    arrived = sum(map(_is_synced, runs))
    if arrived < len(runs):
        said = (answer.stderr + answer.stdout).strip().splitlines()
        raise TunerError(
            f"{arrived} of {len(runs)} runs arrived at Weights & Biases. Run `tuner sync` again for the others. "
            f"W&B said:\n" + "\n".join(said[-5:])
        )
    return arrived


def _is_logged_in() -> bool:
    """Look for W&B credentials where W&B does, without network and without asking anyone."""
    import wandb

    settings = wandb.setup(settings=wandb.Settings(silent=True)).settings
    if settings.api_key or settings.identity_token_file:
        return True
    netrc_file = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    host = urlsplit(settings.base_url).netloc
    try:
        return bool((netrc.netrc(netrc_file).authenticators(host) or ("", "", ""))[2])
    except (OSError, netrc.NetrcParseError):
        return False


def _choose_mode(asked: Mode | None) -> Mode:
    wanted = asked or os.environ.get("WANDB_MODE") or "online"
    if wanted in ("offline", "dryrun"):
        return "offline"
    if _is_logged_in():
        return "online"
    if asked == "online" or "WANDB_MODE" in os.environ:
        logger.warning("Weights & Biases is not logged in: runs are kept offline. Log in with: wandb login")
    return "offline"


def _start_service(folder: Path) -> None:
    """Make the folder of the runs, and start W&B's service so that it leaves nothing outside of it.

    A service that a parent process left the address of may have ended long ago: it is not asked. Raises where the
    folder cannot be written; W&B itself would go to the system's temporary folder instead.
    """
    os.environ.pop("WANDB_SERVICE", None)
    place = folder / "wandb"
    place.mkdir(parents=True, exist_ok=True)
    with _environment(WANDB_CACHE_DIR=str(place / "cache"), WANDB_ERROR_REPORTING="false"):
        import wandb

        excepthook, leave = sys.excepthook, sys.exit
        wandb.setup(settings=wandb.Settings(silent=True))
        # W&B prints tracebacks a second time, and tells child processes of a service that ends with this one.
        sys.excepthook, sys.exit = excepthook, leave
        os.environ.pop("WANDB_SERVICE", None)
        # Its own log would print a traceback per line to a full disk.
        logging.getLogger("wandb").disabled = True


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables that the user has not set, for the time of the block."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _check_space(folder: Path) -> None:
    """Raise where the disk is full: W&B's service would lose the run without a word."""
    if shutil.disk_usage(folder).free < LEAST_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _read_sweep_id(folder: Path) -> str:
    """Return the random name that all workers of a run folder share: a new folder never meets old runs' ids."""
    path = folder / "wandb" / "sweep_id"
    try:
        with path.open("x") as file:
            file.write(secrets.token_hex(4))
    except FileExistsError:
        for _ in range(50):
            if text := path.read_text():
                return text
            time.sleep(0.02)
    return path.read_text()


def _is_synced(path: Path) -> bool:
    return path.with_suffix(".wandb.synced").exists()


def _make_slug(key: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in key)[-64:]


def _make_plain(value: Any) -> Any:
    """Return `value` as W&B can store it: numbers, text, lists and mappings; `None` is left out of mappings."""
    if isinstance(value, Mapping):
        return {str(name): _make_plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_make_plain(item) for item in value]
    if isinstance(value, (bool, int, float, str)):
        return value
    return value.item() if hasattr(value, "item") else str(value)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _ignore_stop() -> None:
    """Leave the sweep running when one of its runs is stopped in the browser: W&B would interrupt the process."""
