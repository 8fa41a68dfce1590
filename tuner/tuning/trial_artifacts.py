"""What a trial leaves behind: its epochs, its parameters, its figures, its picture, its note."""

from __future__ import annotations

import csv
import io
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import Trial, TrialState

from tuner.checked_files import write_atomically, write_csv
from tuner.errors import FolderError, TrainingError
from tuner.metrics.arrays import check_arrays
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.measured_figures import measure_declared
from tuner.metrics.measurement import Measurement
from tuner.metrics.working_points import choose_cut
from tuner.progress.wording import write_count
from tuner.trackers.base import TrialLog
from tuner.training.checkpoints import Checkpoint, save_checkpoint
from tuner.training.member import Member
from tuner.tuning.dashboard_notes import save_note
from tuner.tuning.figure_checks import is_ours
from tuner.tuning.patient_storage import StorageAway, without_waiting
from tuner.tuning.picture_process import PictureProcess
from tuner.tuning.search import Search
from tuner.tuning.trial_attributes import is_warm_start, read_figure, write_best_interval
from tuner.tuning.trial_notes import TrialEnd, write_trial_note
from tuner.tuning.trial_pictures import Drawn, PictureJob, ValidationEvents, draw_words

logger = logging.getLogger("tuner")

MAX_CHECKPOINTS = 20
"""Best complete trials whose parameters are kept on disk."""

MAX_WAITING = 256
"""Pictures that may wait to be drawn; a trial that ends while so many wait has none."""

MAX_BYTES = 256_000_000
"""What the scores of waiting pictures may take; 16 may wait in any case."""

NO_ROOM = "It has no picture: too many were waiting to be drawn when it ended."
NO_PLACE = "It has no picture: its file could not be written."
NO_TIME = "It has no picture: its worker had no time left to draw it."


class TrialArtifacts:
    """Writes for one worker. Figures, pictures and notes are made beside the training, one trial after the other."""

    def __init__(self, search: Search) -> None:
        self.search = search
        validation, problem = search.splits.validation, search.study.problem
        self.labels = np.asarray(validation.labels)
        self.weights = np.asarray(validation.weights)
        self._process = PictureProcess(
            ValidationEvents(
                labels=self.labels.astype(np.int8),
                weights=self.weights,
                figure_of_merit=problem.figure_of_merit if is_ours(problem.figure_of_merit) else None,
                n_bootstrap=search.study.evaluation.replicas,
                seed=search.study.seed,
            )
        )
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tuner-pictures")
        self._lock = threading.Lock()
        self._waiting = self._left_out = self._in_vain = 0
        self._without: dict[int, str] = {}
        """Why a trial has no picture, by its number, until it is told."""
        self._leaves = threading.Event()
        """Set once no more is to be drawn."""
        self._writes_notes = True
        self._jobs: set[Future[None]] = set()
        self._fell_behind: set[int] = set()
        """Trials whose parameters were given up."""
        self._is_warned = False
        self._most = min(MAX_WAITING, max(16, MAX_BYTES // (8 * max(1, len(self.labels)))))
        self._placeholder = b""

    def keep_curve(self, member: Member) -> None:
        """Write a member's epochs as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "train_loss", "validation_loss", "validation_auc", "lr"])
        writer.writeheader()
        writer.writerows(member.curve)
        write_csv(self.search.curve_path(member.number), text.getvalue())

    def measure(self, scores: np.ndarray, member: Member) -> float:
        """Return the problem's figure of merit on validation; the AUC of the training loop where that is it.

        Raise `TrainingError` where it is not finite.
        """
        figure_of_merit = self.search.study.problem.figure_of_merit
        if isinstance(figure_of_merit, Auc):
            return member.best
        figure = float(figure_of_merit(self.labels, scores, self.weights))
        if not np.isfinite(figure):
            raise TrainingError(f"The figure of merit must be a finite number on validation, but is {figure}.")
        return figure

    def keep_checkpoint(self, member: Member, checkpoint: Checkpoint) -> None:
        """Write a member's best-epoch parameters; give up those of trials that fell behind.

        The best warm start's are kept: what was sampled is compared with it at the end.
        """
        save_checkpoint(checkpoint, self.search.checkpoint_path(member.number))
        with suppress(StorageAway), without_waiting(self.search.optuna_study):
            self._give_up_checkpoints()

    def _give_up_checkpoints(self) -> None:
        """Remove the parameters of trials that fell behind."""
        trials = self.search.optuna_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        figures = {t.number: -np.inf if (figure := read_figure(t)) is None else figure for t in trials}
        ranked = sorted(figures, key=lambda n: figures[n], reverse=True)
        warm = {t.number for t in trials if is_warm_start(t)}
        kept = {*ranked[:MAX_CHECKPOINTS], *[number for number in ranked if number in warm][:1]}
        for number in set(figures) - kept - self._fell_behind:
            self.search.checkpoint_path(number).unlink(missing_ok=True)
            self._fell_behind.add(number)

    def announce_picture(self, trial: Trial) -> Path | None:
        """Give Optuna's artifact store, which Optuna Dashboard shows, the place of a trial's picture; return it.

        Optuna takes artifacts of running trials only, and drawing would hold up the training: a picture that says so
        stands there until the trial's own is drawn. None where too many wait already, or where it cannot be written:
        `finish` must be called for each that is announced.
        """
        with self._lock:
            if self._waiting >= self._most:
                self._note_left_out()
                self._without[trial.number] = NO_ROOM
                return None
            self._waiting += 1
        try:
            return self._write_placeholder(trial)
        except (OSError, FolderError) as error:  # a picture is no reason to lose a trial
            self.release()
            self._without[trial.number] = NO_PLACE
            if not self._is_warned:
                self._is_warned = True
                logger.warning("Trials have no pictures where these cannot be written: %s", error)
            return None
        except BaseException:
            self.release()
            raise

    def _write_placeholder(self, trial: Trial) -> Path:
        """Write the picture that stands for a trial's own until that is drawn; return its place in the store."""
        self._placeholder = self._placeholder or draw_words("This picture was not drawn before its worker ended.")
        picture = self._picture_path(trial.number)
        write_atomically(picture, self._placeholder)
        self.search.folder.artifacts.mkdir(parents=True, exist_ok=True)
        store = optuna.artifacts.FileSystemArtifactStore(str(self.search.folder.artifacts))
        name = optuna.artifacts.upload_artifact(artifact_store=store, file_path=str(picture), study_or_trial=trial)
        return self.search.folder.artifacts / name

    def release(self) -> None:
        """Give the place of an announced picture back that will not be drawn after all."""
        with self._lock:
            self._waiting -= 1

    def finish(
        self, trial: Trial, log: TrialLog | None, end: TrialEnd, job: PictureJob | None, artifact: Path | None
    ) -> None:
        """Measure and draw an ended trial, write its note, and end its log; all beside the training.

        Args:
            trial: Optuna's.
            log: Its log in the tracker; None where it has none.
            end: How it ended, without the figures.
            job: What is to be drawn; None where there is nothing.
            artifact: What `announce_picture` returned.
        """
        without = self._without.pop(end.number, NO_ROOM)
        if job is not None and artifact is None:
            end, job = replace(end, remark=without), None
        try:
            submitted = self._pool.submit(self._finish, trial, log, end, job, artifact)
        except RuntimeError:  # closed: a second Ctrl-C
            self._end_log(log, end, {}, "")
            return
        self._jobs.add(submitted)
        submitted.add_done_callback(self._jobs.discard)

    def _finish(
        self, trial: Trial, log: TrialLog | None, end: TrialEnd, job: PictureJob | None, artifact: Path | None
    ) -> None:
        pictures: dict[str, Path] = {}
        if job is not None and artifact is not None:
            try:
                drawn = None if self._leaves.is_set() else self._draw(end, job, artifact)
                if drawn is None:
                    self._in_vain += 1
                    end = replace(end, remark=NO_TIME)
                else:
                    end = drawn
                    self._keep_interval(end)
                    kind = "validation" if end.state == "complete" else "learning_curve"
                    pictures[kind] = self._picture_path(end.number)
            except Exception as error:  # a picture is no reason to lose a sweep
                logger.warning("The picture of trial %d could not be made: %s", end.number, error)
            finally:
                self.release()
        keeps = MAX_CHECKPOINTS if end.state == "complete" else 0
        note = write_trial_note(end, keeps=keeps)
        self._end_log(log, end, pictures, note)
        if not self._writes_notes:
            return
        try:
            save_note(trial, note)
        except Exception as error:
            logger.warning("The note of trial %d could not be written: %s", end.number, error)

    def _draw(self, end: TrialEnd, job: PictureJob, artifact: Path) -> TrialEnd | None:
        """Write the picture of a trial to both of its places; return its end with the figures.

        None where the worker leaves meanwhile.
        """
        if job.scores is not None:
            problem = self.search.study.problem
            threshold = choose_cut(problem.working_point, self.labels, job.scores, self.weights)
            job = replace(job, threshold=threshold)
        drawn = self._process.draw(job)
        if drawn.problem and self._leaves.is_set():
            return None
        for path in (artifact, self._picture_path(end.number)):
            write_atomically(path, drawn.picture)
        if drawn.problem:
            logger.warning("The picture of trial %d could not be drawn: %s", end.number, drawn.problem)
            end = replace(end, remark="Its picture could not be drawn.")
        cut = None if job.scores is None else job.threshold
        return replace(end, figures=self._complete_figures(drawn, job), cut=cut)

    def _keep_interval(self, end: TrialEnd) -> None:
        """Write down the interval of the figure of merit of a trial that is the best so far."""
        measured = end.figures.get(self.search.study.problem.figure_of_merit.name)
        if measured is None or not np.isfinite(measured.error):
            return
        best = self.search.best_trial
        if best is None or best.number != end.number:
            return
        write_best_interval(self.search.optuna_study, end.number, float(measured.low), float(measured.high))

    def _complete_figures(self, drawn: Drawn, job: PictureJob) -> Mapping[str, Measurement]:
        """Return the figures of a trial, with the user's own where there is one, which this process alone can call."""
        figure = self.search.study.problem.figure_of_merit
        if job.scores is None or not drawn.figures or figure.name in drawn.figures:
            return drawn.figures
        arrays, study = check_arrays(self.labels, job.scores, self.weights), self.search.study
        return {
            **drawn.figures,
            figure.name: measure_declared(figure, arrays, n_bootstrap=study.evaluation.replicas, seed=study.seed),
        }

    def _end_log(self, log: TrialLog | None, end: TrialEnd, pictures: Mapping[str, Path], note: str) -> None:
        if log is None:
            return
        cut = {} if end.cut is None else {"validation/cut": end.cut}
        summary = {**end.summary, **cut, **_flatten(end.figures)}
        log.finish(end.state, summary=summary, pictures=pictures, reason=end.reason, notes=note)

    def _picture_path(self, number: int) -> Path:
        return self.search.folder.trials / f"trial_{number:05d}.png"

    def _note_left_out(self) -> None:
        """Count a picture that is left out, and say so the first time."""
        self._left_out += 1
        if self._left_out == 1:
            logger.warning(
                "Trials end faster than their pictures are drawn: %d wait. Trials that end while so many wait have no "
                "picture and no figures but their AUC; their notes say so.",
                self._most,
            )

    def close(self, *, seconds: float | None = None, cancel: bool = False) -> None:
        """Wait until the last pictures are drawn, and end the logs of their trials.

        Args:
            seconds: The longest to wait; trials whose pictures are not drawn by then end without one.
            cancel: Do not wait at all, nor write notes.
        """
        self._writes_notes = not cancel
        if cancel or seconds is not None:
            wait(set(self._jobs), timeout=0.0 if cancel else seconds)
            self._leaves.set()
            self._process.kill()
        self._pool.shutdown(wait=True)
        self._process.close()
        if self._in_vain:
            logger.warning("%s without a picture: no time was left to draw it.", write_count(self._in_vain, "trial"))
        if self._left_out > 1:
            logger.warning("%d trials have no picture.", self._left_out)
        self._left_out = self._in_vain = 0


def _flatten(figures: Mapping[str, Measurement]) -> dict[str, float]:
    """Return figures as trackers take them: `validation/<figure>`, and `.../low` and `.../high` of its interval."""
    spread = [measured.spread(f"validation/{name}") for name, measured in figures.items()]
    return {name: value for figure in spread for name, value in figure.items() if not np.isnan(value)}
