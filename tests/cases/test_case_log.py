"""A lost store is brought back from the lake's log only where both are what they were."""

from pathlib import Path

import polars as pl
import pytest

from fraud_assets.case_log import events_of, log_table, restore
from fraud_assets.case_work import take_in_alerts
from gpu_ops.case_book import Book
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseConflictError, CaseStore, CaseStoreError
from tests.cases.made_alerts import NOON, WEEK, payment


@pytest.fixture
def log(tmp_path: Path) -> pl.DataFrame:
    """Four events: two cases of one alert each."""
    store = store_at(tmp_path / "lost.sqlite")
    take_in_alerts(store, [payment("1"), payment("2", "bea")], now=NOON, due=WEEK)
    return log_table(store.events())


def store_at(file: Path) -> CaseStore:
    return CaseStore(SqliteDatabase(file))


def test_a_log_is_the_same_after_a_table(log: pl.DataFrame, tmp_path: Path) -> None:
    assert log["number"].to_list() == [1, 2, 3, 4]
    assert events_of(log) == store_at(tmp_path / "lost.sqlite").events()


def test_a_damaged_log_brings_nothing_back(log: pl.DataFrame, tmp_path: Path) -> None:
    forged = log.with_columns(
        pl.when(pl.col("number") == 2).then(pl.lit("Eve")).otherwise("done_by").alias("done_by")
    )
    store = store_at(tmp_path / "new.sqlite")
    for damaged, number in ((forged, 2), (log.filter(pl.col("number") != 3), 3)):
        with pytest.raises(CaseStoreError, match=f"event {number} of the log in the lake is not"):
            restore(store, damaged)
    assert store.events() == []


def test_a_store_that_went_another_way_gets_nothing(log: pl.DataFrame, tmp_path: Path) -> None:
    other = store_at(tmp_path / "other.sqlite")
    take_in_alerts(other, [payment("3")], now=NOON, due=WEEK)
    before = other.events()
    with pytest.raises(CaseStoreError, match="has events of its own that the lake does not know"):
        restore(other, log)
    assert other.events() == before


def test_a_store_that_moves_while_it_is_brought_back_gets_nothing(
    log: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(tmp_path / "new.sqlite")
    read = store.book

    def overtaken() -> Book:
        book = read()
        take_in_alerts(store_at(tmp_path / "new.sqlite"), [payment("3")], now=NOON, due=WEEK)
        return book

    monkeypatch.setattr(store, "book", overtaken)
    with pytest.raises(CaseConflictError, match="the cases changed meanwhile"):
        restore(store, log)
    assert len(store.events()) == 2


def test_where_nothing_is_to_be_brought_back_no_store_begins(tmp_path: Path) -> None:
    assert restore(store_at(tmp_path / "new.sqlite"), log_table([])) == 0
    assert not (tmp_path / "new.sqlite").exists()
