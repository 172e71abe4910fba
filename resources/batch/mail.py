"""How a container's events reach the host: numbered chunks in the lake, never written twice.

`<folder>/events/<job id>/<attempt>/<n>.json`, n from 1. The folder has the job's id in it, since a
repeated SubmitJob may start a second job of the same step, whose events are nobody's. Which job
its host follows stands in `<folder>/job.txt`; a container of any other does no work.
"""

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from resources.batch.dagster_internals import events_from_text, events_to_text, is_terminal
from resources.lake import Lake, LakeUnavailableError, MissingObjectError

_GATHERED_SECONDS: Final = 0.5
NOBODY: Final = b"nobody"
"""Stands for the followed job once a host has given its step up."""

_OUTAGE_SECONDS: Final = 10 * 60
"""How long a container tries to send what it has to say; its host waits as long for the lake."""
_OUTAGE_PAUSE_SECONDS: Final = 5.0


class MailError(Exception):
    """What lies where a container's events belong is something else."""


class Chunk(BaseModel):
    """Some events of one attempt.

    Attributes:
        version: Of this layout.
        events: Log entries, from `dagster_internals.events_to_text`.
        terminal: Whether the step's end is among them.
        refused: Why the container did not start the step; None if it did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    events: str = "[]"
    terminal: bool = False
    refused: str | None = None


@dataclass(frozen=True)
class Address:
    """Where one job's events lie.

    Attributes:
        folder: The step's folder in the lake.
        job_id: Whose.
    """

    folder: str
    job_id: str

    def key(self, attempt: int, number: int) -> str:
        """The key of a chunk; both count from 1."""
        return f"{self.folder}/events/{self.job_id}/{attempt}/{number:06d}.json"

    @property
    def followed_key(self) -> str:
        """The key of the object that names the job whose events are read."""
        return f"{self.folder}/job.txt"


class MailWriter:
    """Sends events of one attempt, gathered for half a second; all are sent when it is left."""

    def __init__(self, lake: Lake, address: Address, attempt: int) -> None:
        self._lake = lake
        self._address = address
        self._attempt = attempt
        self._number = 0
        self._waiting: queue.Queue[dg.EventLogEntry | None] = queue.Queue()
        self._failure: Exception | None = None
        self._refusal: str | None = None
        self._thread = threading.Thread(target=self._send_all, name="mail", daemon=True)
        self.ended = False
        """Whether the step's end was sent."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if self._refusal is not None:
            self._put(Chunk(refused=self._refusal))
        if self._failure is not None and error is None:
            raise self._failure

    def send(self, entry: dg.EventLogEntry) -> None:
        """Queue an event; it is on its way within half a second."""
        self._waiting.put(entry)

    def refuse(self, reason: str) -> None:
        """Say, as the last word, why the step was not started."""
        self._refusal = reason

    def _send_all(self) -> None:
        try:
            while (first := self._waiting.get()) is not None:
                entries, more = self._gather(first)
                terminal = any(map(is_terminal, entries))
                self._put(Chunk(events=events_to_text(entries), terminal=terminal))
                self.ended = self.ended or terminal
                if not more:
                    return
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits for this one
            self._failure = error

    def _gather(self, first: dg.EventLogEntry) -> tuple[list[dg.EventLogEntry], bool]:
        """What comes in half a second; whether there may be more."""
        entries = [first]
        deadline = time.monotonic() + _GATHERED_SECONDS
        while not is_terminal(entries[-1]):
            try:
                entry = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if entry is None:
                return entries, False
            entries.append(entry)
        return entries, True

    def _put(self, chunk: Chunk) -> None:
        self._number += 1
        key = self._address.key(self._attempt, self._number)
        data = chunk.model_dump_json().encode()
        # A step may compute for hours: that the lake is away for some minutes of them must not
        # make its container mute for the rest, and its work be paid for again.
        deadline = time.monotonic() + _OUTAGE_SECONDS
        while True:
            try:
                self._lake.put(key, data)
            except LakeUnavailableError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_OUTAGE_PAUSE_SECONDS)
            else:
                return


@dataclass(frozen=True)
class Mail:
    """One chunk as the host reads it."""

    attempt: int
    entries: Sequence[dg.EventLogEntry]
    refused: str | None


class MailReader:
    """Reads a job's chunks in order, each once."""

    def __init__(self, lake: Lake, address: Address) -> None:
        self._lake = lake
        self._address = address
        self._attempt = 1
        self._number = 1

    def new(self, ended_attempts: int) -> list[Mail]:
        """What came since the last look.

        Args:
            ended_attempts: How many attempts had ended before this look; of those nothing more
                comes.

        Raises:
            MailError: A chunk is damaged or has another layout.
        """
        found: list[Mail] = []
        while True:
            key = self._address.key(self._attempt, self._number)
            try:
                data = self._lake.get(key)
            except MissingObjectError:
                if self._attempt > ended_attempts:
                    return found
                self._attempt, self._number = self._attempt + 1, 1
                continue
            found.append(self._mail(key, data))
            self._number += 1

    def _mail(self, key: str, data: bytes) -> Mail:
        try:
            chunk = Chunk.model_validate_json(data)
            return Mail(self._attempt, events_from_text(chunk.events), chunk.refused)
        except (ValidationError, ValueError, dg.DagsterError) as error:
            raise MailError(f"{key} in the lake holds no events of a step") from error


def followed_job(lake: Lake, address: Address, wait_seconds: float) -> str | None:
    """The id of the job that a step's host follows; None if it did not say so in time."""
    deadline = time.monotonic() + wait_seconds
    while True:
        with suppress(MissingObjectError):
            return lake.get(address.followed_key).decode()
        if time.monotonic() >= deadline:
            return None
        time.sleep(_GATHERED_SECONDS)


def has_ended_before(lake: Lake, address: Address, attempt: int) -> bool:
    """Whether an earlier attempt of the job came to the step's end.

    Batch may start a container again that was killed after its last word.
    """
    for earlier in range(1, attempt):
        folder = address.key(earlier, 1).rsplit("/", 1)[0]
        for data in lake.get_many([found.key for found in lake.list(folder)]):
            if Chunk.model_validate_json(data).terminal:
                return True
    return False
