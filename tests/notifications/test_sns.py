"""What subscribers of a topic receive, over a server that speaks SNS and SQS."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import JsonValue

from resources.delivery import deliver
from resources.delivery_messages import Message
from resources.delivery_record import DeliveryRecord
from resources.delivery_target import Delivered, Postponed, Refused
from resources.lake import Lake
from resources.notifier import Outbox
from resources.sns import MOST_BYTES, SnsTarget

if TYPE_CHECKING:
    from tests.notifications.conftest import HandClock, Publish

REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:alerts"


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, endpoint: str) -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - of the server of these tests
        config=Config(retries={"total_max_attempts": 1}),
    )


@dataclass
class Topic:
    """A topic with queues that subscribe to it."""

    endpoint: str
    fifo: bool = False
    queues: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ending = ".fifo" if self.fifo else ""
        attributes = {"FifoTopic": "true"} if self.fifo else {}
        self.name = f"alerts-{uuid4().hex}{ending}"
        sns = client("sns", self.endpoint)
        self.arn = sns.create_topic(Name=self.name, Attributes=attributes)["TopicArn"]
        self.target = SnsTarget(self.arn, lambda _: client("sns", self.endpoint))

    def subscribe(self, name: str, policy: Mapping[str, object] | None = None) -> None:
        ending = ".fifo" if self.fifo else ""
        attributes = {"FifoQueue": "true"} if self.fifo else {}
        sqs = client("sqs", self.endpoint)
        url = sqs.create_queue(QueueName=f"q-{uuid4().hex}{ending}", Attributes=attributes)
        self.queues[name] = url["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queues[name], AttributeNames=["QueueArn"])
        settings = {"RawMessageDelivery": "true"}
        if policy is not None:
            settings["FilterPolicy"] = json.dumps(policy)
        client("sns", self.endpoint).subscribe(
            TopicArn=self.arn,
            Protocol="sqs",
            Endpoint=arn["Attributes"]["QueueArn"],
            Attributes=settings,
        )

    def received(self, name: str) -> list[dict[str, Any]]:
        """All messages of a queue, in the order of arrival, taken out of it."""
        sqs = client("sqs", self.endpoint)
        found: list[dict[str, Any]] = []
        while batch := sqs.receive_message(
            QueueUrl=self.queues[name], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += batch
            for message in batch:
                sqs.delete_message(
                    QueueUrl=self.queues[name], ReceiptHandle=message["ReceiptHandle"]
                )
        return found

    def ids(self, name: str) -> list[str]:
        return [json.loads(one["Body"])["alert_id"] for one in self.received(name)]


def test_subscribers_get_each_alert_once(lake: Lake, publish: "Publish", aws: str) -> None:
    topic = Topic(aws)
    topic.subscribe("all")
    ids = [f"tx-{number:02d}" for number in range(23)]
    publish(1, *ids[:12])
    publish(2, *ids[12:])
    for _ in range(3):
        assert deliver(lake, topic.target).problems == []
    messages = topic.received("all")
    assert [json.loads(one["Body"])["alert_id"] for one in messages] == ids
    first = messages[0]
    assert "C1305486145" not in json.dumps(first)
    assert json.loads(first["Body"])["payer"] == "…6145"
    typed = {
        name: (value["DataType"], value["StringValue"])
        for name, value in first["MessageAttributes"].items()
    }
    assert typed == {
        "event": ("String", "alert"),
        "alert_type": ("String", "transaction"),
        "feed": ("String", "card"),
        "ranked_by": ("String", "expected_loss"),
        "rank": ("Number", "1"),
        "expected_loss": ("Number", "250.5"),
    }


def test_the_record_holds_in_s3(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    bucket = f"lake-{uuid4().hex}"
    client("s3", aws).create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    lake = Lake.open(f"s3://{bucket}/x", endpoint=aws, allow_http=True, region=REGION)
    lines = [json.dumps({"alert_id": f"tx-{number:02d}"}) for number in range(12)]
    lake.put("outbox/alerts/00000001.jsonl", "\n".join(lines).encode())
    topic = Topic(aws)
    topic.subscribe("all")

    def dies(*_: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "close", dies)
        with pytest.raises(BrokenOffError):
            deliver(lake, topic.target)
    assert [deliver(lake, topic.target).delivered for _ in range(2)] == [0, 0]
    assert topic.ids("all") == [f"tx-{number:02d}" for number in range(12)]
    assert [info.key for info in lake.list("outbox/delivered")] == [
        "outbox/delivered/sns/alerts/00000001.json"
    ]


def test_filter_policies_choose_by_the_attributes(lake: Lake, publish: "Publish", aws: str) -> None:
    topic = Topic(aws)
    policies: dict[str, dict[str, list[object]]] = {
        "large": {"expected_loss": [{"numeric": [">=", 1000]}]},
        "first": {"rank": [{"numeric": ["<=", 2]}], "feed": ["card"]},
        "rings": {"alert_type": ["ring"]},
        "rules": {"ranked_by": ["rules"]},
        "failures": {"event": ["run_failed"]},
    }
    for name, policy in policies.items():
        topic.subscribe(name, policy)
    publish(1, "a", "b", "c")
    publish(2, "d", expected_loss=5e12)
    publish(3, "e", alert_type="ring", ranked_by="ring_score", expected_loss=None, feed="aml")
    publish(4, "f", ranked_by="rules", expected_loss=None, feed="sim")
    Outbox(lake).publish_failure("run1", "ingest_upload", "why")
    deliver(lake, topic.target)
    assert topic.ids("large") == ["d"]
    assert topic.ids("first") == ["a", "b", "d"]
    assert topic.ids("rings") == ["e"]
    assert topic.ids("rules") == ["f"]
    (failure,) = topic.received("failures")
    assert json.loads(failure["Body"])["run_id"] == "run1"


class BrokenOffError(Exception):
    """The process dies."""


@pytest.mark.parametrize("fifo", [False, True])
def test_a_crash_before_the_record_repeats_under_the_same_ids(
    *, lake: Lake, publish: "Publish", aws: str, fifo: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topic(aws, fifo=fifo)
    topic.subscribe("all")
    publish(1, "a", "b", "c")

    def dies(*_: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "note", dies)
        with pytest.raises(BrokenOffError):
            deliver(lake, topic.target)
    report = deliver(lake, topic.target)
    ids = topic.ids("all")
    if fifo:
        # One message a request, and the topic drops the second of the same id.
        assert (ids, report.repeated) == (["a", "b", "c"], 1)
    else:
        assert (ids, report.repeated) == (["a", "b", "c", "a", "b", "c"], 3)
    deliver(lake, topic.target)
    assert topic.ids("all") == []


def test_a_message_at_the_limit_is_taken_and_a_larger_one_shortened(
    lake: Lake, publish: "Publish", aws: str
) -> None:
    topic = Topic(aws)
    topic.subscribe("all")
    publish(1, *(f"big-{number}" for number in range(3)), explanation="word " * 100_000)
    report = deliver(lake, topic.target)
    assert (report.delivered, report.set_aside, report.problems) == (3, [], [])
    bodies = [one["Body"] for one in topic.received("all")]
    assert [json.loads(body)["alert_id"] for body in bodies] == ["big-0", "big-1", "big-2"]
    for body in bodies:
        assert json.loads(body)["explanation"].endswith(" … [shortened]")
        # The attributes count, too: names, types and values of six of them.
        assert MOST_BYTES - 250 < len(body) < MOST_BYTES - 100


def test_a_topic_that_is_gone_stops_the_target_and_loses_nothing(
    lake: Lake, publish: "Publish", aws: str, hand_clock: "HandClock"
) -> None:
    topic = Topic(aws)
    publish(1, "a", "b")
    gone = SnsTarget(f"{TOPIC}-gone", lambda _: client("sns", aws))
    assert TOPIC.split(":")[4] not in repr(gone)  # the number of the account
    report = deliver(lake, gone, clock=hand_clock.clock)
    assert report.set_aside == []
    assert "SNS answered NotFound" in report.problems[0]
    hand_clock.sleep(3_600)
    topic.subscribe("all")
    deliver(lake, topic.target, clock=hand_clock.clock)
    assert topic.ids("all") == ["a", "b"]


@dataclass
class Scripted:
    """A client whose answers are given."""

    batches: list[object] = field(default_factory=list)
    singles: list[object] = field(default_factory=list)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    def publish(self, **request: Any) -> object:  # noqa: ANN401 - as boto3's
        self.requests.append(request)
        self.asked.append(("single", [json.loads(request["Message"])["alert_id"]]))
        return self._answer(self.singles, {"MessageId": "1"})

    def publish_batch(
        self,
        **request: Any,  # noqa: ANN401 - as boto3's
    ) -> Mapping[str, Sequence[Mapping[str, object]]]:
        entries = request["PublishBatchRequestEntries"]
        self.requests.append(request)
        self.asked.append(("batch", [json.loads(one["Message"])["alert_id"] for one in entries]))
        every = {"Successful": [{"Id": one["Id"]} for one in entries], "Failed": []}
        answer = self._answer(self.batches, every)
        assert isinstance(answer, dict)
        return answer

    def target(self, topic: str = TOPIC) -> SnsTarget:
        return SnsTarget(topic, lambda _: self)

    @staticmethod
    def _answer(answers: list[object], usual: object) -> object:
        answer = answers.pop(0) if answers else usual
        if isinstance(answer, Exception):
            raise answer
        return answer


def error(code: str, status: int) -> Exception:
    from botocore.exceptions import ClientError

    details = {"Error": {"Code": code, "Message": "why"}}
    made: Exception = ClientError(
        {**details, "ResponseMetadata": {"HTTPStatusCode": status}}, "Publish"
    )
    return made


def message(name: str, **content: JsonValue) -> Message:
    return Message(name, "alerts", {"rank": 1}, {"alert_id": name, **content})


def test_what_a_batch_leaves_out_goes_out_singly() -> None:
    partial = {
        "Successful": [{"Id": "0"}, {"Id": "3"}],
        "Failed": [{"Id": "1", "SenderFault": False}, {"Id": "2", "SenderFault": True}],
    }
    scripted = Scripted(
        batches=[partial], singles=[{"MessageId": "1"}, error("InvalidParameter", 400)]
    )
    results = scripted.target().send([message(name) for name in "abcd"])
    assert results == [
        Delivered(),
        Delivered(),
        Refused("SNS answered InvalidParameter: why"),
        Delivered(),
    ]
    assert scripted.asked == [("batch", ["a", "b", "c", "d"]), ("single", ["b"]), ("single", ["c"])]


@pytest.mark.parametrize("code", ["BatchRequestTooLong", "ValidationException"])
def test_a_batch_that_is_refused_as_a_whole_keeps_no_message_back(
    lake: Lake, publish: "Publish", hand_clock: "HandClock", code: str
) -> None:
    publish(1, *"abc")
    scripted = Scripted(batches=[error(code, 400)], singles=[{"MessageId": "1"}, error(code, 400)])
    report = deliver(lake, scripted.target(), clock=hand_clock.clock)
    assert (report.delivered, len(report.set_aside), report.problems) == (2, 1, [])
    assert [ids for _, ids in scripted.asked] == [["a", "b", "c"], ["a"], ["b"], ["c"]]


def test_a_throttled_entry_is_postponed_and_only_it_goes_out_later(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, *"abc")
    partial = {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": [{"Id": "1"}]}
    scripted = Scripted(batches=[partial], singles=[error("Throttled", 429)])
    target = scripted.target()
    report = deliver(lake, target, clock=hand_clock.clock)
    assert report.delivered == 2
    assert "SNS answered Throttled" in report.problems[0]
    hand_clock.sleep(60)
    report = deliver(lake, target, clock=hand_clock.clock)
    assert (report.delivered, report.repeated) == (1, 0)
    assert scripted.asked == [("batch", ["a", "b", "c"]), ("single", ["b"]), ("single", ["b"])]


def test_an_entry_that_timed_out_is_not_sent_again_in_the_same_call(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    from botocore.exceptions import ReadTimeoutError

    publish(1, *"abc")
    partial = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1"}, {"Id": "2"}]}
    late = ReadTimeoutError(endpoint_url="https://sns.eu-west-1.amazonaws.com")
    scripted = Scripted(batches=[partial], singles=[late])
    report = deliver(lake, scripted.target(), clock=hand_clock.clock)
    assert scripted.asked == [("batch", ["a", "b", "c"]), ("single", ["b"])]
    assert (report.delivered, hand_clock.slept) == (1, [])
    hand_clock.sleep(60)
    report = deliver(lake, scripted.target(), clock=hand_clock.clock)
    assert scripted.asked[2:] == [("batch", ["b", "c"])]
    # Only the entry that timed out can arrive twice.
    assert (report.delivered, report.repeated) == (2, 1)


def test_entries_that_go_out_singly_keep_within_the_time(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, *"abcdefghij")

    @dataclass
    class Slow(Scripted):
        def publish(self, **request: Any) -> object:  # noqa: ANN401 - as boto3's
            hand_clock.at += timedelta(seconds=9)
            return super().publish(**request)

    slow = Slow(batches=[{"Successful": [], "Failed": []}])
    report = deliver(lake, slow.target(), clock=hand_clock.clock)
    # Started after 0, 9 and 18 seconds; after 27 none is.
    assert (report.delivered, report.more, report.problems) == (3, True, [])
    report = deliver(lake, slow.target(), clock=hand_clock.clock)
    assert (report.delivered, report.repeated) == (7, 0)
    assert slow.asked[-1] == ("batch", list("defghij"))


def test_what_errors_mean() -> None:
    from botocore.exceptions import (
        ConnectionClosedError,
        EndpointConnectionError,
        NoCredentialsError,
        ReadTimeoutError,
    )

    url = "https://sns.eu-west-1.amazonaws.com"
    meant = {
        error("Throttled", 429): (Postponed, False),
        error("AuthorizationError", 403): (Postponed, False),
        error("NotFound", 404): (Postponed, False),
        error("InternalError", 500): (Postponed, True),
        EndpointConnectionError(endpoint_url=url): (Postponed, False),
        NoCredentialsError(): (Postponed, False),
        ReadTimeoutError(endpoint_url=url): (Postponed, True),
        ConnectionClosedError(endpoint_url=url): (Postponed, True),
    }
    for fault, (kind, maybe_sent) in meant.items():
        scripted = Scripted(singles=[fault])
        (result,) = scripted.target().send([message("a")])
        assert isinstance(result, kind), fault
        assert isinstance(result, Postponed)
        assert result.maybe_sent is maybe_sent, fault


def test_a_fifo_topic_gets_one_after_the_other_with_its_ids() -> None:
    scripted = Scripted()
    target = scripted.target(f"{TOPIC}.fifo")
    assert target.batch == 1
    assert target.send([message("a")]) == [Delivered()]
    (request,) = scripted.requests
    assert request["MessageGroupId"] == "alerts"
    assert request["MessageDeduplicationId"] == "a"


@pytest.mark.parametrize(
    ("number", "text"),
    [(5e12, "1000000000"), (-2e9, "-1000000000"), (1 / 3, "0.33333"), (7, "7"), (0.0, "0")],
)
def test_numbers_are_what_filter_policies_can_compare(number: float, text: str) -> None:
    scripted = Scripted()
    scripted.target().send([Message("a", "alerts", {"loss": number}, {"alert_id": "a"})])
    attributes = scripted.requests[0]["MessageAttributes"]
    assert attributes == {"loss": {"DataType": "Number", "StringValue": text}}


def test_batches_that_would_be_too_large_go_out_singly() -> None:
    scripted = Scripted()
    large = [message(name, explanation="x" * 100_000) for name in "abc"]
    assert scripted.target().send(large) == [Delivered()] * 3
    assert scripted.asked == [("single", ["a"]), ("single", ["b"]), ("single", ["c"])]


def test_requests_are_what_the_service_accepts() -> None:
    """botocore's own model of the service checks both requests."""
    import botocore.session
    from botocore.validate import ParamValidator

    scripted = Scripted()
    for topic in (TOPIC, f"{TOPIC}.fifo"):
        target = scripted.target(topic)
        target.send([message("a"), message("b")][: target.batch])
    model = botocore.session.get_session().get_service_model("sns")
    for operation, request in zip(("PublishBatch", "Publish"), scripted.requests, strict=True):
        shape = model.operation_model(operation).input_shape
        assert ParamValidator().validate(request, shape).generate_report() == ""
