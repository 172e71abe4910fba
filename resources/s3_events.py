"""What a message about a bucket says: which objects are new, as S3, SNS or EventBridge tell it."""

from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from resources.locations import LakeLocation

_CREATED: Final = "ObjectCreated:"
_TEST: Final = "s3:TestEvent"


class PoisonError(ValueError):
    """A message that will never be understood; says why, and repeats nothing of it."""


@dataclass(frozen=True)
class ObjectChange:
    """An object that is new, or was when the message was sent.

    Attributes:
        bucket: Its bucket.
        key: Its key in the bucket, decoded.
    """

    bucket: str
    key: str


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Bucket(_Model):
    name: str


class _Object(_Model):
    key: str


class _S3(_Model):
    bucket: _Bucket
    object: _Object


class _Record(_Model):
    event_name: str = Field(alias="eventName")
    s3: _S3


class _Notification(_Model):
    """S3's own message.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """

    records: list[_Record] = Field(alias="Records")


class _TestEvent(_Model):
    """What S3 sends once when notifications are switched on."""

    event: str = Field(alias="Event", pattern=f"^{_TEST}$")


class _Envelope(_Model):
    """A message of SNS around another one."""

    kind: str = Field(alias="Type", pattern="^Notification$")
    message: str = Field(alias="Message")


class _Bridged(_Model):
    """EventBridge's form; its keys are not URL-encoded.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    source: str = Field(pattern="^aws[.]s3$")
    detail_type: str = Field(alias="detail-type")
    detail: _S3


_Known: TypeAlias = _Notification | _TestEvent | _Envelope | _Bridged
_KNOWN: Final = TypeAdapter[_Known](_Known)


def created_objects(text: str) -> list[ObjectChange]:
    """The objects that a message reports as created; empty for tests, deletions and the rest.

    The message is only a hint: the object may have been replaced or removed since.

    Raises:
        PoisonError: The text is no message about objects in any known form.
    """
    known = _parsed(text)
    if isinstance(known, _Envelope):
        known = _parsed(known.message)
        if isinstance(known, _Envelope):
            raise PoisonError("it is an SNS message inside another one")
    if isinstance(known, _TestEvent):
        return []
    if isinstance(known, _Bridged):
        new = known.detail_type == "Object Created"
        return [ObjectChange(known.detail.bucket.name, known.detail.object.key)] if new else []
    return [
        ObjectChange(record.s3.bucket.name, _decoded(record.s3.object.key))
        # Some stores write `s3:ObjectCreated:Put` where AWS writes `ObjectCreated:Put`.
        for record in known.records
        if record.event_name.removeprefix("s3:").startswith(_CREATED)
    ]


def keys_below(changes: list[ObjectChange], location: LakeLocation, folder: str) -> list[str]:
    """The objects' keys in a lake, for objects that lie in a folder of it.

    Raises:
        PoisonError: An object lies in another bucket or elsewhere in this one.
    """
    root = f"{location.prefix}/" if location.prefix else ""
    for change in changes:
        if change.bucket != location.bucket:
            raise PoisonError("it is about another bucket")
        if not change.key.startswith(f"{root}{folder}/"):
            raise PoisonError(
                f"it is about an object outside {location}/{folder}/; narrow the bucket's "
                "notifications to that prefix"
            )
    return [change.key.removeprefix(root) for change in changes]


def _parsed(text: str) -> _Known:
    try:
        return _KNOWN.validate_json(text)
    except ValidationError:
        # The reason would repeat the message, which anyone may have sent.
        raise PoisonError("it is no JSON that tells of objects in a known form") from None


def _decoded(key: str) -> str:
    """A key as S3 writes it in notifications: `+` for a blank, `%2F` for a slash."""
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise PoisonError("its object's key is not valid UTF-8") from None
