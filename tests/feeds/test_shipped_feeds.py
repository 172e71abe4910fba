"""One small sample of every shipped feed, as its source writes it."""

import io
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from fraud_assets.feeds import ReadResult, load_feeds
from gpu_ops.canonical import CANONICAL_SCHEMA

Read = Callable[..., ReadResult]

PAYSIM = b"""\
step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,isFlaggedFraud
1,PAYMENT,9839.64,C1231006815,170136.0,160296.36,M1979787155,0.0,0.0,0,0
1,TRANSFER,181.0,C1305486145,181.0,0.0,C553264065,0.0,0.0,1,0
25,CASH_OUT,0.0,C840083671,0.0,0.0,C38997010,21182.0,21182.0,1,0
25,CASH_IN,5.5,C840083672,1.0,6.5,C38997010,21182.0,21182.0,0,0
26,DEBIT,5.5,C840083673,1.0,6.5,C38997010,21182.0,21182.0,0,0
"""
CARD = b"""\
TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,TX_FRAUD_SCENARIO
0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0
3527,2018-04-01 10:17:43,3774,3059,225.41,37063,0,1,1
"""
AML = b"""\
step,type,amount,nameOrig,oldbalanceOrig,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isSAR,alertID
0,TRANSFER,407.27,12226,56526.73,56119.46,24101,75636.81,76044.08,0,-1
31,TRANSFER,0.0,4444,0.0,0.0,22315,75393.28,75393.28,1,7
"""


def rows(result: ReadResult) -> list[tuple[object, ...]]:
    return result.accepted.sort("source_row").drop("transaction_id", "source_file").rows()


def test_paysim(read: Read) -> None:
    result = read(PAYSIM, feed=load_feeds()["paysim"])
    assert result.quarantined.rows() == []
    assert result.extra_columns == ("newbalanceOrig", "newbalanceDest", "isFlaggedFraud")
    assert rows(result)[:3] == [
        (datetime(2026, 1, 1, tzinfo=UTC), "payment", 9839.64, "XXX", "C1231006815", "M1979787155",
         170136.0, 0.0, False, datetime(2026, 1, 2, tzinfo=UTC), 1),
        (datetime(2026, 1, 1, tzinfo=UTC), "transfer", 181.0, "XXX", "C1305486145", "C553264065",
         181.0, 0.0, True, datetime(2026, 1, 2, tzinfo=UTC), 2),
        (datetime(2026, 1, 2, tzinfo=UTC), "cash_out", 0.0, "XXX", "C840083671", "C38997010",
         0.0, 21182.0, True, datetime(2026, 1, 3, tzinfo=UTC), 3),
    ]  # fmt: skip
    assert [row[1] for row in rows(result)[3:]] == ["cash_in", "debit"]
    assert result.accepted["transaction_id"].str.contains(r"^h[0-9a-f]{32}-1$").all()


def test_card(read: Read) -> None:
    result = read(CARD, feed=load_feeds()["card"])
    assert result.extra_columns == ("TX_TIME_SECONDS", "TX_TIME_DAYS", "TX_FRAUD_SCENARIO")
    assert result.accepted["transaction_id"].to_list() == ["0", "3527"]
    assert rows(result) == [
        (datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC), "card", 57.16, "XXX", "596", "3156",
         None, None, False, datetime(2018, 4, 8, 0, 0, 31, tzinfo=UTC), 1),
        (datetime(2018, 4, 1, 10, 17, 43, tzinfo=UTC), "card", 225.41, "XXX", "3774", "3059",
         None, None, True, datetime(2018, 4, 8, 10, 17, 43, tzinfo=UTC), 2),
    ]  # fmt: skip


def test_aml(read: Read) -> None:
    result = read(AML, feed=load_feeds()["aml"])
    assert result.extra_columns == ("newbalanceOrig", "newbalanceDest", "alertID")
    assert rows(result) == [
        (datetime(2017, 1, 1, tzinfo=UTC), "transfer", 407.27, "USD", "12226", "24101",
         56526.73, 75636.81, False, datetime(2017, 1, 31, tzinfo=UTC), 1),
        (datetime(2017, 2, 1, tzinfo=UTC), "transfer", 0.0, "USD", "4444", "22315",
         0.0, 75393.28, True, datetime(2017, 3, 3, tzinfo=UTC), 2),
    ]  # fmt: skip


def test_sim_in_both_of_its_formats(read: Read) -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    known = datetime(2026, 1, 5, tzinfo=UTC)
    table = pl.DataFrame(
        [("t1", at, "transfer", 12.5, "EUR", "a", "b", 100.0, None, True, known)],
        schema=CANONICAL_SCHEMA,
        orient="row",
    )
    parquet = io.BytesIO()
    table.write_parquet(parquet)
    csv = table.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ").encode()
    plain = table.write_csv().encode()
    for content, name in [(parquet.getvalue(), "x.parquet"), (csv, "x.csv"), (plain, "x.csv")]:
        result = read(content, name, load_feeds()["sim"])
        assert result.accepted.select(table.columns).equals(table), name


def test_no_feed_reads_what_is_known_only_after_the_event() -> None:
    told = {"newbalanceOrig", "newbalanceDest", "alertID", "TX_FRAUD_SCENARIO", "isFlaggedFraud"}
    for feed in load_feeds().values():
        read_columns = {name for names in feed.source_columns.values() for name in names}
        assert not read_columns & told, feed.name
