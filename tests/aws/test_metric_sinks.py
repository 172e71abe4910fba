"""Measurements arrive: on standard output, in a file, in a log group, in CloudWatch."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from resources.measurements import Measurement, Metric, MetricsError, MetricSink
from resources.settings import Settings, SettingsError
from tests.aws.fault_proxy import FOREVER, Fault

if TYPE_CHECKING:
    from tests.aws.conftest import AwsClient
    from tests.aws.fault_proxy import FaultProxy

NOW = datetime.now(UTC).replace(microsecond=0)


def sink(**changes: object) -> MetricSink:
    found = Settings().model_copy(update=changes).open_metrics()
    assert found is not None
    return found


def measured(value: float = 3, at: datetime = NOW) -> Measurement:
    return Measurement(
        (Metric("Rows", value, "Count"),), {"Asset": "raw_transactions", "Feed": "card"}, at, "5f7c"
    )


def test_by_default_nothing_is_measured() -> None:
    assert Settings().open_metrics() is None


def test_standard_output_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    sink(metrics="emf").emit([measured(1), measured(2)])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["Rows"] for line in lines] == [1, 2]
    assert json.loads(lines[0])["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "FraudAssets"


def test_a_file_gets_lines_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    sink(metrics="emf", metrics_file=file).emit([measured(1)])
    sink(metrics="emf", metrics_file=file).emit([measured(2), measured(3)])
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["Rows"] for line in lines] == [1, 2, 3]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(MetricsError, match="Is a directory; correct FRAUD_METRICS_FILE"):
        sink(metrics="emf", metrics_file=tmp_path).emit([measured()])


@pytest.fixture
def through_proxy(proxy: "FaultProxy", monkeypatch: pytest.MonkeyPatch) -> "FaultProxy":
    """boto3 finds the server by AWS's own variables."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", proxy.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", proxy.endpoint)
    return proxy


def test_a_log_group_gets_the_lines_as_metrics(
    through_proxy: "FaultProxy", aws_client: "AwsClient"
) -> None:
    logs, group = aws_client("logs"), f"/fraud/{uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    receiver = sink(metrics="emf", metrics_log_group=group)
    receiver.emit([measured(2), measured(1, NOW - timedelta(minutes=5))])
    receiver.emit([])
    sink(metrics="emf", metrics_log_group=group).emit([measured(3, NOW + timedelta(minutes=1))])
    events = logs.get_log_events(logGroupName=group, logStreamName="fraud-assets")["events"]
    assert sorted(json.loads(one["message"])["Rows"] for one in events) == [1, 2, 3]
    times = [json.loads(one["message"])["_aws"]["Timestamp"] for one in events]
    assert [one["timestamp"] for one in events] == times
    formats = {
        one.headers["x-amz-target"]: one.headers.get("x-amzn-logs-format")
        for one in through_proxy.seen
    }
    assert formats["Logs_20140328.PutLogEvents"] == "json/emf"


def test_a_log_group_gets_no_more_in_a_call_than_it_takes(
    through_proxy: "FaultProxy", aws_client: "AwsClient"
) -> None:
    """1,048,576 bytes with 26 for each event, and 24 hours."""
    logs, group = aws_client("logs"), f"/fraud/{uuid4().hex}"
    logs.create_log_group(logGroupName=group)
    receiver = sink(metrics="emf", metrics_log_group=group)

    def calls(*measurements: Measurement) -> int:
        through_proxy.seen.clear()
        receiver.emit(measurements)
        targets = [one.headers["x-amz-target"] for one in through_proxy.seen]
        return targets.count("Logs_20140328.PutLogEvents")

    # A line of 186 characters, and 26 for the event: 4,946 times 212 are 1,048,552.
    line = Measurement((Metric("M", 1, "Count"),), {"D": 13 * "d"}, NOW, "r")
    assert calls(*[line] * 4_946) == 1
    assert calls(*[line] * 4_947) == 2
    day = timedelta(hours=24)
    assert calls(measured(at=NOW - day), measured(at=NOW)) == 1
    assert calls(measured(at=NOW - day), measured(at=NOW + timedelta(milliseconds=1))) == 2
    stored = logs.get_log_events(logGroupName=group, logStreamName="fraud-assets", limit=10_000)
    assert len(stored["events"]) == 4_946 + 4_947 + 2 + 2


def test_a_missing_log_group_is_told(through_proxy: "FaultProxy") -> None:
    words = (
        "cannot put metrics into the log group nowhere: ResourceNotFoundException; check "
        "FRAUD_METRICS_LOG_GROUP and the role's policy"
    )
    with pytest.raises(MetricsError, match=words) as caught:
        sink(metrics="emf", metrics_log_group="nowhere").emit([measured()])
    # AWS's own words name the account; the sensor's tick would show them as the cause.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_lines_that_are_too_old_are_told(
    through_proxy: "FaultProxy", aws_client: "AwsClient"
) -> None:
    group = f"/fraud/{uuid4().hex}"
    aws_client("logs").create_log_group(logGroupName=group)
    old = measured(at=NOW - timedelta(days=15))
    with pytest.raises(MetricsError, match="refused metrics for their times"):
        sink(metrics="emf", metrics_log_group=group).emit([old])


def test_cloudwatch_gets_the_metrics(through_proxy: "FaultProxy", aws_client: "AwsClient") -> None:
    namespace = f"Tests/{uuid4().hex}"
    many = Measurement(
        tuple(Metric(f"M{number}", number, "None") for number in range(600)), {}, NOW
    )
    sink(metrics="cloudwatch", metrics_namespace=namespace).emit([measured(7), measured(8), many])
    found = aws_client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName="Rows",
        Dimensions=[
            {"Name": "Asset", "Value": "raw_transactions"},
            {"Name": "Feed", "Value": "card"},
        ],
        StartTime=NOW - timedelta(minutes=1),
        EndTime=NOW + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    assert [(one["Sum"], one["SampleCount"], one["Unit"]) for one in found] == [(15, 2, "Count")]
    assert through_proxy.count("POST") == 2  # 602 metrics, 500 at most in a call
    last = aws_client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName="M599",
        StartTime=NOW - timedelta(minutes=1),
        EndTime=NOW + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert [one["Sum"] for one in last] == [599]


def test_an_outage_is_told_after_a_few_tries(
    through_proxy: "FaultProxy", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    through_proxy.faults.append(Fault("POST", times=FOREVER, status=503, code="Unavailable"))
    with pytest.raises(MetricsError, match="cannot put metrics into the namespace FraudAssets: "):
        sink(metrics="cloudwatch").emit([measured()])
    assert through_proxy.count("POST") == 5


def test_wrong_settings_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_METRICS", "cloudwatch")
    monkeypatch.setenv("FRAUD_METRICS_NAMESPACE", "AWS/S3")
    monkeypatch.setenv("FRAUD_METRICS_FILE", "metrics.jsonl")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    message = str(caught.value)
    assert "FRAUD_METRICS_NAMESPACE='AWS/S3': expected 1 to 255 of letters" in message
    assert "FRAUD_METRICS_FILE='metrics.jsonl': it takes effect with FRAUD_METRICS=emf" in message
    monkeypatch.setenv("FRAUD_METRICS", "emf")
    monkeypatch.setenv("FRAUD_METRICS_NAMESPACE", "Fraud")
    monkeypatch.setenv("FRAUD_METRICS_LOG_GROUP", "/fraud")
    with pytest.raises(SettingsError, match="either to a file or to a log group"):
        Settings.load()
