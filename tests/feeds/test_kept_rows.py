from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets.feeds import kept_rows, load_feeds, read_upload
from fraud_assets.feeds.kept_rows import KeptRows, Ordered, RowsInFiles, RowsInMemory
from gpu_ops.canonical import CANONICAL_SCHEMA

START = datetime(2026, 3, 2, tzinfo=UTC)
Row = tuple[str, int, float]


def batch(rows: list[Row], first: int) -> pl.DataFrame:
    """Rows of (id, minute, amount) as the mapper gives them."""
    table = pl.DataFrame(
        {
            "transaction_id": [one[0] for one in rows],
            "occurred_at": [START + timedelta(minutes=one[1]) for one in rows],
            "amount": [one[2] for one in rows],
            "source_row": range(first, first + len(rows)),
        },
        schema_overrides={"source_row": pl.Int64},
    )
    nothing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in CANONICAL_SCHEMA.items()
        if name not in table.columns
    ]
    return table.with_columns(nothing).select(
        *(pl.col(name).cast(dtype) for name, dtype in CANONICAL_SCHEMA.items()), "source_row"
    )


def given_to(kept: KeptRows, batches: list[list[Row]], *, has_ids: bool) -> Ordered:
    first = 1
    for rows in batches:
        kept.add(batch(rows, first))
        first += len(rows)
    return kept.ordered(has_ids=has_ids)


def test_rows_come_back_once_and_in_order_from_several_stretches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_rows, "ROWS_AT_ONCE", 2)
    batches = [[("d", 3, 1.0), ("b", 1, 1.0)], [("a", 2, 1.0), ("b", 1, 1.0), ("d", 0, 9.0)]]
    found = given_to(RowsInFiles(tmp_path / "s"), batches, has_ids=True)
    assert (found.rows, found.duplicate, found.conflicting) == (3, 2, 1)
    table = found.table.select("transaction_id", "source_row").collect()
    assert table.rows() == [("b", 2), ("a", 3), ("d", 1)]


def test_rows_without_ids_are_numbered_across_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_rows, "ROWS_AT_ONCE", 1)
    batches = [[("x", 1, 1.0)], [("y", 0, 2.0), ("x", 1, 1.0)]]
    found = given_to(RowsInFiles(tmp_path / "s"), batches, has_ids=False)
    assert (found.rows, found.duplicate, found.conflicting) == (3, 0, 0)
    table = found.table.select("transaction_id", "source_row").collect()
    assert table.rows() == [("y-1", 2), ("x-1", 1), ("x-2", 3)]


def test_a_stretch_reads_little_of_a_file_in_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kept_rows, "ROWS_AT_ONCE", 20)
    monkeypatch.setattr(kept_rows, "ROWS_PER_GROUP", 10)
    minutes = [minute * 37 % 100 for minute in range(100)]
    kept = RowsInFiles(tmp_path / "s")
    kept.add(batch([(f"t{minute:03d}", minute, 1.0) for minute in minutes], 1))
    with pl.Config(verbose=True):
        found = kept.ordered(has_ids=True)
    told = capfd.readouterr().err
    assert told.count("reading 2 / 10 row groups") == 5
    expected = [f"t{minute:03d}" for minute in range(100)]
    assert found.table.select("transaction_id").collect().to_series().to_list() == expected


def test_only_batches_with_repeated_ids_are_written_again(tmp_path: Path) -> None:
    kept = RowsInFiles(tmp_path / "s")
    batches = [[("a", 2, 1.0), ("b", 1, 1.0)], [("c", 0, 1.0)], [("b", 1, 1.0), ("d", 3, 1.0)]]
    first = 1
    for rows in batches:
        kept.add(batch(rows, first))
        first += len(rows)
    untouched = (tmp_path / "s" / "batch-00001.parquet").stat()
    suspects = kept._suspects(pl.concat(kept._keys)["hash"])
    assert sorted(suspects.select("transaction_id", "source_row").rows()) == [("b", 2), ("b", 4)]
    left = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert left == ["batch-00001.parquet", "single-00000.parquet", "single-00002.parquet"]
    assert (tmp_path / "s" / "batch-00001.parquet").stat() == untouched


@settings(deadline=None, max_examples=40)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.integers(0, 4), st.sampled_from([1.0, 2.0])),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=4,
    ),
    has_ids=st.booleans(),
    at_once=st.integers(1, 5),
)
def test_files_and_memory_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[Row]],
    has_ids: bool,  # noqa: FBT001 - drawn by name
    at_once: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_rows, "ROWS_AT_ONCE", at_once)
        through = RowsInFiles(tmp_path_factory.mktemp("kept") / "s")
        one = given_to(through, batches, has_ids=has_ids)
        other = given_to(RowsInMemory(), batches, has_ids=has_ids)
    assert one.table.collect().equals(other.table.collect())
    assert (one.rows, one.duplicate) == (other.rows, other.duplicate)
    assert one.conflicting == other.conflicting


def test_an_upload_reads_the_same_through_files(shared_data: Path, tmp_path: Path) -> None:
    feed = load_feeds()["paysim"]
    path = tmp_path / "some.parquet"
    table = pl.scan_parquet(shared_data / "paysim" / "paysim_1.3m.parquet")
    table.filter(pl.col("step") % 40 == 0).head(5_000).sink_parquet(path)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    through = read_upload(path, feed, source_file="x.parquet", now=now, scratch=tmp_path / "s")
    at_once = read_upload(path, feed, source_file="x.parquet", now=now)
    assert through.rows == at_once.rows == 5_000
    assert through.accepted.equals(at_once.accepted)
