"""Cases as a person reads them in a terminal, and as JSON; accounts are masked unless asked for."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import wrap
from typing import Final

from pydantic import JsonValue

from fraud_assets.case_telling import told
from fraud_assets.text_layout import printable
from gpu_ops.case_book import Book
from gpu_ops.case_events import Event
from gpu_ops.case_lists import is_active
from gpu_ops.case_model import Case, CaseAlert, ListEntry, State, Subject
from gpu_ops.case_ranking import expected_loss, is_overdue, queue, reason_weights
from gpu_ops.case_words import in_a_line
from gpu_ops.masking import masked
from gpu_ops.reasons import REASONS

_HOUR_SECONDS: Final = 3600
_DAY_HOURS: Final = 48
_SHOWN: Final = 3
_WIDTH: Final = 98


@dataclass(frozen=True)
class Filter:
    """Which cases are wanted.

    Attributes:
        states: In one of these states.
        feed: Of this feed; None: of any.
        assignee: Of this person; None: of anybody.
        overdue: Only those that should be closed by now.
    """

    states: frozenset[State]
    feed: str | None = None
    assignee: str | None = None
    overdue: bool = False

    def fits(self, case: Case, now: datetime) -> bool:
        """Whether a case is wanted; one that lost all its alerts never is."""
        return (
            case.state in self.states
            and (case.is_work or not case.is_open)
            and self.feed in {None, case.subject.feed}
            and self.assignee in {None, case.assignee}
            and (not self.overdue or is_overdue(case, now))
        )


def chosen(book: Book, wanted: Filter, now: datetime) -> list[Case]:
    """The wanted cases: the queue in its order, then the others, those changed last first."""
    waiting = queue(book.cases())
    others = sorted(
        (one for one in book.cases() if not one.is_open),
        key=lambda one: (one.changed_at, one.case_id),
        reverse=True,
    )
    return [one for one in (*waiting, *others) if wanted.fits(one, now)]


def list_lines(cases: Sequence[Case], now: datetime) -> Iterator[str]:
    """A line a case, under a head."""
    rows = [
        (
            one.case_id,
            _state(one),
            _subject(one.subject, full=False),
            _loss(one),
            f"{len(one.alerts)}",
            _age(now, one.opened_at),
            _due(one, now),
            one.assignee or "",
            ", ".join(code for code, _ in reason_weights(one)[:_SHOWN]),
        )
        for one in cases
    ]
    head = ("case", "state", "about", "loss", "alerts", "age", "due", "assignee", "reasons")
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def list_json(cases: Iterable[Case], now: datetime) -> str:
    """The object that `cases list --json` prints."""
    return json.dumps({"cases": [_summary(one, now, full=False) for one in cases]})


def show_lines(
    case: Case, events: Sequence[Event], now: datetime, *, words: str, full: bool
) -> Iterator[str]:
    """All of a case: what it is about in words, reasons, alerts with transactions, and its log."""
    about = "ring" if case.subject.kind == "ring" else "account"
    yield f"{case.case_id}: {about} {_subject(case.subject, full=full)}, {_state(case)}"
    due = f", due {_due(case, now)}" if case.is_open else ""
    yield f"  version {case.version}, opened {_when(case.opened_at)}{due}"
    if case.assignee is not None:
        yield f"  assigned to {case.assignee}"
    if case.verdict is not None:
        yield f"  {case.verdict} on {len(case.ticked)} transactions by {case.closed_by}"
        yield f"  because: {in_a_line(case.reason or '')}"
    if case.follows is not None:
        yield f"  follows {case.follows}"
    if case.merged_into is not None:
        yield f"  merged into {case.merged_into}"
    yield f"  expected loss {_loss(case) or 'unknown'}"
    yield from wrap(words, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield "reasons"
    for code, weight in reason_weights(case):
        yield f"  {weight:>4.0%}  {code}: {REASONS.get(code, code)}"
    yield "alerts"
    for alert in case.alerts:
        yield from _alert_lines(alert, full=full)
    yield "log"
    for event in events:
        yield f"  {event.number}  {_when(event.at)}  {event.by}: {told(event.change)}"


def show_json(case: Case, events: Sequence[Event], now: datetime, *, words: str, full: bool) -> str:
    """The object that `cases show --json` prints."""
    shown: dict[str, JsonValue] = {
        **_summary(case, now, full=full),
        "explanation": words,
        "alerts": [_alert_json(one, full=full) for one in case.alerts],
        "transaction_ids": list(case.evidence),
        "judged_transaction_ids": list(case.ticked),
        "reason": case.reason,
        "log": [
            {
                "number": one.number,
                "at": one.at.isoformat(),
                "by": one.by,
                "what": one.change.kind,
                "told": told(one.change),
                "digest": one.digest,
            }
            for one in events
        ],
    }
    return json.dumps(shown)


def entry_lines(entries: Iterable[ListEntry], now: datetime) -> Iterator[str]:
    """A line a list entry, those that are in force first."""
    ordered = sorted(entries, key=lambda one: (not is_active(one, now), one.until, one.entry_id))
    for one in ordered:
        force = "" if is_active(one, now) else f", ended {_when(one.ended_at or one.until)}"
        yield (
            f"{one.entry_id}  {one.list_kind}  {_subject(one.subject, full=False)}  "
            f"until {_when(one.until)}{force}  {len(one.passed_over)} alerts passed over  "
            f"{one.by}: {in_a_line(one.reason)}"
        )


def entry_json(entries: Iterable[ListEntry], now: datetime) -> str:
    """The object that `cases suppressions --json` prints."""
    shown = [
        {
            "entry_id": one.entry_id,
            "list": one.list_kind,
            "about": _subject(one.subject, full=False),
            "until": one.until.isoformat(),
            "in_force": is_active(one, now),
            "passed_over": len(one.passed_over),
            "by": one.by,
            "reason": one.reason,
        }
        for one in sorted(entries, key=lambda one: (one.made_at, one.entry_id))
    ]
    return json.dumps({"entries": shown})


def _summary(case: Case, now: datetime, *, full: bool) -> dict[str, JsonValue]:
    return {
        "case_id": case.case_id,
        "feed": case.subject.feed,
        "about": case.subject.kind,
        "subject": _subject(case.subject, full=full),
        "state": case.state,
        "version": case.version,
        "expected_loss": expected_loss(case),
        "alert_ids": [one.alert_id for one in case.alerts],
        "reasons": {code: round(weight, 4) for code, weight in reason_weights(case)},
        "opened_at": case.opened_at.isoformat(),
        "due_at": case.due_at.isoformat(),
        "overdue": is_overdue(case, now),
        "escalated": case.escalated,
        "assignee": case.assignee,
        "verdict": case.verdict,
        "closed_at": None if case.closed_at is None else case.closed_at.isoformat(),
        "closed_by": case.closed_by,
        "follows": case.follows,
        "merged_into": case.merged_into,
    }


def _alert_lines(alert: CaseAlert, *, full: bool) -> Iterator[str]:
    what = f"ring, {alert.pattern}" if alert.pattern is not None else "payment"
    yield f"  {alert.alert_id}  {_when(alert.last_at)}  {what}  {alert.amount:,.2f}"
    yield f"    accounts: {', '.join(_account(name, full=full) for name in alert.accounts)}"
    yield f"    transactions: {', '.join(printable(name) for name in alert.transaction_ids)}"


def _alert_json(alert: CaseAlert, *, full: bool) -> dict[str, JsonValue]:
    return {
        "alert_id": alert.alert_id,
        "pattern": alert.pattern,
        "first_at": alert.first_at.isoformat(),
        "last_at": alert.last_at.isoformat(),
        "amount": alert.amount,
        "expected_loss": alert.loss,
        "accounts": [_account(name, full=full) for name in alert.accounts],
        "transaction_ids": list(alert.transaction_ids),
        "reasons": dict(alert.reasons),
    }


def _subject(subject: Subject, *, full: bool) -> str:
    if subject.kind == "ring":
        return f"{subject.feed} {subject.name}"
    return printable(subject.name) if full else f"{subject.feed} {masked(subject.name)}"


def _account(name: str, *, full: bool) -> str:
    return printable(name) if full else masked(name)


def _state(case: Case) -> str:
    state = f"closed: {case.verdict}" if case.verdict is not None else case.state
    return f"{state}, escalated" if case.escalated and case.is_open else state


def _loss(case: Case) -> str:
    loss = expected_loss(case)
    return "" if loss is None else f"{loss:,.2f}"


def _age(now: datetime, since: datetime) -> str:
    hours = max((now - since).total_seconds(), 0.0) / _HOUR_SECONDS
    return f"{hours:.0f} h" if hours < _DAY_HOURS else f"{hours / 24:.0f} d"


def _due(case: Case, now: datetime) -> str:
    if not case.is_open:
        return ""
    late = " OVERDUE" if is_overdue(case, now) else ""
    return f"{_when(case.due_at)}{late}"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
