"""What a batch service is to this project: jobs that are submitted, watched, read and ended.

Two adapters keep this contract, and one test runs over both: `resources.batch.aws` (boto3) and
`resources.batch.local` (processes of this machine). Status words are those of AWS Batch.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

Status: TypeAlias = Literal[
    "SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"
]
WAITING: Final[frozenset[Status]] = frozenset({"SUBMITTED", "PENDING", "RUNNABLE", "STARTING"})
ENDED: Final[frozenset[Status]] = frozenset({"SUCCEEDED", "FAILED"})

# Limits of the service, from botocore's model of Batch (JobTimeout, RetryStrategy, TerminateJob).
LEAST_TIMEOUT_SECONDS: Final = 60
MOST_ATTEMPTS: Final = 10
MOST_RULES: Final = 5
LONGEST_REASON: Final = 1024
MOST_DESCRIBED: Final = 100
TIMED_OUT: Final = "Job attempt duration exceeded timeout"
"""Begins the status reason of an attempt that took too long."""
_LONGEST_NAME: Final = 128
_LONGEST_TAG: Final = 256


class BatchError(Exception):
    """The batch service refused what was asked; the message says what and what to do."""


class BatchUnavailableError(BatchError):
    """The service did not answer, or asked to slow down; the same call may work later."""


@dataclass(frozen=True)
class RetryRule:
    """One rule of `evaluateOnExit`: what to do when an attempt failed in a certain way.

    A pattern may end in `*`; patterns that are not given match everything; all given must match.
    """

    action: Literal["RETRY", "EXIT"]
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def __post_init__(self) -> None:
        if self._patterns() == (None, None, None):
            raise ValueError("a retry rule needs a pattern for at least one of its conditions")

    def matches(self, status_reason: str, reason: str, exit_code: int | None) -> bool:
        """Whether an attempt that ended so falls under this rule."""
        ended = (status_reason, reason, "" if exit_code is None else str(exit_code))
        return all(
            pattern is None or _glob(pattern, text)
            for pattern, text in zip(self._patterns(), ended, strict=True)
        )

    def request(self) -> dict[str, str]:
        """The rule as SubmitJob takes it."""
        names = ("onStatusReason", "onReason", "onExitCode")
        given = zip(names, self._patterns(), strict=True)
        return {"action": self.action, **{name: value for name, value in given if value}}

    def _patterns(self) -> tuple[str | None, str | None, str | None]:
        return (self.on_status_reason, self.on_reason, self.on_exit_code)


SPOT_RULES: Final = (
    RetryRule("RETRY", on_status_reason="Host EC2*"),
    RetryRule("EXIT", on_reason="*"),
)
"""A job is repeated by Batch when its machine was taken away, and for no other reason.

The order matters, since the first rule that matches decides, and without the last rule whatever
matches none is repeated, too (botocore's model of EvaluateOnExit).
"""


@dataclass(frozen=True)
class JobSpec:
    """A job to be run.

    Attributes:
        name: At most 128 of `[A-Za-z0-9_-]`; see `job_name`.
        queue: Name or ARN of the queue.
        definition: Name, `name:revision` or ARN of the job definition.
        command: What runs; it replaces the definition's command.
        environment: Variables beside those of the definition. Never credentials: anyone who may
            describe jobs can read them.
        vcpus: Virtual CPUs; None: as the definition says.
        memory_mib: Memory in MiB; None: as the definition says.
        gpus: Accelerators; None: as the definition says.
        attempts: How often the job may be started, 1 to 10.
        retry_rules: Which failures are repeated; without any, all are.
        timeout_seconds: Longest run time of one attempt, at least 60; None: as the definition says.
        tags: Shown with the job, and passed on to its container.

    Raises:
        ValueError: A value is outside what Batch accepts.
    """

    name: str
    queue: str
    definition: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    vcpus: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    attempts: int = 1
    retry_rules: tuple[RetryRule, ...] = ()
    timeout_seconds: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [problem for problem, wrong in self._problems() if wrong]
        if problems:
            raise ValueError(f"job {self.name!r}: {'; '.join(problems)}")

    def _problems(self) -> list[tuple[str, bool]]:
        timeout = self.timeout_seconds
        resources = (self.vcpus, self.memory_mib, self.gpus)
        return [
            ("its name is none that Batch accepts", job_name(self.name) != self.name),
            ("it needs a command", not self.command),
            (
                f"attempts must be 1 to {MOST_ATTEMPTS}, not {self.attempts}",
                not 1 <= self.attempts <= MOST_ATTEMPTS,
            ),
            (f"at most {MOST_RULES} retry rules", len(self.retry_rules) > MOST_RULES),
            (
                f"a timeout must be at least {LEAST_TIMEOUT_SECONDS} seconds, not {timeout}",
                timeout is not None and timeout < LEAST_TIMEOUT_SECONDS,
            ),
            (
                "vcpus, memory_mib and gpus must be at least 1 where given",
                any(amount is not None and amount < 1 for amount in resources),
            ),
        ]


@dataclass(frozen=True)
class Attempt:
    """One start of a job's container that has ended."""

    exit_code: int | None
    reason: str
    log_stream: str | None


@dataclass(frozen=True)
class JobStatus:
    """What the service says of a job.

    Attributes:
        job_id: Whose.
        status: Where it stands.
        reason: Why, in the service's words; may be empty.
        exit_code: Of the newest attempt that ended by itself; None before, and where it has none.
        container_reason: What the container runtime adds, such as an out-of-memory kill.
        attempts: Those that ended, oldest first.
        log_stream: Of the newest attempt; None until it runs.
        image: The container's image; None where there is none.
        was_terminated: Whether somebody ended it (TerminateJob, CancelJob), whatever its reason.
    """

    job_id: str
    status: Status
    reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    log_stream: str | None = None
    image: str | None = None
    was_terminated: bool = False

    @property
    def log_streams(self) -> tuple[str, ...]:
        """The log streams of all attempts so far, oldest first."""
        streams = [attempt.log_stream for attempt in self.attempts]
        return tuple(dict.fromkeys(name for name in [*streams, self.log_stream] if name))


@dataclass(frozen=True)
class LogPage:
    """Some lines of a log stream, and the token that reads on behind them."""

    lines: tuple[str, ...]
    token: str | None


class Batch(Protocol):
    """A service that runs jobs.

    Every method raises BatchUnavailableError where the service does not answer, and BatchError
    where it refuses.
    """

    def submit(self, spec: JobSpec) -> str:
        """Queue a job; its id."""

    def describe(self, job_ids: Collection[str]) -> Mapping[str, JobStatus]:
        """The status of each job by id; jobs that the service does not know are left out."""

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job, running or not; nothing happens to one that has ended."""

    def log_page(self, stream: str, token: str | None = None) -> LogPage:
        """The lines of a log stream after a token, from its start without; empty: none yet."""

    def console_url(self, job_id: str) -> str | None:
        """Where a person can look at the job; None if nowhere."""


def job_name(text: str) -> str:
    """A name that Batch accepts: at most 128 of `[A-Za-z0-9_-]`, a letter or digit first."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:_LONGEST_NAME]
    return name if re.match(r"[A-Za-z0-9]", name) else f"job-{name}"[:_LONGEST_NAME]


def tag_value(text: str) -> str:
    """A tag's value that AWS accepts: 256 of letters, digits, spaces and `_.:/=+-@` at most.

    Source: "Tag restrictions" in the user guide of AWS Batch. Keys of mapped steps have brackets.
    """
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:_LONGEST_TAG]


def is_retried(rules: Sequence[RetryRule], status_reason: str, exit_code: int | None) -> bool:
    """Whether a failed attempt is repeated, as long as there are attempts left."""
    for rule in rules:
        if rule.matches(status_reason, "", exit_code):
            return rule.action == "RETRY"
    return True


def _glob(pattern: str, text: str) -> bool:
    """Only a `*` at the end is special (botocore's model of EvaluateOnExit)."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
