"""What each event does to a case, where the rest of the suite does not tell by itself."""

from datetime import timedelta

import pytest

from gpu_ops import case_actions
from gpu_ops.case_book import Book, case_id_of
from gpu_ops.case_events import (
    AlertJoined,
    AlertPassedOver,
    Assigned,
    Change,
    Draft,
    EntryEnded,
    EntryMade,
    Opened,
    SubjectChanged,
)
from gpu_ops.case_evidence import case_evidence
from gpu_ops.case_fold import LogError
from gpu_ops.case_intake import take_in
from gpu_ops.case_lists import put_on_list
from gpu_ops.case_model import Case
from tests.cases.made_alerts import NOON, WEEK, entity, payment, ring, ring_of

HOUR = timedelta(hours=1)


def happened(book: Book, stream: str, change: Change) -> None:
    book.apply(Draft(stream=stream, at=NOON, by="Ada", change=change))


def only_case(book: Book) -> Case:
    (case,) = book.cases()
    return case


def close(book: Book, hours: int) -> Case:
    """Close the open case, so many hours after noon."""
    (case,) = (one for one in book.cases() if one.is_work)
    at = NOON + hours * HOUR
    draft = case_actions.close(book, case, verdict="false", reason="r", by="Bea", now=at)
    book.apply(draft)
    return case


@pytest.mark.parametrize(
    "change",
    [
        Opened(subject=entity("ada"), due_at=NOON),
        EntryMade(list_kind="allowed", subject=entity("ada"), until=NOON, reason="r"),
        EntryEnded(reason="r"),
    ],
)
def test_what_cannot_happen_to_a_case(change: Change) -> None:
    book = Book()
    take_in(book, [payment("1")], now=NOON, due=WEEK)
    name = only_case(book).case_id
    with pytest.raises(
        LogError, match=rf"event 3 \({change.kind}\) cannot have happened to {name}"
    ):
        happened(book, name, change)


@pytest.mark.parametrize(
    "change",
    [
        EntryMade(list_kind="allowed", subject=entity("ada"), until=NOON, reason="r"),
        Opened(subject=entity("ada"), due_at=NOON),
        AlertJoined(alert=payment("1")),
        Assigned(to="Bea"),
    ],
)
def test_what_cannot_happen_to_a_list_entry(change: Change) -> None:
    book = Book()
    until = NOON + WEEK
    made = put_on_list(book, entity("x"), "allowed", until=until, by="A", reason="r", now=NOON)
    book.apply(made)
    with pytest.raises(LogError, match=f"cannot have happened to {made.stream}"):
        book.apply(Draft(stream=made.stream, at=NOON, by="Ada", change=change))


def test_what_happens_to_nothing_is_refused() -> None:
    for change in (Assigned(to="Bea"), AlertPassedOver(alert_id="a"), EntryEnded(reason="r")):
        with pytest.raises(LogError, match="cannot have happened to case-none"):
            happened(Book(), "case-none", change)


def test_a_case_that_was_escalated_keeps_its_alerts() -> None:
    book = Book()
    take_in(book, [payment("1")], now=NOON, due=WEEK)
    case = only_case(book)
    book.apply(case_actions.escalate(case, reason="large", by="Ada", now=NOON))
    take_in(book, [ring("r", ("1", "2"))], now=NOON, due=WEEK)
    assert book.home_of("tx-1") == case.case_id


def test_a_case_follows_the_one_that_was_closed_last() -> None:
    book = Book()
    take_in(book, [payment("1")], now=NOON, due=WEEK)
    first = close(book, 1)
    take_in(book, [payment("2")], now=NOON, due=WEEK)
    second = close(book, 2)
    take_in(book, [payment("3")], now=NOON, due=WEEK)
    (third,) = (one for one in book.cases() if one.is_work)
    assert (second.follows, third.follows) == (first.case_id, second.case_id)


def test_a_case_that_follows_one_goes_on_to_when_its_ring_becomes_part_of_another() -> None:
    book = Book()
    take_in(book, [ring("r", ("1", "2"))], now=NOON, due=WEEK)
    first = close(book, 1)
    again = ring("r", ("3",)).model_copy(update={"alert_id": "ring-again"})
    take_in(book, [again], now=NOON, due=WEEK)
    (second,) = (one for one in book.cases() if one.is_work)
    happened(book, second.case_id, SubjectChanged(subject=ring_of("old"), follows="case-other"))
    changed = book.case(second.case_id)
    assert changed is not None
    assert (changed.follows, changed.former_subjects) == (first.case_id, ("r",))


def test_rings_of_two_feeds_that_are_called_alike_are_two_cases() -> None:
    assert case_id_of(ring_of("r", "card"), 1) != case_id_of(ring_of("r", "aml"), 1)
    assert case_id_of(ring_of("r"), 1) != case_id_of(ring_of("r"), 2)
    book = Book()
    other = ring("r", ("1",)).model_copy(
        update={"alert_id": "ring-aml", "subject": ring_of("r", "aml")}
    )
    take_in(book, [ring("r", ("1",)), other], now=NOON, due=WEEK)
    assert len(list(book.cases())) == 2


def test_a_longer_entry_stands_beside_a_shorter_one() -> None:
    book = Book()
    for days in (1, 2):
        until = NOON + timedelta(days=days)
        book.apply(
            put_on_list(book, entity("x"), "suppressed", until=until, by="A", reason="r", now=NOON)
        )
    assert sorted(one.until for one in book.entries()) == [NOON + 24 * HOUR, NOON + 48 * HOUR]


def test_evidence_spans_all_alerts_and_names_other_closed_cases_alone() -> None:
    book = Book()
    take_in(book, [payment("1")], now=NOON, due=WEEK)
    first = close(book, 1)
    take_in(book, [payment("2", day=1), payment("3", day=3)], now=NOON, due=WEEK)
    second = close(book, 2)
    cases = list(book.cases_about(entity("ada")))
    closed = book.case(second.case_id)
    assert closed is not None
    told = case_evidence(closed, {}, cases)
    day = timedelta(days=1)
    assert (told.first_at, told.last_at) == (NOON + day, NOON + 3 * day)
    assert [one.case_id for one in told.earlier] == [first.case_id]
