"""Who is on a list, and which alerts that keeps from becoming cases."""

from datetime import datetime, timedelta

import pytest

from fraud_assets.cases_cli import _named
from gpu_ops.case_book import Book
from gpu_ops.case_lists import allowed_until, passing_entry, put_on_list, take_off_list
from gpu_ops.case_model import CaseAlert, CaseRuleError, ListEntry, ListKind, Subject
from tests.cases.made_lake import AT

X, Y = "card:customer:7", "card:terminal:9"


def entry(name: str, kind: ListKind, number: int) -> ListEntry:
    return ListEntry(
        entry_id=f"list-{number}",
        list_kind=kind,
        subject=Subject(kind="entity", feed="card", name=name),
        made_at=AT + timedelta(seconds=number),
        by="Ada",
        reason="known",
        until=AT + timedelta(days=9),
        version=number,
    )


PAYMENT = CaseAlert(
    alert_id="tx-t1",
    subject=Subject(kind="entity", feed="card", name=X),
    first_at=AT,
    last_at=AT,
    transaction_ids=("t1",),
    accounts=(X, Y),
    reasons=(("ANOMALY_HIGH", 1.0),),
    loss=50.0,
    amount=100.0,
    score=0.5,
)


@pytest.mark.parametrize(
    ("entries", "covering"),
    [
        ([], None),
        # Suppressed is who the alert is about; allowed, who takes part.
        ([entry(Y, "suppressed", 1)], None),
        ([entry(X, "suppressed", 1)], "list-1"),
        ([entry(Y, "allowed", 1)], "list-1"),
        # On both lists, in either order: it stays allowed.
        ([entry(Y, "allowed", 1), entry(Y, "suppressed", 2)], "list-1"),
        ([entry(Y, "suppressed", 1), entry(Y, "allowed", 2)], "list-2"),
        # Of several that cover it, the earliest.
        ([entry(Y, "allowed", 3), entry(X, "suppressed", 2)], "list-2"),
    ],
)
def test_which_entry_keeps_a_payment_from_being_a_case(
    entries: list[ListEntry], covering: str | None
) -> None:
    found = passing_entry(entries, PAYMENT)
    assert (None if found is None else found.entry_id) == covering


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("a", ["a"]),
        ("a, c", ["a", "c"]),
        ("a,b", ["a,b"]),
        (" a,b ", ["a,b"]),
        ("a,b,c", ["a", "b", "c"]),
        (" , ", []),
    ],
)
def test_an_id_of_the_evidence_that_holds_commas_is_taken_whole(
    given: str, named: list[str]
) -> None:
    assert _named(given, ("a,b", "a", "b", "c")) == named


@pytest.mark.parametrize("until", [AT, AT - timedelta(days=1)])
def test_an_end_that_is_over_is_refused(until: datetime) -> None:
    subject = Subject(kind="entity", feed="card", name=X)
    with pytest.raises(CaseRuleError, match=rf"the end {until:%Y-%m-%d} 12:00 UTC is over already"):
        put_on_list(Book(), subject, "allowed", until=until, by="A", reason="r", now=AT)
    soon = AT + timedelta(microseconds=1)
    put_on_list(Book(), subject, "allowed", until=soon, by="A", reason="r", now=AT)


def test_until_when_an_account_is_allowed_is_the_latest_of_its_entries() -> None:
    entries = [
        entry(X, "allowed", 1),
        entry(X, "allowed", 2).model_copy(update={"until": AT + timedelta(days=12)}),
        entry(X, "allowed", 3),
        entry(X, "allowed", 4).model_copy(
            update={"until": AT + timedelta(days=99), "ended_at": AT, "ended_by": "Bea"}
        ),
        entry(Y, "suppressed", 5),
    ]
    assert allowed_until(entries, "card") == {X: AT + timedelta(days=12)}
    assert allowed_until(entries, "aml") == {}


def test_a_list_covers_its_own_feed_and_what_ends_before_it() -> None:
    other = PAYMENT.model_copy(
        update={"subject": Subject(kind="entity", feed="aml", name=X), "accounts": (X, Y)}
    )
    assert passing_entry([entry(X, "suppressed", 1), entry(Y, "allowed", 2)], other) is None
    ring = PAYMENT.model_copy(update={"last_at": AT + timedelta(days=9)})
    assert passing_entry([entry(X, "suppressed", 1)], ring) is None
    shorter = PAYMENT.model_copy(update={"last_at": AT + timedelta(days=8)})
    assert passing_entry([entry(X, "suppressed", 1)], shorter) is not None


def test_after_an_entry_was_ended_a_shorter_one_may_be_made() -> None:
    book, subject = Book(), Subject(kind="entity", feed="card", name=X)

    def put(kind: ListKind, days: int) -> None:
        until = AT + timedelta(days=days)
        book.apply(put_on_list(book, subject, kind, until=until, by="A", reason="r", now=AT))

    put("suppressed", 9)
    put("allowed", 3)
    with pytest.raises(CaseRuleError, match="it is suppressed until 2024-03-11 12:00 UTC already"):
        put("suppressed", 9)
    first = min(book.entries(), key=lambda one: one.version)
    book.apply(take_off_list(first, by="B", reason="back", now=AT))
    put("suppressed", 2)
    with pytest.raises(CaseRuleError, match="was ended on 2024-03-02 12:00 UTC by B"):
        take_off_list(
            next(one for one in book.entries() if one.ended_at), by="B", reason="r", now=AT
        )
