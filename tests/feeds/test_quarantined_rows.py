from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fraud_assets.feeds import Feed, ReadResult

Read = Callable[..., ReadResult]
CsvWith = Callable[..., bytes]
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"amount": "NaN"}, ("amount", "the amount is NaN", "NaN")),
        ({"amount": "inf"}, ("amount", "the amount is infinite", "inf")),
        ({"amount": "-inf"}, ("amount", "the amount is infinite", "-inf")),
        ({"amount": "1e400"}, ("amount", "the amount is infinite", "1e400")),
        ({"amount": "-5"}, ("amount", "the amount is negative", "-5")),
        ({"amount": "0"}, ("amount", "the amount is zero (allow_zero_amount is false)", "0")),
        ({"amount": "-0.0"}, ("amount", "the amount is zero (allow_zero_amount is false)", "-0.0")),
        ({"amount": "2e9"}, ("amount", "the amount is above max_amount (1,000,000,000)", "2e9")),
        ({"amount": ""}, ("amount", "the amount is missing", None)),
        ({"amount": "abc"}, ("amount", "the amount is not a number", "abc")),
        ({"amount": '"1,000"'}, ("amount", "the amount is not a number", "1,000")),
        ({"amount": "1 000"}, ("amount", "the amount is not a number", "1 000")),
        ({"amount": "1_000"}, ("amount", "the amount is not a number", "1_000")),
        ({"amount": "0x10"}, ("amount", "the amount is not a number", "0x10")),
        ({"type": ""}, ("type", "the kind is missing", None)),
        ({"type": "Q"}, ("type", "a kind that is not among the `kinds` of the feed", "Q")),
        (
            {"type": "acc-4815162342"},
            ("type", "a kind that is not among the `kinds` of the feed", "acc-…2342"),
        ),
        ({"at": ""}, ("at", "the time is missing", None)),
        ({"at": "soon"}, ("at", "not a time of the format iso", "soon")),
        ({"at": "2026-02-30"}, ("at", "not a time of the format iso", "2026-02-30")),
        ({"at": "1969-12-31"}, ("at", "the time is before 1970-01-01", "1969-12-31")),
        (
            {"at": "2026-06-02T00:00:01Z"},
            (
                "at",
                "the time is in the future (after 2026-06-02 00:00 UTC)",
                "2026-06-02T00:00:01Z",
            ),
        ),
        ({"from_": " "}, ("from", "payer_id is missing", "…")),
        ({"to": "x" * 257}, ("to", "payee_id is longer than 256 bytes", "…xxxx")),
        ({"id": ""}, ("id", "transaction_id is missing", None)),
        ({"fraud": ""}, ("fraud", "the label is missing", None)),
        (
            {"fraud": "maybe"},
            ("fraud", "a label that is in neither list of `labels` of the feed", "maybe"),
        ),
        ({"fraud": "0,1"}, (None, "8 fields where the header has 7", None)),
        ({"fraud": '"0"1'}, (None, "text after a closing quote", None)),
        ({"to": '"open'}, (None, "a quote opens and does not close", None)),
        ({"to": "a\rb"}, (None, "a carriage return inside a line", None)),
        # Both are wrong; the first column in canonical order is reported.
        ({"amount": "-1", "at": "soon"}, ("at", "not a time of the format iso", "soon")),
    ],
)
def test_a_bad_cell_costs_its_row_alone(
    read: Read, csv_with: CsvWith, cells: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    result = read(csv_with(**cells), "dir/x.csv")
    assert result.accepted["transaction_id"].to_list() == ["1"]
    assert result.quarantined.rows() == [("dir/x.csv", 2, *expected)]
    assert (result.received, result.duplicate) == (2, 0)


def test_account_ids_are_masked_where_they_are_at_fault(read: Read, csv_with: CsvWith) -> None:
    result = read(csv_with(to="4815162342" * 26))
    assert result.quarantined["value_masked"].to_list() == ["…2342"]


def test_too_few_fields_and_unparsable_json(read: Read, csv_with: CsvWith) -> None:
    short = read(csv_with() + b"3,x\n\n4\n")
    assert short.quarantined.select("row", "reason").rows() == [
        (3, "2 fields where the header has 7"),
        (4, "1 fields where the header has 7"),
    ]
    line = (
        b'{"id": %d, "at": "2026-01-01", "type": "P", "amount": %s, '
        b'"from": "a", "to": "b", "fraud": 0}\n'
    )
    jsonl = (
        line % (1, b"5.5")
        + b'{"id": \n'
        + b"\n"
        + line % (2, b"NaN")
        + b"[1]\n"
        + line % (3, b'"7"')
        + line % (4, b"1")
    )
    result = read(jsonl, "x.jsonl")
    assert result.accepted.select("transaction_id", "amount", "source_row").rows() == [
        ("1", 5.5, 1), ("3", 7.0, 5), ("4", 1.0, 6),
    ]  # fmt: skip
    assert result.quarantined.select("row", "column", "reason").rows() == [
        (2, None, "not a JSON object"),
        (3, "amount", "the amount is NaN"),
        (4, None, "not a JSON object"),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"\\ud800"', "not a JSON object"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "not a JSON object"),
        ("[" * 100_000 + "]" * 100_000, "not a JSON object"),
    ],
)
def test_json_that_breaks_readers_breaks_its_line_alone(
    read: Read, value: str, expected: str
) -> None:
    rest = '"at": "2026-01-01", "type": "P", "amount": 1, "from": "a", "to": "b", "fraud": 0'
    content = f'{{"id": {value}, {rest}}}\n{{"id": 2, "id": 3, {rest}}}\n'
    result = read(content.encode(), "x.jsonl")
    assert result.quarantined.select("row", "reason").rows() == [(1, expected)]
    assert result.accepted["transaction_id"].to_list() == ["2"], "of two values, the first"


def test_a_stray_quote_does_not_swallow_the_rows_after_it(read: Read, csv_with: CsvWith) -> None:
    rest = b"".join(
        b'%d,2026-01-01T00:00:00Z,P,10.5,"acc-1","acc-2",0\n' % number for number in range(3, 3000)
    )
    result = read(csv_with(to='"acc') + rest)
    assert result.quarantined.select("row", "reason").rows() == [
        (2, "a quote opens and does not close")
    ]
    assert result.accepted.height == 2998


@pytest.mark.parametrize(
    ("setting", "value", "cells"),
    [
        ("allow_zero_amount", True, {"amount": "0"}),
        ("max_amount", 1e13, {"amount": "1e12"}),
        ("optional", ("is_fraud",), {"fraud": ""}),
        ("null_values", ("n/a",), {"at": "n/a"}),
        ("latest", NEXT_YEAR, {"at": "2026-12-31"}),
    ],
)
def test_what_a_feed_may_decide(
    read: Read, shop: Feed, csv_with: CsvWith, setting: str, value: object, cells: dict[str, str]
) -> None:
    by_default = read(csv_with(**cells))
    assert by_default.quarantined.height == 1
    decided = read(csv_with(**cells), feed=shop.model_copy(update={setting: value}))
    if setting == "null_values":
        assert by_default.quarantined["reason"].to_list() == ["not a time of the format iso"]
        assert decided.quarantined["reason"].to_list() == ["the time is missing"]
    else:
        assert decided.quarantined.height == 0


def test_a_decimal_comma_feed_does_not_guess_about_points(
    read: Read, shop: Feed, csv_with: CsvWith
) -> None:
    feed = shop.model_copy(update={"decimal_comma": True})
    result = read(csv_with(amount='"1.234,50"').replace(b"10.5", b'"12,5"'), feed=feed)
    assert result.accepted["amount"].to_list() == [12.5]
    assert result.quarantined["reason"].to_list() == ["the amount is not a number"]
