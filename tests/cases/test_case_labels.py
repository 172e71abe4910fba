"""What verdicts become, where they land, and what waits where they cannot."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fraud_assets.case_labels import land_labels
from fraud_assets.case_work import change_case, take_in_alerts
from fraud_assets.feeds import load_feeds
from fraud_assets.feeds.label_file import read_labels
from fraud_assets.label_cli import write_judgements
from fraud_assets.uploads import Uploads
from gpu_ops import case_actions
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_model import Case, Verdict
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseStore
from resources.lake import Lake
from tests.cases.made_alerts import NOON, WEEK, entity, payment

HOUR = timedelta(hours=1)
HEAD = "transaction_id,is_fraud,known_at,source,by,reason\n"


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    return CaseStore(SqliteDatabase(tmp_path / "cases.sqlite"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


def close(
    store: CaseStore,
    case_id: str,
    verdict: Verdict,
    at: datetime,
    *,
    by: str = "Ada",
    on: Sequence[str] | None = None,
) -> int:
    """Close a case; the number of the event."""

    def draft(book: Book, case: Case) -> Draft:
        return case_actions.close(
            book, case, verdict=verdict, reason=f"so says {by}", by=by, now=at, transaction_ids=on
        )

    return change_case(store, case_id, draft).number


def reopen(store: CaseStore, case_id: str, at: datetime) -> None:
    def draft(book: Book, case: Case) -> Draft:
        return case_actions.reopen(book, case, reason="new facts", by="Bea", now=at, due=WEEK)

    change_case(store, case_id, draft)


def case_of(store: CaseStore, feed: str) -> str:
    (found,) = (one.case_id for one in store.book().cases() if one.subject.feed == feed)
    return found


@pytest.mark.parametrize(
    ("verdict", "word"), [("confirmed", "fraud"), ("false", "genuine"), ("unsure", "unsure")]
)
def test_what_each_verdict_says_of_a_transaction(
    store: CaseStore, lake: Lake, verdict: Verdict, word: str
) -> None:
    take_in_alerts(store, [payment("t1")], now=NOON, due=WEEK)
    close(store, case_of(store, "card"), verdict, NOON + HOUR)
    (key,) = land_labels(store, Uploads(lake, ["card"])).keys
    assert lake.get(key).decode() == (
        f"{HEAD}t1,{word},2024-03-02T13:00:00+00:00,analyst,Ada,so says Ada\n"
    )


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", "NULL", "0012", "é"])
def test_a_file_of_verdicts_is_read_as_it_was_meant(tmp_path: Path, name: str) -> None:
    known = NOON + HOUR
    file = tmp_path / "labels.csv"
    said = (known.isoformat(), "analyst", "Ada", 'so, "by phone"\nand\tmail')
    write_judgements(file, [(name, "fraud", *said), ("other", "genuine", *said)])
    found = read_labels(file, load_feeds()["card"], source_file=file.name)
    columns = ("transaction_id", "is_fraud", "known_at", "source", "by", "reason")
    assert sorted(found.table.select(columns).rows()) == sorted(
        [(name, True, known, *said[1:]), ("other", False, known, *said[1:])]
    )
    assert found.quarantined.is_empty()


def test_each_closing_of_a_case_keeps_its_own_words_however_late_it_lands(
    store: CaseStore, lake: Lake
) -> None:
    take_in_alerts(store, [payment("t1", related=("t2",))], now=NOON, due=WEEK)
    case_id = case_of(store, "card")
    first = close(store, case_id, "confirmed", NOON + HOUR)
    reopen(store, case_id, NOON + 2 * HOUR)
    second = close(store, case_id, "false", NOON + 3 * HOUR, by="Cyd", on=["t2"])
    landed = land_labels(store, Uploads(lake, ["card"]))
    assert landed.keys == [
        f"landing/card-labels/{case_id}-{first}.csv",
        f"landing/card-labels/{case_id}-{second}.csv",
    ]
    assert [lake.get(key).decode() for key in landed.keys] == [
        (
            f"{HEAD}t1,fraud,2024-03-02T13:00:00+00:00,analyst,Ada,so says Ada\n"
            "t2,fraud,2024-03-02T13:00:00+00:00,analyst,Ada,so says Ada\n"
        ),
        f"{HEAD}t2,genuine,2024-03-02T15:00:00+00:00,analyst,Cyd,so says Cyd\n",
    ]


def test_labels_that_cannot_land_hold_up_no_others(
    store: CaseStore, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = payment("t0").model_copy(update={"subject": entity("eve", "gone")})
    take_in_alerts(store, [gone, payment("t1")], now=NOON, due=WEEK)
    gone_id, kept_id = case_of(store, "gone"), case_of(store, "card")
    close(store, gone_id, "confirmed", NOON + HOUR)
    number = close(store, kept_id, "confirmed", NOON + 2 * HOUR)
    uploads = Uploads(lake, ["card"])

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "land", full)
        landed = land_labels(store, uploads)
    assert landed.keys == []
    assert landed.problems == [
        f"the labels of {gone_id} wait: [Errno 28] No space left on device",
        f"the labels of {kept_id} wait: [Errno 28] No space left on device",
    ]
    landed = land_labels(store, uploads)
    assert landed.keys == [f"landing/card-labels/{kept_id}-{number}.csv"]
    assert landed.problems == [
        f"the labels of {gone_id} wait: there is no feed 'gone'; known feeds: card"
    ]
    assert [one.stream for one in store.unlanded()] == [gone_id]
