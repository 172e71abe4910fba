import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_assets.feeds import RAW_SCHEMA, Feed, ReadResult, parse_feed
from fraud_assets.feeds.columnar import read_parquet
from fraud_assets.feeds.delimited import read_delimited
from fraud_assets.feeds.json_lines import read_json_lines
from fraud_assets.feeds.reading import SOURCE_ROW, held
from fraud_assets.feeds.stream import Utf8Stream

Read = Callable[..., ReadResult]
CsvWith = Callable[..., bytes]


def test_a_row_becomes_a_canonical_transaction(read: Read, csv_with: CsvWith) -> None:
    result = read(csv_with(type="T", fraud="1", at="2025-12-31T23:00:00+01:00"), "in/x.csv")
    at = datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert result.accepted.schema == pl.Schema(RAW_SCHEMA)
    assert result.accepted.row(0) == (
        "2", at, "transfer", 10.5, "EUR", "acc-00000001", "acc-00000002",
        None, None, True, at + timedelta(days=7), "in/x.csv", 2,
    )  # fmt: skip
    assert result.accepted["transaction_id"].to_list() == ["2", "1"], "sorted by time"
    assert result.extra_columns == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_honoured(read: Read, csv_with: CsvWith, encoding: str) -> None:
    content = csv_with(to="caf\u00e9").decode().encode(encoding)
    assert read(content).accepted["payee_id"].to_list() == ["acc-00000002", "caf\u00e9"]


def test_a_feed_may_name_its_encoding(read: Read, shop: Feed, csv_with: CsvWith) -> None:
    feed = shop.model_copy(update={"encoding": "iso8859-1"})
    content = csv_with(to="caf\u00e9").decode().encode("latin-1")
    assert read(content, feed=feed).accepted["payee_id"].to_list() == ["acc-00000002", "caf\u00e9"]


def test_every_format_gives_the_same_table(read: Read, csv_with: CsvWith) -> None:
    content = csv_with(fraud="1")
    table = pl.read_csv(content)
    parquet = io.BytesIO()
    table.with_columns(
        pl.col("at").str.to_datetime(time_zone="UTC"),
        pl.col("fraud").cast(pl.Boolean),
        pl.col("id").cast(pl.Float64),
    ).write_parquet(parquet)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in table.to_dicts())
    expected = read(content).accepted.drop("source_file")
    for other, name in [
        (gzip.compress(content), "x.csv.gz"),
        (content.replace(b"\n", b"\r\n"), "X.CSV"),
        (content.replace(b"acc-00000001", b'"acc-00000001"'), "x.txt"),
        (lines, "x.jsonl"),
        (lines[:-1], "x.ndjson"),
        (gzip.compress(lines), "x.jsonl.gz"),
        (parquet.getvalue(), "x.parquet"),
    ]:
        assert read(other, name).accepted.drop("source_file").equals(expected), name


def test_quoted_fields_may_hold_everything(read: Read, csv_with: CsvWith) -> None:
    result = read(csv_with(to='"a ""b"", c\nd"', id='"2"') + b"\n\r\n\n")
    assert result.accepted["payee_id"].to_list() == ["acc-00000002", 'a "b", c\nd']
    assert result.accepted["source_row"].to_list() == [1, 2]


def test_extra_columns_are_ignored_and_named(read: Read, csv_with: CsvWith) -> None:
    header, *rows = csv_with().splitlines()
    content = b"\n".join([header + b",note,source_row", *[row + b",x,y" for row in rows]])
    result = read(content)
    assert result.accepted.height == 2
    assert result.extra_columns == ("note", "source_row")


def test_the_first_of_equal_ids_wins(read: Read, csv_with: CsvWith) -> None:
    row = csv_with().splitlines(keepends=True)[1]
    early = row.replace(b"2026-01-01", b"2025-01-01").replace(b"10.5", b"99")
    result = read(csv_with(id="9") + row + early + early)
    assert result.accepted.select("transaction_id", "amount", "source_row").rows() == [
        ("1", 10.5, 1),
        ("9", 10.5, 2),
    ]
    assert (result.received, result.duplicate, result.conflicting) == (5, 3, 2)


def test_a_bad_row_does_not_claim_its_id(read: Read, csv_with: CsvWith) -> None:
    good = csv_with().splitlines(keepends=True)[2]
    result = read(csv_with(amount="-1") + good)
    assert result.accepted["source_row"].to_list() == [1, 3]
    assert result.duplicate == 0


CLOCK = """
name: clock
columns: {transaction_id: id, kind: {constant: card}, amount: cents, currency: cur, payer_id: a,
  payee_id: {constant: shop}, is_fraud: f, label_known_at: known}
time: {column: [day, clock], format: "%d.%m.%Y %H:%M", timezone: Europe/Brussels}
amount_divisor: 100
label_delay: 2 days
labels: {fraud: [Y], genuine: [N], known_at_format: [epoch_s, epoch_ms]}
optional: [is_fraud, label_known_at]
entities: {payer: card, payee: merchant}
"""


def test_times_in_two_local_columns_cents_and_written_label_times(read: Read) -> None:
    feed = parse_feed(CLOCK, "clock.yaml")
    result = read(
        b"id,day,clock,cents,cur,a,f,known\n"
        b"1,01.07.2025,12:30,1050,EUR,x,N,1751500000\n"
        b"2,02.07.2025,00:30,1050,USD,x,Y,\n"
        b"3,03.07.2025,00:30,1050,USD,x,,\n"
        b"4,03.07.2025,01:30,1050,usd,x,Y,\n"
        b"5,04.07.2025,00:30,1050,USD,x,Y,1000\n",
        feed=feed.model_copy(update={"bad_row_limit": 0.5}),
    )
    columns = (
        "occurred_at",
        "kind",
        "amount",
        "currency",
        "payee_id",
        "is_fraud",
        "label_known_at",
    )
    assert result.accepted.select(columns).rows() == [
        (datetime(2025, 7, 1, 10, 30, tzinfo=UTC), "card", 10.5, "EUR", "shop", False,
         datetime(2025, 7, 2, 23, 46, 40, tzinfo=UTC)),
        (datetime(2025, 7, 1, 22, 30, tzinfo=UTC), "card", 10.5, "USD", "shop", True,
         datetime(2025, 7, 3, 22, 30, tzinfo=UTC)),
        (datetime(2025, 7, 2, 22, 30, tzinfo=UTC), "card", 10.5, "USD", "shop", None, None),
    ]  # fmt: skip
    assert result.quarantined.select("row", "column", "reason").rows() == [
        (4, "cur", "not a currency code of three capital letters"),
        (5, "known", "the label is known before the transaction"),
    ]


def test_a_file_may_lack_what_its_feed_calls_optional(read: Read) -> None:
    feed = parse_feed(CLOCK, "clock.yaml")
    result = read(b"id,day,clock,cents,cur,a\n1,01.07.2025,12:30,1050,EUR,x\n", feed=feed)
    assert result.accepted.select("is_fraud", "label_known_at").rows() == [(None, None)]


def test_rows_keep_their_numbers_over_many_blocks(csv_with: CsvWith, shop: Feed) -> None:
    header, row, _ = csv_with().splitlines(keepends=True)
    rows = [b"%d" % number + row[1:] for number in range(500)]
    rows[100] = rows[100].replace(b"acc-00000001", b'"a\nb"')
    rows[200] = rows[200].replace(b"acc-00000001", b'x"y')
    rows[300] = b"300,too short\n"
    # The block size makes cuts fall inside the header, inside quotes and inside characters.
    stream = Utf8Stream(io.BytesIO(header + b"".join(rows)), "utf-8")
    table = read_delimited(stream, shop, block_bytes=97)
    batches = list(table.batches)
    read_rows = pl.concat([batch.rows for batch in batches])
    expected = [number for number in range(500) if number != 300]
    assert read_rows[held("id")].to_list() == [str(number) for number in expected]
    assert read_rows[SOURCE_ROW].to_list() == [number + 1 for number in expected]
    assert read_rows[held("from")][99:102].to_list() == ["acc-00000001", "a\nb", "acc-00000001"]
    assert pl.concat([batch.faults for batch in batches])["row"].to_list() == [301]
    assert sum(batch.received for batch in batches) == 500


def test_json_lines_and_parquet_in_many_batches(
    tmp_path: Path, csv_with: CsvWith, shop: Feed
) -> None:
    header, row, _ = csv_with().splitlines(keepends=True)
    content = pl.read_csv(header + b"".join(b"%d" % number + row[1:] for number in range(500)))
    lines = b"".join(json.dumps(item).encode() + b"\n" for item in content.to_dicts())
    content.write_parquet(tmp_path / "x.parquet")
    for table in (
        read_json_lines(Utf8Stream(io.BytesIO(lines), "utf-8"), shop, block_bytes=1000),
        read_parquet(tmp_path / "x.parquet", shop, batch_rows=150),
    ):
        rows = pl.concat([batch.rows for batch in table.batches])
        assert rows[SOURCE_ROW].to_list() == list(range(1, 501))
        assert rows[held("id")].cast(pl.Int64).to_list() == list(range(500))


def test_a_character_cut_by_a_block_is_whole_again() -> None:
    text = "\u20ac\U0001f600\u00e9" * 50
    for encoding in ("utf-8", "utf-16", "utf-32-be"):
        stream = Utf8Stream(io.BytesIO(text.encode(encoding)), encoding)
        assert b"".join(iter(lambda s=stream: s.read(1), b"")).decode() == text  # type: ignore[misc]
