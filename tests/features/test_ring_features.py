"""Features of rings: what was known of them before the day, and not a moment later."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.engine import Engine
from gpu_ops.features import CATALOGUE, feature_table
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known
from gpu_ops.ring_features import (
    RING_FEATURES,
    RingFeature,
    ring_payments,
    with_ring_features,
)
from gpu_ops.ring_params import RING_SCHEMA

NAMES = [one.name for one in RING_FEATURES]
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
END_OF_DAY = timedelta(days=1) - timedelta(microseconds=1)


def word(
    ring: str, day: int, accounts: list[str], score: float, exposure: float,
    merged_into: str | None = None,
) -> dict[str, object]:  # fmt: skip
    """A row of the log: what became known of a ring with the end of a day of March."""
    at = datetime(2026, 3, day, tzinfo=UTC) + END_OF_DAY
    return {
        "ring_id": ring,
        "known_at": at,
        "accounts": accounts,
        "score": score,
        "exposure": exposure,
        "merged_into": merged_into,
    }


def log_of(*words: dict[str, object]) -> pl.DataFrame:
    """The log with the columns that play no part left null."""
    rows = [{name: one.get(name) for name in RING_SCHEMA} for one in words]
    return pl.DataFrame(rows, schema=RING_SCHEMA)


def told(
    log: pl.DataFrame, payments: Sequence[tuple[int, float, str | None, str | None]]
) -> pl.DataFrame:
    """The ring features of payments: day of March, hour, payer, payee."""
    rows = pl.DataFrame(
        {
            "transaction_id": [str(number) for number in range(len(payments))],
            "occurred_at": [
                datetime(2026, 3, day, tzinfo=UTC) + timedelta(hours=hour)
                for day, hour, _, _ in payments
            ],
            "payer_id": [payer for *_, payer, _ in payments],
            "payee_id": [payee for *_, payee in payments],
        },
        schema_overrides={
            "occurred_at": pl.Datetime("us", "UTC"),
            "payer_id": pl.String,
            "payee_id": pl.String,
        },
    )
    features = rows.select("transaction_id")
    return with_ring_features(
        features.lazy(), rows.lazy(), log, RING_FEATURES, same_entities=True
    ).collect()


def test_a_ring_counts_from_the_day_after_it_became_known() -> None:
    log = log_of(word("r1", 3, ["ann", "bob"], 0.5, 900.0))
    found = told(log, [(3, 23.99, "ann", "x"), (4, 0, "ann", "x"), (9, 12, "y", "bob")])
    assert found["payer_ring_score"].to_list() == [None, 0.5, None]
    assert found["payer_ring_count"].to_list() == [0, 1, 0]
    assert found["payer_ring_age_days"].to_list() == [None, 1.0, None]
    assert found["payer_ring_exposure"].to_list() == [None, 900.0, None]
    assert found["payee_ring_score"].to_list() == [None, None, 0.5]
    assert found["payee_ring_age_days"].to_list() == [None, None, 6.0]
    assert found["pair_ring_count"].to_list() == [0, 0, 0]


def test_a_ring_stands_as_it_was_told_last_before_the_day() -> None:
    log = log_of(
        word("r1", 3, ["ann", "bob"], 0.25, 100.0),
        word("r1", 5, ["ann", "bob", "eve"], 0.75, 300.0),
    )
    payments = [(day, 12.0, "ann", "eve") for day in (4, 5, 6)]
    found = told(log, payments)
    assert found["payer_ring_score"].to_list() == [0.25, 0.25, 0.75]
    assert found["payer_ring_count"].to_list() == [1, 1, 1]
    assert found["payer_ring_age_days"].to_list() == [1.0, 2.0, 1.0]
    assert found["payee_ring_score"].to_list() == [None, None, 0.75]
    assert found["pair_ring_score"].to_list() == [None, None, 0.75]
    assert told(log.reverse(), payments).equals(found)


def test_a_ring_that_became_part_of_another_is_none_any_more() -> None:
    log = log_of(
        word("r1", 2, ["ann", "bob"], 0.5, 50.0),
        word("r2", 3, ["ann", "eve"], 0.75, 10.0),
        word("r1", 5, ["ann", "bob", "eve"], 0.875, 60.0),
        word("r2", 5, ["ann", "eve"], 0.75, 10.0, merged_into="r1"),
    )
    found = told(log, [(5, 1, "ann", "eve"), (6, 1, "ann", "eve")])
    assert found["payer_ring_count"].to_list() == [2, 1]
    # The strongest, the largest, the latest: not of one ring all of them.
    assert found["payer_ring_score"].to_list() == [0.75, 0.875]
    assert found["payer_ring_exposure"].to_list() == [50.0, 60.0]
    assert found["payer_ring_age_days"].to_list() == [2.0, 1.0]
    assert found["payee_ring_count"].to_list() == [1, 1]


def test_a_pair_counts_only_rings_that_hold_both() -> None:
    log = log_of(
        word("r1", 2, ["ann", "bob"], 0.5, 1.0),
        word("r2", 2, ["ann", "eve"], 0.75, 1.0),
        word("r3", 2, ["bob", "eve"], 0.625, 1.0),
    )
    found = told(log, [(9, 1, "ann", "bob"), (9, 2, "bob", "ann"), (9, 3, "ann", None)])
    assert found["pair_ring_count"].to_list() == [1, 1, 0]
    assert found["pair_ring_score"].to_list() == [0.5, 0.5, None]
    assert found["payer_ring_count"].to_list() == [2, 2, 2]


def test_cards_and_terminals_of_one_name_are_two_accounts() -> None:
    rows = pl.LazyFrame(
        {
            "transaction_id": ["t"],
            "occurred_at": [MARCH],
            "kind": ["transfer"],
            "amount": [1.0],
            "payer_id": ["7"],
            "payee_id": ["7"],
        }
    )
    mixed = ring_payments(rows, feed="f", same_entities=False).collect()
    alike = ring_payments(rows, feed="f", same_entities=True).collect()
    assert mixed.select("payer", "payee").row(0) == ("7", "payee 7")
    assert alike.select("payer", "payee").row(0) == ("7", "7")


def test_an_unknown_entity_or_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="entity 'bank' is unknown"):
        RingFeature("bank", "score")  # type: ignore[arg-type] # the point of the test
    with pytest.raises(ValueError, match="statistic 'sum' is unknown"):
        RingFeature("payer", "sum")  # type: ignore[arg-type] # the point of the test


PEOPLE = [f"p{number}" for number in range(8)]


def canonical(moves: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    """Ordinary weeks of many pairs, then drawn payments among a few accounts.

    Args:
        moves: day after the ordinary weeks, payer, payee, amount.
    """
    ordinary = [
        (day, f"q{k}", f"q{(k + step) % 30}", 40.0 + (k * day) % 29)
        for k in range(30)
        for day in range(k % 7, 40, 7)
        for step in (1, 2)
    ]
    drawn = [(40 + day, PEOPLE[one], PEOPLE[two], float(amount)) for day, one, two, amount in moves]
    # A fan that the search finds: five strangers pay one account within two days.
    fan = [(44 + k % 2, f"s{k}", "hub", 950.0 + k) for k in range(6)]
    after = [(day, "hub", "q1", 70.0) for day in (45, 46, 47, 52)]
    rows = sorted([*ordinary, *drawn, *fan, *after])
    return pl.DataFrame(
        {
            "transaction_id": [f"{number:04d}" for number in range(len(rows))],
            "occurred_at": [MARCH + timedelta(days=day, hours=6) for day, *_ in rows],
            "kind": ["transfer"] * len(rows),
            "amount": [amount for *_, amount in rows],
            "currency": ["EUR"] * len(rows),
            "payer_id": [payer for _, payer, _, _ in rows],
            "payee_id": [payee for _, _, payee, _ in rows],
            "payer_balance_before": pl.Series([None] * len(rows), dtype=pl.Float64),
            "payee_balance_before": pl.Series([None] * len(rows), dtype=pl.Float64),
            "is_fraud": pl.Series([None] * len(rows), dtype=pl.Boolean),
            "label_known_at": pl.Series([None] * len(rows), dtype=pl.Datetime("us", "UTC")),
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
    )


def log_through(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    until = rows.filter(pl.col("occurred_at").dt.date() <= day)
    payments = ring_payments(until.lazy(), feed="f", same_entities=True)
    return as_known(RingState.empty("f"), payments)[1]


def features_of(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """The ring features of all rows until a day, from nothing but what lies until that day."""
    known = rows.filter(pl.col("occurred_at").dt.date() <= day)
    catalogue = type(CATALOGUE)((), rings=RING_FEATURES)
    return feature_table(
        known.lazy(),
        is_target=pl.lit(value=True),
        engine=Engine(),
        catalogue=catalogue,
        rings=log_through(known, day - timedelta(days=1)),
    ).collect()


moves = st.lists(
    st.tuples(
        st.integers(0, 13), st.integers(0, 7), st.integers(0, 7), st.sampled_from([10, 500, 500])
    ),
    max_size=14,
)


def test_a_found_fan_is_told_of_its_hub_from_the_next_day_on() -> None:
    """So that the law below is not one about nothing."""
    rows = canonical([])
    found = rows.join(features_of(rows, date(2026, 4, 30)), on="transaction_id").filter(
        pl.col("payer_id") == "hub"
    )
    days = found["occurred_at"].dt.date().to_list()
    assert [str(day) for day in days] == ["2026-04-15", "2026-04-16", "2026-04-17", "2026-04-22"]
    # Four strangers had not paid by the 14th; by the end of the 15th all six had.
    assert found["payer_ring_count"].to_list() == [0, 1, 1, 1]
    assert found["payer_ring_age_days"].to_list() == [None, 1.0, 2.0, 7.0]


@settings(deadline=None, max_examples=12)
@given(drawn=moves, cut=st.integers(40, 53))
def test_what_comes_on_the_same_day_or_later_changes_no_ring_feature(
    drawn: list[tuple[int, int, int, int]], cut: int
) -> None:
    rows = canonical(drawn)
    day = (MARCH + timedelta(days=cut)).date()
    whole = features_of(rows, date(2026, 4, 30)).filter(pl.col("occurred_at").dt.date() <= day)
    early = features_of(rows, day)
    assert whole.select("transaction_id", *NAMES).equals(early.select("transaction_id", *NAMES))
    # A row alone on its day, all others of that day left out, is told the same.
    mine = early.filter(pl.col("occurred_at").dt.date() == day).head(1)
    others = rows.filter(
        (pl.col("occurred_at").dt.date() < day)
        | pl.col("transaction_id").is_in(mine["transaction_id"].implode())
    )
    alone = features_of(others, day).join(mine.select("transaction_id"), on="transaction_id")
    assert alone.select(NAMES).equals(mine.select(NAMES))
