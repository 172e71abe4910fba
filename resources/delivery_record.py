"""What was delivered to a target: a durable record in the lake.

Everything is below `outbox/delivered/<target>/`:

* `alerts/<publication>/<line>.claim` or `<first>-<last>.claim` is created before lines are sent,
  `<first>.json` after: what became of each. A claimed line without an outcome may have been sent;
  only the attempt that made a claim may take it back.
* `alerts/<publication>/merged.json` replaces records where they become many.
* `alerts/<publication>.json` closes a publication; the objects in its folder are removed then.
* `failures/<run id>/` and `failures/<run id>.json` are the same for a failed run.
* `pause.json` says until when the target is left alone after an outage.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from resources.errors import LakeError, MissingObjectError
from resources.lake import Lake

DELIVERED: Final = "outbox/delivered"

_PAUSE_SECONDS: Final = 30.0
_LONGEST_PAUSE_SECONDS: Final = 900.0
_MOST_DOUBLINGS: Final = 10
_MOST_SINGLE: Final = 50
_CLAIM: Final = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))?\.claim")


class Outcomes(BaseModel):
    """What became of lines: those delivered, and why others never will be.

    Attributes:
        delivered: Line numbers, from 0.
        set_aside: Line number to reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivered: tuple[int, ...] = ()
    set_aside: dict[int, str] = {}

    @classmethod
    def merged(cls, parts: Iterable["Outcomes"]) -> "Outcomes":
        """All in one."""
        delivered: set[int] = set()
        set_aside: dict[int, str] = {}
        for part in parts:
            delivered.update(part.delivered)
            set_aside.update(part.set_aside)
        return cls(delivered=tuple(sorted(delivered)), set_aside=set_aside)

    def settled(self) -> set[int]:
        """The lines that need not be sent any more."""
        return {*self.delivered, *self.set_aside}


class Pause(BaseModel):
    """Until when a target is left alone.

    Attributes:
        failures: Outages in a row.
        until: When it is tried again.
        reason: Why it failed last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    failures: int
    until: AwareDatetime
    reason: str


class DeliveryRecord:
    """The record of one target.

    Args:
        lake: Where.
        target: The target's name.
    """

    def __init__(self, lake: Lake, target: str) -> None:
        self._lake = lake
        self._folder = f"{DELIVERED}/{target}"

    def closed(self) -> set[str]:
        """The units that are done: `alerts/00000007`, `failures/<run id>`."""
        return {unit for unit, is_closed in self._units() if is_closed}

    def units(self) -> set[str]:
        """All units of which anything is recorded."""
        return {unit for unit, _ in self._units()}

    def outcomes(self, unit: str) -> Outcomes:
        """What became of the lines of a unit (`alerts/00000007`) so far.

        Raises:
            LakeError: A record is damaged; it is named.
        """
        keys = [
            info.key
            for info in self._lake.list(f"{self._folder}/{unit}")
            if info.key.endswith(".json")
        ]
        parts = [
            _read(key, data) for key, data in zip(keys, self._lake.get_many(keys), strict=True)
        ]
        found = Outcomes.merged(parts)
        if len(keys) > _MOST_SINGLE:
            # Else each call would read all that was sent so far of a long publication.
            self._replace_single(unit, found, found.settled())
        return found

    def claimed(self, unit: str) -> set[int]:
        """Lines of a unit that an attempt was about to send; the settled ones among them, too."""
        keys = [info.key for info in self._lake.list(f"{self._folder}/{unit}")]
        return {line for key in keys for line in _claimed_by(key)}

    def claim(self, unit: str, first: int, last: int, at: datetime) -> bool:
        """Notes that what is not settled of these lines is about to be sent.

        Returns:
            False if that was noted before: they may have been sent already.
        """
        data = at.isoformat(timespec="seconds").encode()
        return self._lake.put(self._claim_key(unit, first, last), data, create=True)

    def unclaim(self, unit: str, first: int, last: int) -> None:
        """Takes back a claim that this attempt made: nothing was sent under it."""
        self._lake.delete([self._claim_key(unit, first, last)])

    def note(self, unit: str, line: int, outcomes: Outcomes) -> None:
        """Records what became of lines, the first of which is `line`."""
        key = f"{self._folder}/{unit}/{line:06d}.json"
        self._lake.put(key, outcomes.model_dump_json().encode())

    def close(self, unit: str, outcomes: Outcomes) -> None:
        """Records that nothing of a unit is left, and removes its single records."""
        data = outcomes.model_dump_json(indent=1).encode()
        self._lake.put(f"{self._folder}/{unit}.json", data)
        self._remove_single(unit)

    def reopen(self, unit: str) -> int:
        """Lets the lines of a unit that were set aside be sent again.

        Returns:
            How many they are.
        """
        closing = f"{self._folder}/{unit}.json"
        is_closed = self._lake.exists(closing)
        outcomes = _read(closing, self._lake.get(closing)) if is_closed else self.outcomes(unit)
        if outcomes.set_aside:
            delivered = Outcomes(delivered=outcomes.delivered)
            self._replace_single(unit, delivered, outcomes.settled())
            self._lake.delete([closing])
        return len(outcomes.set_aside)

    def pause(self) -> Pause | None:
        """The pause in force or over; None after a success, or if it cannot be read."""
        try:
            return Pause.model_validate_json(self._lake.get(f"{self._folder}/pause.json"))
        except (MissingObjectError, ValidationError):
            return None

    def start_pause(self, reason: str, now: datetime, asked_seconds: float | None) -> Pause:
        """Leaves the target alone, twice as long with each outage in a row, 15 minutes at most.

        Args:
            reason: Why.
            now: The present moment.
            asked_seconds: What the target itself asked for; heeded within the same limit.
        """
        before = self.pause()
        failures = 1 if before is None else before.failures + 1
        doubled: float = _PAUSE_SECONDS * 2 ** min(failures - 1, _MOST_DOUBLINGS)
        seconds = min(max(doubled, asked_seconds or 0.0), _LONGEST_PAUSE_SECONDS)
        pause = Pause(failures=failures, until=now + timedelta(seconds=seconds), reason=reason)
        self._lake.put(f"{self._folder}/pause.json", pause.model_dump_json().encode())
        return pause

    def end_pause(self) -> None:
        """The target works."""
        self._lake.delete([f"{self._folder}/pause.json"])

    def _units(self) -> Iterator[tuple[str, bool]]:
        """Each unit that an object is about, and whether that object closes it."""
        for info in self._lake.list(self._folder):
            stream, _, name = info.key.removeprefix(f"{self._folder}/").partition("/")
            if name:
                is_single = "/" in name
                stem = name.split("/")[0] if is_single else name.removesuffix(".json")
                yield f"{stream}/{stem}", not is_single

    def _remove_single(self, unit: str) -> None:
        self._lake.delete([info.key for info in self._lake.list(f"{self._folder}/{unit}")])

    def _replace_single(self, unit: str, outcomes: Outcomes, settled: set[int]) -> None:
        """One record for many, written first: nothing delivered is ever without a record.

        Claims on nothing but settled lines go with the records.
        """
        merged = f"{self._folder}/{unit}/merged.json"
        self._lake.put(merged, outcomes.model_dump_json().encode())
        self._lake.delete(
            [
                info.key
                for info in self._lake.list(f"{self._folder}/{unit}")
                if (info.key.endswith(".json") and info.key != merged)
                or (info.key.endswith(".claim") and _claimed_by(info.key) <= settled)
            ]
        )

    def _claim_key(self, unit: str, first: int, last: int) -> str:
        lines = f"{first:06d}" if first == last else f"{first:06d}-{last:06d}"
        return f"{self._folder}/{unit}/{lines}.claim"


def _claimed_by(key: str) -> set[int]:
    """The lines that a claim is about; none if the key is no claim's."""
    found = _CLAIM.fullmatch(key.rsplit("/", 1)[-1])
    if found is None:
        return set()
    first = int(found["first"])
    return set(range(first, int(found["last"] or first) + 1))


def _read(key: str, data: bytes) -> Outcomes:
    try:
        return Outcomes.model_validate_json(data)
    except ValidationError as error:
        raise LakeError(
            f"{key} cannot be read; restore it from a copy, or delete it: its messages are "
            "then sent again, with the same ids"
        ) from error
