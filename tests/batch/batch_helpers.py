"""What the tests of Batch share."""

import os
import time
from collections.abc import Callable

import psutil

from resources.batch.port import ENDED, Batch, JobStatus

REGION = "eu-west-1"
BUCKET = "lake-of-steps"
QUEUE = "gpu-spot"
DEFINITION = "fraud-gpu"


def ended(batch: Batch, job_id: str, seconds: float = 120) -> JobStatus:
    """The status of a job once it has ended."""
    deadline = time.monotonic() + seconds
    while (status := batch.describe([job_id])[job_id]).status not in ENDED:
        assert time.monotonic() < deadline, status
        time.sleep(0.03)
    return status


def until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    """Returns once something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def lives(pid: int) -> bool:
    """Whether there is a process that has not ended."""
    try:
        os.kill(pid, 0)
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
