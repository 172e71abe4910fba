"""Case work on a store: what intake, the command line and later the dashboard do with it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft, Event
from gpu_ops.case_intake import MergedRings, take_in
from gpu_ops.case_model import Case, CaseAlert, CaseRuleError, ListEntry
from resources.case_store import CaseConflictError, CasesMovedError, CaseStore, CaseStoreError

_TRIES: Final = 5


@dataclass(frozen=True)
class TakenIn:
    """What an intake did.

    Attributes:
        book: All cases after it.
        alerts: Alerts that were new.
        opened: Cases that began, or began anew.
        joined: New alerts that went to a case that was open before.
        passed_over: New alerts that made no case.
    """

    book: Book
    alerts: int
    opened: int
    joined: int
    passed_over: int


def take_in_alerts(
    store: CaseStore,
    alerts: Sequence[CaseAlert],
    *,
    now: datetime,
    due: timedelta,
    merged: MergedRings | None = None,
) -> TakenIn:
    """Take alerts into the store, each once, all in one transaction.

    Args:
        store: Where the cases are.
        alerts: All published ones, or some; known ones change nothing.
        now: When, UTC.
        due: How long a new case may stay open.
        merged: Rings that merged into older ones.

    Raises:
        CaseStoreError: The store cannot be used; nothing was taken in, and repeating it does all.
    """
    for _ in range(_TRIES):
        book = store.book()
        number = book.number
        drafts = take_in(book, alerts, now=now, due=due, merged=merged)
        if not drafts:
            return TakenIn(book, 0, 0, 0, 0)
        try:
            store.append(drafts, after=number)
        except CasesMovedError:
            continue
        return _told(book, drafts)
    raise CaseConflictError(
        f"the cases changed {_TRIES} times while alerts were taken in; nothing was taken in, "
        "try again"
    )


def _told(book: Book, drafts: Sequence[Draft]) -> TakenIn:
    kinds = Counter(one.change.kind for one in drafts)
    # An alert that moves joins once more, and leaves.
    into_cases = kinds["alert_joined"] - kinds["alert_left"]
    opened = len({one.stream for one in drafts if one.change.kind == "opened"})
    return TakenIn(
        book=book,
        alerts=into_cases + kinds["alert_passed_over"],
        opened=opened,
        joined=max(into_cases - opened, 0),
        passed_over=kinds["alert_passed_over"],
    )


def change_case(
    store: CaseStore,
    prefix: str,
    make: Callable[[Book, Case], Draft],
    *,
    version: int | None = None,
) -> Event:
    """Do something with one case, unless somebody else did meanwhile.

    Args:
        store: Where it is.
        prefix: Its id, or as many first characters of it as no other has.
        make: What happens, made of all cases and this one.
        version: The version that the person saw; None: the one that is read now.

    The rules look at other cases too, such as one about the same subject that is open. So what is
    made up holds for the whole book or not at all: after whatever else happened meanwhile it is
    made up anew, a few times.

    Raises:
        CaseRuleError: There is no such case, or the rules are against it.
        CaseConflictError: The case changed since, or others did again and again; nothing was done.
        CaseStoreError: The store cannot be used.
    """
    seen = version
    for _ in range(_TRIES):
        book = store.book()
        case = find_case(book, prefix, store.place)
        if seen is not None and seen != case.version:
            raise CaseConflictError(
                f"{case.case_id} was changed since version {seen}, it has version {case.version} "
                "now; nothing was changed, look at it again"
            )
        # The ids of cases that are opened meanwhile may begin alike.
        prefix, seen = case.case_id, case.version
        draft = make(book, case)
        try:
            (event,) = store.append([draft], after=book.number, seen={case.case_id: seen})
        except CasesMovedError:
            continue
        return event
    raise _overtaken_again()


def change_lists(store: CaseStore, make: Callable[[Book], Draft]) -> Event:
    """Do something with a list, made of the lists as they are when it is done.

    Raises:
        CaseRuleError: The rules are against it.
        CaseConflictError: Cases or lists changed again and again meanwhile; nothing was done.
        CaseStoreError: The store cannot be used.
    """
    for _ in range(_TRIES):
        book = store.book()
        draft = make(book)
        try:
            (event,) = store.append([draft], after=book.number)
        except CasesMovedError:
            continue
        return event
    raise _overtaken_again()


def _overtaken_again() -> CaseConflictError:
    return CaseConflictError(
        f"the cases changed {_TRIES} times meanwhile; nothing was changed, try again in a moment"
    )


def find_case(book: Book, prefix: str, place: str) -> Case:
    """The case whose id begins with a text.

    Args:
        book: All cases.
        prefix: With or without `case-` before it.
        place: Where the book is from, for the error.

    Raises:
        CaseRuleError: No case has such an id, or several have.
    """
    wanted = "case-" + prefix.strip().removeprefix("case-")
    found = [one for one in book.cases() if one.case_id.startswith(wanted)]
    if len(found) != 1:
        many = f"{len(found)} cases have an id that begins with" if found else "there is no case"
        hint = "give more of it" if found else f"see `fraud-assets cases list` ({place})"
        raise CaseRuleError(f"{many} {wanted}; {hint}")
    return found[0]


def find_entry(book: Book, prefix: str) -> ListEntry:
    """The list entry whose id begins with a text; a CaseRuleError if it is not exactly one."""
    wanted = "list-" + prefix.strip().removeprefix("list-")
    found = [one for one in book.entries() if one.entry_id.startswith(wanted)]
    if len(found) != 1:
        raise CaseRuleError(
            f"{len(found) or 'no'} list entries have an id that begins with {wanted}; "
            "see `fraud-assets cases suppressions`"
        )
    return found[0]


def refuse_lost_store(store: CaseStore, kept: Mapping[str, object], snapshot: str) -> None:
    """Raise where a store lacks events that a snapshot in the lake was made of.

    An empty store in the place of a lost one would open every closed case again.

    Args:
        store: The store.
        kept: `log_head` of the snapshot.
        snapshot: Its name, for the error.

    Raises:
        CaseStoreError: The store was lost, or put back from an older copy, or is another one.
    """
    number = int(str(kept.get("number", 0)))
    if number and store.digest_at(number) != kept.get("digest"):
        raise CaseStoreError(
            f"the case store {store.place} is not the one that {snapshot} was made of: its event "
            f"{number} is missing or another one. It was lost, put back from an older copy, or "
            "FRAUD_CASES_URL leads elsewhere. Put the newest copy back, or run "
            "`fraud-assets cases restore`, which brings back what the lake knows of it"
        )


def log_head(book: Book) -> dict[str, JsonValue]:
    """What a snapshot keeps of the log that it was made of."""
    return {"number": book.number, "digest": book.digest}
