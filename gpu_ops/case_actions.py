"""What a person may do with a case. Each makes the event, or says why it cannot be."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from gpu_ops.case_book import Book
from gpu_ops.case_events import Assigned, Change, Closed, Draft, Escalated, Reopened
from gpu_ops.case_model import VERDICTS, Case, CaseRuleError, Verdict
from gpu_ops.case_words import named, told_why
from gpu_ops.masking import masked

_TICK: Final = timedelta(microseconds=1)
_SHOWN: Final = 5


def assign(case: Case, *, to: str, by: str, now: datetime) -> Draft:
    """Somebody is to work on a case; also in place of another.

    Raises:
        CaseRuleError: It is not open, or a name says nothing.
    """
    _must_be_open(case)
    return _draft(case, Assigned(to=named(to)), by, now)


def escalate(case: Case, *, reason: str, by: str, now: datetime, to: str | None = None) -> Draft:
    """Somebody with more authority is to look at a case.

    Raises:
        CaseRuleError: It is not open, or a name or the reason says nothing.
    """
    _must_be_open(case)
    change = Escalated(reason=told_why(reason), to=None if to is None else named(to))
    return _draft(case, change, by, now)


def close(
    book: Book,
    case: Case,
    *,
    verdict: Verdict,
    reason: str,
    by: str,
    now: datetime,
    transaction_ids: Sequence[str] | None = None,
) -> Draft:
    """A case gets its verdict.

    Args:
        book: What is known; other cases may have judged some of the evidence.
        case: Which.
        verdict: `confirmed`, `false` or `unsure`.
        reason: Why.
        by: Who.
        now: When, UTC; the labels are known from then on.
        transaction_ids: What the verdict applies to; None: the evidence, without what another case
            has judged, since nobody looked at that again.

    Raises:
        CaseRuleError: It is not open, a transaction is not in it, or a text says nothing.
    """
    _must_be_open(case)
    if verdict not in VERDICTS:
        raise CaseRuleError(f"{verdict!r} is no verdict: {', '.join(VERDICTS)}")
    if transaction_ids is None:
        feed = case.subject.feed
        judges = {name: book.judge_of(feed, name) for name in case.evidence}
        ticked = [name for name, judge in judges.items() if judge in {None, case.case_id}]
    else:
        ticked = list(dict.fromkeys(transaction_ids))
        strange = [name for name in ticked if name not in set(case.evidence)]
        if not ticked:
            raise CaseRuleError("name at least one transaction, or none at all for the evidence")
        if strange:
            shown = ", ".join(masked(name) for name in strange[:_SHOWN])
            raise CaseRuleError(
                f"{case.case_id} has no transaction {shown}"
                + (f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else "")
            )
    change = Closed(verdict=verdict, reason=told_why(reason), transaction_ids=tuple(ticked))
    return _draft(case, change, by, max(now, *_after_judges(book, case, ticked)))


def reopen(book: Book, case: Case, *, reason: str, by: str, now: datetime, due: timedelta) -> Draft:
    """A closed case is worked on again; what it judged stays judged until it is closed anew.

    Raises:
        CaseRuleError: It is not closed, a case about the same subject is open, or a text says
            nothing.
    """
    if case.state != "closed":
        raise CaseRuleError(f"{case.case_id} is {case.state}, not closed")
    other = book.open_case(case.subject)
    if other is not None and other.alerts:
        raise CaseRuleError(
            f"{other.case_id} about the same {case.subject.kind} is open; work there"
        )
    return _draft(case, Reopened(reason=told_why(reason), due_at=now + due), by, now)


def _after_judges(book: Book, case: Case, ticked: Sequence[str]) -> list[datetime]:
    """From when on a verdict looks later than those of other cases on the same transactions."""
    feed = case.subject.feed
    judges = {judge for name in ticked if (judge := book.judge_of(feed, name)) is not None}
    found = (book.case(judge) for judge in judges)
    return [case.changed_at, *(one.changed_at + _TICK for one in found if one is not None)]


def _must_be_open(case: Case) -> None:
    if case.state == "closed":
        raise CaseRuleError(
            f"{case.case_id} was closed as {case.verdict} by {case.closed_by} on "
            f"{case.closed_at:%Y-%m-%d %H:%M} UTC; reopen it first"
        )
    if case.merged_into is not None:
        raise CaseRuleError(f"{case.case_id} was merged into {case.merged_into}; work there")
    if not case.alerts:
        raise CaseRuleError(f"{case.case_id} has no alerts any more; they went to another case")


def _draft(case: Case, change: Change, by: str, now: datetime) -> Draft:
    # A clock that was set back must not make a later verdict look older than an earlier one.
    at = max(now, case.changed_at + _TICK)
    return Draft(stream=case.case_id, at=at, by=named(by), change=change)
