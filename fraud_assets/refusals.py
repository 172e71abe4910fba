"""Uploads that were refused as a whole, and why."""

import re
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from resources.lake import Lake, MissingObjectError, utc_now

_REFUSAL: Final = re.compile(r"quarantine/([a-z0-9_-]+)/refused\.json")


class Refusal(BaseModel):
    """Why an upload was refused.

    Attributes:
        reason: For a person.
        feed_digest: The feed definition that refused it; another one may accept it.
        at: When, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    feed_digest: str
    at: AwareDatetime


class Refusals:
    """The refusals in a lake, by upload key."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def record(
        self, key: str, reason: str, feed_digest: str, at: datetime | None = None
    ) -> Refusal:
        """Stores why an upload was refused, in place of an earlier refusal."""
        refusal = Refusal(reason=reason, feed_digest=feed_digest, at=at or utc_now())
        self._lake.put(_key(key), refusal.model_dump_json().encode())
        return refusal

    def get(self, key: str) -> Refusal | None:
        """Why an upload was refused; None if it was not."""
        try:
            return _parse(self._lake.get(_key(key)))
        except MissingObjectError:
            return None

    def all(self) -> dict[str, Refusal]:
        """All refusals by upload key."""
        found = (_REFUSAL.fullmatch(info.key) for info in self._lake.list("quarantine"))
        keys = [one.group(1) for one in found if one is not None]
        bodies = self._lake.get_many([_key(key) for key in keys])
        return {key: _parse(body) for key, body in zip(keys, bodies, strict=True)}

    def clear(self, key: str) -> None:
        """Forgets a refusal, if there is one."""
        self._lake.delete([_key(key)])


def _key(key: str) -> str:
    return f"quarantine/{key}/refused.json"


def _parse(body: bytes) -> Refusal:
    """A damaged refusal still is one, by a feed definition that is none."""
    try:
        return Refusal.model_validate_json(body)
    except ValidationError:
        return Refusal(reason="the stored reason cannot be read", feed_digest="", at=utc_now())
