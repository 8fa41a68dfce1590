"""What each command prints with `--json`, as models: the reference is made of them, and tests hold commands to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Form(BaseModel):
    """One JSON object. Infinity and not-a-number, which JSON has not, are null."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class MeasurementForm(Form):
    """A value with the ends of its 68 % interval."""

    value: float | None
    low: float | None
    high: float | None


class FindingForm(Form):
    """What a check of the events found."""

    code: str
    """Keeps its meaning: see the list of findings."""
    severity: Literal["error", "warning", "note"]
    sentence: str
    advice: str
    columns: list[str]
    figures: dict[str, float | None]
    accepted: bool
    """Whether `Problem(accepted=...)` names its code."""


class NewForm(Form):
    """`tuner new --json`."""

    study: str
    """Path of the study file that was written."""
    name: str
    """Name of the study."""
    reasons: list[str]
    """What was inferred, and why."""
    problem: str | None
    """Why the events cannot be swept as they are; null where they can."""
    findings: list[FindingForm]


class CheckForm(Form):
    """`tuner check --json`. Where the study does not hold there is no JSON, but an error and exit code 2."""

    study: str
    """Path of the study file."""
    ok: Literal[True]
    lines: list[str]
    """What a sweep will do."""
    findings: list[FindingForm]


class ExploreForm(Form):
    """`tuner explore --json`."""

    source: str
    shown: str
    n_events: int
    n_features: int
    memory: int
    """Bytes that these events take."""
    classes: dict[str, dict[str, Any]]
    """Class to events, sum of weights, effective events, shares."""
    columns: dict[str, dict[str, Any]]
    """Column to role, type, number of values, undefined share."""
    rows: dict[str, dict[str, Any]]
    """A few events."""
    features: dict[str, dict[str, Any]]
    """Feature to mean, spread, separation, AUC alone; the most telling first."""
    correlations: dict[str, dict[str, dict[str, float | None]]]
    """Class to the matrix of weighted correlations."""
    rank_correlations: dict[str, dict[str, dict[str, float | None]]]
    strongest: list[str]
    """What goes together most, as sentences."""
    warnings: list[str]
    findings: list[FindingForm]
    cut_flow: dict[str, Any] | None
    files: list[str]
    """Figures and tables that were written."""
    guessed: list[str]
    """Of a data file without a study: what roles its columns were taken to have, and why."""


class StatusForm(Form):
    """`tuner status --json`: a search at one moment."""

    study: str
    question: str
    states: dict[str, int]
    """Trials by state: complete, pruned, failed, interrupted, running, waiting."""
    budget_trials: int
    budget_epochs: int | None
    figure_of_merit: str
    best_value: float | None
    """Best figure of merit on validation of any complete trial."""
    best_low: float | None
    best_high: float | None
    best_trial: int | None
    best_params: dict[str, Any]
    history: list[float | None]
    """Best figure so far after each finished trial."""
    running: list[dict[str, Any]]
    """Trials that are trained: number, epoch, values."""
    trained_epochs: int
    elapsed: float | None
    """Seconds in which a trial was running."""
    rate: float | None
    """Finished trials per minute."""
    seconds_left: float | None
    evaluation_seconds: float | None
    stale_leases: list[int]
    """Trials that say they run, but that no living worker trains."""
    workers: int
    devices: dict[str, Any] | None
    winner: int | None
    handed_on: str
    handed_on_test: dict[str, float | None] | None
    """Figures on test of what is handed on, once it was opened."""
    handed_on_test_intervals: dict[str, tuple[float | None, float | None]] | None
    verdict: str
    finished: int
    """Trials that count towards the budget: complete or pruned."""
    failures: list[dict[str, Any]]
    """Trials that failed: trial, reason."""
    failure_kinds: dict[str, dict[str, int]]
    """Kind of failure to how many trials failed of it, and how many were resumed."""


class StandingForm(Form):
    """How a candidate stands against the winner."""

    candidate: str
    verdict: Literal["winner", "better", "worse", "not distinguishable"]
    figure: MeasurementForm


class JudgementForm(Form):
    """A judgement in short; all of it is in `evaluation.json`."""

    winner: int
    seed: int
    figure_of_merit: str
    part: str
    """The part that the judgement is read from."""
    opening: int | None
    openings: int
    shortened: str | None
    """What was left out for want of time."""
    cheapest: str
    standings: list[StandingForm]
    figures: dict[str, dict[str, MeasurementForm]]
    """Part to the figures of what is handed on."""


class SweepForm(StatusForm):
    """`tuner sweep --json`: the status at the end, and what followed."""

    end: Literal["spent", "unfinished", "interrupted"]
    """Whether the budget of trials is spent."""
    findings: list[FindingForm]
    warm_starts: dict[str, Any] | None
    """What the search gained on its warm starts."""
    evaluation: JudgementForm | None
    report: str
    """Path of report.html."""


class WorkForm(Form):
    """`tuner work --json`."""

    study: str
    interrupted: bool
    finished: int | None
    """Trials of the whole search that count towards the budget; None where a batch system's signal came while the
    storage was away."""
    budget_trials: int


class SubmitForm(Form):
    """`tuner submit --json`."""

    jobs: list[dict[str, Any]]
    """Jobs that were submitted, as the batch system names them."""
    folder: str
    """Where their scripts are kept."""
    files: dict[str, str]
    """Each script and submit file by its name. With --dry-run none is written, and there are no jobs."""


class CompareForm(Form):
    """`tuner compare --json`."""

    figure_of_merit: str
    progress_of: str
    """What `progress` is of, where the studies have different figures."""
    searches: list[dict[str, Any]]
    """Each with its name, folder, trials by state, best trial, progress, and the verdict on it."""
    differences: dict[str, list[str]]
    """Setting to its value in each search."""
    after_same_trials: dict[str, Any]
    after_same_time: dict[str, Any]
    sentences: list[str]
    """What follows."""


class FilesForm(Form):
    """`tuner report --json`: paths that were written."""

    files: list[str]


class PredictForm(FilesForm):
    """`tuner predict --json`."""

    candidate: str
    """What gave the scores."""
    by: str
    """What that is made of."""
    n_events: int
    n_selected: int
    """Events that fulfil the problem's selection, which have a score."""
    n_signal: int
    """Events at or above the frozen cut."""
    cut: float
    cut_rule: str
    probability: str | None
    """What the column "probability" holds; null where there is none."""
    notes: list[str]
    findings: list[FindingForm]
    """In what the events are unlike those of training."""


class ExportForm(FilesForm):
    """`tuner export --json`."""

    candidate: str
    """What was exported."""
    n_bytes: int
    seconds_one: float
    """Median time of one event, on this machine's CPU."""
    seconds_many: float
    """Median time of 10,000 events."""
    agreement: str
    """How far the exported network's scores are from ours."""


class TemplatesForm(FilesForm):
    """`tuner templates --json`."""

    part: str
    rules: dict[str, Any]
    """Yields, bins, systematics, replicas."""
    systematics: list[str]
    fits: list[dict[str, Any]]
    """For each candidate: templates, significance, p value, limit on the signal strength."""
    difference: MeasurementForm | None
    p_value: float | None
    verdict: Literal["ahead", "behind", "cannot be told apart", "alone"]
    sentence: str


class DamageForm(Form):
    """Something that is wrong with a search, or worth knowing."""

    code: str
    """Kind: lock, journal, search, splits, file, picture, partial, worker, trial, sync."""
    text: str
    remedy: str
    fixed: bool
    is_note: bool
    """Whether nothing is wrong: it is only good to know."""


class DoctorForm(Form):
    """`tuner doctor --json`."""

    study: str
    healthy: bool
    """Whether nothing is left to repair."""
    findings: list[DamageForm]


class ReplayForm(Form):
    """`tuner replay --json`."""

    trial: int
    figure_of_merit: str
    before: float | None
    """The figure of the record."""
    now: float | None
    """The figure of the training that was made again."""
    seeds: float | None
    """Standard deviation of the figure over other seeds."""
    pack_size: int
    device: str
    changed: list[str]
    """What is not as it was."""
    verdict: Literal["same", "as good", "other"]
    agrees: bool


class ForkForm(Form):
    """`tuner fork --json`."""

    study: str
    """Name of the new study."""
    study_file: str
    kept: int
    """Trials that it has from the old search, with their figures."""
    left_out: int
    """Trials whose setting the new space does not have."""
    queued: int
    """Settings of the old search that the new one tries first."""
    differences: list[str]
    """Why figures could not be kept."""


class SyncForm(Form):
    """`tuner sync --json`."""

    runs: int
    """Runs that were uploaded."""
    folder: str


FORMS: dict[str, type[Form]] = {
    "new": NewForm,
    "check": CheckForm,
    "explore": ExploreForm,
    "sweep": SweepForm,
    "work": WorkForm,
    "submit": SubmitForm,
    "status": StatusForm,
    "report": FilesForm,
    "compare": CompareForm,
    "templates": TemplatesForm,
    "doctor": DoctorForm,
    "replay": ReplayForm,
    "fork": ForkForm,
    "predict": PredictForm,
    "export": ExportForm,
    "sync": SyncForm,
}
"""By command. `tuner evaluate --json` prints `evaluation.json` itself, an `Evaluation`; `tuner dashboard` serves."""
