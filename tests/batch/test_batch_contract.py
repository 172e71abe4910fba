"""What both adapters promise; AWS's one against a server whose jobs really run."""

import time
from pathlib import Path

import pytest

from resources.batch.port import SPOT_RULES, Batch, BatchError, JobSpec, JobStatus, RetryRule
from tests.batch.batch_helpers import DEFINITION, QUEUE, ended, lives, until


def spec(
    program: str, *, attempts: int = 1, rules: tuple[RetryRule, ...] = (), timeout: int = 600
) -> JobSpec:
    return JobSpec(
        name="contract",
        queue=QUEUE,
        definition=DEFINITION,
        command=["python", "-S", "-c", program],
        environment={"GREETING": "good day"},
        attempts=attempts,
        retry_rules=rules,
        timeout_seconds=timeout,
        tags={"team": "fraud"},
    )


def lines(batch: Batch, status: JobStatus) -> list[str]:
    found: list[str] = []
    for stream in status.log_streams:
        token = None
        while (page := batch.log_page(stream, token)).lines:
            found += page.lines
            token = page.token
    return found


def running(batch: Batch, job_id: str, log: str) -> None:
    """Returns once a job has said a line."""
    until(lambda: log in lines(batch, batch.describe([job_id])[job_id]))


def test_a_job_runs_with_its_environment(batch: Batch, job_folder: Path) -> None:
    trace = job_folder / "trace"
    program = (
        "import os; e = os.environ; open(%r, 'w').write("
        "'|'.join([e['GREETING'], e['AWS_BATCH_JOB_ATTEMPT'], e['AWS_BATCH_JOB_ID']]))"
    )
    job_id = batch.submit(spec(program % str(trace)))
    status = ended(batch, job_id)
    assert (status.status, status.exit_code) == ("SUCCEEDED", 0)
    assert trace.read_text() == f"good day|1|{job_id}"


def test_the_exit_code_of_a_failure_is_told(batch: Batch) -> None:
    status = ended(batch, batch.submit(spec("raise SystemExit(3)")))
    assert (status.status, status.exit_code) == ("FAILED", 3)
    assert not status.was_terminated
    assert status.reason == "Essential container in task exited"


def test_a_killed_job_has_the_exit_code_of_its_signal(batch: Batch) -> None:
    status = ended(batch, batch.submit(spec("import os; os.kill(os.getpid(), 9)")))
    assert (status.status, status.exit_code) == ("FAILED", 137)


def test_a_failed_attempt_is_repeated(batch: Batch) -> None:
    program = (
        "import os, sys; n = os.environ['AWS_BATCH_JOB_ATTEMPT'];print('try', n); sys.exit(n < '3')"
    )
    status = ended(batch, batch.submit(spec(program, attempts=4)))
    assert status.status == "SUCCEEDED"
    assert [attempt.exit_code for attempt in status.attempts] == [1, 1, 0]
    assert lines(batch, status) == ["try 1", "try 2", "try 3"]


def test_the_first_rule_that_matches_decides(batch: Batch) -> None:
    rules = (RetryRule("RETRY", on_exit_code="4*"), RetryRule("EXIT", on_reason="*"))
    program = "import os, sys; sys.exit([41, 5, 0][int(os.environ['AWS_BATCH_JOB_ATTEMPT']) - 1])"
    status = ended(batch, batch.submit(spec(program, attempts=3, rules=rules)))
    assert [attempt.exit_code for attempt in status.attempts] == [41, 5]
    assert status.status == "FAILED"


def test_under_the_rules_of_spot_a_failure_is_final(batch: Batch) -> None:
    status = ended(batch, batch.submit(spec("raise SystemExit(1)", attempts=3, rules=SPOT_RULES)))
    assert [attempt.exit_code for attempt in status.attempts] == [1]


def test_what_takes_too_long_is_ended_and_not_repeated(batch: Batch) -> None:
    began = time.monotonic()
    job_id = batch.submit(spec("import time; time.sleep(60)", attempts=2, timeout=60))
    status = ended(batch, job_id)
    assert status.status == "FAILED"
    assert status.reason == "Job attempt duration exceeded timeout"
    assert not status.was_terminated
    assert len(status.attempts) == 1
    assert time.monotonic() - began < 20


def test_a_terminated_job_is_gone_with_its_children(batch: Batch, job_folder: Path) -> None:
    trace = job_folder / "pids"
    program = (
        "import os, subprocess, time;"
        "child = subprocess.Popen(['sleep', '60']);"
        f"open({str(trace)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}');"
        "print('ready', flush=True); time.sleep(60)"
    )
    job_id = batch.submit(spec(program, attempts=3))
    running(batch, job_id, "ready")
    batch.terminate(job_id, "no longer wanted")
    status = ended(batch, job_id)
    assert (status.status, status.reason) == ("FAILED", "no longer wanted")
    assert status.was_terminated
    assert len(status.attempts) == 1
    assert not any(lives(int(pid)) for pid in trace.read_text().split())
    batch.terminate(job_id, "again")
    assert batch.describe([job_id])[job_id].reason == "no longer wanted"


def test_a_job_that_is_asked_to_end_may_tidy_up(batch: Batch, job_folder: Path) -> None:
    trace = job_folder / "tidied"
    program = (
        "import signal, sys, time;"
        f"signal.signal(15, lambda *_: (open({str(trace)!r}, 'w').write('yes'), sys.exit(0)));"
        "print('ready', flush=True); time.sleep(60)"
    )
    job_id = batch.submit(spec(program))
    running(batch, job_id, "ready")
    batch.terminate(job_id, "stop")
    assert ended(batch, job_id).status == "FAILED"
    assert trace.read_text() == "yes"


def test_a_log_is_read_on_from_a_token(batch: Batch) -> None:
    status = ended(batch, batch.submit(spec("print('one'); print('two ünïcode')")))
    assert status.log_stream is not None
    page = batch.log_page(status.log_stream)
    assert page.lines == ("one", "two ünïcode")
    assert batch.log_page(status.log_stream, page.token).lines == ()
    assert batch.log_page("nobody/1.log").lines == ()


def test_a_log_of_several_pages_is_read_whole(batch: Batch) -> None:
    status = ended(batch, batch.submit(spec("for n in range(10_050): print(n)")))
    assert lines(batch, status) == [str(n) for n in range(10_050)]


def test_more_jobs_than_one_request_takes_are_described(batch: Batch) -> None:
    job_id = batch.submit(spec("pass"))
    unknown = [f"unknown-{n}" for n in range(230)]
    assert list(batch.describe([*unknown[:150], job_id, *unknown[150:]])) == [job_id]
    ended(batch, job_id)


def test_both_refuse_a_timeout_under_a_minute() -> None:
    with pytest.raises(ValueError, match="timeout must be at least 60 seconds, not 59"):
        spec("pass", timeout=59)


def test_a_queue_that_is_not_there_is_named(aws_batch: Batch) -> None:
    wrong = JobSpec("job", "no-such-queue", DEFINITION, ["true"])
    with pytest.raises(BatchError, match=r"no-such-queue.*check FRAUD_BATCH_QUEUE"):
        aws_batch.submit(wrong)


def test_the_console_is_that_of_the_region(aws_batch: Batch) -> None:
    url = aws_batch.console_url("abc")
    assert url is not None
    assert url.startswith("https://eu-west-1.console.aws.amazon.com/batch/home")
    assert url.endswith("/abc")
