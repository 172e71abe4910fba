"""Where measurements go: standard output, a file, a log group, or CloudWatch's own API."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from resources.emf import emf_lines
from resources.measurements import Measurement, MetricsError
from resources.s3 import aws_region

if TYPE_CHECKING:
    from botocore.client import BaseClient

_MOST_A_CALL: Final = 500
"""PutMetricData takes 1,000 metrics and 1 MB; 500 stay below both."""

STREAM: Final = "fraud-assets"
"""The stream that is written to in a log group."""

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html: events
# of one call in the order of their times, within 24 hours, and 1,048,576 bytes, to which each adds
# 26. That is less than the 10,000 events of a call, as a line of metrics has over 100 bytes; nor
# can it reach the 1 MB of an event.
_MOST_BYTES: Final = 1_048_576
_BYTES_AN_EVENT: Final = 26
_LONGEST_SPAN: Final = 24 * 60 * 60 * 1000


class _Event(TypedDict):
    """A line as PutLogEvents takes it; the time in milliseconds since 1970."""

    timestamp: int
    message: str


class EmfOutput:
    """Lines of the embedded metric format on standard output, for a container's log driver."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def emit(self, measurements: Iterable[Measurement]) -> None:
        """Writes and flushes, so that no line is lost with the process."""
        for line in emf_lines(measurements, self._namespace):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class EmfFile:
    """Lines of the embedded metric format at the end of a file, for whoever ships it."""

    def __init__(self, namespace: str, path: Path) -> None:
        self._namespace = namespace
        self._path = path

    def emit(self, measurements: Iterable[Measurement]) -> None:
        """Appends in one write, so that lines of several processes do not mix."""
        text = "".join(f"{line}\n" for line in emf_lines(measurements, self._namespace))
        try:
            with self._path.open("ab", buffering=0) as file:
                os.write(file.fileno(), text.encode())
        except OSError as error:
            raise MetricsError(
                f"cannot write metrics to {self._path}: {error.strerror}; correct "
                "FRAUD_METRICS_FILE, or set FRAUD_METRICS=off"
            ) from error


class EmfLogGroup:
    """Lines of the embedded metric format put into a group of CloudWatch Logs.

    Needs logs:CreateLogStream and logs:PutLogEvents; the group must exist.
    """

    def __init__(self, namespace: str, group: str) -> None:
        self._namespace = namespace
        self._group = group

    def emit(self, measurements: Iterable[Measurement]) -> None:
        """Puts the lines in the order of their times, in as many calls as their limits ask for.

        Lines older than 14 days or than the group's retention, or more than 2 hours ahead, are
        refused by CloudWatch; all others are put before that is told.
        """
        ordered = sorted(measurements, key=lambda one: one.at)
        events: list[_Event] = [
            {"timestamp": round(one.at.timestamp() * 1000), "message": line}
            for one in ordered
            for line in emf_lines([one], self._namespace)
        ]
        if not events:
            return
        stream = {"logGroupName": self._group, "logStreamName": STREAM}
        with _explained(f"put metrics into the log group {self._group}", "FRAUD_METRICS_LOG_GROUP"):
            with suppress(self._client.exceptions.ResourceAlreadyExistsException):
                self._client.create_log_stream(**stream)
            answers = [
                self._client.put_log_events(**stream, logEvents=some) for some in _calls(events)
            ]
        if any(answer.get("rejectedLogEventsInfo") for answer in answers):
            raise MetricsError(
                f"the log group {self._group} refused metrics for their times; CloudWatch takes "
                "none that are older than 14 days or than the group's retention, or more than 2 "
                "hours ahead"
            )

    @cached_property
    def _client(self) -> "BaseClient":
        client = _client("logs")
        client.meta.events.register("before-call.cloudwatch-logs.PutLogEvents", _mark_as_metrics)
        return client


class CloudWatchMetrics:
    """Metrics put to CloudWatch by its API; needs cloudwatch:PutMetricData."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def emit(self, measurements: Iterable[Measurement]) -> None:
        """Puts the metrics, some hundreds in a call."""
        data = (
            {
                "MetricName": metric.name,
                "Dimensions": [
                    {"Name": name, "Value": value} for name, value in one.dimensions.items()
                ],
                "Timestamp": one.at,
                "Value": metric.value,
                "Unit": metric.unit,
            }
            for one in measurements
            for metric in one.metrics
        )
        with _explained(f"put metrics into the namespace {self._namespace}", "FRAUD_METRICS"):
            while some := list(islice(data, _MOST_A_CALL)):
                self._client.put_metric_data(Namespace=self._namespace, MetricData=some)

    @cached_property
    def _client(self) -> "BaseClient":
        return _client("cloudwatch")


def _client(service: str) -> "BaseClient":
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(connect_timeout=10, read_timeout=30, retries=retries)
    return boto3.client(service, region_name=aws_region(None), config=config)


def _calls(events: Sequence[_Event]) -> Iterator[list[_Event]]:
    """The events, ordered by time, as lists that one call each may hold."""
    some: list[_Event] = []
    size = 0
    for event in events:
        more = len(event["message"].encode()) + _BYTES_AN_EVENT
        if some and (
            size + more > _MOST_BYTES or event["timestamp"] - some[0]["timestamp"] > _LONGEST_SPAN
        ):
            yield some
            some, size = [], 0
        some.append(event)
        size += more
    if some:
        yield some


def _mark_as_metrics(params: dict[str, dict[str, str]], **_: object) -> None:
    """The header that the specification asks of clients of PutLogEvents."""
    params["headers"]["x-amzn-logs-format"] = "json/emf"


@contextmanager
def _explained(action: str, setting: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    # Nothing is raised `from` boto3's error: its text names the account, and would be shown, too.
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise MetricsError(
            f"cannot {action}: {code}; check {setting} and the role's policy"
        ) from None
    except BotoCoreError as error:
        raise MetricsError(
            f"cannot {action}: {type(error).__name__}; check the network, the AWS credentials and "
            "AWS_REGION"
        ) from None
