"""How alerts become cases: the rules one by one, then their laws."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops import case_actions
from gpu_ops.case_book import Book
from gpu_ops.case_events import AlertLeft, Draft, Event, first_broken
from gpu_ops.case_fold import folded
from gpu_ops.case_intake import MergedRings, take_in
from gpu_ops.case_lists import put_on_list, take_off_list
from gpu_ops.case_model import Case, CaseAlert, CaseRuleError, Verdict
from tests.cases.made_alerts import NOON, WEEK, entity, payment, ring, ring_of

LATER = NOON + timedelta(hours=1)


def taken(book: Book, *alerts: CaseAlert, merged: MergedRings | None = None) -> list[str]:
    """Take alerts in; what happened, in short."""
    return [one.change.kind for one in take_in(book, alerts, now=NOON, due=WEEK, merged=merged)]


def grouped(book: Book) -> dict[str, set[str]]:
    """Subject of each case with something in it to its alerts."""
    return {
        one.subject.name: {alert.alert_id for alert in one.alerts}
        for one in book.cases()
        if one.alerts
    }


def case_of(book: Book, alert: CaseAlert) -> Case:
    found = book.case(book.home_of(alert.alert_id))
    assert found is not None
    return found


def closed(book: Book, alert: CaseAlert, verdict: Verdict = "confirmed", *ticked: str) -> Case:
    case = case_of(book, alert)
    draft = case_actions.close(
        book,
        case,
        verdict=verdict,
        reason="looked at",
        by="Bea",
        now=LATER,
        transaction_ids=ticked or None,
    )
    book.apply(draft)
    return case_of(book, alert)


def test_alerts_about_one_account_are_one_case_and_others_another() -> None:
    book = Book()
    assert taken(book, payment("1"), payment("2"), payment("3", "cyd")) == [
        "opened",
        "alert_joined",
        "alert_joined",
        "opened",
        "alert_joined",
    ]
    assert grouped(book) == {
        "card:customer:ada": {"tx-1", "tx-2"},
        "card:customer:cyd": {"tx-3"},
    }
    assert {one.due_at for one in book.cases()} == {NOON + WEEK}


def test_the_same_alerts_again_change_nothing() -> None:
    book = Book()
    alerts = (payment("1"), ring("r", ("1", "2")))
    taken(book, *alerts)
    number = book.number
    assert taken(book, *alerts) == []
    assert book.number == number


def test_a_payment_joins_the_open_case_of_its_ring() -> None:
    book = Book()
    taken(book, ring("r", ("1", "2")))
    assert taken(book, payment("2"), payment("9")) == ["alert_joined", "opened", "alert_joined"]
    assert grouped(book) == {"r": {"ring-r", "tx-2"}, "card:customer:ada": {"tx-9"}}


def test_a_ring_that_comes_later_takes_its_payments_over() -> None:
    book = Book()
    taken(book, payment("1"), payment("9"))
    assert taken(book, ring("r", ("1", "2"))) == [
        "opened",
        "alert_joined",
        "alert_left",
        "alert_joined",
    ]
    assert grouped(book) == {"r": {"ring-r", "tx-1"}, "card:customer:ada": {"tx-9"}}


def test_a_case_that_somebody_works_on_keeps_its_alerts() -> None:
    book = Book()
    taken(book, payment("1"))
    mine = case_of(book, payment("1"))
    book.apply(case_actions.assign(mine, to="Bea", by="Ada", now=LATER))
    taken(book, ring("r", ("1", "2")))
    assert grouped(book) == {"r": {"ring-r"}, "card:customer:ada": {"tx-1"}}


def test_of_two_rings_the_stronger_one_gets_the_payment() -> None:
    book = Book()
    taken(book, payment("1"), ring("weak", ("1", "2"), score=0.3))
    assert grouped(book)["weak"] == {"ring-weak", "tx-1"}
    taken(book, ring("strong", ("1", "3"), score=0.8))
    assert grouped(book) == {"weak": {"ring-weak"}, "strong": {"ring-strong", "tx-1"}}


def test_new_evidence_after_closing_opens_a_case_that_follows() -> None:
    book = Book()
    taken(book, payment("1"))
    first = closed(book, payment("1"))
    taken(book, payment("2"))
    second = case_of(book, payment("2"))
    assert second.case_id != first.case_id
    assert second.follows == first.case_id
    assert case_of(book, payment("1")).state == "closed"


@pytest.mark.parametrize("verdict", ["confirmed", "false", "unsure"])
def test_evidence_that_was_judged_opens_nothing(verdict: Verdict) -> None:
    book = Book()
    taken(book, payment("1", related=("2",)))
    first = closed(book, payment("1"), verdict)
    assert first.judged == ("1", "2")
    assert taken(book, ring("r", ("2", "1"))) == ["alert_passed_over"]
    assert book.home_of("ring-r") == first.case_id
    assert taken(book, ring("s", ("2", "3"))) == ["opened", "alert_joined"]


def test_evidence_that_was_not_ticked_counts_as_new() -> None:
    book = Book()
    taken(book, payment("1", related=("2",)))
    closed(book, payment("1"), "confirmed", "1")
    assert taken(book, ring("r", ("1",))) == ["alert_passed_over"]
    assert taken(book, ring("s", ("2",))) == ["opened", "alert_joined"]


def test_a_case_after_a_ring_follows_the_rings_case() -> None:
    book = Book()
    taken(book, ring("r", ("1", "2")), payment("1"))
    of_ring = closed(book, ring("r", ("1", "2")))
    taken(book, payment("9"))
    assert case_of(book, payment("9")).subject == entity("ada")
    assert case_of(book, payment("9")).follows == of_ring.case_id


def test_a_ring_that_merged_brings_its_case_to_the_older_one() -> None:
    book = Book()
    taken(book, ring("old", ("1", "2")), ring("young", ("3", "4")), payment("3"))
    young = case_of(book, ring("young", ()))
    book.apply(case_actions.escalate(young, reason="large", by="Bea", to="Cyd", now=LATER))
    taken(book, merged={("card", "young"): "old"})
    assert grouped(book) == {"old": {"ring-old", "ring-young", "tx-3"}}
    old = case_of(book, ring("old", ()))
    assert (old.assignee, old.escalated) == ("Cyd", True)
    gone = book.case(young.case_id)
    assert gone is not None
    assert (gone.state, gone.merged_into) == ("merged", old.case_id)
    # Without being told again: what comes about the young ring goes to the old one's case.
    assert taken(book, payment("4"), merged={}) == ["alert_joined"]
    assert book.home_of("tx-4") == old.case_id


def test_a_ring_that_merged_into_one_without_a_case_keeps_its_own() -> None:
    book = Book()
    taken(book, ring("young", ("3", "4")))
    case = case_of(book, ring("young", ()))
    assert taken(book, merged={("card", "young"): "old"}) == ["subject_changed"]
    assert taken(book, merged={("card", "young"): "old"}) == []
    assert taken(book, ring("old", ("1", "3"))) == ["alert_joined"]
    assert book.home_of("ring-old") == case.case_id


def test_rings_that_merged_into_each_other_end_nowhere_endless() -> None:
    book = Book()
    taken(book, ring("a", ("1",)), ring("b", ("2",)))
    taken(book, merged={("card", "a"): "b", ("card", "b"): "a"})
    assert sum(map(len, grouped(book).values())) == 2


def test_a_suppressed_account_opens_no_case_until_the_day() -> None:
    book = Book()
    made = put_on_list(
        book,
        entity("ada"),
        "suppressed",
        until=NOON + timedelta(days=2),
        by="Bea",
        reason="on holiday",
        now=NOON,
    )
    book.apply(made)
    assert taken(book, payment("1", day=1)) == ["alert_passed_over"]
    assert book.home_of("tx-1") == made.stream
    assert taken(book, payment("2", day=2)) == ["opened", "alert_joined"]
    (entry,) = book.entries()
    assert entry.passed_over == ("tx-1",)
    book.apply(take_off_list(entry, by="Cyd", reason="back early", now=LATER))
    assert taken(book, payment("3", day=1)) == ["alert_joined"]


def test_an_allowed_account_covers_who_pays_it_and_a_ring_needs_all() -> None:
    book = Book()
    trusted = entity("shop")
    until = NOON + WEEK
    book.apply(put_on_list(book, trusted, "allowed", until=until, by="B", reason="ours", now=NOON))
    paid = payment("1").model_copy(update={"accounts": ("card:customer:ada", trusted.name)})
    assert taken(book, paid) == ["alert_passed_over"]
    assert taken(book, ring("r", ("2",), accounts=("ada", "shop"))) == ["opened", "alert_joined"]
    assert taken(book, ring("s", ("3",), accounts=("shop",))) == ["alert_passed_over"]


def test_a_suppressed_ring() -> None:
    book = Book()
    until = NOON + WEEK
    book.apply(
        put_on_list(book, ring_of("r"), "suppressed", until=until, by="B", reason="known", now=NOON)
    )
    assert taken(book, ring("r", ("1",))) == ["alert_passed_over"]


def test_a_reopened_case_gets_what_comes_and_not_the_one_that_lost_its_alerts() -> None:
    book = Book()
    taken(book, payment("1"))
    first = closed(book, payment("1"))
    taken(book, payment("2"), ring("r", ("2",)))
    taken(book, payment("3"))
    emptied = case_of(book, payment("3"))
    taken(book, ring("s", ("3",)))
    assert grouped(book) == {
        "card:customer:ada": {"tx-1"},
        "r": {"ring-r", "tx-2"},
        "s": {"ring-s", "tx-3"},
    }
    assert case_of(book, payment("3")).case_id != emptied.case_id
    book.apply(case_actions.reopen(book, first, reason="new facts", by="Bea", now=LATER, due=WEEK))
    taken(book, payment("4"))
    assert book.home_of("tx-4") == first.case_id


def test_an_event_that_was_forged_with_its_own_digest_is_found_at_the_next() -> None:
    book = Book()
    drafts = take_in(Book(), [payment("1")], now=NOON, due=WEEK)
    first, second = (book.apply(one) for one in drafts)
    assert first_broken([first, second]) is None
    forged = drafts[0].model_copy(update={"by": "nobody"}).sealed(1, first.before)
    assert first_broken([forged, second]) == 2
    assert first_broken([forged, second.model_copy(update={"before": forged.digest})]) == 2
    assert first_broken([second]) == 1


def test_the_lines_of_one_feed_are_not_those_of_another() -> None:
    book = Book()
    other = payment("1").model_copy(
        update={"alert_id": "tx-other", "subject": entity("ada").model_copy(update={"feed": "aml"})}
    )
    taken(book, ring("r", ("1", "2")), other)
    assert grouped(book) == {"r": {"ring-r"}, "card:customer:ada": {"tx-other"}}


ALERTS = st.lists(
    st.one_of(
        st.builds(
            payment,
            st.sampled_from("123456"),
            st.sampled_from(["ada", "bea"]),
            related=st.sampled_from([(), ("2",), ("5", "6")]),
        ),
        st.builds(
            ring,
            st.sampled_from("rst"),
            st.sets(st.sampled_from("123456"), min_size=1, max_size=3).map(
                lambda names: tuple(sorted(names))
            ),
        ),
    ),
    max_size=8,
    unique_by=lambda one: one.alert_id,
)


def ranked(alerts: Sequence[CaseAlert]) -> list[CaseAlert]:
    """The same alerts with scores that differ, as no two rings are equally strong."""
    return [one.model_copy(update={"score": (place + 1) / 10}) for place, one in enumerate(alerts)]


@settings(deadline=None, max_examples=30)
@given(alerts=ALERTS, data=st.data())
def test_any_order_and_any_split_of_the_alerts_give_the_same_cases(
    alerts: list[CaseAlert], data: st.DataObject
) -> None:
    alerts = ranked(alerts)
    at_once, bit_by_bit = Book(), Book()
    taken(at_once, *alerts)
    rest = data.draw(st.permutations(alerts))
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        # What came before comes along, as every publication holds all alerts.
        taken(bit_by_bit, *rest[:size], *alerts[:1])
        rest = rest[size:]
    taken(bit_by_bit, *alerts)
    told = {
        one.case_id: grouped(at_once)[one.subject.name] for one in at_once.cases() if one.alerts
    }
    again = {
        one.case_id: grouped(bit_by_bit)[one.subject.name]
        for one in bit_by_bit.cases()
        if one.alerts
    }
    assert told == again


def worked(book: Book, data: st.DataObject) -> list[Draft]:
    """Something that a person may do now; nothing where the rules forbid it."""
    cases = sorted(book.cases(), key=lambda one: one.case_id)
    if not cases:
        return []
    case = data.draw(st.sampled_from(cases))
    possible: dict[str, Callable[[], Draft]] = {
        "assign": lambda: case_actions.assign(case, to="Bea", by="Ada", now=LATER),
        "escalate": lambda: case_actions.escalate(case, reason="large", by="Ada", now=LATER),
        "close": lambda: case_actions.close(
            book, case, verdict="false", reason="r", by="B", now=LATER
        ),
        "reopen": lambda: case_actions.reopen(book, case, reason="r", by="B", now=LATER, due=WEEK),
    }
    try:
        return [possible[data.draw(st.sampled_from(sorted(possible)))]()]
    except CaseRuleError:
        return []


@settings(deadline=None, max_examples=30)
@given(alerts=ALERTS, data=st.data())
def test_the_log_gives_the_state_and_every_alert_has_one_place(
    alerts: list[CaseAlert], data: st.DataObject
) -> None:
    book, log = Book(), list[Event]()
    for alert in alerts:
        shadow = Book.of(folded(log).values(), book.number, book.digest)
        drafts = take_in(shadow, [alert], now=NOON, due=WEEK)
        drafts += worked(shadow, data)
        log += [book.apply(one) for one in drafts]
    assert folded(log) == book.streams
    assert first_broken(log) is None
    held = [one.alert_id for case in book.cases() for one in case.alerts]
    passed = [name for case in book.cases() for name in case.passed_over]
    assert sorted(held + passed) == sorted(one.alert_id for one in alerts)


def test_new_evidence_about_a_ring_follows_the_closed_case_of_one_that_merged_into_it() -> None:
    book = Book()
    taken(book, ring("young", ("3", "4")))
    first = closed(book, ring("young", ()))
    taken(book, ring("old", ("1", "3")), merged={("card", "young"): "old"})
    second = case_of(book, ring("old", ()))
    assert (second.case_id == first.case_id, second.follows) == (False, first.case_id)


def test_an_alert_of_a_ring_that_merged_follows_its_closed_case() -> None:
    book = Book()
    taken(book, ring("young", ("3", "4")))
    first = closed(book, ring("young", ()))
    other = ring("young", ("5",)).model_copy(update={"alert_id": "ring-young-again"})
    taken(book, other, merged={("card", "young"): "old", ("card", "old"): "oldest"})
    assert case_of(book, other).subject == ring_of("oldest")
    assert case_of(book, other).follows == first.case_id


def test_who_judged_the_alerts_own_transaction_notes_it() -> None:
    book = Book()
    taken(book, payment("1"), payment("2", "cyd"))
    first, second = closed(book, payment("1")), closed(book, payment("2", "cyd"))
    for name, own, other, judge in (("x", "1", "2", first), ("y", "2", "1", second)):
        late = payment(name, "bea").model_copy(update={"transaction_ids": (own, other)})
        assert taken(book, late) == ["alert_passed_over"]
        assert book.home_of(late.alert_id) == judge.case_id


def test_a_merge_leaves_the_older_rings_case_to_whom_it_is_assigned() -> None:
    book = Book()
    taken(book, ring("old", ("1",)), ring("young", ("2",)))
    for name, who in (("old", "Ada"), ("young", "Bea")):
        case = case_of(book, ring(name, ()))
        book.apply(case_actions.assign(case, to=who, by="Cyd", now=LATER))
    assert taken(book, merged={("card", "young"): "old"}) == [
        "alert_left",
        "alert_joined",
        "merged",
    ]
    assert case_of(book, ring("old", ())).assignee == "Ada"


def test_a_case_that_lost_its_alerts_begins_anew_with_those_of_a_merged_ring() -> None:
    book = Book()
    taken(book, ring("old", ("1",)), ring("young", ("2",)), ring("third", ("3",)))
    emptied = case_of(book, ring("old", ()))
    moved = Draft(
        stream=emptied.case_id,
        at=NOON,
        by="intake",
        change=AlertLeft(alert_id="ring-old", to=case_of(book, ring("third", ())).case_id),
    )
    book.apply(moved)
    drafts = take_in(book, [], now=NOON + WEEK, due=WEEK, merged={("card", "young"): "old"})
    assert [one.change.kind for one in drafts] == [
        "opened",
        "alert_left",
        "alert_joined",
        "merged",
    ]
    (again,) = (one for one in book.cases() if one.case_id == emptied.case_id)
    assert (again.opened_at, again.due_at) == (NOON + WEEK, NOON + 2 * WEEK)


def test_a_payment_of_a_ring_whose_case_is_closed_opens_a_case() -> None:
    book = Book()
    taken(book, ring("r", ("1", "2")), ring("weak", ("2", "5"), score=0.1))
    closed(book, ring("r", ()), "confirmed", "1")
    assert taken(book, payment("2")) == ["alert_joined"]
    assert case_of(book, payment("2")).subject == ring_of("weak")
    closed(book, ring("weak", ()), "confirmed", "5")
    other = payment("2").model_copy(update={"alert_id": "tx-2-again"})
    assert taken(book, other) == ["opened", "alert_joined"]
    assert case_of(book, other).subject == entity("ada")
