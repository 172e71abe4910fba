"""The outbox: what leaves the project, as objects in the lake that are written once.

Whoever delivers (a mail, a chat, a case tool) reads the outbox; a repeated run adds no second copy.
"""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final, Protocol

import polars as pl
from pydantic import JsonValue, TypeAdapter, ValidationError

from resources.lake import Lake, LakeError
from resources.scrubbing import scrubbed

ALERTS: Final = "outbox/alerts"
FAILURES: Final = "outbox/failures"

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ALERT_FILE: Final = re.compile(r"(\d{8,})\.jsonl")
_LINE: Final = TypeAdapter(dict[str, JsonValue])


class Notifier(Protocol):
    """Whatever tells the world about alerts and failures."""

    def publish_alerts(self, number: int, alerts: pl.DataFrame) -> bool:
        """Tells about the alerts of a publication; False if it had been told already."""
        ...

    def publish_failure(self, run_id: str, job: str, reason: str) -> bool:
        """Tells about a failed run; False if it had been told already."""
        ...


class Outbox:
    """A notifier that writes to the lake, each thing exactly once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def publish_alerts(self, number: int, alerts: pl.DataFrame) -> bool:
        """Writes the alerts of a publication to `outbox/alerts/<8-digit number>.jsonl`.

        One line an alert, in the order of the rows; times are ISO 8601. A publication without
        alerts writes an empty object, so that it counts as told.

        Args:
            number: The publication, from 0.
            alerts: The alerts that are new in it.

        Returns:
            False if the object was there, which is then left as it is.

        Raises:
            ValueError: The number is negative.
        """
        lines = (
            json.dumps(_plain(row), ensure_ascii=False) for row in alerts.iter_rows(named=True)
        )
        data = "".join(f"{line}\n" for line in lines).encode()
        return self._lake.put(alerts_key(number), data, create=True)

    def read_alerts(self, number: int) -> list[dict[str, JsonValue]]:
        """What `publish_alerts` wrote for a publication, an alert each, as JSON holds it.

        Raises:
            MissingObjectError: Nothing was written for it.
            LakeError: The object is damaged.
        """
        key = alerts_key(number)
        try:
            return [_LINE.validate_json(line) for line in self._lake.get(key).splitlines()]
        except ValidationError as error:
            raise LakeError(f"{key} is no list of alerts; restore it from a copy") from error

    def told(self) -> set[int]:
        """The publications that the outbox holds an object of, readable or not."""
        names = (info.key.rsplit("/", 1)[-1] for info in self._lake.list(ALERTS))
        return {int(match[1]) for name in names if (match := _ALERT_FILE.fullmatch(name))}

    def publish_failure(self, run_id: str, job: str, reason: str) -> bool:
        """Writes why a run failed to `outbox/failures/<run id>.json`, without secrets and paths.

        Args:
            run_id: The run.
            job: The job that it was a run of.
            reason: The error; secrets, paths and long numbers are replaced, its length is capped.

        Returns:
            False if the object was there, which is then left as it is.

        Raises:
            ValueError: The run id could not be part of a key.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id!r} is no run id: expected letters, digits, '.', '_' or '-'")
        record = {
            "run_id": run_id,
            "job": scrubbed(job),
            "reason": scrubbed(reason),
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        data = json.dumps(record, ensure_ascii=False, indent=1).encode()
        return self._lake.put(f"{FAILURES}/{run_id}.json", data, create=True)

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Which of these publications have not been told, ascending: a killed run left them out."""
        return sorted(set(numbers) - self.told())


def alerts_key(number: int) -> str:
    """The key of what was new in a publication; ValueError for a negative number."""
    if number < 0:
        raise ValueError(f"a publication's number is at least 0, not {number}")
    return f"{ALERTS}/{number:08d}.jsonl"


def _plain(row: dict[str, object]) -> dict[str, object]:
    """A row as JSON can hold it: times as ISO 8601, numbers that are none as null."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
