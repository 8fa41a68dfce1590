"""Delivery of runs to Weights & Biases' process, which may die: what did not arrive is sent anew, or told as lost."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.trackers.not_recorded import note_loss, note_recovery
from tuner.trackers.wandb_process import ProcessEndedError, WandbProcess

NAME = "Weights & Biases"

MAX_RESTARTS = 3
"""Processes that may die one after the other before W&B is given up until `Delivery.end`."""

_OURS = frozenset({"do", "key", "slug", "folder", "project", "entity", "is_secret", "mode"})
"""What a request holds that is not to be recorded."""

Request = dict[str, Any]

logger = logging.getLogger("tuner")


@dataclass
class Parcel:
    """All requests of one run, kept until W&B is seen to have it."""

    key: str
    folder: Path
    """The run folder."""
    what: int | str
    """What it is in the list of what is missing: the number of a trial, or `STUDY`."""
    opening: Request
    rows: list[dict[str, Any]] = field(default_factory=list)
    """A trial's epochs."""
    n_sent: int = 0
    """Epochs that were sent already."""
    ending: Request | None = None
    why_lost: str | None = None
    has_arrived: bool = False

    @property
    def is_study(self) -> bool:
        """Whether it is the run of the study, which is sent in one request."""
        return bool(self.opening["do"] == "study")

    def take_rows(self) -> list[Request]:
        """Return the request for the epochs that were not sent yet; none where there are none."""
        rows = self.rows[self.n_sent :]
        self.n_sent += len(rows)
        return [{"do": "log", "key": self.key, "rows": rows}] if rows else []

    def list_requests(self) -> list[Request]:
        """Return all requests, for a process that knows nothing of the run."""
        self.n_sent = 0
        return [self.opening, *self.take_rows(), *([self.ending] if self.ending else [])]


class Delivery:
    """Sends requests to one process after the other. Used by one thread."""

    def __init__(self, mode: str | None) -> None:
        self.mode = mode
        """None until it is decided."""
        self.open: dict[str, Parcel] = {}
        """What is not seen to have arrived, by key."""
        self._process: WandbProcess | None = None
        self._restarts = 0
        self._given_up: str | None = None
        self._warned: set[str] = set()

    def send(self, parcel: Parcel, *requests: Request) -> None:
        """Have requests done; where the process fails, have everything that is open done by another one.

        More may come after a run had ended with `end`: it is written anew.
        """
        if parcel.has_arrived:
            parcel.ending = next((request for request in requests if request["do"] == "end"), None)
            parcel.has_arrived, requests = False, tuple(parcel.list_requests())
        self.open[parcel.key] = parcel
        if self._given_up is not None and parcel.why_lost is None:
            self.lose(parcel, self._given_up)
        if (failure := self._send(parcel, requests)) is not None:
            self._start_anew(failure)

    def _send(self, parcel: Parcel, requests: Iterable[Request]) -> dict[str, str] | None:
        """Have requests done; return what failed where another process may do better."""
        for request in requests:
            if parcel.why_lost is not None:
                return None
            failure = self._try(request)
            if failure is not None and failure["kind"] != "lost":
                return failure
            if failure is not None:
                self.lose(parcel, failure["why"])
        if parcel.is_study and parcel.why_lost is None:
            self._confirm(parcel)
        return None

    def lose(self, parcel: Parcel, why: str) -> None:
        """Take note that a run cannot be recorded."""
        parcel.why_lost = why
        self.warn("loss", f"{NAME} cannot log ({why}). The sweep continues without it.")
        if parcel.ending is not None or parcel.is_study:
            self.note_loss(parcel, why)
            self.open.pop(parcel.key, None)

    def note_loss(self, parcel: Parcel, why: str) -> None:
        """Keep what a run was to hold in the run folder."""
        requests = parcel.opening | ({"epochs": parcel.rows} if parcel.rows else {}) | (parcel.ending or {})
        content = {name: value for name, value in requests.items() if name not in _OURS}
        note_loss(parcel.folder, NAME, parcel.what, why, content)

    def end(self) -> None:
        """Wait for the runs that are on their way, and end the process; the next request starts another one."""
        if self._process is not None and (failure := self._try({"do": "close"})) is not None:
            self._start_anew(failure)
            if self._process is not None:
                self._try({"do": "close"})
        self._end_process(10.0)
        for parcel in list(self.open.values()):
            self.lose(parcel, "W&B did not say that it arrived")
        self._restarts, self._given_up = 0, None

    def warn(self, kind: str, text: str) -> None:
        """Log a warning, the first of its kind only."""
        if kind not in self._warned:
            self._warned.add(kind)
            logger.warning("%s", text)

    def _try(self, request: Request) -> dict[str, str] | None:
        """Have the process do something, and hear what has ended meanwhile; return what failed."""
        try:
            if self._process is None:
                self._process = WandbProcess(Path(request["folder"]))
            if request["do"] == "log":
                self._process.tell(request)
                return None
            answer = self._process.ask({**request, "mode": self.mode})
        except (ProcessEndedError, OSError) as error:
            return {"kind": "dead", "why": str(error)}
        self.mode = answer["mode"] or self.mode
        if "warning" in answer:
            self.warn("login", answer["warning"])
        failures = [answer["failure"], *map(self._take_ended, answer["ended"])]
        return next((failure for failure in failures if failure), None)

    def _take_ended(self, ended: Mapping[str, Any]) -> dict[str, str] | None:
        """Take note that a run ended; return what failed where another process may do better."""
        parcel, failure = self.open.get(ended["key"]), ended["failure"]
        if parcel is not None and failure is None:
            self._confirm(parcel)
        elif parcel is not None and failure["kind"] == "lost":
            self.lose(parcel, failure["why"])
        elif failure is not None:
            return dict(failure)
        return None

    def _confirm(self, parcel: Parcel) -> None:
        self._restarts = 0
        self.open.pop(parcel.key, None)
        parcel.has_arrived = True
        note_recovery(parcel.folder, NAME, parcel.what)

    def _start_anew(self, failure: dict[str, str] | None) -> None:
        """End the process and have everything that is open done by another one."""
        while failure is not None:
            why, is_dead = failure["why"], failure["kind"] == "dead"
            self._end_process(0)
            self._restarts += 1
            if not is_dead:
                self.mode = "offline"
            if self._restarts > MAX_RESTARTS:
                self._given_up = why
            failure = None
            for parcel in list(self.open.values()):
                if self._given_up is not None and parcel.why_lost is None:
                    self.lose(parcel, why)
                failure = failure or self._send(parcel, parcel.list_requests())
            if failure is None and self._given_up is None:
                self._say_how_it_goes_on(why, is_dead=is_dead)

    def _say_how_it_goes_on(self, why: str, *, is_dead: bool) -> None:
        if is_dead:
            self.warn("restart", f"{NAME} stopped ({why}). It was started again, and no run has lost anything.")
            return
        advice = "Runs are kept offline; send them later with `tuner sync`."
        self.warn("offline", f"{NAME} cannot be reached ({why}). {advice}")

    def _end_process(self, timeout: float) -> None:
        if self._process is not None:
            self._process.end(timeout)
            self._process = None
