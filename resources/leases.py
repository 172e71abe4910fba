"""Leases in the lake: one holder at a time, over processes and machines.

A holder is a generation: the object `leases/<name>/<n>.json`, created in create mode, so that
exactly one of several takers gets number n; the highest generation is in force. While it is
held, `<n>.beat` is rewritten; `<n>.released` ends it. A holder whose process is gone (same
machine), or that has not been heard of for its time to live, is succeeded by generation n + 1.

A holder that was only asleep learns from `Lease.is_held` that it was succeeded. What must not
happen twice is guarded where it happens (`follows` of `Versions.publish`), never by a lease alone.
"""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from resources.errors import LakeError, LeaseBusyError, MissingObjectError
from resources.lake import Lake, ObjectInfo, utc_now
from resources.owners import Owner

__all__ = ["Lease", "LeaseBusyError", "Owner", "lease"]

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]*")
_FILE: Final = re.compile(r"([1-9]\d*)\.(json|beat|released)")
_POLL_SECONDS: Final = 0.2


class Claim(BaseModel):
    """What a generation's object says.

    Attributes:
        owner: The process that holds it.
        token: Tells two claims of one process apart.
        taken_at: When it was taken, UTC.
        ttl_seconds: Silence after which it may be succeeded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Owner
    token: str
    taken_at: AwareDatetime
    ttl_seconds: float


class Lease:
    """A lease that this process holds; made by `lease`."""

    def __init__(self, generations: "_Generations", number: int, ttl_seconds: float) -> None:
        self.number = number
        self._generations = generations
        self._ttl_seconds = ttl_seconds
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._keep_alive, name="lease", daemon=True)
        self._beats.start()

    def is_held(self) -> bool:
        """Whether nobody has succeeded this holder."""
        return not self._ended.is_set() and self._generations.highest() == self.number

    def release(self) -> None:
        """Ends the lease; the next taker need not wait."""
        self._ended.set()
        self._beats.join()
        self._generations.write(self.number, "released", b"")

    def _keep_alive(self) -> None:
        while not self._ended.wait(self._ttl_seconds / 3):
            # A store that is away for a moment must not end the work; silence beyond the
            # time to live is what lets others in.
            with suppress(LakeError):
                self._generations.write(self.number, "beat", utc_now().isoformat().encode())


@contextmanager
def lease(
    lake: Lake,
    name: str,
    owner: Owner | None = None,
    *,
    wait_seconds: float = 0.0,
    ttl_seconds: float = 60.0,
) -> Iterator[Lease]:
    """Holds a lease for the time of a `with` block.

    Args:
        lake: Where.
        name: What is to be held, such as `raw-card`.
        owner: The process that holds; this one if not given.
        wait_seconds: How long to wait for a holder that lives.
        ttl_seconds: Silence after which others may succeed this holder; it is renewed thrice
            as often. Machines that share a lake must agree on the time within it.

    Raises:
        LeaseBusyError: Somebody else still held it when the waiting time was over.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no lease name: letters, digits, '_', '.', '=', '-' only")
    generations = _Generations(lake, f"leases/{name}")
    holder = owner or Owner.current()
    held = generations.take(holder, time.monotonic() + wait_seconds, wait_seconds, ttl_seconds)
    try:
        yield held
    finally:
        # A lease that cannot be released runs out; the work's own outcome counts more.
        with suppress(LakeError):
            held.release()


class _Generations:
    """The generations of one lease in the lake."""

    def __init__(self, lake: Lake, folder: str) -> None:
        self._lake = lake
        self._folder = folder

    def take(self, owner: Owner, deadline: float, wait_seconds: float, ttl_seconds: float) -> Lease:
        """The next generation, as soon as the one in force is over."""
        while True:
            states = self._states()
            current = max(states, default=0)
            busy = self._busy(current, states[current]) if current else None
            if busy is None:
                if self._create(current + 1, owner, ttl_seconds):
                    self._remove_below(current + 1)
                    return Lease(self, current + 1, ttl_seconds)
                continue
            if time.monotonic() >= deadline:
                name = self._folder.removeprefix("leases/")
                raise LeaseBusyError(f"{name} is held by {busy}; waited {wait_seconds:.0f} s")
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def highest(self) -> int:
        """The number of the generation in force, 0 without any."""
        return max(self._states(), default=0)

    def write(self, number: int, kind: str, data: bytes) -> None:
        """Writes the beat or the release of a generation."""
        self._lake.put(f"{self._folder}/{number}.{kind}", data)

    def _states(self) -> dict[int, dict[str, ObjectInfo]]:
        """Generation to its objects by kind; beats and releases of removed ones count not."""
        states: dict[int, dict[str, ObjectInfo]] = {}
        for info in self._lake.list(self._folder):
            found = _FILE.fullmatch(info.key.rsplit("/", 1)[-1])
            if found:
                states.setdefault(int(found.group(1)), {})[found.group(2)] = info
        return {number: kinds for number, kinds in states.items() if "json" in kinds}

    def _busy(self, number: int, kinds: dict[str, ObjectInfo]) -> str | None:
        """Who holds a generation and since when; None if it is over."""
        if "released" in kinds:
            return None
        last_sign = max(info.modified_at for info in kinds.values())
        claim = self._read(number)
        if claim is None:
            # Unreadable, so its own time to live is unknown: wait as long as is usual.
            return _unless_silent("somebody unknown", last_sign, last_sign, 60.0)
        if claim.owner.is_gone():
            return None
        return _unless_silent(str(claim.owner), claim.taken_at, last_sign, claim.ttl_seconds)

    def _create(self, number: int, owner: Owner, ttl_seconds: float) -> bool:
        """Whether this generation became ours and is in force."""
        token = uuid.uuid4().hex
        claim = Claim(owner=owner, token=token, taken_at=utc_now(), ttl_seconds=ttl_seconds)
        key = f"{self._folder}/{number}.json"
        created = self._lake.put(key, claim.model_dump_json().encode(), create=True)
        if not created:
            # In S3 our own create may have succeeded although its answer was lost.
            found = self._read(number)
            created = found is not None and found.token == token
        if created and self.highest() != number:
            # We looked long ago: this generation had come and gone, its objects were removed.
            self._lake.delete([key])
            return False
        return created

    def _read(self, number: int) -> Claim | None:
        try:
            return Claim.model_validate_json(self._lake.get(f"{self._folder}/{number}.json"))
        except (MissingObjectError, ValidationError):
            return None

    def _remove_below(self, number: int) -> None:
        with suppress(LakeError):
            self._lake.delete(
                info.key
                for info in self._lake.list(self._folder)
                if (found := _FILE.fullmatch(info.key.rsplit("/", 1)[-1]))
                and int(found.group(1)) < number
            )


def _unless_silent(
    holder: str, since: datetime, last_sign: datetime, ttl_seconds: float
) -> str | None:
    silence = utc_now() - last_sign
    if silence > timedelta(seconds=ttl_seconds):
        return None
    return (
        f"{holder} since {since:%Y-%m-%d %H:%M:%S} UTC "
        f"(last sign of life {max(0.0, silence.total_seconds()):.0f} s ago)"
    )
