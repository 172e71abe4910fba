"""What a simulation promises about its size, shares, amounts, balances and labels."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gpu_ops.canonical import CANONICAL_SCHEMA
from simulator import Simulation, simulate, write

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(rows=100_000, days=60, rings=10, seed=7)


def test_exact_rows_and_canonical_schema_in_order_of_time(simulation: Simulation) -> None:
    table = simulation.transactions
    assert table.height == 100_000
    assert dict(table.schema) == CANONICAL_SCHEMA
    assert table["transaction_id"].n_unique() == 100_000
    assert_frame_equal(table, table.sort("occurred_at", "transaction_id"))
    assert table["occurred_at"].min() >= datetime(2024, 1, 1, tzinfo=UTC)  # type: ignore[operator]
    assert table["occurred_at"].max() < datetime(2024, 3, 1, tzinfo=UTC)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("rows", "days", "rings"), [(10, 1, 0), (10, 400, 0), (1_003, 1, 5), (7_777, 31, 3)]
)
def test_exact_rows_of_small_tables(rows: int, days: int, rings: int) -> None:
    small = simulate(rows=rows, days=days, rings=rings, seed=0)
    assert small.transactions.height == rows
    assert small.truth["ring_id"].n_unique() == rings
    assert small.transactions["occurred_at"].max() < START + timedelta(days=days)  # type: ignore[operator]
    assert small.transactions["is_fraud"].any()


def test_same_seed_same_tables_other_seed_other_tables() -> None:
    one, same, other = (simulate(rows=5_000, days=20, rings=5, seed=seed) for seed in (3, 3, 4))
    assert_frame_equal(one.transactions, same.transactions)
    assert_frame_equal(one.truth, same.truth)
    assert not one.transactions.equals(other.transactions)


def test_shares_of_kinds_are_those_of_published_paysim(simulation: Simulation) -> None:
    count = Counter(simulation.transactions["kind"])
    published = {
        "cash_out": 0.3517,
        "payment": 0.3381,
        "cash_in": 0.2199,
        "transfer": 0.0838,
        "debit": 0.0065,
    }
    for kind, share in published.items():
        assert count[kind] / 100_000 == pytest.approx(share, abs=0.006), kind


def test_amounts_of_kinds_are_those_of_a_paysim_run(simulation: Simulation) -> None:
    legitimate = simulation.transactions.filter(~pl.col("is_fraud"))
    quartiles = {
        "payment": (8_025, 14_430, 21_956),
        "transfer": (540_891, 1_072_392, 2_013_732),
        "cash_out": (110_281, 185_751, 267_980),
        "cash_in": (107_176, 180_218, 259_567),
    }
    for kind, expected in quartiles.items():
        amounts = legitimate.filter(kind=kind)["amount"].to_numpy()
        assert np.quantile(amounts, [0.25, 0.5, 0.75]) == pytest.approx(expected, rel=0.08), kind


def test_fraud_share_is_near_published_paysim(simulation: Simulation) -> None:
    assert 0.0013 <= simulation.transactions["is_fraud"].mean() <= 0.0025  # type: ignore[operator]


def test_nobody_pays_more_than_the_balance_and_balances_follow_the_payments(
    simulation: Simulation,
) -> None:
    balance: dict[str, float] = {}
    topped_up = 0
    columns = ("payer_id", "payee_id", "payer_balance_before", "payee_balance_before", "amount")
    for payer, payee, payer_before, payee_before, amount in simulation.transactions.select(
        columns
    ).iter_rows():
        if payer_before is not None:
            assert amount <= payer_before + 0.005
            # Money from outside may have come in, but none can have vanished.
            expected = balance.get(payer, payer_before)
            assert payer_before >= expected - 0.01
            topped_up += payer_before > expected + 0.01
            balance[payer] = payer_before - amount
        if payee_before is not None:
            assert payee_before == pytest.approx(balance.get(payee, payee_before), abs=0.01)
            balance[payee] = payee_before + amount
    assert 0 < topped_up < 40_000


def test_people_come_back_to_the_same_counterparties(simulation: Simulation) -> None:
    payments = simulation.transactions.filter(kind="payment")
    pairs = payments.group_by("payer_id", "payee_id").len()
    repeated = pairs.filter(pl.col("len") > 1)["len"].sum() / payments.height
    assert repeated > 0.6
    visits = payments.group_by("payee_id").len()["len"].sort(descending=True)
    assert visits[0] > 10 * visits.median()  # type: ignore[operator]


def test_salaries_repeat_the_same_amount(simulation: Simulation) -> None:
    salaries = simulation.transactions.filter(pl.col("payer_id").str.starts_with("E"))
    each = salaries.group_by("payer_id", "payee_id").agg(
        pl.col("amount").n_unique(), pl.len().alias("times")
    )
    assert each.filter(pl.col("times") > 1).height > 500
    assert each["amount"].max() == 1


def test_nights_are_quiet(simulation: Simulation) -> None:
    hours = Counter(simulation.transactions["occurred_at"].dt.hour())
    assert sum(hours[hour] for hour in (2, 3, 4)) < 0.3 * sum(hours[hour] for hour in (17, 18, 19))


def test_labels_of_fraud_arrive_days_later_and_all_else_is_cleared_after_a_week(
    simulation: Simulation,
) -> None:
    table = simulation.transactions.with_columns(
        delay=pl.col("label_known_at") - pl.col("occurred_at")
    )
    legitimate = table.filter(~pl.col("is_fraud"))["delay"]
    assert legitimate.min() == legitimate.max() == timedelta(days=7)
    fraud = table.filter("is_fraud")["delay"]
    assert fraud.min() >= timedelta(hours=6)  # type: ignore[operator]
    assert fraud.max() <= timedelta(days=45)  # type: ignore[operator]
    assert timedelta(days=3) < fraud.median() < timedelta(days=5)  # type: ignore[operator]


def test_take_overs_are_a_transfer_to_a_mule_who_cashes_out(simulation: Simulation) -> None:
    ring = simulation.truth["transaction_id"].implode()
    fraud = simulation.transactions.filter("is_fraud", ~pl.col("transaction_id").is_in(ring))
    transfers = fraud.filter(kind="transfer")
    cash_outs = fraud.filter(kind="cash_out")
    assert transfers.height == cash_outs.height > 20
    for victim_row in transfers.iter_rows(named=True):
        followed = cash_outs.filter(
            pl.col("payer_id") == victim_row["payee_id"],
            pl.col("occurred_at") > victim_row["occurred_at"],
            pl.col("occurred_at") <= victim_row["occurred_at"] + timedelta(hours=12),
            pl.col("amount") <= victim_row["amount"],
            pl.col("amount") >= 0.79 * victim_row["amount"],
        )
        assert followed.height >= 1


def test_mules_and_victims_also_live_ordinary_lives(simulation: Simulation) -> None:
    table = simulation.transactions
    ordinary = set(table.filter(~pl.col("is_fraud"))["payer_id"])
    fraud = table.filter(pl.col("is_fraud"), pl.col("kind") == "transfer")
    people = set(fraud["payer_id"]) | set(fraud["payee_id"])
    assert len(people - ordinary) <= 0.02 * len(people)


def test_no_column_gives_fraud_away(simulation: Simulation) -> None:
    from sklearn.metrics import roc_auc_score

    table = simulation.transactions.with_columns(
        ratio=(pl.col("amount") / pl.col("payer_balance_before")).fill_null(0.0)
    ).with_columns(nearness=(pl.col("ratio") - 1).abs(), whole=pl.col("ratio") == 1)
    fraud = table["is_fraud"].to_numpy()
    balances = pl.col("payer_balance_before", "payee_balance_before").fill_null(-1.0)
    hour = pl.col("occurred_at").dt.hour()
    columns = table.select(
        "amount",
        "ratio",
        "nearness",
        balances,
        hour.alias("hour"),
        (pl.col("kind") == "transfer").alias("transfer"),
        ((pl.col("occurred_at").dt.second()) % 60).alias("second"),
    )
    for column in columns.iter_columns():
        area = roc_auc_score(fraud, column.to_numpy())
        assert max(area, 1 - area) < 0.95, column.name
    emptied = table.filter("whole")
    assert emptied["is_fraud"].mean() < 0.2  # type: ignore[operator]


def test_identifiers_do_not_tell_who_is_who(simulation: Simulation) -> None:
    table = simulation.transactions
    names = pl.concat([table["payer_id"], table["payee_id"]]).unique()
    assert names.str.contains(r"^[CMAEB]\d{9}$").all()
    members = pl.concat([simulation.truth["payer_id"], simulation.truth["payee_id"]]).unique()
    assert members.str.starts_with("C").all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 9, "days": 30, "rings": 0, "seed": 0}, "rows must be at least 10"),
        ({"rows": 5_000, "days": 0, "rings": 0, "seed": 0}, "days must be at least 1"),
        ({"rows": 5_000, "days": 30, "rings": -1, "seed": 0}, "rings must be at least 0"),
        ({"rows": 5_000, "days": 30, "rings": 0, "seed": -1}, "seed must be at least 0"),
        ({"rows": 5_000, "days": 30, "rings": 500, "seed": 0}, "500 rings have"),
        ({"rows": 5_000, "days": 60, "rings": 80, "seed": 0}, "80 rings need"),
    ],
)
def test_impossible_wishes_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)


def test_files_hold_every_row_once_in_order(tmp_path: Path) -> None:
    small = simulate(rows=1_001, days=10, rings=1, seed=2)
    paths = write(small, tmp_path, "parquet", files=3)
    assert [path.name for path in paths] == [
        "transactions-001.parquet",
        "transactions-002.parquet",
        "transactions-003.parquet",
    ]
    assert_frame_equal(pl.concat([pl.read_parquet(path) for path in paths]), small.transactions)
    assert_frame_equal(pl.read_parquet(tmp_path / "truth" / "truth.parquet"), small.truth)


def test_csv_keeps_every_value(tmp_path: Path) -> None:
    small = simulate(rows=1_000, days=10, rings=0, seed=2)
    (path,) = write(small, tmp_path / "new" / "folder", "csv")
    text = path.read_text()
    first_time = small.transactions["occurred_at"][0].strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    assert text.splitlines()[1].split(",")[1] == first_time
    back = pl.read_csv(text.encode(), schema_overrides={"transaction_id": pl.String}).with_columns(
        pl.col("occurred_at", "label_known_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6f%:z")
    )
    assert_frame_equal(back, small.transactions)


def test_a_wrong_number_of_files_is_refused(tmp_path: Path) -> None:
    small = simulate(rows=1_000, days=10, rings=0, seed=2)
    with pytest.raises(ValueError, match="files must be from 1 to the number of rows, 1000, not 0"):
        write(small, tmp_path, files=0)
