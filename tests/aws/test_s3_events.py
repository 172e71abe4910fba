"""What messages about a bucket say, in every form that AWS gives them."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.locations import LakeLocation
from resources.queues import QueueAddress, parse_queue_url
from resources.s3_events import ObjectChange, PoisonError, created_objects, keys_below

LAKE = LakeLocation(None, "bucket", "pre")


def record(event: str, key: str) -> dict[str, object]:
    return {
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "eventName": event,
        "s3": {
            "bucket": {"name": "bucket", "arn": "arn:aws:s3:::bucket"},
            "object": {"key": key, "size": 1, "eTag": "0", "sequencer": "00"},
        },
    }


def test_s3_encodes_keys_as_forms_do() -> None:
    text = json.dumps({"Records": [record("ObjectCreated:Put", "pre%2Fa+b%2Bc/%C3%A9.csv")]})
    assert created_objects(text) == [ObjectChange("bucket", "pre/a b+c/é.csv")]


def test_every_way_of_creating_counts_and_nothing_else() -> None:
    names = {
        "ObjectCreated:Put": True,
        "ObjectCreated:CompleteMultipartUpload": True,
        "s3:ObjectCreated:Copy": True,
        "ObjectRemoved:Delete": False,
        "ObjectRemoved:DeleteMarkerCreated": False,
        "LifecycleExpiration:Delete": False,
        "ObjectTagging:Put": False,
        "ObjectRestore:Completed": False,
    }
    text = json.dumps({"Records": [record(name, name) for name in names]})
    assert [one.key for one in created_objects(text)] == [
        name for name, counts in names.items() if counts
    ]


def test_the_test_event_tells_of_nothing() -> None:
    text = '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"}'
    assert created_objects(text) == []


def test_a_message_through_sns_is_unwrapped_once() -> None:
    inner = json.dumps({"Records": [record("ObjectCreated:Put", "a+b")]})
    once = json.dumps({"Type": "Notification", "MessageId": "1", "Message": inner})
    assert created_objects(once) == [ObjectChange("bucket", "a b")]
    twice = json.dumps({"Type": "Notification", "Message": once})
    with pytest.raises(PoisonError, match="inside another one"):
        created_objects(twice)


def test_event_bridge_writes_keys_as_they_are() -> None:
    event = {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Created",
        "account": "111122223333",
        "detail": {"bucket": {"name": "bucket"}, "object": {"key": "pre/a+b c.csv", "size": 1}},
    }
    assert created_objects(json.dumps(event)) == [ObjectChange("bucket", "pre/a+b c.csv")]
    assert created_objects(json.dumps({**event, "detail-type": "Object Deleted"})) == []
    with pytest.raises(PoisonError):
        created_objects(json.dumps({**event, "source": "my.app"}))


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "7", "null", "[]", "{}", '{"Records": [{}]}', 'null,"Records":[]', "{" * 900],
)
def test_poison_is_told_without_its_words(text: str) -> None:
    with pytest.raises(PoisonError) as caught:
        created_objects(text)
    assert str(caught.value) == "it is no JSON that tells of objects in a known form"


@given(st.text())
@settings(deadline=None, max_examples=50)
def test_any_text_is_poison_or_understood(text: str) -> None:
    with contextlib.suppress(PoisonError):
        assert created_objects(text) == []


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(deadline=None, max_examples=50)
def test_any_key_survives_its_encoding(key: str) -> None:
    """Encoded here by hand: every byte as %XX, which S3 never needs but may do."""
    encoded = "".join(f"%{byte:02X}" for byte in key.encode())
    text = json.dumps({"Records": [record("ObjectCreated:Put", encoded)]})
    assert created_objects(text) == [ObjectChange("bucket", key)]


def test_keys_are_those_of_the_lake() -> None:
    inside = ObjectChange("bucket", "pre/landing/sim/a.csv")
    assert keys_below([inside], LAKE, "landing") == ["landing/sim/a.csv"]
    whole = LakeLocation(None, "bucket", "")
    there = ObjectChange("bucket", "landing/a.csv")
    assert keys_below([there], whole, "landing") == ["landing/a.csv"]
    for change in (
        ObjectChange("bucket2", "pre/landing/a.csv"),
        ObjectChange("bucket", "pre2/landing/a.csv"),
        ObjectChange("bucket", "pre/landing2/a.csv"),
        ObjectChange("bucket", "landing/a.csv"),
    ):
        with pytest.raises(PoisonError):
            keys_below([inside, change], LAKE, "landing")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "https://sqs.eu-west-1.amazonaws.com/111122223333/uploads",
            QueueAddress("https://sqs.eu-west-1.amazonaws.com", "eu-west-1", "uploads"),
        ),
        (
            "https://sqs.us-gov-west-1.amazonaws.com/1/u",
            QueueAddress("https://sqs.us-gov-west-1.amazonaws.com", "us-gov-west-1", "u"),
        ),
        (
            "https://vpce-0a.sqs.cn-north-1.vpce.amazonaws.com.cn/1/u_1",
            QueueAddress(
                "https://vpce-0a.sqs.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1", "u_1"
            ),
        ),
        ("http://127.0.0.1:5000/1/u", QueueAddress("http://127.0.0.1:5000", None, "u")),
    ],
)
def test_queue_urls_are_read(url: str, address: QueueAddress) -> None:
    assert parse_queue_url(url) == address


@pytest.mark.parametrize(
    "url", ["uploads", "https://host/uploads", "s3://a/b/c", "https://u:p@host/1/q", "https:///1/q"]
)
def test_what_is_no_queue_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected https://sqs|ends in its name"):
        parse_queue_url(url)
