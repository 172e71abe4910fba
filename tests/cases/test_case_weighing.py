"""What a case weighs where its alerts tell different things, or nothing."""

from datetime import timedelta

import pytest

from gpu_ops import case_actions
from gpu_ops.case_alerts import shares
from gpu_ops.case_book import Book
from gpu_ops.case_evidence import case_evidence
from gpu_ops.case_intake import take_in
from gpu_ops.case_lists import passing_entry
from gpu_ops.case_model import Case, CaseAlert, ListEntry
from gpu_ops.case_ranking import amount, case_table, expected_loss, queue
from gpu_ops.evidence import RingEvidence, TransactionEvidence
from tests.cases.made_alerts import NOON, WEEK, entity, payment, ring


def book_of(*alerts: CaseAlert) -> Book:
    book = Book()
    take_in(book, alerts, now=NOON, due=WEEK)
    return book


def test_a_loss_of_nothing_goes_before_one_that_nobody_knows() -> None:
    unknown = payment("1", "ada", loss=None, reasons=(("A", 0.5), ("B", 0.5)))
    book = book_of(unknown, payment("2", "bea", loss=0.0))
    assert [one.subject for one in queue(book.cases())] == [entity("bea"), entity("ada")]


def test_a_payment_of_nothing_costs_nothing() -> None:
    nothing = payment("1", "ada", loss=0.0).model_copy(update={"amount": 0.0})
    (case,) = book_of(nothing).cases()
    assert expected_loss(case) == 0.0
    (case,) = book_of(nothing, payment("2", "ada", loss=7.0)).cases()
    assert expected_loss(case) == pytest.approx(7.0)


def test_no_score_makes_up_for_a_reason() -> None:
    one_reason = payment("1", "ada", loss=None).model_copy(update={"score": 1.0})
    two = payment("2", "bea", loss=None, reasons=(("A", 0.5), ("B", 0.5)))
    weak = two.model_copy(update={"score": 0.0})
    # Two reasons with no score at all go before one with the highest score that there is.
    assert [one.subject for one in queue(book_of(one_reason, weak).cases())] == [
        entity("bea"),
        entity("ada"),
    ]


def test_the_same_money_is_not_counted_twice() -> None:
    book = book_of(ring("r", ("1", "2")), payment("1"), payment("2"))
    (case,) = (one for one in book.cases() if one.is_work)
    assert len(case.alerts) == 3
    # Two payments of 100 within a ring of 1,000.
    assert amount(case) == 1000.0
    assert case_table(book.cases(), capacity=1)["amount"].to_list() == [1000.0]


def test_what_speaks_against_an_alert_takes_nothing_from_the_other_reasons() -> None:
    assert shares(["A", "B", "C"], {"A": 3.0, "B": -2.0}) == (("A", 0.75), ("B", 0.0), ("C", 0.25))


@pytest.mark.parametrize("ids", [("list-1", "list-2"), ("list-2", "list-1")])
def test_of_several_entries_the_one_made_first_keeps_an_alert_off(ids: tuple[str, str]) -> None:
    entries = [
        ListEntry(
            entry_id=name,
            list_kind="suppressed",
            subject=entity("ada"),
            made_at=NOON + timedelta(seconds=seconds),
            by="Ada",
            reason="known",
            until=NOON + WEEK,
            version=seconds + 1,
        )
        for seconds, name in enumerate(ids)
    ]
    found = passing_entry(entries, payment("1"))
    assert found is not None
    assert found.entry_id == ids[0]


def test_a_merge_escalates_nobody_twice() -> None:
    book = book_of(ring("old", ("1",)), ring("young", ("2",)))

    def case_about(name: str) -> Case:
        (found,) = (one for one in book.cases() if one.subject.name == name)
        return found

    for name in ("old", "young"):
        book.apply(case_actions.escalate(case_about(name), reason="large", by="Ada", now=NOON))
    drafts = take_in(book, [], now=NOON, due=WEEK, merged={("card", "young"): "old"})
    assert [one.change.kind for one in drafts] == ["alert_left", "alert_joined", "merged"]
    assert case_about("old").escalated


def test_of_a_ring_whose_exposure_nobody_knows_no_sum_is_told() -> None:
    def evidence(name: str, exposure: float | None) -> RingEvidence:
        return RingEvidence(
            alert_id=f"ring-{name}",
            feed="card",
            ring_id=name,
            pattern="cycle",
            score=0.5,
            accounts=("card:customer:ada", "card:customer:bea"),
            transaction_ids=("1",),
            first_at=NOON,
            last_at=NOON,
            amount=1000.0,
            reasons=("RING_CYCLE",),
            exposure=exposure,
        )

    book = book_of(ring("old", ("1",)), ring("young", ("2",)))
    take_in(book, [], now=NOON, due=WEEK, merged={("card", "young"): "old"})
    (case,) = (one for one in book.cases() if one.is_work)
    for young, told in ((None, None), (400.0, 700.0), (900.0, 900.0)):
        known = {"ring-old": evidence("old", 700.0), "ring-young": evidence("young", young)}
        assert case_evidence(case, known).exposure == told


def test_payments_onward_are_no_further_exposure() -> None:
    def evidence(
        name: str, hour: int, payer: str, payee: str, amount: float
    ) -> TransactionEvidence:
        return TransactionEvidence(
            alert_id=f"tx-{name}",
            feed="card",
            transaction_id=name,
            occurred_at=NOON + timedelta(hours=hour),
            kind="transfer",
            amount=amount,
            currency="EUR",
            payer=f"card:customer:{payer}",
            payee=f"card:customer:{payee}",
            reasons=("ANOMALY_HIGH",),
            anomaly_score=0.5,
        )

    book = book_of(ring("r", ("1", "2", "3")))
    take_in(book, [payment(name) for name in "123"], now=NOON, due=WEEK)
    (case,) = (one for one in book.cases() if one.is_work)
    known = {
        "tx-1": evidence("1", 0, "ada", "mule", 500.0),
        "tx-2": evidence("2", 1, "bea", "mule", 300.0),
        "tx-3": evidence("3", 2, "mule", "zoe", 780.0),
    }
    assert case_evidence(case, known).exposure == pytest.approx(800.0)
