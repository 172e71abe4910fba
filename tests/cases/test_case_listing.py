"""Cases as an analyst reads them, letter by letter."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fraud_assets.case_listing import (
    Filter,
    chosen,
    entry_json,
    entry_lines,
    list_json,
    list_lines,
    show_json,
    show_lines,
)
from fraud_assets.case_work import change_case, change_lists, take_in_alerts
from gpu_ops import case_actions
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_lists import put_on_list, take_off_list
from gpu_ops.case_model import STATES, Case, ListKind
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseStore
from tests.cases.made_alerts import NOON, WEEK, entity, payment, ring

ACCOUNT = "1111222233334444"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore(SqliteDatabase(tmp_path / "cases.sqlite"))


def close(store: CaseStore, case_id: str, at: datetime, on: list[str] | None = None) -> None:
    def draft(book: Book, case: Case) -> Draft:
        return case_actions.close(
            book,
            case,
            verdict="confirmed",
            reason="denied,\nby phone",
            by="Bea",
            now=at,
            transaction_ids=on,
        )

    change_case(store, case_id, draft)


def assign(store: CaseStore, case_id: str) -> None:
    change_case(
        store, case_id, lambda _, case: case_actions.assign(case, to="Ada", by="Bea", now=NOON)
    )


def escalate(store: CaseStore, case_id: str) -> None:
    change_case(
        store,
        case_id,
        lambda _, case: case_actions.escalate(
            case, reason="too large for me", by="Ada", to="Cyd", now=NOON
        ),
    )


def case_about(store: CaseStore, name: str, *, is_open: bool = True) -> Case:
    (found,) = (
        one
        for one in store.book().cases()
        if one.subject.name.endswith(name) and one.is_open is is_open
    )
    return found


def shown(store: CaseStore, case: Case, now: datetime, *, full: bool = False) -> list[str]:
    events = store.events(case.case_id)
    return list(show_lines(case, events, now, words="It is odd. " * 12, full=full))


@pytest.fixture
def worked(store: CaseStore) -> CaseStore:
    """A case of an account that somebody works on."""
    reasons = (("EMPTIES_ACCOUNT", 0.75), ("ANOMALY_HIGH", 0.25))
    first = payment("T-1", ACCOUNT, related=("T-0",), loss=70.0, reasons=reasons)
    take_in_alerts(store, [first], now=NOON, due=WEEK)
    escalate(store, case_about(store, ACCOUNT).case_id)
    assign(store, case_about(store, ACCOUNT).case_id)
    return store


def test_a_case_that_somebody_works_on(worked: CaseStore) -> None:
    case = case_about(worked, ACCOUNT)
    assert shown(worked, case, NOON + 8 * DAY) == [
        f"{case.case_id}: account card …4444, assigned, escalated",
        "  version 4, opened 2024-03-02 12:00, due 2024-03-09 12:00 OVERDUE",
        "  assigned to Ada",
        "  expected loss 70.00",
        f"  {'It is odd. ' * 8}It is",
        "  odd. It is odd. It is odd. It is odd.",
        "reasons",
        "   75%  EMPTIES_ACCOUNT: The payment takes nearly the whole balance of the payer.",
        "   25%  ANOMALY_HIGH: The transaction is unlike most others in many ways at once.",
        "alerts",
        "  tx-T-1  2024-03-02 12:00  payment  100.00",
        "    accounts: …4444, …",
        "    transactions: T-1, T-0",
        "log",
        "  1  2024-03-02 12:00  intake: opened",
        "  2  2024-03-02 12:00  intake: alert tx-T-1 joined",
        "  3  2024-03-02 12:00  Ada: escalated to Cyd: too large for me",
        "  4  2024-03-02 12:00  Bea: assigned to Ada",
    ]
    # At the moment that it is due it is not late yet.
    assert shown(worked, case, NOON + WEEK)[1].endswith("due 2024-03-09 12:00")


def test_a_closed_case(worked: CaseStore) -> None:
    close(worked, case_about(worked, ACCOUNT).case_id, NOON + HOUR, ["T-0"])
    case = case_about(worked, ACCOUNT, is_open=False)
    lines = shown(worked, case, NOON + 9 * DAY)
    assert lines[:6] == [
        f"{case.case_id}: account card …4444, closed: confirmed",
        "  version 5, opened 2024-03-02 12:00",
        "  assigned to Ada",
        "  confirmed on 1 transactions by Bea",
        "  because: denied, by phone",
        "  expected loss 70.00",
    ]
    assert lines[-1] == (
        "  5  2024-03-02 13:00  Bea: closed as confirmed on 1 transactions: denied, by phone"
    )


def test_cases_that_go_on_from_others(worked: CaseStore) -> None:
    first = case_about(worked, ACCOUNT)
    close(worked, first.case_id, NOON + HOUR)
    two_days_long = ring("r", ("T-8", "T-9"), day=2).model_copy(update={"first_at": NOON})
    alerts = [payment("T-2\x1b[2J", ACCOUNT, loss=None), two_days_long, ring("young", ("T-7",))]
    alerts[0] = alerts[0].model_copy(update={"alert_id": "tx-2"})
    take_in_alerts(worked, alerts, now=NOON + DAY, due=WEEK)
    assign(worked, case_about(worked, "young").case_id)
    take_in_alerts(worked, [], now=NOON + DAY, due=WEEK, merged={("card", "young"): "r"})
    following = case_about(worked, ACCOUNT)
    lines = shown(worked, following, NOON + DAY, full=True)
    assert lines[:4] == [
        f"{following.case_id}: account card:customer:{ACCOUNT}, new",
        f"  version {following.version}, opened 2024-03-03 12:00, due 2024-03-10 12:00",
        f"  follows {first.case_id}",
        "  expected loss unknown",
    ]
    assert "    accounts: card:customer:1111222233334444, card:terminal:9" in lines
    # What would drive the terminal is not written to it.
    assert "    transactions: T-2?[2J" in lines
    older = case_about(worked, "r")
    lines = shown(worked, older, NOON + DAY)
    assert lines[0] == f"{older.case_id}: ring card r, assigned"
    assert "  ring-r  2024-03-04 12:00  ring, cycle  1,000.00" in lines
    assert "  ring-young  2024-03-02 12:00  ring, cycle  1,000.00" in lines
    (merged,) = (one for one in worked.book().cases() if one.state == "merged")
    assert shown(worked, merged, NOON + DAY)[3] == f"  merged into {older.case_id}"


def test_whole_account_ids_do_not_drive_the_terminal(store: CaseStore) -> None:
    take_in_alerts(store, [payment("1", "eve\x1b[2J")], now=NOON, due=WEEK)
    (case,) = store.book().cases()
    lines = shown(store, case, NOON, full=True)
    assert lines[0] == f"{case.case_id}: account card:customer:eve?[2J, new"
    assert "    accounts: card:customer:eve?[2J, card:terminal:9" in lines


def test_the_same_as_json(worked: CaseStore) -> None:
    close(worked, case_about(worked, ACCOUNT).case_id, NOON + HOUR, ["T-0"])
    case = case_about(worked, ACCOUNT, is_open=False)
    events = worked.events(case.case_id)
    told = json.loads(show_json(case, events, NOON + DAY, words="It is odd.", full=False))
    assert [one["what"] for one in told.pop("log")] == [
        *("opened", "alert_joined", "escalated", "assigned", "closed")
    ]
    assert told == {
        "case_id": case.case_id,
        "feed": "card",
        "about": "entity",
        "subject": "card …4444",
        "state": "closed",
        "version": 5,
        "expected_loss": 70.0,
        "alert_ids": ["tx-T-1"],
        "reasons": {"EMPTIES_ACCOUNT": 0.75, "ANOMALY_HIGH": 0.25},
        "opened_at": "2024-03-02T12:00:00+00:00",
        "due_at": "2024-03-09T12:00:00+00:00",
        "overdue": False,
        "escalated": True,
        "assignee": "Ada",
        "verdict": "confirmed",
        "closed_at": "2024-03-02T13:00:00+00:00",
        "closed_by": "Bea",
        "follows": None,
        "merged_into": None,
        "explanation": "It is odd.",
        "alerts": [
            {
                "alert_id": "tx-T-1",
                "pattern": None,
                "first_at": "2024-03-02T12:00:00+00:00",
                "last_at": "2024-03-02T12:00:00+00:00",
                "amount": 100.0,
                "expected_loss": 70.0,
                "accounts": ["…4444", "…"],
                "transaction_ids": ["T-1", "T-0"],
                "reasons": {"EMPTIES_ACCOUNT": 0.75, "ANOMALY_HIGH": 0.25},
            }
        ],
        "transaction_ids": ["T-1", "T-0"],
        "judged_transaction_ids": ["T-0"],
        "reason": "denied,\nby phone",
    }


def test_the_queue_goes_before_what_was_closed_last(store: CaseStore) -> None:
    reasons = tuple((code, 0.25) for code in ("A", "B", "C", "D"))
    alerts = [
        payment("1", "ann", loss=5.0, reasons=reasons),
        payment("2", "bob", loss=900.0),
        payment("3", "cyd"),
        payment("4", "dan"),
    ]
    take_in_alerts(store, alerts, now=NOON, due=WEEK)
    late = [payment("5", "eve", loss=None), ring("r", ("1",), score=0.001, accounts=("ann", "x"))]
    take_in_alerts(store, late, now=NOON + DAY, due=WEEK)
    # The ring took the payment of ann's case, which waits for another one and is no work.
    ann = case_about(store, "ann")
    assert (ann.is_open, ann.is_work) == (True, False)
    assert not Filter(frozenset(STATES)).fits(ann, NOON)
    for name, hours in (("cyd", 2), ("dan", 1)):
        close(store, case_about(store, name).case_id, NOON + hours * HOUR)
    now = NOON + 49 * HOUR

    found = chosen(store.book(), Filter(frozenset(STATES)), now)
    names = [one.subject.name.removeprefix("card:customer:") for one in found]
    assert names == ["bob", "r", "eve", "cyd", "dan"]
    closed = "closed: confirmed"
    assert [re.split(r" {2,}", line)[1:] for line in list_lines(found, now)] == [
        ["state", "about", "loss", "alerts", "age", "due", "assignee", "reasons"],
        ["new", "card …b", "900.00", "1", "2 d", "2024-03-09 12:00", "ANOMALY_HIGH"],
        ["new", "card r", "5.00", "2", "25 h", "2024-03-10 12:00", "A, B, C"],
        ["new", "card …e", "1", "25 h", "2024-03-10 12:00", "ANOMALY_HIGH"],
        [closed, "card …d", "10.00", "1", "2 d", "ANOMALY_HIGH"],
        [closed, "card …n", "10.00", "1", "2 d", "ANOMALY_HIGH"],
    ]
    # A clock that was set back makes no age below nothing.
    assert "  0 h " in list(list_lines(found, NOON - DAY))[1]
    (first,) = json.loads(list_json(found[1:2], now))["cases"]
    assert (first["subject"], first["due_at"]) == ("card r", "2024-03-10T12:00:00+00:00")


def test_lists_stand_with_those_in_force_first(store: CaseStore) -> None:
    def put(name: str, kind: ListKind, days: int, at: datetime) -> str:
        def draft(book: Book) -> Draft:
            until = NOON + days * DAY
            return put_on_list(
                book, entity(name), kind, until=until, by="Ada", reason="on\nleave", now=at
            )

        return change_lists(store, draft).stream

    long = put("1111222233334444", "suppressed", 30, NOON)
    short = put("5555666677778888", "allowed", 3, NOON + HOUR)
    over = put("9999000011112222", "suppressed", 1, NOON + 2 * HOUR)
    lifted = put("3333444455556666", "suppressed", 20, NOON + 3 * HOUR)

    def lift(book: Book) -> Draft:
        (entry,) = (one for one in book.entries() if one.entry_id == lifted)
        return take_off_list(entry, by="Bea", reason="back", now=NOON + DAY)

    change_lists(store, lift)
    take_in_alerts(store, [payment("1", ACCOUNT)], now=NOON, due=WEEK)
    entries, now = list(store.book().entries()), NOON + 2 * DAY
    early, late = "2024-03-05 12:00", "2024-04-01 12:00"
    gone, ended = "2024-03-03 12:00", ", ended 2024-03-03 12:00"
    why = "Ada: on leave"
    assert [line.split("  ") for line in entry_lines(entries, now)] == [
        [short, "allowed", "card …8888", f"until {early}", "0 alerts passed over", why],
        [long, "suppressed", "card …4444", f"until {late}", "1 alerts passed over", why],
        [over, "suppressed", "card …2222", f"until {gone}{ended}", "0 alerts passed over", why],
        [
            *(lifted, "suppressed", "card …6666"),
            *(f"until 2024-03-22 12:00{ended}", "0 alerts passed over", why),
        ],
    ]
    told = json.loads(entry_json(entries, now))["entries"]
    assert [one["about"] for one in told] == [
        *("card …4444", "card …8888", "card …2222", "card …6666")
    ]
    assert told[0] == {
        "entry_id": long,
        "list": "suppressed",
        "about": "card …4444",
        "until": "2024-04-01T12:00:00+00:00",
        "in_force": True,
        "passed_over": 1,
        "by": "Ada",
        "reason": "on\nleave",
    }
