"""A Batch server in which submitted jobs really run.

Moto answers SubmitJob with a job that succeeds at once and runs nothing, and knows no retry
strategy. Here its four operations on jobs are replaced by a `LocalBatch` behind the same HTTP; its
queues, job definitions and log streams stay its own. This reaches into moto's response classes,
which is why it lives in the tests alone and is checked on each new version of moto.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from resources.batch.local import LocalBatch
from resources.batch.port import TIMED_OUT, JobSpec, JobStatus, RetryRule

if TYPE_CHECKING:
    from moto.batch.responses import BatchResponse
    from moto.logs.responses import LogsResponse

LOG_GROUP = "/aws/batch/job"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class _Variable(_Body):
    name: str
    value: str


class _Overrides(_Body):
    command: list[str]
    environment: list[_Variable] = []
    resource_requirements: list[dict[str, str]] = []


class _Retry(_Body):
    attempts: int = 1
    evaluate_on_exit: list[dict[str, str]] = []


class _Timeout(_Body):
    attempt_duration_seconds: int = Field(ge=60)


class _Submit(_Body):
    job_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")
    job_queue: str
    job_definition: str
    container_overrides: _Overrides
    retry_strategy: _Retry = _Retry()
    timeout: _Timeout | None = None
    tags: dict[str, str] = {}
    propagate_tags: bool = False

    def spec(self) -> JobSpec:
        wanted = {
            r["type"]: int(r["value"]) for r in self.container_overrides.resource_requirements
        }
        return JobSpec(
            name=self.job_name,
            queue=self.job_queue,
            definition=self.job_definition,
            command=self.container_overrides.command,
            environment={v.name: v.value for v in self.container_overrides.environment},
            vcpus=wanted.get("VCPU"),
            attempts=self.retry_strategy.attempts,
            retry_rules=tuple(_rule(rule) for rule in self.retry_strategy.evaluate_on_exit),
            timeout_seconds=None if self.timeout is None else self.timeout.attempt_duration_seconds,
            tags=self.tags,
        )


def _rule(rule: dict[str, str]) -> RetryRule:
    action = rule["action"]
    assert action in {"RETRY", "EXIT"}
    return RetryRule(
        "RETRY" if action == "RETRY" else "EXIT",
        rule.get("onStatusReason"),
        rule.get("onReason"),
        rule.get("onExitCode"),
    )


@contextmanager
def jobs_that_run(local: LocalBatch) -> Iterator[None]:
    """Let the jobs of every moto server of this process run in a `LocalBatch`."""
    from moto.batch.exceptions import ClientException
    from moto.batch.responses import BatchResponse
    from moto.logs.responses import LogsResponse

    read: dict[str, str | None] = {}
    ids: set[str] = set()

    def submit(self: "BatchResponse") -> str:
        asked = _Submit.model_validate_json(self.body)
        if self.batch_backend.get_job_queue(asked.job_queue) is None:
            raise ClientException(f"JobQueue {asked.job_queue} not found.")
        if self.batch_backend.get_job_definition(asked.job_definition) is None:
            raise ClientException(f"JobDefinition {asked.job_definition} not found.")
        job_id = local.submit(asked.spec())
        ids.add(job_id)
        return json.dumps({"jobId": job_id, "jobName": asked.job_name})

    def describe(self: "BatchResponse") -> str:
        asked = self._get_param("jobs")
        if len(asked) > 100:
            raise ClientException("describe-jobs takes 100 ids at most")
        return json.dumps({"jobs": [_detail(s) for s in local.describe(asked).values()]})

    def terminate(self: "BatchResponse") -> str:
        local.terminate(self._get_param("jobId"), self._get_param("reason"))
        return "{}"

    def log_events(self: "LogsResponse") -> str:
        for status in local.describe(ids).values():
            for stream in status.log_streams:
                _copy(local, self, stream, read)
        return original(self)

    original = LogsResponse.get_log_events
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchResponse, "submitjob", submit)
        patch.setattr(BatchResponse, "describejobs", describe)
        patch.setattr(BatchResponse, "terminatejob", terminate)
        patch.setattr(LogsResponse, "get_log_events", log_events)
        yield


def _copy(
    local: LocalBatch, logs: "LogsResponse", stream: str, read: dict[str, str | None]
) -> None:
    backend = logs.logs_backend
    if LOG_GROUP not in backend.groups:
        backend.create_log_group(LOG_GROUP, {})
    backend.ensure_log_stream(LOG_GROUP, stream)
    page = local.log_page(stream, read.get(stream))
    read[stream] = page.token
    if page.lines:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in page.lines]
        backend.put_log_events(LOG_GROUP, stream, events)


def _detail(status: JobStatus) -> dict[str, object]:
    container: dict[str, object] = {"image": "fraud:1"}
    if status.exit_code is not None:
        container["exitCode"] = status.exit_code
    if status.log_stream is not None:
        container["logStreamName"] = status.log_stream
    return {
        "jobId": status.job_id,
        "jobName": "any",
        "status": status.status,
        "statusReason": status.reason,
        # Whether AWS says so of a job that took too long is not documented: the worse is assumed.
        "isTerminated": status.was_terminated or status.reason == TIMED_OUT,
        "container": container,
        "attempts": [
            {
                "statusReason": attempt.reason,
                "container": {"exitCode": attempt.exit_code, "logStreamName": attempt.log_stream},
            }
            for attempt in status.attempts
        ],
    }
