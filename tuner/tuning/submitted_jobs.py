"""The jobs that a sweep was submitted as, and what is left of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.checked_files import read_lines
from tuner.launchers.htcondor import read_condor_states
from tuner.launchers.slurm import read_slurm_states
from tuner.progress.wording import join_words
from tuner.run_folder import RunFolder

System = Literal["slurm", "htcondor"]

SYSTEM_NAMES: dict[System, str] = {"slurm": "Slurm", "htcondor": "HTCondor"}


@dataclass(frozen=True, kw_only=True)
class SubmittedJob:
    """A job that was handed to a batch system, and what is left of it."""

    system: System
    number: str
    purpose: str
    """"train", "evaluate", or "train and evaluate"."""
    states: tuple[str, ...] | None
    """Such as RUNNING, one for each element of an array; empty once it has ended, None where nobody can be asked."""

    def describe(self) -> str:
        """Return a line for people."""
        head = f"{SYSTEM_NAMES[self.system]} job {self.number} ({self.purpose})"
        if self.states is None:
            return f"{head}: {SYSTEM_NAMES[self.system]} cannot be asked from here"
        counts = Counter(state.lower() for state in self.states)
        return f"{head}: {join_words([f'{n} {state}' for state, n in sorted(counts.items())]) or 'has ended'}"


def read_jobs(folder: RunFolder) -> list[SubmittedJob]:
    """Return the jobs that a search was submitted as, in order, with what is left of each.

    Of an earlier submission that has ended nothing is told.
    """
    path = find_job_list(folder)
    rows = read_lines(path).whole
    numbers: dict[System, list[str]] = {}
    for row in rows:
        numbers.setdefault(row["system"], []).append(row["number"])
    states = {"slurm": read_slurm_states, "htcondor": read_condor_states}
    found = {system: states[system](of_system) for system, of_system in numbers.items()}
    jobs = []
    for row in rows:
        known = found[row["system"]]
        left = None if known is None else tuple(known[row["number"]])
        jobs.append(SubmittedJob(system=row["system"], number=row["number"], purpose=row["purpose"], states=left))
    return [job for job in jobs if job.states] or jobs[-2:]


def find_job_list(folder: RunFolder) -> Path:
    """Return the file that lists the jobs of a search, a line each."""
    return folder.jobs / "submitted.jsonl"
