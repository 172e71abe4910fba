"""What happens in case work, as an append-only log in which each event seals the one before.

An event's digest covers its content and the digest of the event before it, so nobody can change,
remove or insert an event without changing every digest after it.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AwareDatetime, Field, TypeAdapter

from gpu_ops.case_model import CaseAlert, Fixed, ListKind, Subject, Verdict

INTAKE: Final = "intake"
"""Who did what no person did."""

NO_EVENT: Final = "0" * 64
"""The digest before the first event."""


class Opened(Fixed):
    """A case begins, or one that had lost all its alerts begins anew."""

    kind: Literal["opened"] = "opened"
    subject: Subject
    due_at: AwareDatetime
    follows: str | None = None


class AlertJoined(Fixed):
    """An alert comes into the case."""

    kind: Literal["alert_joined"] = "alert_joined"
    alert: CaseAlert


class AlertLeft(Fixed):
    """An alert goes over to another case."""

    kind: Literal["alert_left"] = "alert_left"
    alert_id: str
    to: str


class AlertPassedOver(Fixed):
    """An alert makes no case: a list says so, or all its evidence is judged."""

    kind: Literal["alert_passed_over"] = "alert_passed_over"
    alert_id: str


class Assigned(Fixed):
    """Somebody is to work on the case."""

    kind: Literal["assigned"] = "assigned"
    to: str


class Escalated(Fixed):
    """Somebody with more authority is to look at the case."""

    kind: Literal["escalated"] = "escalated"
    reason: str
    to: str | None = None


class Closed(Fixed):
    """The case has a verdict on some transactions."""

    kind: Literal["closed"] = "closed"
    verdict: Verdict
    reason: str
    transaction_ids: tuple[str, ...]


class Reopened(Fixed):
    """A closed case is worked on again."""

    kind: Literal["reopened"] = "reopened"
    reason: str
    due_at: AwareDatetime


class Merged(Fixed):
    """The case's ring merged into an older one, whose case goes on."""

    kind: Literal["merged"] = "merged"
    into: str


class SubjectChanged(Fixed):
    """The case's ring merged into an older one that has no open case: this one is now its."""

    kind: Literal["subject_changed"] = "subject_changed"
    subject: Subject
    follows: str | None = None


class EntryMade(Fixed):
    """Somebody puts an account or ring on a list."""

    kind: Literal["entry_made"] = "entry_made"
    list_kind: ListKind
    subject: Subject
    until: AwareDatetime
    reason: str


class EntryEnded(Fixed):
    """Somebody takes an entry off its list before it ran out."""

    kind: Literal["entry_ended"] = "entry_ended"
    reason: str


Change: TypeAlias = Annotated[
    Opened
    | AlertJoined
    | AlertLeft
    | AlertPassedOver
    | Assigned
    | Escalated
    | Closed
    | Reopened
    | Merged
    | SubjectChanged
    | EntryMade
    | EntryEnded,
    Field(discriminator="kind"),
]

_CHANGE: Final[TypeAdapter[Change]] = TypeAdapter(Change)


class Draft(Fixed):
    """What is to happen, before it has a place in the log.

    Attributes:
        stream: The case or list entry that it happens to.
        at: When, UTC.
        by: Who.
        change: What.
    """

    stream: str
    at: AwareDatetime
    by: str
    change: Change

    def sealed(self, number: int, before: str) -> "Event":
        """The event in its place.

        Args:
            number: Its place, from 1.
            before: The digest of the event before.
        """
        text = change_json(self.change)
        digest = digest_of(before, number, (self.stream, self.at.isoformat(), self.by, text))
        return Event(
            stream=self.stream,
            at=self.at,
            by=self.by,
            change=self.change,
            number=number,
            before=before,
            digest=digest,
        )


class Event(Draft):
    """Something that happened.

    Attributes:
        number: Its place in the log, from 1.
        before: The digest of the event before.
        digest: Of all of this.
    """

    number: int
    before: str
    digest: str


def change_json(change: Change) -> str:
    """A change as the log keeps it; equal changes give equal texts."""
    return json.dumps(
        _CHANGE.dump_python(change, mode="json"),
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )


def parsed_change(text: str) -> Change:
    """The change that `change_json` wrote; a pydantic ValidationError for anything else."""
    return _CHANGE.validate_json(text)


def digest_of(before: str, number: int, parts: Iterable[str]) -> str:
    """SHA-256, in hex, of an event's content after the digest of the one before."""
    content = json.dumps([before, number, *parts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def first_broken(events: Iterable[Event]) -> int | None:
    """The number of the first event that is not what was once appended; None: all are.

    Args:
        events: The whole log, in order.
    """
    before = NO_EVENT
    for place, event in enumerate(events, start=1):
        draft = Draft(stream=event.stream, at=event.at, by=event.by, change=event.change)
        if event.number != place or draft.sealed(place, before) != event:
            return place
        before = event.digest
    return None
