import gzip
import io
from collections.abc import Callable

import polars as pl
import pytest

from fraud_assets.feeds import Feed, ReadResult, RefusedError
from fraud_assets.feeds.faults import line_faults, too_many_faults
from fraud_assets.feeds.stream import Utf8Stream

Read = Callable[..., ReadResult]
CsvWith = Callable[..., bytes]


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def many_rows(csv: bytes, count: int = 5000) -> bytes:
    header, row, _ = csv.splitlines(keepends=True)
    return header + b"".join(b"%d" % number + row[1:] for number in range(count))


def test_a_file_without_rows(read: Read, csv_with: CsvWith) -> None:
    header = csv_with().splitlines(keepends=True)[0]
    no_rows = parquet(
        pl.DataFrame(schema=dict.fromkeys(header.decode().strip().split(","), pl.String))
    )
    for content, name, expected in [
        (b"", "x.csv", r"the file is empty \(0 bytes\)"),
        (b"", "x.parquet", r"the file is empty \(0 bytes\)"),
        (b"", "x.jsonl", r"the file is empty \(0 bytes\)"),
        (b"\n\r\n\n", "x.csv", "only blank lines"),
        (b" \n\n", "x.jsonl", "only blank lines"),
        (header, "x.csv", "a header and no data rows"),
        (header[:-1], "x.csv", "a header and no data rows"),
        (header + b"\n\n", "x.csv", "a header and no data rows"),
        (no_rows, "x.parquet", "a header and no data rows"),
    ]:
        with pytest.raises(RefusedError, match=expected):
            read(content, name)


def test_a_missing_column_names_what_is_there(read: Read, csv_with: CsvWith) -> None:
    with pytest.raises(RefusedError) as error:
        read(csv_with().replace(b"amount", b"Amount").replace(b"from", b"sender"))
    assert error.value.reason == (
        "missing columns amount, from; found: id, at, type, Amount, sender, to, fraud; "
        "the file writes amount as Amount"
    )
    with pytest.raises(
        RefusedError, match="missing column amount; found: id, at, from, to, type, fraud"
    ):
        read(b'{"id": 1, "at": "", "from": "a", "to": "b", "type": "P", "fraud": 0}\n', "x.jsonl")


def test_a_file_without_header_does_not_spread_account_numbers(
    read: Read, csv_with: CsvWith
) -> None:
    headless = csv_with().split(b"\n", 1)[1]
    with pytest.raises(RefusedError, match="missing columns") as error:
        read(headless.replace(b"00000001", b"48151623"))
    assert "48151623" not in error.value.reason


@pytest.mark.parametrize("delimiter", [b";", b"\t", b"|"])
def test_a_wrong_delimiter_is_recognised(read: Read, csv_with: CsvWith, delimiter: bytes) -> None:
    expected = f"looks separated by {delimiter.decode()!r}, so set `delimiter` of the feed"
    with pytest.raises(RefusedError) as error:
        read(csv_with().replace(b",", delimiter))
    assert expected in error.value.reason


def test_another_encoding_is_located(read: Read, csv_with: CsvWith) -> None:
    latin = csv_with(to="caf\u00e9").decode().encode("latin-1")
    with pytest.raises(RefusedError) as error:
        read(latin)
    place = latin.index(b"\xe9")
    assert f"not utf-8: byte offset {place}, line 3" in error.value.reason
    assert "set `encoding` of the feed, perhaps to latin-1" in error.value.reason
    with pytest.raises(RefusedError, match=r"zero bytes in the text, so set `encoding`.*utf-16-le"):
        read(csv_with().decode().encode("utf-16-le"))


def test_the_place_of_a_wrong_byte_is_that_in_the_whole_file() -> None:
    stream = Utf8Stream(io.BytesIO(b"\xef\xbb\xbf" + b"a\n\xc3\xa9\n" * 10 + b"\xff"), "utf-8")
    with pytest.raises(RefusedError, match="byte offset 53, line 21 "):
        b"".join(iter(lambda: stream.read(3), b""))


def test_a_damaged_gzip_file(read: Read, csv_with: CsvWith) -> None:
    packed = gzip.compress(many_rows(csv_with()))
    for torn in (packed[:5], packed[: len(packed) // 2], packed[:-4]):
        with pytest.raises(RefusedError, match="the gzip file is truncated"):
            read(torn, "x.csv.gz")
    flipped = packed[:2000] + bytes([packed[2000] ^ 255]) + packed[2001:]
    with pytest.raises(RefusedError, match="the gzip file is damaged"):
        read(flipped, "x.csv.gz")


def test_damaged_parquet(read: Read, csv_with: CsvWith) -> None:
    good = parquet(pl.read_csv(many_rows(csv_with())))
    footer = len(good) - 100
    for content, expected in [
        (good[:-10], "truncated: it does not end with PAR1"),
        (good[:footer] + b"\xff" * 40 + good[footer + 40 :], "the Parquet file is damaged"),
        (b"id,at\n", "not a Parquet file"),
        (b"PAR1PAR1", "truncated"),
    ]:
        with pytest.raises(RefusedError, match=expected):
            read(content, "x.parquet")


def test_a_file_of_another_format(read: Read, csv_with: CsvWith) -> None:
    with pytest.raises(RefusedError, match="this is a Parquet file, not text"):
        read(parquet(pl.DataFrame({"a": [1]})), "x.csv")
    with pytest.raises(RefusedError, match="an Excel workbook, not text"):
        read(b"PK\x03\x04....", "x.csv")
    with pytest.raises(
        RefusedError, match=r"ends with '.xlsx'; accepted: .csv, .tsv, .txt, .jsonl"
    ):
        read(csv_with(), "x.xlsx")


def test_a_column_type_that_can_hold_no_such_value(read: Read, csv_with: CsvWith) -> None:
    table = pl.read_csv(csv_with())
    with pytest.raises(
        RefusedError, match=r"column 'amount' holds List\(Float64\); expected numbers"
    ):
        read(parquet(table.with_columns(amount=pl.lit([1.0]))), "x.parquet")
    with pytest.raises(
        RefusedError, match=r"column 'at' holds Int64.*set `format` in the feed to epoch_s"
    ):
        read(parquet(table.with_columns(at=pl.lit(5, pl.Int64))), "x.parquet")


def test_a_header_with_a_column_twice(read: Read, csv_with: CsvWith) -> None:
    with pytest.raises(RefusedError, match="the header has a column twice: amount"):
        read(csv_with().replace(b"type", b"amount"))


def test_more_bad_rows_than_the_feed_allows(read: Read, shop: Feed, csv_with: CsvWith) -> None:
    header, row, _ = csv_with().splitlines(keepends=True)
    amounts = [b"-1"] * 20 + [b"NaN"] * 9 + [b"x", b"5,5"] + [b"5"] * 69
    lines = [b"%d" % at + row[1:].replace(b"10.5", amount) for at, amount in enumerate(amounts)]
    content = header + b"".join(lines)
    with pytest.raises(RefusedError) as error:
        read(content, feed=shop.model_copy(update={"bad_row_limit": 0.30}))
    assert error.value.reason == (
        "31 of 100 rows are bad (31.0%; the feed's bad_row_limit is 30.0%). Most frequent: "
        "20 x amount: the amount is negative; 9 x amount: the amount is NaN; "
        "1 x 8 fields where the header has 7"
    )
    just_within = read(content, feed=shop.model_copy(update={"bad_row_limit": 0.31}))
    assert (just_within.received, just_within.quarantined.height) == (100, 31)


@pytest.mark.parametrize(
    ("bad", "rows", "limit", "is_refused"),
    [
        # One bad row of several tells nothing of the file.
        (1, 2, 0.05, False),
        (1, 10, 0.05, False),
        (2, 10, 0.05, True),
        (3, 10, 0.05, True),
        # Nothing of it can be read.
        (1, 1, 0.05, True),
        (1, 1, 1.0, False),
        # Whoever lets none pass lets this one not pass either.
        (1, 100, 0.0, True),
        (0, 1, 0.0, False),
        # As many as the share says, where a product would be a rounding short of them.
        (29, 100, 0.29, False),
        (30, 100, 0.29, True),
    ],
)
def test_the_share_of_bad_rows_counts_from_the_second_on(
    bad: int,
    rows: int,
    limit: float,
    is_refused: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    faults = line_faults([(row, "the amount is negative") for row in range(1, bad + 1)])
    refusal = too_many_faults(faults, rows, limit)
    assert (refusal is not None) is is_refused
    if refusal is not None:
        assert refusal == (
            f"{bad} of {rows} rows are bad ({100 * bad // rows}.0%; the feed's bad_row_limit is "
            f"{limit:.1%}). Most frequent: {bad} x the amount is negative"
        )


def test_one_bad_row_of_a_small_file_waits_in_quarantine(
    read: Read, shop: Feed, csv_with: CsvWith
) -> None:
    header, row, _ = csv_with().splitlines(keepends=True)
    lines = [b"%d" % at + row[1:] for at in range(9)] + [row.replace(b"10.5", b"-1")]
    found = read(header + b"".join(lines), feed=shop.model_copy(update={"bad_row_limit": 0.05}))
    assert (found.received, found.rows) == (10, 9)
    assert found.quarantined.select("row", "reason").rows() == [(10, "the amount is negative")]


def test_the_disk_is_not_the_files_fault(
    tmp_path_factory: pytest.TempPathFactory, shop: Feed
) -> None:
    from datetime import UTC, datetime

    from fraud_assets.feeds import read_upload

    for name in ("none.csv", "none.parquet"):
        with pytest.raises(FileNotFoundError):
            read_upload(
                tmp_path_factory.mktemp("d") / name,
                shop,
                source_file=name,
                now=datetime(2026, 6, 1, tzinfo=UTC),
            )
