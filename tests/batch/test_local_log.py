"""A log that is still being written is read in whole lines."""

from pathlib import Path

from resources.batch.local import LocalBatch
from resources.batch.port import JobSpec
from tests.batch.batch_helpers import ended, until


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    program = (
        "import os, sys, time\n"
        "print('whole'); sys.stdout.write('ha'); sys.stdout.flush()\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "print('lf'); sys.stdout.write('last')"
    )
    batch = LocalBatch(tmp_path / "jobs")
    job_id = batch.submit(JobSpec("j", "q", "d", ["python", "-S", "-c", program]))
    stream = f"{job_id}/1.log"
    until((tmp_path / "jobs" / stream).is_file)
    until(lambda: (tmp_path / "jobs" / stream).read_bytes() == b"whole\nha")
    page = batch.log_page(stream)
    assert page.lines == ("whole",)
    gate.touch()
    ended(batch, job_id)
    assert batch.log_page(stream, page.token).lines == ("half", "last")
