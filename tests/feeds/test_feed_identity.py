import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets.feeds import Feed, ReadResult, account_key, parse_feed
from fraud_assets.feeds.identity import content_hash
from gpu_ops.canonical import CANONICAL_SCHEMA

Read = Callable[..., ReadResult]

NO_IDS: Final = """
name: noids
columns: {kind: {constant: card}, amount: amount, currency: {constant: EUR}, payer_id: a,
  payee_id: b, payer_balance_before: before, is_fraud: f}
time: {column: at}
label_delay: 1 day
optional: [is_fraud, payer_balance_before]
entities: {payer: account, payee: account}
"""


@pytest.fixture(scope="module")
def no_ids() -> Feed:
    return parse_feed(NO_IDS, "noids.yaml")


def test_account_keys_tell_feeds_and_entities_apart() -> None:
    ids = pl.DataFrame({"id": ["596", None]})
    assert ids.select(
        customer=account_key("card", "customer", pl.col("id")),
        terminal=account_key("card", "terminal", pl.col("id")),
    ).rows() == [("card:customer:596", "card:terminal:596"), (None, None)]


def test_the_content_hash_is_that_of_its_documented_text() -> None:
    row = (
        None, datetime(2026, 1, 1, tzinfo=UTC), "card", 10.5, "EUR", "a|\u00e9", "b", 0.25, None,
        True, datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    table = pl.DataFrame([row], schema=CANONICAL_SCHEMA, orient="row")
    # 10.5 = 0x4025000000000000 and 0.25 = 0x3FD0000000000000; the payer id is 4 bytes long.
    text = "1767225600000000|card|4622100592565682176|EUR|4598175219545276416||4|a|\u00e9b"
    expected = "h" + xxhash.xxh3_128_hexdigest(text.encode())
    assert expected == "h7ef7576323d69b64137fae3fb9b0722c"
    assert content_hash(table).to_list() == [expected]


def test_equal_rows_are_numbered_and_labels_change_no_id(read: Read, no_ids: Feed) -> None:
    lines = ["2026-01-01,5,x,y,1,0", "2026-01-01,5,x,y,1,1", "2026-01-01,5,xy,,1,0",
             "2026-01-01,5.0,x,y,1.0,0", "2026-01-01,5,x,y,,0"]  # fmt: skip
    content = "at,amount,a,b,before,f\n" + "\n".join(lines)
    feed = no_ids.model_copy(update={"bad_row_limit": 0.5})
    table = read(content.encode(), feed=feed).accepted
    stems = [identity.rsplit("-", 1) for identity in table["transaction_id"]]
    by_row = dict(zip(table["source_row"], stems, strict=True))
    assert {row: ordinal for row, (_, ordinal) in by_row.items()} == {
        1: "1",
        4: "2",
        2: "3",
        5: "1",
    }
    assert by_row[1][0] == by_row[2][0] == by_row[4][0] != by_row[5][0]
    unlabelled = "\n".join(line.rsplit(",", 1)[0] for line in content.split("\n"))
    again = read(unlabelled.encode(), feed=feed).accepted
    assert set(again["transaction_id"]) == set(table["transaction_id"])


@settings(deadline=None, max_examples=20)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from("xy"), st.integers(0, 1)), min_size=1
    ),
    seed=st.integers(0, 99),
)
def test_ids_do_not_depend_on_the_order_of_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int]], seed: int
) -> None:
    from fraud_assets.feeds import read_upload

    feed = parse_feed(NO_IDS, "noids.yaml")
    path = tmp_path_factory.mktemp("order") / "x.csv"

    def facts(lines: list[str]) -> list[tuple[object, ...]]:
        path.write_text("at,amount,a,b,f\n" + "\n".join(lines))
        now = datetime(2026, 6, 1, tzinfo=UTC)
        table = read_upload(path, feed, source_file="x.csv", now=now).accepted
        return table.drop("source_row").rows()

    lines = [f"2026-01-01,{amount},{payer},z,{label}" for amount, payer, label in rows]
    shuffled = random.Random(seed).sample(lines, len(lines))  # noqa: S311 no secret
    assert facts(lines) == facts(shuffled)
    assert len(facts(lines)) == len(lines)
