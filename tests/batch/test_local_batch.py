"""What only the Batch of this machine has: room, and jobs that go with their parent."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resources.batch.local import LocalBatch
from resources.batch.port import BatchError, JobSpec
from tests.batch.batch_helpers import ended, lives, until

PARENT = """
import sys, time
from pathlib import Path
from resources.batch.local import LocalBatch
from resources.batch.port import JobSpec
trace = sys.argv[1]
program = (
    "import os, subprocess, sys, time;"
    "child = subprocess.Popen(['sleep', '60']);"
    "open(sys.argv[1] + '.new', 'w').write(f'{os.getpid()} {child.pid}');"
    "os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(60)"
)
LocalBatch(Path(trace).parent / "jobs").submit(
    JobSpec("job", "queue", "definition", ["python", "-S", "-c", program, trace])
)
time.sleep(60)
"""


def job(program: str, vcpus: int | None = None) -> JobSpec:
    return JobSpec("job", "queue", "definition", ["python", "-S", "-c", program], vcpus=vcpus)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_jobs_and_their_children_end_with_the_process_that_submitted_them(
    tmp_path: Path, number: signal.Signals
) -> None:
    trace = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(trace)], stderr=subprocess.DEVNULL)
    until(trace.exists)
    pids = [int(pid) for pid in trace.read_text().split()]
    assert all(map(lives, pids))
    parent.send_signal(number)
    parent.wait(120)
    until(lambda: not any(map(lives, pids)))


def test_jobs_wait_for_room(tmp_path: Path) -> None:
    batch = LocalBatch(tmp_path / "jobs", vcpus=2)
    gate = tmp_path / "gate"
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    large = batch.submit(job(waits, vcpus=2))
    until(lambda: batch.describe([large])[large].status == "RUNNING")
    small = batch.submit(job("pass"))
    until(lambda: batch.describe([small])[small].status == "RUNNABLE")
    assert batch.describe([small])[small].log_stream is None
    gate.touch()
    assert ended(batch, large).status == "SUCCEEDED"
    assert ended(batch, small).status == "SUCCEEDED"


def test_a_job_that_waits_can_be_ended(tmp_path: Path) -> None:
    batch = LocalBatch(tmp_path / "jobs", vcpus=1)
    job_id = batch.submit(job("pass", vcpus=2))
    until(lambda: batch.describe([job_id])[job_id].reason.startswith("MISCONFIGURATION"))
    batch.terminate(job_id, "enough")
    status = ended(batch, job_id)
    assert (status.status, status.reason, status.attempts) == ("FAILED", "enough", ())
    assert ended(batch, batch.submit(job("pass"))).status == "SUCCEEDED"


def test_a_command_that_is_not_there_fails_its_job(tmp_path: Path) -> None:
    batch = LocalBatch(tmp_path / "jobs")
    status = ended(batch, batch.submit(JobSpec("job", "queue", "definition", ["no-such-thing"])))
    assert (status.status, status.exit_code) == ("FAILED", 127)
    assert status.log_stream is not None
    assert "cannot start no-such-thing" in batch.log_page(status.log_stream).lines[0]


def test_logs_are_removed_where_no_folder_was_given() -> None:
    batch = LocalBatch()
    status = ended(batch, batch.submit(job("print('seen')")))
    assert status.log_stream is not None
    assert batch.log_page(status.log_stream).lines == ("seen",)
    folder = batch._folder
    del batch, status
    until(lambda: not folder.exists())


def test_an_unknown_job_cannot_be_ended(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="there is no job x"):
        LocalBatch(tmp_path).terminate("x", "any")
