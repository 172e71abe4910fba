"""The case store: the log of case work, and what is folded from it, in one database.

Every change is one transaction that appends events to the log and brings the folded states up to
date with it. A change names what it was based on; where that is not so any more it is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Self

from pydantic import ValidationError

from gpu_ops.case_book import Book
from gpu_ops.case_events import (
    NO_EVENT,
    Closed,
    Draft,
    Event,
    change_json,
    first_broken,
    parsed_change,
)
from gpu_ops.case_fold import Stream, applied, folded
from gpu_ops.case_model import Case, ListEntry
from resources.case_database import (
    CaseConflictError,
    CasesMovedError,
    CaseStoreError,
    Database,
    Run,
)
from resources.case_location import CaseLocation
from resources.case_postgres import PostgresDatabase
from resources.case_sqlite import SqliteDatabase

__all__ = ["CaseConflictError", "CaseStore", "CaseStoreError", "CasesMovedError"]

_FORMAT: Final = 1
_EVENT: Final = "SELECT stream, at, done_by, change, number, before, digest FROM case_events"
_UNLANDED: Final = (
    "SELECT stream, at, done_by, change, number, before, digest FROM case_events "
    "WHERE number IN (SELECT number FROM case_labels WHERE landed_as IS NULL) ORDER BY number"
)
_CLOSINGS: Final = (
    "SELECT stream, at, done_by, change, number, before, digest FROM case_events "
    "WHERE number IN (SELECT number FROM case_labels) ORDER BY number"
)


class CaseStore:
    """Cases, list entries and the labels that have to go to the lake.

    Every method raises CaseStoreError where the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def at(cls, location: CaseLocation) -> Self:
        """The store at a place, not contacted yet."""
        if location.file is not None:
            return cls(SqliteDatabase(location.file))
        return cls(PostgresDatabase(location))

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return self._database.place

    def book(self) -> Book:
        """All cases and lists as they are; an empty book before the first event."""
        with self._database.reading() as run:
            if run is None:
                return Book()
            self._check_format(run)
            number, digest = _head(run)
            rows = run("SELECT kind, body FROM case_streams", ())
            states = [self._state(str(kind), str(body)) for kind, body in rows]
            closings = run(_CLOSINGS, ()) if _is_judged_twice(states) else []
        return Book.of(states, number, digest, [self._event(row) for row in closings])

    def entries(self) -> list[ListEntry]:
        """Every list entry as it is, in no order, without reading a case."""
        with self._database.reading() as run:
            if run is None:
                return []
            self._check_format(run)
            rows = run("SELECT kind, body FROM case_streams WHERE kind = ?", ["entry"])
        found = (self._state(str(kind), str(body)) for kind, body in rows)
        return [one for one in found if isinstance(one, ListEntry)]

    def events(self, stream: str | None = None) -> list[Event]:
        """What happened, in order: to one case or list entry, or everything."""
        with self._database.reading() as run:
            if run is None:
                return []
            self._check_format(run)
            rows = (
                run(f"{_EVENT} ORDER BY number", ())
                if stream is None
                else run(f"{_EVENT} WHERE stream = ? ORDER BY number", [stream])
            )
        return [self._event(row) for row in rows]

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        after: int | None = None,
        seen: Mapping[str, int] | None = None,
    ) -> list[Event]:
        """Append events, all of them or none.

        Args:
            drafts: What happens, in order.
            after: The last event of the log when they were made up; None: it does not matter.
            seen: Case or list entry to its version when they were made up.

        Returns:
            The events in their places.

        Raises:
            CaseConflictError: Something happened to what was seen; the message says what.
            CasesMovedError: Something else happened after `after`.
        """
        with self._database.writing() as run:
            self._check_format(run)
            number, before = _head(run)
            # Who changed the same case is the better reason of the two.
            for stream, version in (seen or {}).items():
                self._check_unchanged(run, stream, version)
            if after is not None and number != after:
                raise CasesMovedError(
                    f"the cases changed meanwhile ({number - after} events); nothing was changed, "
                    "try again"
                )
            states: dict[str, Stream] = {}
            events = []
            for draft in drafts:
                event = draft.sealed(number + 1, before)
                state = states.get(event.stream) or self._stored(run, event.stream)
                states[event.stream] = applied(state, event)
                number, before = event.number, event.digest
                events.append(event)
            for event in events:
                _insert(run, event)
            for stream, state in states.items():
                _replace(run, stream, state)
        return events

    def digest_at(self, number: int) -> str | None:
        """The digest of an event; None where the log has no such event."""
        with self._database.reading() as run:
            rows = (
                run("SELECT digest FROM case_events WHERE number = ?", [number])
                if run is not None
                else []
            )
        return str(rows[0][0]) if rows else None

    def unlanded(self) -> list[Event]:
        """Closings whose labels the lake does not have yet, in order."""
        with self._database.reading() as run:
            if run is None:
                return []
            self._check_format(run)
            rows = run(_UNLANDED, ())
        return [self._event(row) for row in rows]

    def note_landed(self, number: int, key: str) -> None:
        """Note under which key of the lake the labels of a closing have landed."""
        with self._database.writing() as run:
            run("UPDATE case_labels SET landed_as = ? WHERE number = ?", [key, number])

    def problems(self) -> list[str]:
        """What is wrong with the log or what is folded from it, a line each; empty if nothing."""
        book = self.book()
        # What is appended between the two looks is left to the next one.
        events = self.events()[: book.number]
        broken = first_broken(events)
        if broken is not None:
            told = (
                f"event {broken} of the case store {self.place} is not what was appended, or an "
                "event before it is missing; put the store back from a copy"
            )
            return [told]
        states, again = book.streams, folded(events)
        return [
            f"{name} in the case store {self.place} is not what its events give"
            for name in sorted({*states, *again})
            if states.get(name) != again.get(name)
        ]

    def _check_format(self, run: Run) -> None:
        found = run("SELECT format FROM case_format", ())
        if found != [(_FORMAT,)]:
            raise CaseStoreError(
                f"the case store {self.place} has a format that this release does not know; "
                "use the release that made it, or a newer one"
            )

    def _check_unchanged(self, run: Run, stream: str, version: int) -> None:
        rows = run(f"{_EVENT} WHERE stream = ? AND number > ? ORDER BY number", [stream, version])
        if rows:
            last = self._event(rows[-1])
            raise CaseConflictError(
                f"{stream} was changed meanwhile: {_told(last)} by {last.by} at "
                f"{last.at:%Y-%m-%d %H:%M:%S} UTC; nothing was changed, look at it again"
            )

    def _stored(self, run: Run, stream: str) -> Stream | None:
        rows = run("SELECT kind, body FROM case_streams WHERE stream = ?", [stream])
        return self._state(str(rows[0][0]), str(rows[0][1])) if rows else None

    def _state(self, kind: str, body: str) -> Stream:
        try:
            return (Case if kind == "case" else ListEntry).model_validate_json(body)
        except ValidationError as error:
            raise self._damaged() from error

    def _event(self, row: Sequence[str | int | None]) -> Event:
        stream, at, by, change, number, before, digest = row
        try:
            return Event(
                stream=str(stream),
                at=datetime.fromisoformat(str(at)),
                by=str(by),
                change=parsed_change(str(change)),
                number=int(str(number)),
                before=str(before),
                digest=str(digest),
            )
        except ValueError as error:
            raise self._damaged() from error

    def _damaged(self) -> CaseStoreError:
        return CaseStoreError(
            f"the case store {self.place} holds what cannot be read; put it back from a copy"
        )


def _is_judged_twice(states: Iterable[Stream]) -> bool:
    """Whether several cases judged the same transaction."""
    seen: set[tuple[str, str]] = set()
    for one in states:
        if isinstance(one, Case):
            mine = {(one.subject.feed, name) for name in one.judged}
            if not seen.isdisjoint(mine):
                return True
            seen |= mine
    return False


def _head(run: Run) -> tuple[int, str]:
    """Number and digest of the last event."""
    rows = run("SELECT number, digest FROM case_events ORDER BY number DESC LIMIT 1", ())
    return (int(str(rows[0][0])), str(rows[0][1])) if rows else (0, NO_EVENT)


def _insert(run: Run, event: Event) -> None:
    run(
        "INSERT INTO case_events (stream, at, done_by, change, number, before, digest) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            event.stream,
            event.at.isoformat(),
            event.by,
            change_json(event.change),
            event.number,
            event.before,
            event.digest,
        ],
    )
    if isinstance(event.change, Closed) and event.change.transaction_ids:
        run("INSERT INTO case_labels (number, landed_as) VALUES (?, NULL)", [event.number])


def _replace(run: Run, stream: str, state: Stream) -> None:
    run(
        "INSERT INTO case_streams (stream, version, kind, is_work, body) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (stream) DO UPDATE SET version = excluded.version, kind = excluded.kind, "
        "is_work = excluded.is_work, body = excluded.body",
        [
            stream,
            state.version,
            "case" if isinstance(state, Case) else "entry",
            int(isinstance(state, Case) and state.is_work),
            state.model_dump_json(),
        ],
    )


def _told(event: Event) -> str:
    change = event.change
    if isinstance(change, Closed):
        return f"closed as {change.verdict}"
    return change.kind.replace("_", " ")
