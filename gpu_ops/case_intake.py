"""Intake: how published alerts become cases. Pure rules; nothing here reads or writes.

An alert goes, by the first of these that fits,
1. nowhere, where a list says so: the entry notes it;
2. nowhere, where all its transactions are judged: the case that judged notes it;
3. a transaction alert to the open case of the strongest ring that holds one of its transactions;
4. to the open case of its subject;
5. to a new case, which `follows` the last one closed about the subject, or about a ring that became
   part of it.

When a ring's alert comes after those of its transactions, these move over from cases that no person
has touched. So without a person in between, the same alerts give the same cases in any order and
however they are split; `opened_at` alone tells when which came.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from gpu_ops.case_book import Book, case_id_of
from gpu_ops.case_events import (
    INTAKE,
    AlertJoined,
    AlertLeft,
    AlertPassedOver,
    Assigned,
    Change,
    Draft,
    Escalated,
    Merged,
    Opened,
    SubjectChanged,
)
from gpu_ops.case_lists import passing_entry
from gpu_ops.case_model import Case, CaseAlert, Subject

MergedRings = Mapping[tuple[str, str], str]
"""(feed, ring) to the older ring that it merged into."""

_WITH_MERGED: Final = "came with the case of a ring that merged into this one"


def take_in(
    book: Book,
    alerts: Iterable[CaseAlert],
    *,
    now: datetime,
    due: timedelta,
    merged: MergedRings | None = None,
) -> list[Draft]:
    """What happens to cases when alerts come in.

    Args:
        book: Cases and lists as they are; it is brought up to date with the result.
        alerts: In any order; those that are known already change nothing.
        now: When they come in, UTC.
        due: How long a case may stay open.
        merged: All rings that merged into older ones, also those that were known before.

    Returns:
        The events to append, in order; empty where nothing is new.
    """
    desk = _Desk(book, now, due, merged or {})
    desk.follow_rings()
    new = {one.alert_id: one for one in alerts if not book.knows(one.alert_id)}
    # Rings first spares moves; the result is the same in any order.
    for alert in sorted(new.values(), key=_order):
        desk.take(alert)
    return desk.drafts


def _order(alert: CaseAlert) -> tuple[bool, datetime, str]:
    return alert.subject.kind != "ring", alert.last_at, alert.alert_id


class _Desk:
    """Takes alerts in, one after the other, and keeps the book up to date meanwhile."""

    def __init__(self, book: Book, now: datetime, due: timedelta, merged: MergedRings) -> None:
        self._book = book
        self._now = now
        self._due = due
        self._merged = merged
        self.drafts: list[Draft] = []

    def take(self, alert: CaseAlert) -> None:
        """Bring one alert to where it belongs."""
        feed = alert.subject.feed
        entry = passing_entry(self._book.entries(), alert)
        judges = [self._book.judge_of(feed, name) for name in alert.transaction_ids]
        if entry is not None:
            self._do(entry.entry_id, AlertPassedOver(alert_id=alert.alert_id))
        elif (judge := _last_if_all(judges)) is not None:
            self._do(judge, AlertPassedOver(alert_id=alert.alert_id))
        else:
            self._do(self._home(alert), AlertJoined(alert=alert))
            if alert.subject.kind == "ring":
                self._gather(alert)

    def follow_rings(self) -> None:
        """Let the open cases of rings that merged into older ones follow them."""
        for (feed, ring), older in sorted(self._merged.items()):
            case = self._book.open_case(Subject(kind="ring", feed=feed, name=ring))
            subject = self._line_of(Subject(kind="ring", feed=feed, name=older))
            if case is None or case.subject == subject:
                continue
            target = self._book.open_case(subject)
            if target is None:
                last = self._last_closed(subject)
                self._do(
                    case.case_id,
                    SubjectChanged(subject=subject, follows=None if last is None else last.case_id),
                )
            else:
                self._merge(case, target)

    def _merge(self, case: Case, target: Case) -> None:
        """Move all that a case has to the case of the older ring."""
        if not target.alerts:
            opened = Opened(
                subject=target.subject, due_at=self._now + self._due, follows=target.follows
            )
            self._do(target.case_id, opened)
        for alert in case.alerts:
            self._move(alert, case, target.case_id)
        if case.escalated and not target.escalated:
            self._do(target.case_id, Escalated(reason=_WITH_MERGED))
        if case.assignee is not None and target.assignee is None:
            self._do(target.case_id, Assigned(to=case.assignee))
        self._do(case.case_id, Merged(into=target.case_id))

    def _line_of(self, subject: Subject) -> Subject:
        """The subject that a ring's cases go by now; every other subject is itself."""
        seen = {subject}
        while subject.kind == "ring":
            older = self._merged.get((subject.feed, subject.name))
            following = (
                self._successor(subject)
                if older is None
                else subject.model_copy(update={"name": older})
            )
            if following is None or following in seen:
                break
            subject = following
            seen.add(subject)
        return subject

    def _successor(self, subject: Subject) -> Subject | None:
        """The subject of the case that a case about this one merged into."""
        for case in self._book.cases_about(subject):
            if case.merged_into is not None:
                into = self._book.case(case.merged_into)
                return None if into is None else into.subject
        return None

    def _last_closed(self, subject: Subject) -> Case | None:
        """The case closed last about a subject, or about a ring that merged into it since."""
        found = [self._book.last_closed(one) for one in (subject, *self._younger.get(subject, ()))]
        closed = [one for one in found if one is not None]
        return max(closed, key=lambda one: (one.closed_at, one.version), default=None)

    @cached_property
    def _younger(self) -> dict[Subject, list[Subject]]:
        """Ring to those that merged into it, over whatever others."""
        found: dict[Subject, list[Subject]] = {}
        for feed, name in self._merged:
            ring = Subject(kind="ring", feed=feed, name=name)
            found.setdefault(self._line_of(ring), []).append(ring)
        return found

    def _home(self, alert: CaseAlert) -> str:
        """The case that a new alert joins, opened where there is none."""
        ring = self._ring_case(alert)
        if ring is not None:
            return ring.case_id
        subject = self._line_of(alert.subject)
        case = self._book.open_case(subject)
        if case is not None and case.alerts:
            return case.case_id
        last = self._last_closed(subject)
        name = (
            case_id_of(subject, self._book.count_of(subject) + 1) if case is None else case.case_id
        )
        self._do(
            name,
            Opened(
                subject=subject,
                due_at=self._now + self._due,
                follows=None if last is None else last.case_id,
            ),
        )
        return name

    def _ring_case(self, alert: CaseAlert) -> Case | None:
        """The open case of the strongest ring that holds one of a transaction alert's payments."""
        if alert.subject.kind == "ring":
            return None
        found = {
            ring.alert_id: (ring, case)
            for name in alert.transaction_ids
            for ring in self._book.rings_with(alert.subject.feed, name)
            if (case := self._case_with(ring)) is not None and case.is_open
        }
        if not found:
            return None
        _, case = min(found.values(), key=lambda one: (-one[0].score, one[0].alert_id))
        return case

    def _gather(self, ring: CaseAlert) -> None:
        """Move the alerts of a ring's transactions to its case, out of cases nobody touched."""
        beside = {
            alert.alert_id: alert
            for name in ring.transaction_ids
            for alert in self._book.alerts_on(ring.subject.feed, name)
        }
        for alert in sorted(beside.values(), key=_order):
            case = self._case_with(alert)
            home = self._ring_case(alert)
            if case is None or home is None or not case.is_open or case.is_touched:
                continue
            if case.case_id != home.case_id:
                self._move(alert, case, home.case_id)

    def _case_with(self, alert: CaseAlert) -> Case | None:
        return self._book.case(self._book.home_of(alert.alert_id))

    def _move(self, alert: CaseAlert, case: Case, to: str) -> None:
        self._do(case.case_id, AlertLeft(alert_id=alert.alert_id, to=to))
        self._do(to, AlertJoined(alert=alert))

    def _do(self, stream: str, change: Change) -> None:
        draft = Draft(stream=stream, at=self._now, by=INTAKE, change=change)
        self._book.apply(draft)
        self.drafts.append(draft)


def _last_if_all(judges: list[str | None]) -> str | None:
    """The case that judged the alert's own transaction, where all its transactions are judged."""
    return judges[0] if judges and None not in judges else None
