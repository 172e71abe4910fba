"""Files told by S3 through a queue become uploads and run requests, whatever else is in it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import dagster as dg
import pytest

from resources.errors import LakeUnavailableError
from resources.lake import Lake
from resources.queues import QueueError, SqsQueue
from resources.settings import Settings, SettingsError
from tests.aws.intake import ONE, PREFIX, Intake, listed, requested

if TYPE_CHECKING:
    from tests.aws.conftest import AwsClient

TWO: Final = b"a\n2\n"  # SHA-256 fa39ab7b...
DELIVERIES: Final = 2


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = str(tmp_path_factory.mktemp("home"))
    with dg.DagsterInstance.local_temp(home) as opened:
        yield opened


@pytest.fixture
def intake(aws_client: "AwsClient", bucket: str, instance: dg.DagsterInstance) -> Intake:
    """A new bucket with new queues; S3's test event is in the queue already."""
    sqs = aws_client("sqs")
    dead_url = sqs.create_queue(QueueName=f"dead-{uuid4().hex}")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(sqs, dead_url), "maxReceiveCount": DELIVERIES}
    queue_url = sqs.create_queue(
        QueueName=f"uploads-{uuid4().hex}",
        Attributes={"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    aws_client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": _arn(sqs, queue_url),
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                    # Without it the lake's own writes would come as messages, too.
                    "Filter": {
                        "Key": {"FilterRules": [{"Name": "prefix", "Value": f"{PREFIX}/landing/"}]}
                    },
                }
            ]
        },
    )
    settings = Settings(
        lake=f"s3://{bucket}/{PREFIX}",
        s3_endpoint=aws_client.endpoint,
        s3_allow_http=True,
        s3_region="eu-west-1",
        uploads_queue=queue_url,
        threads=1,
    )
    return Intake(aws_client, instance, settings, bucket, queue_url, dead_url)


def _arn(sqs: object, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])  # type: ignore[attr-defined]
    return str(answer["Attributes"]["QueueArn"])


def test_the_test_event_is_read_and_gone(intake: Intake) -> None:
    assert intake.waiting() == 1
    tick = intake.tick()
    assert (tick.skip_message, intake.registered(), intake.waiting()) == ("No new upload.", {}, 0)
    assert intake.waiting(intake.dead_url) == 0


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("sim/day 1+2.csv", "sim-day-1-2-309b0e45"),
        ("sim/100%2F%C3%A9.csv", "sim-100-2f-c3-a9-309b0e45"),
        ("card/Überweisungen 日本.csv", "card-uberweisungen-309b0e45"),
        ("aml/2026/11/a&b=c#d?e.csv", "aml-a-b-c-d-e-309b0e45"),
    ],
)
def test_a_landed_file_is_requested_whatever_its_name(intake: Intake, path: str, key: str) -> None:
    intake.land(path)
    tick = intake.tick()
    assert requested(tick) == [key]
    assert intake.registered() == {key: ONE}
    assert intake.waiting() == 0


def test_a_message_twice_does_nothing_the_second_time(intake: Intake) -> None:
    intake.land("sim/a.csv")
    (body,) = (
        one["Body"]
        for one in intake.client("sqs").receive_message(
            QueueUrl=intake.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )["Messages"]
        if "Records" in one["Body"]
    )
    intake.send(body)
    assert intake.waiting() == 3  # with the test event
    first = intake.tick()
    assert (requested(first), intake.waiting()) == (["sim-a-309b0e45"], 0)
    intake.send(body)
    intake.tick(first.cursor)
    assert (list(intake.registered()), intake.waiting()) == (["sim-a-309b0e45"], 0)


def test_late_and_disordered_messages_mean_the_file_as_it_is_now(intake: Intake) -> None:
    intake.land("sim/a.csv", ONE)
    intake.land("sim/a.csv", TWO)
    intake.land("sim/gone.csv", ONE)
    intake.remove("sim/gone.csv")
    intake.tick()
    assert intake.registered() == {"sim-a-fa39ab7b": TWO}
    assert intake.waiting() == 0
    intake.land("sim/a.csv", ONE)
    intake.tick()
    assert intake.registered() == {"sim-a-fa39ab7b": TWO, "sim-a-309b0e45": ONE}


def test_poison_ends_in_the_dead_letter_queue_and_holds_up_nobody(
    intake: Intake, capfd: pytest.CaptureFixture[str]
) -> None:
    intake.tick()  # takes the test event
    poison = [
        "no JSON",
        '{"Records": 7}',
        _record("someone-elses-bucket", f"{PREFIX}/landing/sim/a.csv"),
        _record(intake.bucket, "team-one/lake/raw/x.parquet"),
        _record(intake.bucket, "team-one/lake-of-others/landing/sim/a.csv"),
        _record(intake.bucket, "team-one/lake/landing/sim/%FF.csv"),
    ]
    for body in poison:
        intake.send(body)
    intake.land("sim/a.csv")
    assert requested(intake.tick()) == ["sim-a-309b0e45"]
    assert intake.waiting() == len(poison)
    written = capfd.readouterr().err
    assert written.count("delivery 1: ") == len(poison)
    for reason in (
        "it is no JSON that tells of objects in a known form",
        "it is about another bucket",
        "narrow the bucket's notifications to that prefix",
        "its object's key is not valid UTF-8",
    ):
        assert f"{reason}; the queue's redrive policy moves it to the dead-letter" in written
    assert "someone-elses" not in written
    for number in range(2, DELIVERIES + 2):
        time.sleep(1.1)
        intake.land(f"sim/{number}.csv")
        assert f"sim-{number}-309b0e45" in requested(intake.tick())
    assert (intake.waiting(), intake.waiting(intake.dead_url)) == (0, len(poison))


def test_poison_without_a_dead_letter_queue_asks_for_one(
    intake: Intake, capfd: pytest.CaptureFixture[str]
) -> None:
    intake.client("sqs").set_queue_attributes(
        QueueUrl=intake.queue_url, Attributes={"RedrivePolicy": ""}
    )
    intake.send("no JSON")
    intake.tick()
    assert "give the queue a redrive policy, else it comes back until" in capfd.readouterr().err


def test_a_message_stays_until_its_upload_is_registered(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.land("sim/a.csv")
    put = Lake.put

    def failing(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        if key.endswith("upload.json"):
            raise LakeUnavailableError("S3 is out of order")
        return put(lake, key, data, create=create)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "put", failing)
        with pytest.raises(LakeUnavailableError, match="out of order"):
            intake.tick()
    assert intake.waiting() == 2  # with the test event
    time.sleep(1.1)
    assert requested(intake.tick()) == ["sim-a-309b0e45"]
    assert intake.waiting() == 0


def test_a_file_for_which_the_tick_has_no_room_comes_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedules.notifications.LOOK_AGAIN_SECONDS", 0)
    intake.settings = intake.settings.model_copy(update={"upload_hash_bytes_per_tick": len(ONE)})
    intake.land("sim/a.csv", ONE)
    intake.land("sim/b.csv", TWO)
    assert (len(requested(intake.tick())), intake.waiting()) == (1, 1)
    intake.tick()
    assert sorted(intake.registered().values()) == [ONE, TWO]
    assert intake.waiting() == 0


def test_what_no_message_told_is_found_by_the_listing_now_and_then(intake: Intake) -> None:
    intake.tick()
    intake.client("s3").put_bucket_notification_configuration(
        Bucket=intake.bucket, NotificationConfiguration={}
    )
    intake.land("sim/untold.csv")
    early = intake.tick(listed(ago=intake.settings.uploads_listing_seconds - 60))
    assert (requested(early), intake.registered()) == ([], {})
    due = intake.tick(listed(ago=intake.settings.uploads_listing_seconds + 1))
    assert requested(due) == ["sim-untold-309b0e45"]
    order, _, at = (due.cursor or "").partition(" ")
    assert order == "1"
    assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(minutes=1)


def test_a_first_tick_lists_what_landed_before_there_was_a_queue(intake: Intake) -> None:
    intake.land("sim/a.csv")
    assert requested(intake.tick("0")) == ["sim-a-309b0e45"]
    assert intake.waiting() == 0


def test_without_its_queue_the_sensor_lists_and_says_so(
    intake: Intake, capfd: pytest.CaptureFixture[str]
) -> None:
    intake.client("sqs").delete_queue(QueueUrl=intake.queue_url)
    intake.land("sim/a.csv")
    assert requested(intake.tick()) == ["sim-a-309b0e45"]
    written = capfd.readouterr().err
    name = intake.queue_url.rsplit("/", 1)[-1]
    assert f"cannot use the queue {name}: it does not exist; create it, or correct" in written
    assert "landing/ is listed instead" in written
    assert "123456789012" not in written  # the server's account


def test_wrong_settings_of_the_queue_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_UPLOADS_QUEUE", "uploads")
    with pytest.raises(SettingsError, match=r"expected https://sqs\.<region>\.amazonaws\.com/<ac"):
        Settings.load()
    monkeypatch.setenv("FRAUD_UPLOADS_QUEUE", "https://sqs.eu-west-1.amazonaws.com/1/uploads")
    monkeypatch.setenv("FRAUD_LAKE", str(Path("lake")))
    with pytest.raises(SettingsError, match="notifications need a lake in S3; set FRAUD_LAKE=s3:"):
        Settings.load()


def _record(bucket: str, key: str) -> str:
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    return json.dumps({"Records": [record]})


def test_a_queue_is_reached_in_the_region_that_containers_are_given(
    aws_client: "AwsClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its URL does not tell the region; boto3 itself does not read AWS_REGION."""
    url = aws_client("sqs").create_queue(QueueName=f"q-{uuid4().hex}")["QueueUrl"]
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    aws_client("sqs").send_message(QueueUrl=url, MessageBody="hello")
    assert [one.body for one in SqsQueue(url).receive(1)] == ["hello"]
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(QueueError, match="NoRegionError; check the network, the AWS credentials"):
        SqsQueue(url).receive(1)
