"""A queue of messages, each delivered at least once, in any order."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, TypedDict
from urllib.parse import urlsplit

from resources.s3 import aws_region

if TYPE_CHECKING:
    from botocore.client import BaseClient

_REGION: Final = re.compile(r"(?:^|\.)([a-z]{2}(?:-[a-z]+)+-\d)\.")
_MOST_AT_ONCE: Final = 10


class QueueError(Exception):
    """The queue cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Message:
    """One delivery of a message.

    Attributes:
        id: The message's id, the same in every delivery.
        body: Its text.
        receipt: What this delivery is answered with.
        receives: How often the message was delivered, this time included.
    """

    id: str
    body: str
    receipt: str
    receives: int


class MessageQueue(Protocol):
    """Where messages wait until somebody deletes them."""

    @property
    def name(self) -> str:
        """What people call the queue; no account id."""
        ...

    def receive(self, most: int) -> list[Message]:
        """Messages that wait now, `most` of them at most; each comes back if not deleted."""
        ...

    def delete(self, messages: Sequence[Message]) -> None:
        """Removes messages for good."""
        ...

    def release(self, messages: Sequence[Message], seconds: int) -> None:
        """Lets messages be delivered again after some seconds."""
        ...

    def has_dead_letters(self) -> bool:
        """Whether messages that nobody deletes end in a dead-letter queue."""
        ...


@dataclass(frozen=True)
class QueueAddress:
    """The parts of a queue's URL.

    Attributes:
        endpoint: Scheme and host, where the queue's API answers.
        region: The AWS region in the host's name; None: that of the environment.
        name: The queue's name.
    """

    endpoint: str
    region: str | None
    name: str


def parse_queue_url(url: str) -> QueueAddress:
    """The parts of `https://sqs.<region>.amazonaws.com/<account>/<name>`.

    Plain http and other hosts are taken too, for queues in a network of one's own.

    Raises:
        ValueError: The text is no queue's URL.
    """
    parts = urlsplit(url)
    path = parts.path.strip("/").split("/")
    name = path[-1]
    if parts.scheme not in {"http", "https"} or not parts.hostname or len(path) < 2:  # noqa: PLR2004
        raise ValueError("expected https://sqs.<region>.amazonaws.com/<account>/<queue>")
    if parts.username or parts.query or not re.fullmatch(r"[\w-]{1,80}(?:\.fifo)?", name):
        raise ValueError("the URL of a queue ends in its name and holds nothing else")
    region = _REGION.search(parts.hostname)
    endpoint = f"{parts.scheme}://{parts.netloc}"
    return QueueAddress(endpoint, region.group(1) if region else None, name)


class _Delivery(TypedDict, total=False):
    """What SQS says of a message."""

    MessageId: str
    Body: str
    ReceiptHandle: str
    Attributes: dict[str, str]


class _Answer(TypedDict, total=False):
    """What SQS answers to the calls made here."""

    Messages: list[_Delivery]
    Attributes: dict[str, str]


class SqsQueue:
    """A queue of Amazon SQS; contacts nobody until it is used.

    Needs sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility and GetQueueAttributes.
    """

    def __init__(self, url: str, region: str | None = None) -> None:
        """Prepares a queue.

        Args:
            url: The queue's URL; ValueError if it is none.
            region: Its region, where the URL does not tell it; None: as `aws_region` finds it.
        """
        self._url = url
        self._address = parse_queue_url(url)
        self._region = aws_region(self._address.region or region)

    def __repr__(self) -> str:
        return f"SqsQueue({self.name!r})"

    @property
    def name(self) -> str:
        """The queue's name, without account and host."""
        return self._address.name

    def receive(self, most: int) -> list[Message]:
        """Messages that wait now, each once; asks until there are enough or no new one comes."""
        received: dict[str, Message] = {}
        while len(received) < most:
            answer = self._call(
                "receive_message",
                MaxNumberOfMessages=min(_MOST_AT_ONCE, most - len(received)),
                # Above 0 all servers of the queue are asked, at 0 only some of them.
                WaitTimeSeconds=0 if received else 1,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            before = len(received)
            received |= {message.id: message for message in _messages(answer)}
            if len(received) == before:
                break
        return [*received.values()]

    def delete(self, messages: Sequence[Message]) -> None:
        """Removes messages; one whose delivery ran out comes back once more, which is harmless."""
        for some in _tens(messages):
            self._call("delete_message_batch", Entries=[_entry(one) for one in some])

    def release(self, messages: Sequence[Message], seconds: int) -> None:
        """Lets messages be delivered again after some seconds."""
        for some in _tens(messages):
            entries = [{**_entry(one), "VisibilityTimeout": seconds} for one in some]
            self._call("change_message_visibility_batch", Entries=entries)

    def has_dead_letters(self) -> bool:
        """Whether the queue has a redrive policy."""
        answer = self._call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
        return bool(answer.get("Attributes"))

    def _call(self, operation: str, **arguments: object) -> _Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: _Answer = getattr(self._client, operation)(QueueUrl=self._url, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            raise QueueError(f"cannot use the queue {self.name}: {_advice(code)}") from error
        except BotoCoreError as error:
            raise QueueError(
                f"cannot use the queue {self.name}: {type(error).__name__}; check the network, "
                "the AWS credentials and the region"
            ) from error
        return answer

    @cached_property
    def _client(self) -> "BaseClient":
        import boto3
        from botocore.config import Config

        return boto3.client(
            "sqs",
            endpoint_url=self._address.endpoint,
            region_name=self._region,
            config=Config(
                connect_timeout=10,
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 5},
            ),
        )


def _advice(code: str) -> str:
    if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
        return "it does not exist; create it, or correct FRAUD_UPLOADS_QUEUE"
    if "AccessDenied" in code:
        return (
            "access denied; allow sqs:ReceiveMessage, DeleteMessage, ChangeMessageVisibility and "
            "GetQueueAttributes"
        )
    return f"{code}; see the AWS documentation of this error"


def _messages(answer: _Answer) -> list[Message]:
    return [
        Message(
            one["MessageId"],
            one["Body"],
            one["ReceiptHandle"],
            int(one.get("Attributes", {}).get("ApproximateReceiveCount", "1")),
        )
        for one in answer.get("Messages", [])
    ]


def _entry(message: Message) -> dict[str, object]:
    return {"Id": message.id, "ReceiptHandle": message.receipt}


def _tens(messages: Sequence[Message]) -> Iterator[list[Message]]:
    remaining = iter(messages)
    while some := list(islice(remaining, _MOST_AT_ONCE)):
        yield some
