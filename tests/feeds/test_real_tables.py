"""Tables that others made, and a file damaged in the wild; the counts were taken with awk."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds import load_feeds, parse_feed, read_upload

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)

CLAIMS: Final = """
name: claims
columns:
  transaction_id: PolicyNumber
  kind: BasePolicy
  amount: Deductible
  currency: {constant: USD}
  payer_id: Make
  payee_id: RepNumber
  is_fraud: FraudFound_P
time: {column: [Year, Month], format: "%Y %b"}
kinds: {Liability: payment, Collision: payment, All Perils: payment}
label_delay: 30 days
entities: {payer: make, payee: representative}
"""


def test_the_first_rows_of_paysim(shared_data: Path) -> None:
    path = shared_data / "paysim" / "kaggle_first_2688.parquet"
    result = read_upload(path, load_feeds()["paysim"], source_file=path.name, now=NOW)
    table = result.accepted
    assert (result.received, table.height, result.duplicate) == (2688, 2688, 0)
    assert dict(table["kind"].value_counts().iter_rows()) == {
        "payment": 1365, "cash_in": 511, "cash_out": 388, "transfer": 276, "debit": 148,
    }  # fmt: skip
    assert table["is_fraud"].sum() == 16
    assert result.extra_columns == ("newbalanceOrig", "newbalanceDest", "isFlaggedFraud")
    assert table.filter(pl.col("source_row") == 3).drop("transaction_id").row(0) == (
        datetime(2026, 1, 1, tzinfo=UTC), "transfer", 181.0, "XXX", "C1305486145", "C553264065",
        181.0, 0.0, True, datetime(2026, 1, 2, tzinfo=UTC), "kaggle_first_2688.parquet", 3,
    )  # fmt: skip


def test_paysim_keeps_the_frauds_of_nothing(shared_data: Path, tmp_path: Path) -> None:
    everything = pl.scan_parquet(shared_data / "paysim" / "paysim_1.3m.parquet")
    everything.filter(pl.col("amount") == 0).collect().write_csv(tmp_path / "zero.csv")
    result = read_upload(
        tmp_path / "zero.csv", load_feeds()["paysim"], source_file="zero.csv", now=NOW
    )
    assert result.accepted.select("amount", "is_fraud").rows() == [(0.0, True)] * 6


def test_the_first_days_of_the_handbook(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "handbook" / "transactions_to_2018-08-14.parquet"
    pl.read_parquet(path, n_rows=3000).write_parquet(tmp_path / "head.parquet")
    result = read_upload(
        tmp_path / "head.parquet", load_feeds()["card"], source_file="head.parquet", now=NOW
    )
    assert (result.received, result.accepted.height) == (3000, 3000)
    assert result.accepted.row(0) == (
        "0", datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC), "card", 57.16, "XXX", "596", "3156",
        None, None, False, datetime(2018, 4, 8, 0, 0, 31, tzinfo=UTC), "head.parquet", 1,
    )  # fmt: skip


def test_amlsim_with_and_without_what_tells_the_rings(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "amlsim" / "transactions.parquet"
    table = pl.read_parquet(path, n_rows=3000)
    table.write_csv(tmp_path / "all.csv")
    table.drop("isSAR", "alertID").write_csv(tmp_path / "blind.csv")
    feed = load_feeds()["aml"]
    told = read_upload(tmp_path / "all.csv", feed, source_file="x.csv", now=NOW)
    blind = read_upload(tmp_path / "blind.csv", feed, source_file="x.csv", now=NOW)
    assert told.received == told.accepted.height == blind.accepted.height == 3000
    assert told.extra_columns == ("newbalanceOrig", "newbalanceDest", "alertID")
    assert blind.accepted.select("is_fraud", "label_known_at").unique().rows() == [(None, None)]
    labels = ["is_fraud", "label_known_at"]
    assert told.accepted.drop(labels).equals(blind.accepted.drop(labels)), "the ids as well"
    first = told.accepted.filter(pl.col("source_row") == 1)
    assert first.drop("transaction_id").row(0) == (
        datetime(2017, 1, 1, tzinfo=UTC), "transfer", 407.27, "USD", "12226", "24101",
        56526.73, 75636.81, False, datetime(2017, 1, 31, tzinfo=UTC), "x.csv", 1,
    )  # fmt: skip


def test_a_file_damaged_in_the_wild(shared_data: Path) -> None:
    # Rows 15416 and 15419 lost their month (the latter its make as well) and come again whole in
    # the next line; row 15422 repeats row 15421 to the letter.
    path = shared_data / "vehicle_claims" / "fraud_oracle_dirty.csv"
    result = read_upload(path, parse_feed(CLAIMS, "claims.yaml"), source_file=path.name, now=NOW)
    assert result.quarantined.rows() == [
        ("fraud_oracle_dirty.csv", 15416, "Year Month", "the time is missing", None),
        ("fraud_oracle_dirty.csv", 15419, "Year Month", "the time is missing", None),
    ]
    assert (result.received, result.accepted.height) == (15_423, 15_420)
    assert (result.duplicate, result.conflicting) == (1, 0)
    assert result.accepted["is_fraud"].sum() == 923
    assert result.accepted["amount"].sum() == 6_286_800.0
    twice = result.accepted.filter(pl.col("transaction_id").is_in(["15416", "15418", "15419"]))
    assert sorted(twice["source_row"].to_list()) == [15417, 15420, 15421]
