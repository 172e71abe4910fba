"""Batch on this machine: every job is a group of processes, with Batch's rules and status words.

Jobs end when the process that submitted them ends. What it does not do: it takes no image, it
limits no memory, and its jobs share this machine's environment and files.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from resources.batch import guard
from resources.batch.port import (
    ENDED,
    LONGEST_REASON,
    TIMED_OUT,
    Attempt,
    BatchError,
    JobSpec,
    JobStatus,
    LogPage,
    Status,
    is_retried,
)

EXITED: Final = "Essential container in task exited"
RECLAIMED: Final = "Host EC2 (instance i-0local) terminated."
NO_ROOM_EVER: Final = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"

_PAGE_BYTES: Final = 1024 * 1024
_LOOK_SECONDS: Final = 0.02


@dataclass
class _Job:
    """A job's state; every field but `spec` is guarded by the service's lock."""

    job_id: str
    spec: JobSpec
    status: Status = "SUBMITTED"
    reason: str = ""
    exit_code: int | None = None
    log_stream: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stop_reason: str | None = None
    reclaimed: bool = False

    def seen(self) -> JobStatus:
        return JobStatus(
            job_id=self.job_id,
            status=self.status,
            reason=self.reason,
            exit_code=self.exit_code,
            attempts=tuple(self.attempts),
            log_stream=self.log_stream,
            was_terminated=self.status in ENDED and self.stop_reason is not None,
        )


class LocalBatch:
    """A `Batch` whose jobs are processes of this machine.

    Args:
        folder: Where logs go; None: a temporary folder that goes with this process.
        vcpus: How many virtual CPUs run at once; jobs that find no room wait. A job without a
            number of its own takes one. None: as many as this machine has.
        grace_seconds: Time between asking a job to end and ending it.
        timeout_scale: Length of a second of an attempt's timeout, in seconds; tests shorten it.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        vcpus: int | None = None,
        grace_seconds: float = 5.0,
        timeout_scale: float = 1.0,
    ) -> None:
        self._given_folder = folder
        self._vcpus = vcpus or os.cpu_count() or 1
        self._free = self._vcpus
        self._grace_seconds = grace_seconds
        self._timeout_scale = timeout_scale
        self._jobs: dict[str, _Job] = {}
        self._changed = threading.Condition()

    def submit(self, spec: JobSpec) -> str:
        """Queue a job; its id."""
        job = _Job(str(uuid.uuid4()), spec)
        with self._changed:
            self._jobs[job.job_id] = job
        name = f"batch-{spec.name}"
        threading.Thread(target=self._serve, args=(job,), name=name, daemon=True).start()
        return job.job_id

    def describe(self, job_ids: Collection[str]) -> Mapping[str, JobStatus]:
        """The status of each job by id; unknown ones are left out."""
        with self._changed:
            return {i: self._jobs[i].seen() for i in job_ids if i in self._jobs}

    def terminate(self, job_id: str, reason: str) -> None:
        """Ask a job to end, and end it when its grace is over."""
        with self._changed:
            job = self._jobs.get(job_id)
            if job is None:
                raise BatchError(f"there is no job {job_id}")
            if job.status not in ENDED and job.stop_reason is None:
                job.stop_reason = reason[:LONGEST_REASON]
                self._changed.notify_all()

    def reclaim(self, job_id: str) -> None:
        """Take the machine from under a running job, as AWS does with Spot instances."""
        with self._changed:
            self._jobs[job_id].reclaimed = True

    def log_page(self, stream: str, token: str | None = None) -> LogPage:
        """Whole lines after a token; the last line of an ended attempt may lack its line break."""
        path = self._folder / stream
        start = int(token or 0)
        ended = self._is_closed(stream)
        with suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(start)
            data = file.read(_PAGE_BYTES)
            whole = data if ended or len(data) == _PAGE_BYTES else data[: data.rfind(b"\n") + 1]
            lines = whole.decode("utf-8", errors="replace").splitlines()
            return LogPage(tuple(lines), str(start + len(whole)))
        return LogPage((), token)

    def console_url(self, job_id: str) -> str | None:  # noqa: ARG002 - the port asks for it
        """Nowhere: jobs of this machine have no console."""
        return None

    @cached_property
    def _folder(self) -> Path:
        if self._given_folder is None:
            # Kept by this object, and removed with it or when the interpreter ends.
            self._temporary = tempfile.TemporaryDirectory(prefix="fraud-batch-")
            return Path(self._temporary.name)
        return self._given_folder

    def _is_closed(self, stream: str) -> bool:
        with self._changed:
            job = self._jobs.get(stream.partition("/")[0])
            return job is None or job.log_stream != stream or job.status != "RUNNING"

    def _serve(self, job: _Job) -> None:
        taken = self._take_room(job)
        try:
            for number in range(1, job.spec.attempts + 1):
                if job.stop_reason is not None or not self._attempt(job, number):
                    break
        except OSError as error:
            self._set(job, "FAILED", f"CannotStartContainerError: {error}")
        finally:
            with self._changed:
                self._free += taken
                if job.status not in ENDED:
                    job.status, job.reason = "FAILED", job.stop_reason or job.reason
                self._changed.notify_all()

    def _take_room(self, job: _Job) -> int:
        wanted = job.spec.vcpus or 1
        with self._changed:
            job.status = "RUNNABLE"
            job.reason = NO_ROOM_EVER if wanted > self._vcpus else ""
            self._changed.wait_for(lambda: job.stop_reason is not None or wanted <= self._free)
            if job.stop_reason is not None:
                return 0
            self._free -= wanted
            return wanted

    def _attempt(self, job: _Job, number: int) -> bool:
        """Run a job once; whether it is to be run again."""
        self._set(job, "STARTING", "")
        stream = f"{job.job_id}/{number}.log"
        path = self._folder / stream
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as log, self._started(job, number, log.fileno()) as process:
            with self._changed:
                job.log_stream = stream
                job.status = "RUNNING"
            reason = self._watch(job, process)
            code = process.wait()
        with self._changed:
            job.attempts.append(Attempt(code, reason, stream))
            job.exit_code, job.reason, job.reclaimed = code, reason, False
            success = code == 0 and reason == EXITED
            again = (
                not success
                and reason != TIMED_OUT  # AWS repeats no attempt that took too long
                and job.stop_reason is None
                and number < job.spec.attempts
                and is_retried(job.spec.retry_rules, reason, code)
            )
            job.status = "RUNNABLE" if again else ("SUCCEEDED" if success else "FAILED")
        return again

    def _started(self, job: _Job, number: int, log: int) -> "subprocess.Popen[bytes]":
        words = [sys.executable if word == "python" else word for word in job.spec.command[:1]]
        environment = {
            **os.environ,
            **job.spec.environment,
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(number),
            "AWS_BATCH_JQ_NAME": job.spec.queue,
            "PYTHONUNBUFFERED": "1",
        }
        return subprocess.Popen(  # noqa: S603 - the job's own command, without a shell
            [sys.executable, "-I", "-S", guard.__file__, *words, *job.spec.command[1:]],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # A terminal's interrupt is for the run, which then ends its jobs in good order.
            start_new_session=True,
        )

    def _watch(self, job: _Job, process: "subprocess.Popen[bytes]") -> str:
        """Wait for an attempt's end, or bring it about; why it ended."""
        limit = job.spec.timeout_seconds
        started = time.monotonic()
        while process.poll() is None:
            late = limit is not None and time.monotonic() - started > limit * self._timeout_scale
            if job.reclaimed:
                self._end(process, grace_seconds=0)
                return RECLAIMED
            if job.stop_reason is not None or late:
                self._end(process, self._grace_seconds)
                return job.stop_reason or TIMED_OUT
            time.sleep(_LOOK_SECONDS)
        return EXITED

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
        if process.stdin is None:  # pragma: no cover - it is always a pipe here
            return
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            if grace_seconds > 0:
                process.stdin.write(guard.TERMINATE)
                process.stdin.flush()
                process.wait(grace_seconds)
                return
        with suppress(BrokenPipeError):
            process.stdin.close()

    def _set(self, job: _Job, status: Status, reason: str) -> None:
        with self._changed:
            job.status, job.reason = status, reason
