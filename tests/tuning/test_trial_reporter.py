"""The reporter: its books, what it tells Optuna and the tracker, and trials that others have told already."""

import itertools
from dataclasses import replace

import optuna
import pytest
import torch
from filelock import FileLock
from optuna.pruners import BasePruner
from samples import make_study

import tuner
from tuner import Budget
from tuner.metrics.figures_of_merit import Custom
from tuner.trackers import Memory, NoTracker
from tuner.training.data import load_training_data
from tuner.training.loop import Outcome
from tuner.training.pack import Pack
from tuner.tuning.heartbeats import Lease, reap_trials
from tuner.tuning.patient_storage import make_patient
from tuner.tuning.samplers import SeededSampler
from tuner.tuning.search import Search
from tuner.tuning.trial_attributes import Failure, claim
from tuner.tuning.trial_queue import Asker
from tuner.tuning.trial_reporter import MAX_REPORTS, TrialReporter, space_reports

EPOCHS = 3


@pytest.mark.parametrize("n_epochs", [1, 7, MAX_REPORTS])
def test_few_epochs_are_all_reported(n_epochs):
    assert space_reports(n_epochs) == set(range(1, n_epochs + 1))


def test_many_epochs_are_reported_at_growing_distances():
    epochs = sorted(space_reports(1000))
    assert len(epochs) <= MAX_REPORTS
    assert epochs[0] == 1
    assert epochs[-1] == 1000
    steps = [b - a for a, b in itertools.pairwise(epochs)]
    assert steps == sorted(steps)


class Watching(BasePruner):
    """Prunes nothing, and keeps the last epoch that was reported whenever it is asked."""

    def __init__(self):
        self.asked = []

    def prune(self, study, trial):
        self.asked.append(trial.last_step)
        return False


def test_the_pruner_is_asked_once_for_each_reported_epoch_and_for_no_other(tmp_path):
    """Asked at an epoch between two reports it would judge the same report twice."""
    pruner = Watching()
    study = make_study(trials=1, epochs=60, n_events=400, pruner=lambda n_epochs: pruner)
    search = tuner.sweep(study, folder=tmp_path, workers=1, device="cpu", tracker=NoTracker())
    (trial,) = search.optuna_study.get_trials()
    reported = sorted(trial.intermediate_values)
    assert (
        pruner.asked == reported == [epoch for epoch in sorted(space_reports(60)) if epoch <= search.trials[0].epochs]
    )
    assert len(reported) < search.trials[0].epochs


class Books:
    """A search with trials left, a worker's reporter of it, and a real pack to train."""

    def __init__(self, search, lease, **changes):
        self.search = Search(replace(search.study, budget=Budget(trials=100, epochs=EPOCHS), **changes), search.folder)
        self.memory = Memory()
        self.reporter = TrialReporter(self.search, self.memory)
        sampler = SeededSampler(lambda seed: optuna.samplers.RandomSampler(seed=seed), 0)
        self.asker = Asker(self.search, sampler, lease.worker)

    def ask(self):
        asked = self.asker.ask()
        self.reporter.register(asked)
        return asked

    def train(self, asked, epochs=1):
        """Begin a trial and train it alone; return its pack and its member."""
        member = self.reporter.begin(asked)
        pack = Pack(asked.settings, load_training_data(self.search.splits, torch.device("cpu")), n_epochs=EPOCHS)
        pack.admit(member)
        for _ in range(epochs):
            losses, (aucs, validation_losses) = pack.train_epoch(), pack.validate()
            figures = {"train_loss": losses[0], "validation_loss": validation_losses[0], "validation_auc": aucs[0]}
            member.curve.append({"epoch": member.age, "lr": 0.01} | {k: float(v) for k, v in figures.items()})
            assert self.reporter.report([member]) == set()
        return pack, member

    def trial(self, number):
        return self.search.trials[number]

    def log(self, number):
        """Return what the tracker has of a trial, once all that follows its end is written."""
        self.reporter.close()
        return self.memory.trials[self.search.study.name, number]


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=1, epochs=EPOCHS, n_events=400)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), workers=1, tracker=NoTracker())


@pytest.fixture
def books(search):
    with Lease(search.optuna_study) as lease:
        made = Books(search, lease)
        yield made
        made.reporter.close()
        assert made.reporter.registered == made.reporter.running == ()


def test_a_trial_is_on_the_books_from_its_registration_to_its_end(books):
    asked = books.ask()
    number = asked.trial.number
    assert (books.reporter.registered, books.reporter.running) == ((number,), ())
    pack, member = books.train(asked)
    assert (books.reporter.registered, books.reporter.running) == ((number,), (number,))
    books.reporter.tell(pack, member, 0, Outcome("complete", "All epochs."))
    assert (books.reporter.registered, books.reporter.running) == ((), ())
    told, log = books.trial(number), books.log(number)
    assert (told.state, told.value, told.figure, told.epochs) == ("complete", member.best, member.best, 1)
    assert (log.state, log.reason, log.summary["validation_auc"]) == ("complete", "All epochs.", member.best)
    assert list(log.epochs) == [1]
    assert books.search.checkpoint_path(number).exists()
    assert len(books.search.curve(number)) == 1


@pytest.mark.parametrize("lost", ["set_trial_user_attr", "set_trial_state_values"])
def test_a_storage_that_goes_away_while_a_trial_is_told_holds_nothing_up(books, monkeypatch, lost):
    from sqlalchemy.exc import OperationalError

    study = books.search.optuna_study
    inner = study._storage
    monkeypatch.setattr(study, "_storage", make_patient(inner, lost, 60.0))
    asked = books.ask()
    pack, member = books.train(asked)
    method, calls = getattr(inner, lost), []

    def lose(*arguments, **options):
        calls.append(arguments)
        given = method(*arguments, **options)
        if len(calls) == 1:
            raise OperationalError("commit", {}, ConnectionError())
        return given

    monkeypatch.setattr(inner, lost, lose)
    monkeypatch.setattr("tuner.tuning.patient_storage.Outage.wait", lambda self: pytest.fail("it waits"))
    books.reporter.tell(pack, member, 0, Outcome("complete", "All epochs."))
    assert books.reporter.registered == (asked.trial.number,)
    monkeypatch.undo()
    books.reporter.settle()
    assert books.reporter.registered == ()
    assert (books.trial(asked.trial.number).state, books.trial(asked.trial.number).value) == ("complete", member.best)


def test_an_interrupted_trial_goes_on_with_all_its_epochs_in_the_log(books, caplog):
    first = books.ask()
    pack, member = books.train(first, epochs=2)
    books.reporter.tell(pack, member, 0, Outcome("interrupted", "Ctrl-C"))
    assert books.trial(first.trial.number).state == "interrupted"
    assert not caplog.records
    second = books.ask()
    assert second.resumes == first.trial.number
    books.memory.trials.clear()
    _, resumed = books.train(second, epochs=0)
    assert (resumed.age, resumed.best) == (2, member.best)
    log = books.memory.trials[books.search.study.name, first.trial.number]
    assert [row["validation_auc"] for row in log.epochs.values()] == [row["validation_auc"] for row in member.curve]
    books.reporter.give_back_running("Enough.")
    books.reporter.fail(books.ask().trial.number, "Not to be tried again.")


def test_a_trial_that_fails_leaves_its_reason_and_its_epochs(books):
    asked = books.ask()
    pack, member = books.train(asked)
    books.reporter.tell(pack, member, 0, Outcome("failed", "The loss is not a number."))
    told, log = books.trial(asked.trial.number), books.log(asked.trial.number)
    assert (told.state, told.reason) == ("failed", "The loss is not a number.")
    assert (log.state, log.reason, log.summary["epochs"]) == ("failed", "The loss is not a number.", 1)


@pytest.mark.parametrize("value", [torch.inf, torch.nan, -2e6])
def test_a_loss_that_is_not_a_number_names_the_input_at_fault(books, value):
    asked = books.ask()
    pack, member = books.train(asked)
    name = books.search.splits.preprocessing.inputs[2]
    x = pack.data.x.clone()
    x[7, 2] = value
    pack.data = replace(pack.data, x=x)
    books.reporter.tell(pack, member, 0, Outcome("failed", "The loss is not a number."))
    told = books.trial(asked.trial.number)
    assert told.failure == Failure.NOT_FINITE
    assert f'The cause may be the input "{name}"' in told.reason


def raise_always(labels, scores, weights):
    raise ZeroDivisionError("no background")


def test_a_figure_of_merit_that_raises_costs_its_own_trial_only(search, caplog):
    with Lease(search.optuna_study) as lease:
        figure = Custom(function=raise_always, name="Odd")
        books = Books(search, lease, problem=replace(search.study.problem, figure_of_merit=figure))
        asked, other = books.ask(), books.ask()
        pack, member = books.train(asked)
        books.reporter.tell(pack, member, 0, Outcome("complete", "All epochs."))
        assert books.reporter.registered == (other.trial.number,)
        assert "ZeroDivisionError" in books.trial(asked.trial.number).reason
        books.reporter.fail(other.trial.number, "Not needed.")
        books.reporter.close()


def test_a_setting_is_tried_again_until_it_was_tried_often_enough(books):
    numbers = []
    while True:
        asked = books.ask()
        numbers.append(asked.trial.number)
        books.reporter.begin(asked)
        if not books.reporter.try_again(asked.trial.number, "Out of memory."):
            break
    states = [books.trial(number).state for number in numbers]
    assert len(numbers) > 1
    assert states == [*["interrupted"] * (len(numbers) - 1), "failed"]
    assert {books.trial(number).params["lr"] for number in numbers} == {books.trial(numbers[0]).params["lr"]}


def test_what_comes_after_a_trial_was_told_is_only_a_warning(books, caplog):
    asked = books.ask()
    books.reporter.fail(asked.trial.number, "First.")
    books.reporter.fail(asked.trial.number, "Second.")
    assert books.trial(asked.trial.number).reason == "First."
    assert f"After trial {asked.trial.number} had ended: Second." in caplog.text


@pytest.mark.parametrize("end", [TrialReporter.give_back, TrialReporter.try_again])
def test_a_trial_that_was_given_to_another_worker_is_given_up(books, caplog, end):
    """The worker was silent for so long that others took it for dead; what else it holds it still gives back."""
    taken, kept = books.ask(), books.ask()
    claim(taken.trial, "gone")
    lock, other = FileLock(books.search.folder.lock), Search(books.search.study, books.search.folder)
    assert reap_trials(other.optuna_study, lock) == [taken.trial.number]
    for asked in (taken, kept):
        end(books.reporter, asked.trial.number, "Its pack failed.")
    assert books.reporter.registered == ()
    assert f"Trial {taken.trial.number} was given to another worker" in caplog.text
    assert [books.trial(a.trial.number).state for a in (taken, kept)] == ["interrupted"] * 2
    for _ in (taken, kept):
        books.reporter.fail(books.ask().trial.number, "Not to be tried again.")
