"""Batch in AWS, through boto3. Nothing is imported or contacted before the first call."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypedDict

from resources.batch.errors import masked
from resources.batch.port import (
    LONGEST_REASON,
    MOST_DESCRIBED,
    TIMED_OUT,
    Attempt,
    BatchError,
    BatchUnavailableError,
    JobSpec,
    JobStatus,
    LogPage,
    Status,
)
from resources.batch.submission import to_submit_request
from resources.s3 import aws_region

if TYPE_CHECKING:
    from botocore.client import BaseClient

LOG_GROUP: Final = "/aws/batch/job"

_BUSY: Final = frozenset(
    {
        "InternalFailure",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "ExpiredToken"}
)
_SERVER_ERROR: Final = 500


class _Container(TypedDict, total=False):
    exitCode: int
    reason: str
    logStreamName: str
    image: str


class _AttemptDetail(TypedDict, total=False):
    container: _Container
    statusReason: str


class _JobDetail(TypedDict, total=False):
    jobId: str
    status: Status
    statusReason: str
    container: _Container
    attempts: list[_AttemptDetail]
    isCancelled: bool
    isTerminated: bool


class AwsBatch:
    """A `Batch` of an AWS account; credentials come from boto3's own chain.

    Args:
        region: AWS region; None: as `resources.s3.aws_region` finds it.
        endpoint: Address of another server than AWS's, for tests.
    """

    def __init__(self, region: str | None = None, endpoint: str | None = None) -> None:
        self._region = region
        self.endpoint = endpoint

    def submit(self, spec: JobSpec) -> str:
        """Queue a job; its id."""
        with _translated(f"submit the job {spec.name} to {spec.queue} as {spec.definition}"):
            return str(self._batch.submit_job(**to_submit_request(spec))["jobId"])

    def describe(self, job_ids: Collection[str]) -> Mapping[str, JobStatus]:
        """The status of each job by id; unknown ones are left out."""
        found: dict[str, JobStatus] = {}
        wanted = list(job_ids)
        for start in range(0, len(wanted), MOST_DESCRIBED):
            group = wanted[start : start + MOST_DESCRIBED]
            with _translated("describe jobs"):
                details: list[_JobDetail] = self._batch.describe_jobs(jobs=group)["jobs"]
            found |= {detail["jobId"]: _status(detail) for detail in details}
        return found

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job: SIGTERM to its container, SIGKILL after the definition's stop timeout."""
        with _translated(f"end the job {job_id}"):
            self._batch.terminate_job(jobId=job_id, reason=reason[:LONGEST_REASON])

    def log_page(self, stream: str, token: str | None = None) -> LogPage:
        """Lines of a CloudWatch log stream after a token; none while there is no such stream."""
        position = {} if token is None else {"nextToken": token}
        with _translated(f"read the log stream {stream}"):
            try:
                page = self._logs.get_log_events(
                    logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **position
                )
            except self._logs.exceptions.ResourceNotFoundException:
                return LogPage((), token)
        lines = tuple(str(event["message"]).rstrip("\n") for event in page["events"])
        return LogPage(lines, page.get("nextForwardToken", token))

    def console_url(self, job_id: str) -> str | None:
        """The job's page in AWS's console."""
        region = self._batch.meta.region_name
        return (
            f"https://{region}.console.aws.amazon.com/batch/home"
            f"?region={region}#jobs/detail/{job_id}"
        )

    @cached_property
    def _batch(self) -> "BaseClient":
        return self._client("batch")

    @cached_property
    def _logs(self) -> "BaseClient":
        return self._client("logs")

    def _client(self, service: str) -> "BaseClient":
        import boto3
        from botocore.config import Config

        # Adaptive: waits by itself when the account's request rate is used up by many runs.
        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": 8},
            connect_timeout=10,
            read_timeout=30,
        )
        with _translated(f"reach {service}"):
            return boto3.client(
                service,
                region_name=aws_region(self._region),
                endpoint_url=self.endpoint,
                config=config,
            )


def _status(detail: _JobDetail) -> JobStatus:
    container = detail.get("container", {})
    attempts = tuple(
        Attempt(
            attempt.get("container", {}).get("exitCode"),
            attempt.get("statusReason", ""),
            attempt.get("container", {}).get("logStreamName"),
        )
        for attempt in detail.get("attempts", [])
    )
    return JobStatus(
        job_id=detail["jobId"],
        status=detail["status"],
        reason=detail.get("statusReason", ""),
        exit_code=container.get("exitCode"),
        container_reason=container.get("reason", ""),
        attempts=attempts,
        log_stream=container.get("logStreamName"),
        image=container.get("image"),
        was_terminated=_was_terminated(detail),
    )


def _was_terminated(detail: _JobDetail) -> bool:
    """Whether somebody ended a job; not so where Batch itself ended one that took too long."""
    asked = detail.get("isTerminated", False) or detail.get("isCancelled", False)
    return asked and not detail.get("statusReason", "").startswith(TIMED_OUT)


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """Turns boto3's errors into those of the port, with what was tried and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as UnreachableError

    # Nothing is raised `from` boto3's error: its text would be shown beside the masked one.
    try:
        yield
    except ClientError as error:
        raise _refused(action, error.response) from None
    except (HTTPClientError, UnreachableError) as error:
        raise BatchUnavailableError(masked(f"cannot {action}: {error}")) from None
    except BotoCoreError as error:
        text = masked(f"cannot {action}: {error}")
        raise BatchError(f"{text}; check the AWS credentials and region") from None


def _refused(action: str, response: Mapping[str, Mapping[str, object]]) -> BatchError:
    """What an error of the service means."""
    code = str(response.get("Error", {}).get("Code", ""))
    message = response.get("Error", {}).get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = masked(f"cannot {action}: {code}: {message}")
    if code in _BUSY or (isinstance(status, int) and status >= _SERVER_ERROR):
        return BatchUnavailableError(text)
    advice = (
        "check the AWS credentials and the role's policy"
        if code in _DENIED
        else "check FRAUD_BATCH_QUEUE, FRAUD_BATCH_DEFINITION and the region"
    )
    return BatchError(f"{text}; {advice}")
