"""What a person may do in which state, and in which order cases stand."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gpu_ops import case_actions
from gpu_ops.case_alerts import shares
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_intake import take_in
from gpu_ops.case_model import Case, CaseAlert, CaseRuleError, Verdict
from gpu_ops.case_ranking import case_table, expected_loss, is_overdue, queue, reason_weights
from tests.cases.made_alerts import NOON, WEEK, payment, ring

LATER = NOON + timedelta(hours=1)
TICK = timedelta(microseconds=1)
Action = Callable[[Book, Case], Draft]

ACTIONS: dict[str, Action] = {
    "assign": lambda _, case: case_actions.assign(case, to="Ada", by="Bea", now=LATER),
    "escalate": lambda _, case: case_actions.escalate(case, reason="large", by="Bea", now=LATER),
    "close": lambda book, case: case_actions.close(
        book, case, verdict="confirmed", reason="denied", by="Ada", now=LATER
    ),
    "reopen": lambda book, case: case_actions.reopen(
        book, case, reason="new facts", by="Ada", now=LATER, due=WEEK
    ),
}


def book_of(*alerts: CaseAlert) -> Book:
    book = Book()
    take_in(book, alerts, now=NOON, due=WEEK)
    return book


def done(book: Book, *actions: str) -> Case:
    """The one case after some actions."""
    (name,) = (one.case_id for one in book.cases())
    for action in actions:
        case = book.case(name)
        assert case is not None
        book.apply(ACTIONS[action](book, case))
    case = book.case(name)
    assert case is not None
    return case


@pytest.mark.parametrize(
    ("actions", "state", "assignee", "escalated"),
    [
        ([], "new", None, False),
        (["assign"], "assigned", "Ada", False),
        (["escalate"], "new", None, True),
        (["assign", "escalate"], "assigned", "Ada", True),
        (["close"], "closed", None, False),
        (["assign", "close"], "closed", "Ada", False),
        (["close", "reopen"], "new", None, False),
        (["assign", "close", "reopen"], "assigned", "Ada", False),
        (["close", "reopen", "close"], "closed", None, False),
    ],
)
def test_states(actions: list[str], state: str, assignee: str | None, escalated: bool) -> None:  # noqa: FBT001 - a column of the table above
    case = done(book_of(payment("1")), *actions)
    assert (case.state, case.assignee, case.escalated) == (state, assignee, escalated)


@pytest.mark.parametrize(
    ("before", "action", "words"),
    [
        (["close"], "assign", "was closed as confirmed by Ada on 2024-03-02 13:00 UTC; reopen it"),
        (["close"], "escalate", "reopen it first"),
        (["close"], "close", "reopen it first"),
        ([], "reopen", "is new, not closed"),
        (["assign"], "reopen", "is assigned, not closed"),
    ],
)
def test_what_a_state_forbids(before: list[str], action: str, words: str) -> None:
    book = book_of(payment("1"))
    case = done(book, *before)
    with pytest.raises(CaseRuleError, match=words):
        ACTIONS[action](book, case)


def test_a_case_that_is_followed_by_an_open_one_stays_closed() -> None:
    book = book_of(payment("1"))
    first = done(book, "close")
    take_in(book, [payment("2")], now=LATER, due=WEEK)
    with pytest.raises(CaseRuleError, match=r"case-\w+ about the same entity is open; work there"):
        ACTIONS["reopen"](book, first)


def test_a_verdict_goes_to_the_evidence_that_no_other_case_judged() -> None:
    book = book_of(payment("1", related=("2",)))
    done(book, "close")
    take_in(book, [ring("r", ("2", "3"))], now=LATER, due=WEEK)
    (second,) = (one for one in book.cases() if one.is_work)
    draft = ACTIONS["close"](book, second)
    assert draft.change.model_dump()["transaction_ids"] == ("3",)
    explicit = case_actions.close(
        book,
        second,
        verdict="false",
        reason="r",
        by="A",
        now=LATER,
        transaction_ids=["2", "2"],
    )
    assert explicit.change.model_dump()["transaction_ids"] == ("2",)


def test_what_was_judged_stays_judged_when_a_later_verdict_is_on_less() -> None:
    book = book_of(payment("1", related=("2",)))
    case = done(book, "close", "reopen")
    book.apply(
        case_actions.close(
            book,
            case,
            verdict="false",
            reason="r",
            by="A",
            now=LATER,
            transaction_ids=["1"],
        )
    )
    (last,) = book.cases()
    assert (last.ticked, last.judged) == (("1",), ("1", "2"))
    assert book.judge_of("card", "2") == last.case_id


def test_a_clock_that_was_set_back_makes_no_verdict_older() -> None:
    book = book_of(payment("1"))
    case = done(book, "close", "reopen")
    earlier = case_actions.close(book, case, verdict="false", reason="r", by="A", now=NOON - WEEK)
    assert earlier.at > case.changed_at


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[31mb", "x" * 201])
def test_names_that_say_nothing_are_refused(name: str) -> None:
    case = done(book_of(payment("1")))
    with pytest.raises(CaseRuleError, match="a name"):
        case_actions.assign(case, to=name, by="Bea", now=LATER)


def test_the_queue_is_by_escalation_then_loss_then_score() -> None:
    book = book_of(
        payment("1", "small", loss=5.0),
        payment("2", "large", loss=50.0),
        payment("3", "large", loss=30.0),
        payment("4", "unknown", loss=None),
        ring("r", ("9",), score=0.06),
    )
    names = [one.subject.name.split(":")[-1] for one in queue(book.cases())]
    assert names == ["large", "r", "small", "unknown"]
    small = next(one for one in book.cases() if one.subject.name.endswith("small"))
    book.apply(ACTIONS["escalate"](book, small))
    table = case_table(book.cases(), capacity=2)
    assert table.select("place", "within_capacity", "expected_loss").rows() == [
        (1, True, 5.0),
        (2, True, 80.0),
        (3, False, 60.0),
        (4, False, None),
    ]


def test_without_a_loss_reasons_count_before_the_score() -> None:
    two = (("A", 0.5), ("B", 0.5))
    book = book_of(
        payment("1", "one", loss=None).model_copy(update={"score": 1.0}),
        payment("2", "two", loss=None, reasons=two).model_copy(update={"score": 0.1}),
        payment("3", "both", loss=None, reasons=two).model_copy(update={"score": 0.2}),
    )
    names = [one.subject.name.split(":")[-1] for one in queue(book.cases())]
    assert names == ["both", "two", "one"]


def test_the_money_of_a_ring_and_of_its_payments_counts_once() -> None:
    book = book_of(
        ring("r", ("1", "2"), score=0.1), payment("1", loss=70.0), payment("2", loss=50.0)
    )
    (case,) = book.cases()
    assert expected_loss(case) == 120.0


def test_money_that_a_mule_passes_on_is_lost_once() -> None:
    onward = payment("2", loss=90.0, day=1).model_copy(
        update={"accounts": ("card:terminal:9", "card:customer:zoe")}
    )
    book = book_of(payment("1", loss=70.0), ring("r", ("1", "2"), score=0.01))
    take_in(book, [onward], now=NOON, due=WEEK)
    (case,) = (one for one in book.cases() if one.subject.name == "r")
    assert len(case.alerts) == 3
    # 100 at .7, then the same 100 at .9.
    assert expected_loss(case) == pytest.approx(90.0)


def test_reasons_add_up_to_one_however_the_alerts_split() -> None:
    book = book_of(
        payment("1", loss=30.0, reasons=(("A", 0.5), ("B", 0.5))),
        payment("2", loss=10.0, reasons=(("B", 1.0),)),
        payment("3", loss=0.0, reasons=()),
    )
    (case,) = book.cases()
    assert reason_weights(case) == [("B", 0.625), ("A", 0.375)]


@pytest.mark.parametrize(
    ("reasons", "weights", "expected"),
    [
        ([], {}, ()),
        (["A"], {}, (("A", 1.0),)),
        (["A", "B"], {"B": 3.0, "C": 9.0}, (("A", 0.25), ("B", 0.75))),
        (["RULE", "MODEL_X"], {"MODEL_X": 3.0}, (("RULE", 0.25), ("MODEL_X", 0.75))),
        (
            ["MODEL_X", "MODEL_Y"],
            {"MODEL_X": -1.0, "MODEL_Y": 0.0},
            (("MODEL_X", 0.5), ("MODEL_Y", 0.5)),
        ),
    ],
)
def test_shares(
    reasons: list[str], weights: dict[str, float], expected: tuple[tuple[str, float], ...]
) -> None:
    found = shares(reasons, weights)
    assert [code for code, _ in found] == [code for code, _ in expected]
    assert [one for _, one in found] == pytest.approx([one for _, one in expected])


def test_a_case_is_overdue_from_the_moment_after_it_is_due() -> None:
    case = done(book_of(payment("1")))
    assert not is_overdue(case, NOON + WEEK)
    assert is_overdue(case, NOON + WEEK + timedelta(microseconds=1))
    assert not is_overdue(done(book_of(payment("1")), "close"), NOON + 2 * WEEK)


def test_shares_add_up_to_one_where_what_has_reasons_costs_nothing() -> None:
    book = book_of(
        payment("1", loss=0.0, reasons=(("A", 0.25), ("B", 0.75))),
        payment("2", loss=10.0, reasons=()),
    )
    (case,) = book.cases()
    assert reason_weights(case) == [("B", 0.75), ("A", 0.25)]


def test_a_name_is_one_line_and_a_reason_is_kept_as_typed() -> None:
    case = done(book_of(payment("1")))
    for name in ("Ada\n9  intake: closed", "Ada\tB"):
        with pytest.raises(CaseRuleError, match="a name must not hold characters that do not"):
            case_actions.assign(case, to=name, by="Bea", now=LATER)
    draft = case_actions.escalate(case, reason=" large,\nand odd ", by="Bea", now=LATER)
    assert draft.change.model_dump()["reason"] == "large,\nand odd"


def test_a_reopened_case_judges_its_own_evidence_anew_and_is_due_anew() -> None:
    book = book_of(payment("1", related=("2",)))
    case = done(book, "close", "reopen")
    assert (case.opened_at, case.due_at) == (LATER + TICK, LATER + WEEK)
    assert (case.verdict, case.ticked, case.closed_at, case.reason) == (None, (), None, None)
    again = case_actions.close(book, case, verdict="false", reason="r", by="A", now=LATER + WEEK)
    assert again.change.model_dump()["transaction_ids"] == ("1", "2")
    assert again.at == LATER + WEEK


def test_nobody_works_on_a_case_whose_alerts_went_elsewhere() -> None:
    book = book_of(payment("1"))
    emptied = done(book)
    take_in(book, [ring("young", ("1", "2")), ring("old", ("8",))], now=NOON, due=WEEK)
    found = book.case(emptied.case_id)
    assert found is not None
    with pytest.raises(CaseRuleError, match=r"has no alerts any more; they went to another case"):
        ACTIONS["assign"](book, found)
    take_in(book, [], now=NOON, due=WEEK, merged={("card", "young"): "old"})
    (merged,) = (one for one in book.cases() if one.state == "merged")
    for action in ("assign", "escalate", "close"):
        with pytest.raises(CaseRuleError, match=rf"merged into {merged.merged_into}; work there"):
            ACTIONS[action](book, merged)


def test_a_verdict_needs_a_word_and_a_transaction() -> None:
    book = book_of(payment("1"))
    case = done(book)

    def close(verdict: Verdict, names: list[str] | None) -> None:
        case_actions.close(
            book, case, verdict=verdict, reason="r", by="A", now=LATER, transaction_ids=names
        )

    with pytest.raises(CaseRuleError, match="'maybe' is no verdict: confirmed, false, unsure"):
        close("maybe", None)  # type: ignore[arg-type]
    with pytest.raises(CaseRuleError, match="name at least one transaction"):
        close("false", [])
    with pytest.raises(CaseRuleError, match=r"no transaction …, …, …, …, … and 1 more"):
        close("false", ["a", "b", "c", "d", "e", "f"])


def test_a_later_verdict_looks_later_also_where_another_clock_is_behind() -> None:
    book = book_of(payment("1"))
    first = done(book, "close")
    # Whoever takes alerts in has a clock that is behind that of the one who closed.
    take_in(
        book, [payment("again").model_copy(update={"transaction_ids": ("1",)})], now=NOON, due=WEEK
    )
    reopened = done(book, "reopen")
    again = case_actions.close(book, reopened, verdict="false", reason="r", by="A", now=NOON)
    assert first.closed_at is not None
    assert again.at == first.closed_at + 2 * TICK


def test_a_verdict_on_what_another_case_judged_is_later_than_that() -> None:
    book = book_of(payment("1", related=("2",)))
    first = done(book, "close")
    take_in(book, [ring("r", ("1", "3"))], now=NOON, due=WEEK)
    (second,) = (one for one in book.cases() if one.is_work)

    def close(*names: str) -> Draft:
        return case_actions.close(
            book, second, verdict="false", reason="r", by="A", now=NOON, transaction_ids=names
        )

    assert first.closed_at is not None
    assert close("1").at == first.closed_at + TICK
    assert close("3").at == NOON + TICK


def test_a_case_that_lost_its_alerts_is_in_no_table() -> None:
    book = book_of(payment("1"))
    take_in(book, [ring("r", ("1", "2"))], now=NOON, due=WEEK)
    assert len(list(book.cases())) == 2
    table = case_table(book.cases(), capacity=1)
    assert table.select("ring_id", "place").rows() == [("r", 1)]


def test_of_equals_the_case_that_was_opened_first_comes_first() -> None:
    book = Book()
    for place, name in enumerate(("cyd", "ada", "bea", "dan")):
        at = NOON + timedelta(hours=place)
        take_in(book, [payment(name, name)], now=at, due=WEEK)
    names = [one.subject.name.split(":")[-1] for one in queue(book.cases())]
    assert names == ["cyd", "ada", "bea", "dan"]


def test_the_longest_name_and_reason_are_kept() -> None:
    case = done(book_of(payment("1")))
    draft = case_actions.escalate(case, reason="y" * 2_000, by="x" * 200, now=LATER)
    assert (len(draft.by), draft.change.kind) == (200, "escalated")
    with pytest.raises(CaseRuleError, match="a reason of 2001 characters is too long; at most 2"):
        case_actions.escalate(case, reason="y" * 2_001, by="x", now=LATER)
