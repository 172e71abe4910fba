"""Messages to an Amazon SNS topic."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, Protocol, TypeVar

from resources.delivery_messages import Attributes, Message, UnfitMessageError
from resources.delivery_target import (
    Delivered,
    InTime,
    NotTried,
    Postponed,
    Refused,
    Result,
    no_hurry,
)
from resources.scrubbing import scrubbed

TOPIC_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}(?P<fifo>\.fifo)?"
)

# https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html: ten entries, 256 KiB together
# with their attributes.
MOST_BYTES: Final = 262_144
BATCH: Final = 10

# https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html: filter
# policies compare numbers of at most 10^9 with five digits after the point.
_LARGEST_NUMBER: Final = 1e9
_DECIMALS: Final = 5

# A batch that is refused as a whole goes out singly, so that one entry keeps no other back.
_REFUSALS: Final = frozenset(
    {
        "BatchRequestTooLong",
        "InvalidParameter",
        "InvalidParameterValue",
        "ParameterValueInvalid",
        "ValidationError",
        "ValidationException",
    }
)
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10
_SERVER_ERROR: Final = 500

_Answer = TypeVar("_Answer")


class SnsClient(Protocol):
    """What is used of boto3's client."""

    def publish(self, **request: object) -> object:
        """Publishes one message."""
        ...

    def publish_batch(self, **request: object) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """Publishes up to ten."""
        ...


def open_client(region: str) -> SnsClient:
    """boto3's client, without retries of its own: repeating is decided where it is recorded."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    client: SnsClient = boto3.client("sns", region_name=region, config=config)
    return client


@dataclass(frozen=True)
class SnsTarget:
    """A topic that alerts and failures are published to.

    A standard topic gets batches of ten; what a batch leaves out is published again one by one.
    A FIFO topic gets one message after the other, in a group for each stream, since the rest of a
    batch would overtake an entry that failed; the message id is its deduplication id.

    Attributes:
        topic: The topic's ARN.
        client_of: Region to client; called with the first message.
        name: Names the record of deliveries.
    """

    topic: str = field(repr=False)
    client_of: Callable[[str], SnsClient] = field(default=open_client, repr=False)
    name: str = "sns"

    @property
    def batch(self) -> int:
        """Messages of one request."""
        return 1 if self._is_fifo else BATCH

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        """Publishes at most ten messages; see `Target.send`."""
        entries: list[dict[str, object] | Refused] = []
        for message in messages:
            try:
                entries.append(self._entry(message))
            except UnfitMessageError as error:
                entries.append(Refused(str(error)))
        fit = [entry for entry in entries if isinstance(entry, dict)]
        too_much = sum(_size(entry) for entry in fit) > MOST_BYTES
        if len(fit) == 1 or too_much:
            sent = self._one_by_one(fit, in_time)
        else:
            sent = self._together(fit, in_time)
        left = iter(sent)
        return [entry if isinstance(entry, Refused) else next(left) for entry in entries]

    @cached_property
    def _is_fifo(self) -> bool:
        return self.topic.endswith(".fifo")

    @cached_property
    def _client(self) -> SnsClient:
        found = TOPIC_ARN.fullmatch(self.topic)
        if found is None:
            raise ValueError(f"{self.topic!r} is no ARN of an SNS topic")
        return self.client_of(found["region"])

    def _entry(self, message: Message) -> dict[str, object]:
        """A message as a request holds it."""
        attributes = _attributes(message.attributes)
        entry: dict[str, object] = {
            "Message": message.body(MOST_BYTES - _bytes_of(attributes)).decode(),
            "MessageAttributes": attributes,
        }
        if self._is_fifo:
            entry["MessageGroupId"] = message.stream
            entry["MessageDeduplicationId"] = message.message_id
        return entry

    def _together(self, entries: Sequence[dict[str, object]], in_time: InTime) -> list[Result]:
        """One request for all; entries that it did not take go out singly, in order."""
        if not entries:
            return []
        batch = [{"Id": str(place), **entry} for place, entry in enumerate(entries)]
        answer = _asked(
            partial(
                self._client.publish_batch, TopicArn=self.topic, PublishBatchRequestEntries=batch
            )
        )
        if isinstance(answer, Postponed):
            return [answer] * len(entries)
        if isinstance(answer, Refused):
            return self._one_by_one(entries, in_time)
        taken = [int(str(one["Id"])) for one in answer.get("Successful", ())]
        results: dict[int, Result] = {place: Delivered() for place in taken}
        missing = [place for place in range(len(entries)) if place not in results]
        singly: list[Result] = [NotTried()] * len(missing)
        if in_time():
            singly = self._one_by_one([entries[place] for place in missing], in_time)
        results |= dict(zip(missing, singly, strict=True))
        return [results[place] for place in range(len(entries))]

    def _one_by_one(self, entries: Sequence[dict[str, object]], in_time: InTime) -> list[Result]:
        """A request for each, until one is postponed or time is up."""
        results: list[Result] = []
        for entry in entries:
            if results and (isinstance(results[-1], Postponed | NotTried) or not in_time()):
                results.append(NotTried())
                continue
            answer = _asked(partial(self._client.publish, TopicArn=self.topic, **entry))
            results.append(answer if isinstance(answer, Postponed | Refused) else Delivered())
        return results


def _asked(call: Callable[[], _Answer]) -> _Answer | Refused | Postponed:
    """The answer of a call, or what its error means."""
    from botocore import exceptions

    try:
        return call()
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        reason = scrubbed(f"SNS answered {code}: {error.response.get('Error', {}).get('Message')}")
        if code in _REFUSALS:
            return Refused(reason)
        return Postponed(reason, maybe_sent=status >= _SERVER_ERROR)
    except (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
    ) as error:
        return Postponed(scrubbed(f"SNS cannot be reached: {error}"))
    except exceptions.ParamValidationError as error:
        return Refused(scrubbed(f"SNS cannot be asked for this: {error}"))
    except (exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
        return Postponed(scrubbed(f"SNS gave no answer: {error}"), maybe_sent=True)


def _attributes(attributes: Attributes) -> dict[str, dict[str, str]]:
    """Attributes as SNS types them, numbers as filter policies can compare them."""
    found = {}
    for name, value in attributes.items():
        if isinstance(value, str):
            found[name] = {"DataType": "String", "StringValue": value}
        else:
            number = max(-_LARGEST_NUMBER, min(float(value), _LARGEST_NUMBER))
            text = f"{number:.{_DECIMALS}f}".rstrip("0").rstrip(".")
            found[name] = {"DataType": "Number", "StringValue": text}
    return found


def _bytes_of(attributes: Mapping[str, Mapping[str, str]]) -> int:
    """What attributes count: their names, types and values."""
    return sum(
        len(name.encode()) + sum(len(part.encode()) for part in value.values())
        for name, value in attributes.items()
    )


def _size(entry: Mapping[str, object]) -> int:
    attributes = entry["MessageAttributes"]
    if not isinstance(attributes, dict):  # pragma: no cover - `_entry` makes it
        raise TypeError("attributes are a dict")
    return len(str(entry["Message"])) + _bytes_of(attributes)
