"""Training and transform jobs: start once, wait, stop with the run, say why they failed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from pydantic import Field

from resources.sagemaker.api import (
    AbsentError,
    Answer,
    Named,
    SageMakerApi,
    SageMakerError,
    TakenError,
    masked_accounts,
)
from resources.sagemaker.config import safe_name
from resources.sagemaker.requests import Request
from resources.sagemaker.waiting import Patience, WaitedTooLongError, wait_for

_UNDER_WAY: Final = frozenset({"InProgress", "Stopping"})
_DONE: Final = "Completed"


class JobFailedError(SageMakerError):
    """A job ended without a result; the message says why."""


class JobState(Answer):
    """What DescribeTrainingJob or DescribeTransformJob says.

    Attributes:
        status: InProgress, Completed, Failed, Stopping or Stopped.
        detail: The finer state of a training job, such as MaxRuntimeExceeded.
        reason: Why it failed.
        training_seconds: Time that a training job computed.
        billable_seconds: Time that a training job is charged for; less on spare machines.
    """

    training_job_status: str = ""
    transform_job_status: str = ""
    detail: str = Field(default="", alias="SecondaryStatus")
    reason: str = Field(default="", alias="FailureReason")
    training_seconds: int = Field(default=0, alias="TrainingTimeInSeconds")
    billable_seconds: int = Field(default=0, alias="BillableTimeInSeconds")

    @property
    def status(self) -> str:
        """The state."""
        return self.training_job_status or self.transform_job_status


@dataclass(frozen=True)
class JobKind:
    """A sort of job: its operations and the field of its name.

    Attributes:
        word: How it is called in messages.
        field: The request's field for the name.
        create: boto3's operation.
        describe: boto3's operation.
        stop: boto3's operation.
    """

    word: str
    field: str
    create: str
    describe: str
    stop: str


TRAINING: Final = JobKind(
    "training job",
    "TrainingJobName",
    "create_training_job",
    "describe_training_job",
    "stop_training_job",
)
TRANSFORM: Final = JobKind(
    "transform job",
    "TransformJobName",
    "create_transform_job",
    "describe_transform_job",
    "stop_transform_job",
)


@dataclass(frozen=True)
class FinishedJob:
    """A job that completed.

    Attributes:
        name: Its name.
        state: What it was described as last.
        is_reused: Whether an earlier run had completed it.
    """

    name: str
    state: JobState
    is_reused: bool


def run_job(
    api: SageMakerApi,
    kind: JobKind,
    base: str,
    request: Callable[[str], Request],
    patience: Patience,
    has_result: Callable[[str], bool],
) -> FinishedJob:
    """Runs a job to its end, unless one of the same name has a result already.

    Names are `<base>-1`, `<base>-2` and so on, where `base` names the inputs: a run that was
    killed finds its job again instead of paying for a second one, and one whose job failed
    makes the next. If this process is interrupted, the job is stopped; if it merely fails, the
    job goes on within its own time limit, and the next run finds it.

    Args:
        api: The calls.
        kind: The sort of job.
        base: Name of what it is made of.
        request: The request under a name.
        patience: How long to wait.
        has_result: Whether a completed job's result is still there.

    Raises:
        JobFailedError: It failed, was stopped, or took too long; then it was stopped.
        SageMakerError: A call was refused.
    """
    name, state = _found_or_created(api, kind, base, request, has_result)
    if state is not None and state.status == _DONE:
        return FinishedJob(name, state, is_reused=True)
    try:
        state = wait_for(
            lambda: _described(api, kind, name),
            lambda seen: seen.status not in _UNDER_WAY,
            patience,
            f"the {kind.word} {name}",
        )
    except WaitedTooLongError as error:
        _stop(api, kind, name)
        raise JobFailedError(f"{error}; it was stopped") from error
    except Exception:
        raise
    except BaseException:
        _stop(api, kind, name)
        raise
    if state.status == _DONE and has_result(name):
        return FinishedJob(name, state, is_reused=False)
    raise JobFailedError(_why(kind, name, state))


def _found_or_created(
    api: SageMakerApi,
    kind: JobKind,
    base: str,
    request: Callable[[str], Request],
    has_result: Callable[[str], bool],
) -> tuple[str, JobState | None]:
    for attempt in count(1):
        name = safe_name(base, str(attempt))
        try:
            state = _described(api, kind, name)
        except AbsentError:
            # The same call repeated after a lost answer, or another run with the same inputs:
            # either way the job is there, and waiting for it is right.
            with suppress(TakenError):
                api.call(kind.create, request(name), Named)
            return name, None
        if state.status in _UNDER_WAY or (state.status == _DONE and has_result(name)):
            return name, state
    raise AssertionError("unreachable")  # pragma: no cover


def _described(api: SageMakerApi, kind: JobKind, name: str) -> JobState:
    return api.call(kind.describe, {kind.field: name}, JobState)


def _stop(api: SageMakerApi, kind: JobKind, name: str) -> None:
    # What made us stop counts more; a job that goes on ends by its own time limit.
    with suppress(SageMakerError):
        api.call(kind.stop, {kind.field: name}, Named)


def _why(kind: JobKind, name: str, state: JobState) -> str:
    told = masked_accounts(state.reason.strip()) or "no reason was given"
    if state.status == _DONE:
        return f"the {kind.word} {name} completed without a result in its output folder"
    if state.detail in {"MaxRuntimeExceeded", "MaxWaitTimeExceeded"}:
        limit = "RUNTIME" if state.detail == "MaxRuntimeExceeded" else "WAIT"
        return (
            f"the {kind.word} {name} was stopped by its time limit ({state.detail}); raise "
            f"FRAUD_SAGEMAKER_MAX_{limit}_MINUTES, or take a larger machine"
        )
    if state.status == "Stopped":
        return f"the {kind.word} {name} was stopped by somebody; run again to start the next one"
    return (
        f"the {kind.word} {name} failed: {told}. Its log is in CloudWatch under "
        f"/aws/sagemaker/{'TrainingJobs' if kind is TRAINING else 'TransformJobs'}"
    )
