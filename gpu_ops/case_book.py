"""The book: all cases and lists as they are now, with what an alert has to be looked up by."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import xxhash

from gpu_ops.case_events import NO_EVENT, Closed, Draft, Event
from gpu_ops.case_fold import Stream, applied
from gpu_ops.case_model import Case, CaseAlert, ListEntry, Subject


@dataclass
class Book:
    """Cases and list entries by id, as folded from the log.

    Attributes:
        number: The last event in it; 0 before the first.
        digest: That event's digest.
        streams: Cases and list entries.
    """

    number: int = 0
    digest: str = NO_EVENT
    streams: dict[str, Stream] = field(default_factory=dict)
    _entries: dict[str, ListEntry] = field(default_factory=dict)
    _homes: dict[str, str] = field(default_factory=dict)
    _judged: dict[tuple[str, str], str] = field(default_factory=dict)
    _cases_of: dict[Subject, list[str]] = field(default_factory=dict)
    _rings_of: dict[tuple[str, str], list[CaseAlert]] = field(default_factory=dict)
    _alerts_of: dict[tuple[str, str], list[CaseAlert]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, states: Iterable[Stream], number: int, digest: str, closings: Iterable[Event] = ()
    ) -> "Book":
        """The book of stored states, which are those after event `number`.

        Args:
            states: In any order.
            number: The last event.
            digest: That event's digest.
            closings: The closings of cases that judged a transaction which others judged too, in
                order: the states do not tell who of them was the last.
        """
        book = cls(number, digest)
        for state in sorted(states, key=lambda one: one.version):
            book._take(state)
        for event in closings:
            case = book.case(event.stream)
            if case is not None and isinstance(event.change, Closed):
                book._judge(case, event.change.transaction_ids)
        return book

    def cases(self) -> Iterator[Case]:
        """Every case, in no order."""
        return (one for one in self.streams.values() if isinstance(one, Case))

    def entries(self) -> Iterator[ListEntry]:
        """Every list entry, in no order."""
        return iter(self._entries.values())

    def case(self, case_id: str) -> Case | None:
        """A case by its whole id."""
        found = self.streams.get(case_id)
        return found if isinstance(found, Case) else None

    def knows(self, alert_id: str) -> bool:
        """Whether the alert was taken in before."""
        return alert_id in self._homes

    def alert_ids(self) -> set[str]:
        """Every alert that was taken in."""
        return set(self._homes)

    def home_of(self, alert_id: str) -> str:
        """The case that holds the alert, or the case or list entry that passed it over."""
        return self._homes[alert_id]

    def judge_of(self, feed: str, transaction_id: str) -> str | None:
        """The case that judged a transaction last; None: nobody has."""
        return self._judged.get((feed, transaction_id))

    def open_case(self, subject: Subject) -> Case | None:
        """The open case about a subject, which may have lost all its alerts."""
        found = [one for one in self.cases_about(subject) if one.is_open]
        return min(found, key=lambda one: not one.alerts, default=None)

    def cases_about(self, subject: Subject) -> Iterator[Case]:
        """Every case whose own subject this is or was, the earliest first."""
        found = (self.case(name) for name in self._cases_of.get(subject, ()))
        return (one for one in found if one is not None and subject in one.subjects)

    def last_closed(self, subject: Subject) -> Case | None:
        """The case about a subject, or with alerts about it, that was closed last."""
        found = (self.case(name) for name in self._cases_of.get(subject, ()))
        closed = [one for one in found if one is not None and one.state == "closed"]
        return max(closed, key=lambda one: (one.closed_at, one.version), default=None)

    def count_of(self, subject: Subject) -> int:
        """How many cases were opened about a subject so far."""
        return sum(1 for _ in self.cases_about(subject))

    def rings_with(self, feed: str, transaction_id: str) -> list[CaseAlert]:
        """Ring alerts that hold a transaction, whatever became of their case."""
        return self._rings_of.get((feed, transaction_id), [])

    def alerts_on(self, feed: str, transaction_id: str) -> list[CaseAlert]:
        """Transaction alerts with a transaction among their evidence."""
        return self._alerts_of.get((feed, transaction_id), [])

    def apply(self, draft: Draft) -> Event:
        """Append an event to the book and return it in its place."""
        event = draft.sealed(self.number + 1, self.digest)
        self._take(applied(self.streams.get(event.stream), event))
        self.number, self.digest = event.number, event.digest
        return event

    def _take(self, state: Stream) -> None:
        """Note a state, and all that it can be found by."""
        if isinstance(state, ListEntry):
            self.streams[state.entry_id] = self._entries[state.entry_id] = state
            self._homes.update(dict.fromkeys(state.passed_over, state.entry_id))
            return
        before = self.case(state.case_id)
        self.streams[state.case_id] = state
        known = set() if before is None else {one.alert_id for one in before.alerts}
        for alert in state.alerts:
            if alert.alert_id not in known:
                self._take_alert(alert, state.case_id)
        self._homes.update(dict.fromkeys(state.passed_over, state.case_id))
        if before is None:
            self._judge(state, state.judged)
        elif state.closed_at != before.closed_at:
            self._judge(state, state.ticked)
        for subject in state.subjects:
            self._index(subject, state.case_id)

    def _judge(self, case: Case, transaction_ids: Iterable[str]) -> None:
        for name in transaction_ids:
            self._judged[case.subject.feed, name] = case.case_id

    def _take_alert(self, alert: CaseAlert, case_id: str) -> None:
        is_new = alert.alert_id not in self._homes
        self._homes[alert.alert_id] = case_id
        self._index(alert.subject, case_id)
        if not is_new:
            return
        found = self._rings_of if alert.subject.kind == "ring" else self._alerts_of
        for name in alert.transaction_ids:
            found.setdefault((alert.subject.feed, name), []).append(alert)

    def _index(self, subject: Subject, case_id: str) -> None:
        names = self._cases_of.setdefault(subject, [])
        if case_id not in names:
            names.append(case_id)


def case_id_of(subject: Subject, ordinal: int) -> str:
    """The id of the n-th case about a subject, from 1: the same alerts always give the same."""
    name = f"{subject.kind}\0{subject.feed}\0{subject.name}\0{ordinal}"
    return f"case-{xxhash.xxh3_64_hexdigest(name.encode('utf-8', 'surrogatepass'))}"


def entry_id_of(subject: Subject, ordinal: int) -> str:
    """The id of the n-th list entry about a subject, from 1."""
    name = f"entry\0{subject.kind}\0{subject.feed}\0{subject.name}\0{ordinal}"
    return f"list-{xxhash.xxh3_64_hexdigest(name.encode('utf-8', 'surrogatepass'))}"
