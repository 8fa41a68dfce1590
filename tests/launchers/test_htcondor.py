"""Submit files and DAGs as HTCondor's own parsers read them; no HTCondor runs them here."""

from dataclasses import replace

import pytest

from tuner.errors import SearchError
from tuner.launchers.batch_jobs import BatchJob, Resources
from tuner.launchers.htcondor import (
    read_condor_states,
    require_condor,
    write_condor_script,
    write_dag,
    write_submit_file,
)


@pytest.fixture
def job(tmp_path):
    return BatchJob(
        name="work",
        title="tuner-a study",
        command=["/usr/bin/python3", "-P", "-m", "tuner", "work", "my study.py"],
        count=20,
        resources=Resources(cpus=4, gpus=1, memory_mb=6000, minutes=90, extra=('+JobFlavour = "tomorrow"',)),
        directory=tmp_path / "a folder",
        logs=tmp_path / "logs",
    )


def test_a_submit_file_says_to_htcondor_what_was_meant(job, tmp_path):
    htcondor = pytest.importorskip("htcondor2", reason="HTCondor's Python package, htcondor, is not installed")
    described = htcondor.Submit(write_submit_file(job, tmp_path / "work.sh"))
    assert described.getQArgs() == "20"
    for name, value in {
        "executable": str(tmp_path / "work.sh"),
        "initialdir": str(tmp_path / "a folder"),
        "request_cpus": "4",
        "request_gpus": "1",
        "request_memory": "6000",
        "should_transfer_files": "NO",
        "kill_sig": "SIGUSR1",
        "My.JobFlavour": '"tomorrow"',
        "My.MaxRuntime": "5400",
    }.items():
        assert described[name] == value


@pytest.mark.parametrize(
    ("by_signal", "code", "leaves"), [(False, 0, True), (False, 2, True), (False, 75, False), (True, None, True)]
)
def test_only_a_job_that_asks_for_it_stays_in_the_queue(job, tmp_path, by_signal, code, leaves):
    classad = pytest.importorskip("classad2", reason="HTCondor's Python package, htcondor, is not installed")
    described = write_submit_file(job, tmp_path / "work.sh")
    (rule,) = (line.partition("= ")[2] for line in described.splitlines() if line.startswith("on_exit_remove"))
    ended = classad.ClassAd({"ExitBySignal": by_signal} | ({} if code is None else {"ExitCode": code}))
    ended["Remove"] = classad.ExprTree(rule)
    assert ended.eval("Remove") is leaves


def test_a_dag_is_one_that_htcondor_reads(job, tmp_path):
    text = write_dag([("work", tmp_path / "work.sub"), ("conclude", tmp_path / "conclude.sub")])
    assert text.splitlines()[1:] == [
        f"JOB work {tmp_path}/work.sub",
        f"JOB conclude {tmp_path}/conclude.sub",
        "SCRIPT POST work /bin/true",
        "PARENT work CHILD conclude",
    ]


def test_a_job_keeps_its_time_itself(job):
    assert (
        "\n  timeout --preserve-status --signal=USR1 5280 /usr/bin/python3 -P -m tuner work 'my study.py' &\n"
        in write_condor_script(job)
    )


def test_what_htcondor_would_misread_is_refused(job, tmp_path):
    with pytest.raises(SearchError, match=r"paths without a `\$`"):
        write_submit_file(replace(job, directory=tmp_path / "$HOME"), tmp_path / "work.sh")
    with pytest.raises(SearchError, match="paths without blanks"):
        write_dag([("work", tmp_path / "my runs" / "work.sub")])


def test_without_htcondor_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SearchError, match="`condor_submit_dag` must be on the path"):
        require_condor()
    assert read_condor_states(["1"]) is None
