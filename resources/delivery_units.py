"""What there is to deliver: the objects of the outbox, and the messages in each."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from resources.delivery_messages import (
    Message,
    UnfitMessageError,
    alert_message,
    failure_message,
)
from resources.errors import LakeError
from resources.lake import Lake
from resources.notifier import ALERTS, FAILURES, Outbox

_OBJECT: Final = TypeAdapter(dict[str, JsonValue])


def units(lake: Lake, since: datetime | None) -> Iterator[tuple[str, str]]:
    """Name and key of all publications by number, then of all failures by time.

    Names are `alerts/00000007` and `failures/<run id>`.

    Args:
        lake: Where the outbox is.
        since: Objects written before are left out; None: none are.
    """
    for folder in (ALERTS, FAILURES):
        found = [info for info in lake.list(folder) if since is None or info.modified_at >= since]
        if folder == FAILURES:
            found.sort(key=lambda info: (info.modified_at, info.key))
        stream = folder.rsplit("/", 1)[-1]
        for info in found:
            name, _, _ = info.key.removeprefix(f"{folder}/").rpartition(".")
            # Whatever else lies there was not written by the outbox.
            if name and "/" not in name and (folder == FAILURES or name.isdecimal()):
                yield f"{stream}/{name}", info.key


def messages(lake: Lake, unit: str, key: str) -> list[Message | UnfitMessageError]:
    """The messages of an object of the outbox, in order; where a line gives none, why not.

    Args:
        lake: Where the outbox is.
        unit: The name of the object.
        key: Its key.

    Raises:
        LakeError: The object is gone or damaged; it is named.
    """
    stream, name = unit.split("/", 1)
    if stream == "alerts":
        lines = Outbox(lake).read_alerts(int(name))
        return [_made(line, f"{name}-{place:06d}") for place, line in enumerate(lines)]
    try:
        return [_made(_OBJECT.validate_json(lake.get(key)), None)]
    except ValidationError as error:
        raise LakeError(f"{key} is no record of a failed run; delete it") from error


def _made(line: dict[str, JsonValue], sequence: str | None) -> Message | UnfitMessageError:
    try:
        return failure_message(line) if sequence is None else alert_message(line, sequence)
    except UnfitMessageError as error:
        return error
