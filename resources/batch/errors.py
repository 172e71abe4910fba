"""What can go wrong between a step and its job, in words that say what to do."""

import re
from typing import Final

from resources.batch.port import TIMED_OUT, JobStatus

_ACCOUNT: Final = re.compile(r"(?<![\w-])\d{12}(?![\w-])")
_WRONG_USAGE: Final = 2
_REFUSED: Final = 3
_KILLED: Final = 137
_TERMINATED: Final = 143


class StepDiedError(Exception):
    """The job ended, and its container had not said how the step went."""


class StepNeverStartedError(Exception):
    """The job waited in its queue for longer than allowed."""


class JobLostError(Exception):
    """The batch service has not known the job for longer than allowed."""


def masked(text: str) -> str:
    """A text without the numbers of AWS accounts that ARNs and image names hold."""
    return _ACCOUNT.sub("<account>", text)


def is_final(status: JobStatus) -> bool:
    """Whether another try of a job that ended without a word can only end in the same way.

    So it is where somebody ended the job on purpose, where an attempt took too long (as long is
    paid for again, and Batch itself repeats no such attempt), and where the container said by its
    exit code that it cannot even read its settings or its command.
    """
    return (
        status.was_terminated
        or _took_too_long(status)
        or status.exit_code in {_WRONG_USAGE, _REFUSED}
    )


def died(status: JobStatus) -> StepDiedError:
    """The error of a job that ended without a word from its container."""
    reasons = [text for text in (status.reason, status.container_reason) if text]
    parts = [
        (
            f"Batch job {status.job_id} ended {status.status} after "
            f"{max(1, len(status.attempts))} attempt(s) and its container had not reported the "
            f"step's end: {masked('; '.join(reasons)) or 'no reason given'}"
        )
    ]
    if status.was_terminated:
        parts.append("somebody ended it, so it is not tried again")
    elif _took_too_long(status):
        parts.append(
            "so it is not tried again: raise FRAUD_BATCH_ATTEMPT_MINUTES, or give the job more "
            "(FRAUD_BATCH_VCPUS, FRAUD_BATCH_MEMORY_MIB)"
        )
    elif status.exit_code is not None:
        parts.append(f"exit code {status.exit_code}{_meaning(status.exit_code)}")
    if status.log_stream is not None:
        parts.append(f"log stream {status.log_stream}")
    return StepDiedError("; ".join(parts))


def never_started(status: JobStatus, queue: str, seconds: float) -> StepNeverStartedError:
    """The error of a job that found no machine."""
    reason = f" ({masked(status.reason)})" if status.reason else ""
    return StepNeverStartedError(
        f"Batch job {status.job_id} was still {status.status}{reason} after {seconds:.0f} seconds "
        f"in the queue {masked(queue)} and was ended; check the compute environment (its maximum "
        "of vCPUs, its instance types, the account's quota of GPU instances), or raise "
        "FRAUD_BATCH_QUEUE_MINUTES"
    )


def _took_too_long(status: JobStatus) -> bool:
    return status.reason.startswith(TIMED_OUT)


def _meaning(exit_code: int) -> str:
    if exit_code == _WRONG_USAGE:
        return " (the image's entry knows no such command; build it from the host's code)"
    if exit_code == _REFUSED:
        return " (refused before it could report; the job's log says why)"
    if exit_code == _KILLED:
        return " (killed; mostly for want of memory: raise FRAUD_BATCH_MEMORY_MIB)"
    if exit_code == _TERMINATED:
        return " (asked to end)"
    return ""
