"""The request by which AWS Batch takes a job."""

from typing import Literal, TypedDict

from resources.batch.port import JobSpec


class _Environment(TypedDict):
    name: str
    value: str


class _Requirement(TypedDict):
    type: Literal["VCPU", "MEMORY", "GPU"]
    value: str


class _Overrides(TypedDict, total=False):
    command: list[str]
    environment: list[_Environment]
    resourceRequirements: list[_Requirement]


class _RetryStrategy(TypedDict, total=False):
    attempts: int
    evaluateOnExit: list[dict[str, str]]


class SubmitRequest(TypedDict, total=False):
    """The request of SubmitJob, as far as this project uses it."""

    jobName: str
    jobQueue: str
    jobDefinition: str
    containerOverrides: _Overrides
    retryStrategy: _RetryStrategy
    timeout: dict[Literal["attemptDurationSeconds"], int]
    tags: dict[str, str]
    propagateTags: bool


def to_submit_request(spec: JobSpec) -> SubmitRequest:
    """The request of SubmitJob for a job; pure, so that it is checked without any server."""
    overrides: _Overrides = {
        "command": list(spec.command),
        "environment": [
            {"name": name, "value": value} for name, value in sorted(spec.environment.items())
        ],
    }
    requirements = _requirements(spec)
    if requirements:
        overrides["resourceRequirements"] = requirements
    retry: _RetryStrategy = {"attempts": spec.attempts}
    if spec.retry_rules:
        retry["evaluateOnExit"] = [rule.request() for rule in spec.retry_rules]
    request: SubmitRequest = {
        "jobName": spec.name,
        "jobQueue": spec.queue,
        "jobDefinition": spec.definition,
        "containerOverrides": overrides,
        "retryStrategy": retry,
    }
    if spec.timeout_seconds is not None:
        request["timeout"] = {"attemptDurationSeconds": spec.timeout_seconds}
    if spec.tags:
        request["tags"] = dict(spec.tags)
        request["propagateTags"] = True
    return request


def _requirements(spec: JobSpec) -> list[_Requirement]:
    wanted: list[_Requirement] = []
    if spec.vcpus is not None:
        wanted.append({"type": "VCPU", "value": str(spec.vcpus)})
    if spec.memory_mib is not None:
        wanted.append({"type": "MEMORY", "value": str(spec.memory_mib)})
    if spec.gpus is not None:
        wanted.append({"type": "GPU", "value": str(spec.gpus)})
    return wanted
