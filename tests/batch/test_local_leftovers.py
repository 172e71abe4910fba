"""What a job leaves running ends with it, as in a container."""

from pathlib import Path

from resources.batch.local import LocalBatch
from resources.batch.port import JobSpec
from tests.batch.batch_helpers import ended, lives, until


def test_a_job_that_ends_well_takes_its_children_with_it(tmp_path: Path) -> None:
    trace = tmp_path / "pid"
    program = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\n"
        f"open({str(trace)!r}, 'w').write(str(child.pid))"
    )
    batch = LocalBatch(tmp_path / "jobs")
    job_id = batch.submit(JobSpec("j", "q", "d", ["python", "-S", "-c", program]))
    assert ended(batch, job_id).exit_code == 0
    child = int(trace.read_text())
    until(lambda: not lives(child), seconds=5)
