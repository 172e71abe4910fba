"""The catalogue as data: names, formulas, refusals, lineage, row features."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import polars as pl
import pytest

from gpu_ops.canonical import CANONICAL_SCHEMA
from gpu_ops.engine import Engine
from gpu_ops.feature_model import duration_label
from gpu_ops.features import (
    CATALOGUE,
    Catalogue,
    RowFeature,
    WindowFeature,
    catalogue_table,
    column_lineage,
    feature_names,
    feature_table,
    history_needed,
)
from gpu_ops.label_features import LabelFeature

Build = Callable[[Sequence[dict[str, object]]], pl.DataFrame]
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


def test_durations_are_written_in_their_largest_whole_unit() -> None:
    cases = {
        timedelta(days=7): "7d",
        timedelta(hours=36): "36h",
        timedelta(minutes=90): "90m",
        timedelta(seconds=61): "61s",
        timedelta(seconds=1, microseconds=5): "1000005us",
    }
    assert {duration_label(duration) for duration in cases} == set(cases.values())


def test_names_say_entity_statistic_window_and_delay() -> None:
    assert WindowFeature("payer", "count", HOUR).name == "payer_count_1h"
    assert WindowFeature("pair", "max", DAY).name == "pair_amount_max_1d"
    assert (
        WindowFeature("payee", "mean", WEEK, "payee_balance_before").name
        == "payee_payee_balance_before_mean_7d"
    )
    assert (
        WindowFeature("payee", "distinct_counterparties", WEEK).name == "payee_distinct_payers_7d"
    )
    assert (
        WindowFeature("payee", "label_risk", DAY, delay=WEEK).name == "payee_label_risk_1d_delay_7d"
    )
    assert WindowFeature("payer", "time_since_last", None).name == "payer_time_since_last"


def test_formula_states_the_window() -> None:
    assert WindowFeature("pair", "sum", DAY, delay=WEEK).formula == (
        "sum of amount over rows with same payer_id, same payee_id, "
        "t - 7d - 1d <= occurred_at < t - 7d"
    )


def test_history_needed_is_the_longest_window_with_its_delay() -> None:
    assert history_needed() == timedelta(days=120)
    assert history_needed(CATALOGUE.with_lookback(200 * DAY)) == 200 * DAY
    assert history_needed(CATALOGUE.with_lookback(30 * DAY)) == 60 * DAY
    assert history_needed(Catalogue(())) == timedelta(0)
    assert history_needed(Catalogue((WindowFeature("payer", "count", HOUR, delay=DAY),))) == (
        DAY + HOUR
    )


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: WindowFeature("merchant", "count", DAY),  # type: ignore[arg-type]
            "entity 'merchant' is unknown",
        ),
        (
            lambda: WindowFeature("payer", "median", DAY),  # type: ignore[arg-type]
            "statistic 'median' is unknown",
        ),
        (lambda: WindowFeature("payer", "count", 0 * DAY), "longer than nothing"),
        (lambda: WindowFeature("payer", "count", DAY, delay=-HOUR), "not negative"),
        (lambda: WindowFeature("payer", "sum", DAY, "payer_balance_after"), "has no statistics"),
        (lambda: WindowFeature("payer", "account_age", None, delay=DAY), "give no delay"),
        (lambda: CATALOGUE.with_lookback(0 * DAY), "look-back must be longer"),
        (lambda: WindowFeature("pair", "distinct_counterparties", DAY), "one counterparty"),
    ],
)
def test_a_wrong_declaration_is_refused(declare: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare()


@pytest.mark.parametrize("column", ["is_fraud", "label_known_at", "payer_id", "hour_of_day"])
def test_a_row_feature_reads_no_label_identifier_or_other_row_feature(column: str) -> None:
    peek = RowFeature("peek", pl.col(column), "", "", "")
    with pytest.raises(ValueError, match=f"reads {column}"):
        CATALOGUE.plus(peek)


def test_known_labels_of_the_entities_that_the_page_names() -> None:
    wanted = {
        "time_since_known_fraud": {"payer", "payee", "pair"},
        "known_fraud_run": {"payer", "payee", "pair"},
        "known_fraud_run_age": {"payer", "payee", "pair"},
        "unexplained_fraud_share_30d": {"payer", "payee", "pair"},
        "label_risk_30d_delay_7d": {"payer", "payee", "pair"},
        "known_frauds": {"payer", "payee", "pair"},
    }
    names = set(feature_names())
    entities = ("payer", "payee", "pair")
    assert {end: {one for one in entities if f"{one}_{end}" in names} for end in wanted} == wanted
    more = CATALOGUE.plus(
        LabelFeature("pair", "known_fraud_share", timedelta(days=30)),
        WindowFeature("payer", "label_risk", timedelta(days=1), delay=WEEK),
    )
    added = feature_names(more)
    assert set(added) - names == {
        "pair_known_fraud_share_30d",
        "payer_label_risk_1d_delay_7d",
    }


def test_a_feature_cannot_be_declared_twice() -> None:
    with pytest.raises(ValueError, match="payer_count_1h"):
        CATALOGUE.plus(WindowFeature("payer", "count", HOUR))


def test_a_user_adds_a_feature_in_a_line(table: Build) -> None:
    catalogue = Catalogue((WindowFeature("payer", "count", DAY),)).plus(
        WindowFeature("payer", "count", 6 * HOUR),
        RowFeature("is_euro", pl.col("currency") == "EUR", "", "", "", pl.UInt8()),
    )
    rows = table([{}, {"after": HOUR}, {"after": 7 * HOUR}])
    found = feature_table(
        rows.lazy(), is_target=pl.lit(True), engine=Engine(), catalogue=catalogue
    ).collect()
    assert found["payer_count_6h"].to_list() == [0, 1, 1]
    assert found["is_euro"].to_list() == [1, 1, 1]


def test_names_without_balances_leave_out_what_needs_one() -> None:
    left_out = set(feature_names()) - set(feature_names(has_balances=False))
    assert left_out == {
        "payer_balance_before",
        "payee_balance_before",
        "amount_to_payer_balance",
        "empties_payer",
    }


def test_lineage_names_canonical_columns_through_window_features() -> None:
    lineage = column_lineage()
    assert tuple(lineage) == feature_names()
    assert {column for columns in lineage.values() for column in columns} <= set(CANONICAL_SCHEMA)
    assert set(lineage["amount_to_payer_mean_30d"]) == {"amount", "occurred_at", "payer_id"}
    assert set(lineage["payee_label_risk_1d_delay_7d"]) == {
        "occurred_at",
        "payee_id",
        "is_fraud",
        "label_known_at",
    }
    labelled = {name for name, columns in lineage.items() if "is_fraud" in columns}
    assert all("fraud" in name or "label_risk" in name for name in labelled)


def test_every_feature_is_described() -> None:
    rows = catalogue_table()
    assert [row["name"] for row in rows] == list(feature_names())
    needed = ("name", "entity", "dtype", "formula", "source", "description")
    assert all(row[column] for row in rows for column in needed)
    assert {row["entity"] for row in rows} == {"payer", "payee", "pair", "transaction"}


def test_dtypes_are_those_declared(table: Build) -> None:
    found = feature_table(table([{}]).lazy(), is_target=pl.lit(True), engine=Engine()).collect()
    assert found.schema == {
        "transaction_id": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        **{feature.name: feature.dtype for feature in CATALOGUE},
    }


def test_features_of_the_row_itself(table: Build) -> None:
    # Monday noon, then Saturday 06:59:59.999999 and Sunday 07:00.
    night = timedelta(days=4, hours=19) - timedelta(microseconds=1)
    rows = table(
        [
            {"kind": "cash_out", "amount": 300.0, "payer_balance_before": 300.0},
            {"kind": "card", "amount": 50.0, "payer_balance_before": 0.0, "after": night},
            {"kind": "payment", "amount": 100.5, "after": timedelta(days=5, hours=19)},
        ]
    )
    found = feature_table(rows.lazy(), is_target=pl.lit(True), engine=Engine()).collect()
    wanted = {
        "amount": [300.0, 50.0, 100.5],
        "is_round_amount": [1, 0, 0],
        "hour_of_day": [12, 6, 7],
        "day_of_week": [1, 6, 7],
        "is_weekend": [0, 1, 1],
        "is_night": [0, 1, 0],
        "is_cash_out": [1, 0, 0],
        "is_card": [0, 1, 0],
        "is_payment": [0, 0, 1],
        "is_transfer": [0, 0, 0],
        "payer_balance_before": [300.0, 0.0, None],
        "payee_balance_before": [None, None, None],
        "amount_to_payer_balance": [1.0, None, None],
        "empties_payer": [1, 0, None],
    }
    assert found.select(wanted.keys()).to_dict(as_series=False) == wanted


def test_amounts_against_own_history(table: Build) -> None:
    rows = table(
        [
            {"amount": 10.0},
            {"amount": 30.0, "payee_id": "other", "after": HOUR},
            {"amount": 60.0, "after": 2 * DAY},
        ]
    )
    found = feature_table(rows.lazy(), is_target=pl.lit(True), engine=Engine()).collect()
    assert found["amount_to_payer_mean_30d"].to_list() == [None, 3.0, 3.0]
    assert found["amount_to_payer_max_30d"].to_list() == [None, 3.0, 2.0]
    assert found["amount_to_payee_mean_30d"].to_list() == [None, None, 6.0]
    assert found["payer_count_1d_to_30d"].to_list() == [None, 1.0, 0.0]
    assert found["pair_share_of_payer_30d"].to_list() == [None, 0.0, 0.5]
