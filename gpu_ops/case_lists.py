"""Suppressions and allow-lists: for how long whom no case is opened about, and why."""

from collections.abc import Iterable
from datetime import datetime

from gpu_ops.case_book import Book, entry_id_of
from gpu_ops.case_events import Draft, EntryEnded, EntryMade
from gpu_ops.case_model import CaseAlert, CaseRuleError, ListEntry, ListKind, Subject
from gpu_ops.case_words import named, told_why


def is_active(entry: ListEntry, moment: datetime) -> bool:
    """Whether an entry covers what happens at a moment of event time.

    Event time decides, not the clock: a payment of the last day of a holiday is covered also when
    its file lands the day after, and a run that is repeated later decides the same.
    """
    return entry.ended_at is None and moment < entry.until


def passing_entry(entries: Iterable[ListEntry], alert: CaseAlert) -> ListEntry | None:
    """The entry that keeps an alert from becoming a case, the earliest one of several.

    A suppression covers the alerts about its subject. An allowed account covers every payment that
    it takes part in. A ring is covered when it is itself on a list, or all its accounts are.
    """
    active = [one for one in entries if is_active(one, alert.last_at)]
    mine = [one for one in active if one.subject.feed == alert.subject.feed]
    covering = [one for one in mine if one.subject == alert.subject]
    listed = {one.subject.name: one for one in mine if one.subject.kind == "entity"}
    if alert.subject.kind == "ring":
        if alert.accounts and all(name in listed for name in alert.accounts):
            covering += [listed[name] for name in alert.accounts]
    else:
        # An account may be on both lists: its suppression must not hide that it is allowed.
        covering += [
            one
            for one in mine
            if one.list_kind == "allowed"
            and one.subject.kind == "entity"
            and one.subject.name in alert.accounts
        ]
    return min(covering, key=lambda one: (one.made_at, one.entry_id), default=None)


def allowed_until(entries: Iterable[ListEntry], feed: str) -> dict[str, datetime]:
    """Accounts of a feed whose payments are not blocked automatically, and how long each is so.

    Returns:
        Account to the moment of event time, UTC, before which it is allowed; the latest of several.
    """
    found: dict[str, datetime] = {}
    for one in entries:
        is_account = one.subject.kind == "entity" and one.subject.feed == feed
        if one.list_kind == "allowed" and is_account and one.ended_at is None:
            found[one.subject.name] = max(one.until, found.get(one.subject.name, one.until))
    return found


def put_on_list(
    book: Book,
    subject: Subject,
    kind: ListKind,
    *,
    until: datetime,
    by: str,
    reason: str,
    now: datetime,
) -> Draft:
    """Somebody puts an account or ring on a list.

    Args:
        book: What is known.
        subject: Whom.
        kind: `suppressed` or `allowed`.
        until: What happens from then on alerts again, UTC; later than `now`.
        by: Who.
        reason: Why.
        now: When, UTC.

    Raises:
        CaseRuleError: The end is not to come, it is on that list already, or name or reason say
            nothing.
    """
    if until <= now:
        raise CaseRuleError(
            f"the end {until:%Y-%m-%d %H:%M} UTC is over already, so the entry would cover nothing "
            "that is to come; give a later one"
        )
    about = [one for one in book.entries() if one.subject == subject]
    for one in about:
        if one.list_kind == kind and one.ended_at is None and one.until >= until:
            raise CaseRuleError(
                f"it is {kind} until {one.until:%Y-%m-%d %H:%M} UTC already, by {one.by} "
                f"({one.entry_id}); end that entry first to shorten it"
            )
    change = EntryMade(list_kind=kind, subject=subject, until=until, reason=told_why(reason))
    name = entry_id_of(subject, len(about) + 1)
    return Draft(stream=name, at=now, by=named(by), change=change)


def take_off_list(entry: ListEntry, *, by: str, reason: str, now: datetime) -> Draft:
    """Somebody ends an entry before it runs out.

    Raises:
        CaseRuleError: It was ended before, or name or reason say nothing.
    """
    if entry.ended_at is not None:
        raise CaseRuleError(
            f"{entry.entry_id} was ended on {entry.ended_at:%Y-%m-%d %H:%M} UTC by {entry.ended_by}"
        )
    change = EntryEnded(reason=told_why(reason))
    return Draft(stream=entry.entry_id, at=now, by=named(by), change=change)
