"""How many workers a storage serves, and what the sampler takes as trials become many.

    python -m benchmarks.scaling [--workers 1 2 4 8 16 32 64] [--database postgresql://...] [--trials 100 1000 10000]

Storages: each worker is a process that asks, reports and tells as a worker of a sweep does (budget, heartbeat and
claim, pruner after each epoch), and sleeps where that trains: 10 epochs of 0.2 s a trial. All share this machine's
cores, on which a server and the workers' own Python run, too: "CPU" is what of them was used. Storages are the journal
file, Optuna's gRPC proxy in front of a journal, and the database of `--database`, in which studies of the names
`scaling-...` are made and deleted.

Sampler: seconds of one `ask` of the default sampler, with so many finished trials in memory: 1,000 different ones, of
which more are repetitions. How large a journal of so many is, and how long a worker takes to read it, is measured with
2,000 trials at the most and extrapolated in proportion beyond; those figures are marked with "~". The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import secrets
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, GrpcStorageProxy, run_grpc_proxy_server

from studies.resonance import study as resonance
from tuner.run_folder import RunFolder
from tuner.training.structure import find_structure
from tuner.tuning.grouped_writes import write_together
from tuner.tuning.heartbeats import Lease
from tuner.tuning.pruners import make_pruner
from tuner.tuning.pruning_view import PruningView
from tuner.tuning.samplers import SeededSampler, make_sampler
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.study import Budget
from tuner.tuning.trial_queue import Asker

EPOCHS, EPOCH_SECONDS = 10, 0.2
START_SECONDS = 300.0
"""What all workers of a measurement are given to begin."""
DRAWN_TRIALS, WRITTEN_TRIALS = 1_000, 2_000
"""Different trials that the sampler is given, and trials that are written into a journal, at the most."""

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Served:
    """What workers got from a storage."""

    trials: float
    """Per second."""
    share: float
    """Of what they would have trained without one."""
    ask_ms: float
    report_ms: float
    """With the pruner's answer."""
    tell_ms: float
    cpu_ms: float
    """Of a worker, for a trial: what does not depend on who else uses the machine."""
    cpu: float
    """Share of this machine's cores that was used, by all processes on it."""


def main() -> None:
    """Run every number of workers on every storage, then the sampler; print a row each and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--database", help="URL of a PostgreSQL or MySQL server, to be measured as well")
    parser.add_argument("--only", nargs="+", help="storages to be measured, by the first words of their names")
    parser.add_argument("--trials", type=int, nargs="*", default=[100, 1_000, 10_000], help="for the sampler")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    find_structure(resonance.space(optuna.create_study().ask()))  # imports once what each worker would
    opens: dict[str, Callable[[Path], Any]] = {"journal": serve_journal, "gRPC proxy": serve_proxy}
    if options.database:
        opens["database"] = partial(serve_database, options.database)
    print(f"{'storage':>12} workers  trials/s  reports/s  share  ask ms  report ms  tell ms  CPU ms  CPU")
    storages: dict[str, dict[int, Any]] = {name: {} for name in opens}
    for name, serve in opens.items():
        if options.only and not name.startswith(tuple(options.only)):
            continue
        for workers in options.workers:
            with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as connect:
                served = measure_storage(connect, Path(folder), workers, options.seconds)
            storages[name][workers] = asdict(served)
            print(
                f"{name:>12} {workers:7} {served.trials:9.1f} {EPOCHS * served.trials:10.0f} {served.share:6.2f}"
                f" {served.ask_ms:7.1f} {served.report_ms:10.1f} {served.tell_ms:8.1f} {served.cpu_ms:7.1f}"
                f" {served.cpu:4.2f}",
                flush=True,
            )
    print("    trials  ask ms  journal MB  read s")
    sampler: dict[int, Any] = {}
    for n_trials in options.trials:
        sampler[n_trials] = measure_sampler(n_trials)
        ask, size, read = sampler[n_trials].values()
        mark = "~" if n_trials > WRITTEN_TRIALS else " "
        print(f"{n_trials:10,} {ask:7.1f} {mark}{size:10.1f} {mark}{read:6.2f}", flush=True)
    print(json.dumps({"storages": storages, "sampler": sampler}))


@contextmanager
def serve_journal(folder: Path) -> Iterator[Callable[[], BaseStorage]]:
    """Yield what opens a journal file."""
    yield partial(open_storage, folder / "journal.log")


@contextmanager
def serve_proxy(folder: Path) -> Iterator[Callable[[], BaseStorage]]:
    """Start Optuna's proxy of a journal file; yield what connects to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(target=run_proxy, args=(folder, port), daemon=True)
    server.start()
    connect = partial(GrpcStorageProxy, host="127.0.0.1", port=port)
    run_in_process(wait_until_ready, connect)  # gRPC must not have been used in a process that forks
    try:
        yield connect
    finally:
        server.kill()
        server.join()


def wait_until_ready(connect: Callable[[], GrpcStorageProxy]) -> None:
    """Wait until a proxy answers."""
    connect().wait_server_ready(timeout=60)


def run_proxy(folder: Path, port: int) -> None:
    """Serve a journal file."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    run_grpc_proxy_server(open_storage(folder / "journal.log"), host="127.0.0.1", port=port)


@contextmanager
def serve_database(url: str, folder: Path) -> Iterator[Callable[[], BaseStorage]]:
    """Yield what opens a database."""
    yield partial(open_storage, folder / "journal.log", url)


def measure_storage(connect: Callable[[], BaseStorage], folder: Path, workers: int, seconds: float) -> Served:
    """Let workers run for some seconds, each in a process of its own."""
    name = f"scaling-{secrets.token_hex(4)}"
    # In a process of its own, so that no connection is inherited.
    run_in_process(create, connect, name)
    barrier, answers = FORK.Barrier(workers + 1), FORK.Queue()
    processes = [
        FORK.Process(target=work, args=(connect, folder, name, seconds, (barrier, answers))) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    barrier.wait(START_SECONDS)
    began, busy = time.monotonic(), read_busy()
    told = [take_answer(answers, processes, seconds) for _ in processes]
    elapsed, busy = time.monotonic() - began, read_busy() - busy
    for process in processes:
        process.join()
    run_in_process(delete, connect, name)
    trials, asks, reports, tells, used = map(sum, zip(*told, strict=True))
    per_second = trials / seconds
    return Served(
        trials=per_second,
        share=per_second * EPOCHS * EPOCH_SECONDS / workers,
        ask_ms=1000 * asks / max(trials, 1),
        report_ms=1000 * reports / max(EPOCHS * trials, 1),
        tell_ms=1000 * tells / max(trials, 1),
        cpu_ms=1000 * used / max(trials, 1),
        cpu=busy / elapsed / (os.cpu_count() or 1),
    )


def take_answer(answers: Queue[Any], processes: Sequence[BaseProcess], seconds: float) -> Any:
    """Return what the next worker measured. Raise `RuntimeError` where one has ended without an answer."""
    end = time.monotonic() + seconds + START_SECONDS
    while True:
        try:
            return answers.get(timeout=1.0)
        except queue.Empty:
            failed = [process.exitcode for process in processes if process.exitcode]
            if failed or time.monotonic() > end:
                for process in processes:
                    process.kill()
                what = f"ended with {failed[0]}" if failed else f"did not answer within {seconds + START_SECONDS:.0f} s"
                raise RuntimeError(f"A worker {what}: this measures nothing.") from None


def run_in_process(call: Callable[..., None], *arguments: Any) -> None:
    """Make a call in a process of its own."""
    process = FORK.Process(target=call, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def create(connect: Callable[[], BaseStorage], name: str) -> None:
    """Create a study."""
    optuna.create_study(study_name=name, storage=connect(), direction="maximize")


def delete(connect: Callable[[], BaseStorage], name: str) -> None:
    """Delete a study."""
    optuna.delete_study(study_name=name, storage=connect())


def work(
    connect: Callable[[], BaseStorage], folder: Path, name: str, seconds: float, others: tuple[Barrier, Any]
) -> None:
    """Ask, sleep, report and tell for some seconds; answer trials, seconds of asks, reports, tells, and CPU time."""
    barrier, answers = others
    optuna_study = optuna.load_study(study_name=name, storage=connect())
    study = replace(resonance, name=name, budget=Budget(trials=10**6, epochs=EPOCHS), sampler=RandomSampler)
    search = Search(study, RunFolder(folder), None, opened=optuna_study)
    optuna_study.pruner = make_pruner(study)
    trials, asks, reports, tells = 0.0, 0.0, 0.0, 0.0
    with Lease(optuna_study) as lease:
        asker = Asker(search, SeededSampler(partial(make_sampler, study), os.getpid()), lease.worker)
        view = PruningView(optuna_study)
        first = asker.ask()  # which imports, and opens what a storage opens once
        assert first is not None
        optuna_study.tell(first.trial, 0.5)
        barrier.wait(START_SECONDS)
        until, used = time.monotonic() + seconds, time.process_time()
        while time.monotonic() < until:
            start = time.monotonic()
            asked = asker.ask()
            assert asked is not None
            asks += time.monotonic() - start
            for epoch in range(EPOCHS):
                time.sleep(EPOCH_SECONDS)
                start = time.monotonic()
                report(optuna_study, view, asked.trial, epoch + 1)
                reports += time.monotonic() - start
            start = time.monotonic()
            optuna_study.tell(asked.trial, 0.5)
            tells += time.monotonic() - start
            trials += max(0.0, min(1.0, 1 - (time.monotonic() - until) / (EPOCHS * EPOCH_SECONDS)))
        used = time.process_time() - used
    answers.put((trials, asks, reports, tells, used))


def report(study: optuna.Study, view: PruningView, trial: optuna.Trial, epoch: int) -> None:
    """Report an epoch as `TrialReporter` does: ask the pruner, then write the value and what it noted together."""
    if not view.is_followed(trial._trial_id):
        view.follow(trial._cached_frozen_trial)
    view.forget_others()
    view.should_prune(trial._trial_id, dict.fromkeys(range(1, epoch + 1), 0.5))
    with write_together(study):
        study._storage.set_trial_intermediate_value(trial._trial_id, epoch, 0.5)
        for name, note in view.notes.pop(trial._trial_id, {}).items():
            study._storage.set_trial_system_attr(trial._trial_id, name, note)


def read_busy() -> float:
    """Return how many seconds this machine's cores have been busy, all together."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields[:8])) - idle) / os.sysconf("SC_CLK_TCK")


def measure_sampler(n_trials: int, asks: int = 5) -> dict[str, float]:
    """Return milliseconds of an ask with so many finished trials, the size of their journal, and seconds to read it.

    The latter two are extrapolated from `WRITTEN_TRIALS` where there are more.
    """
    study = replace(resonance, budget=Budget(trials=10**6, epochs=EPOCHS))
    sampler = SeededSampler(partial(make_sampler, study), 0)
    drawn = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    for _ in range(min(n_trials, DRAWN_TRIALS)):
        trial = drawn.ask()
        study.space(trial)
        drawn.tell(trial, sum(hash(str(value)) % 1000 for value in trial.params.values()) / 1e4)
    finished = drawn.get_trials(deepcopy=False)
    optuna_study = optuna.create_study(sampler=sampler, direction="maximize")
    optuna_study.add_trials([finished[n % len(finished)] for n in range(n_trials)])
    start = time.perf_counter()
    for _ in range(asks):
        study.space(sampler.ask(optuna_study))
    ask_ms = 1000 * (time.perf_counter() - start) / asks
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.log"
        n_written = min(n_trials, WRITTEN_TRIALS)
        written = optuna.create_study(storage=open_storage(journal), study_name="s", direction="maximize")
        for trial in optuna_study.get_trials(deepcopy=False)[:n_written]:
            copy = replace_values(trial)
            written.add_trial(copy)
        size = journal.stat().st_size
        start = time.perf_counter()
        optuna.load_study(storage=open_storage(journal), study_name="s").get_trials(deepcopy=False)
        read = time.perf_counter() - start
    scale = n_trials / n_written
    return {"ask_ms": ask_ms, "journal_mb": scale * size / 2**20, "read_s": scale * read}


def replace_values(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """Return a trial with a report for each epoch."""
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        value=trial.value,
        intermediate_values={epoch + 1: 0.5 for epoch in range(EPOCHS)},
    )


if __name__ == "__main__":
    main()
