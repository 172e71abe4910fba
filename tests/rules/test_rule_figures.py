"""What a rule would have found, counted by hand; and what its weight does to the ranking."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from gpu_ops.alert_table import TRANSACTION_EVIDENCE
from gpu_ops.ranking import rank_transaction_alerts
from gpu_ops.rule_figures import Day, Overlap, rule_figures


def day(number: int) -> datetime:
    return datetime(2026, 1, number, 12, tzinfo=UTC)


TABLE = pl.DataFrame(
    {
        # Day 1: four rows, day 2: two, day 4: two.
        "occurred_at": [day(1)] * 4 + [day(2)] * 2 + [day(4)] * 2,
        "amount": [100.0, 50.0, 20.0, 10.0, 400.0, 5.0, 1.0, 2.0],
        "is_fraud": [True, True, False, None, True, False, None, False],
        "in_sample": [True, False, False, False, False, False, False, False],
        "alerted": [True, False, False, False, False, False, False, False],
        "recommended": [False, False, True, False, False, False, False, False],
        "hit:TRIED": [True, True, True, True, False, True, False, False],
        "hit:OTHER": [True, False, False, True, True, False, False, False],
        "hit:THIRD": [False, False, False, False, False, False, False, True],
    }
)


def test_what_a_rule_found_is_counted() -> None:
    found = rule_figures(TABLE, "TRIED", ["OTHER", "TRIED", "THIRD"])
    assert (found.rows, found.labelled, found.frauds, found.days) == (8, 6, 3, 3)
    assert (found.hits, found.most_a_day) == (5, 4)
    assert found.hits_a_day == pytest.approx(5 / 3)
    assert (found.labelled_hits, found.fraud_hits, found.unlabelled_hits) == (4, 2, 1)
    assert (found.precision, found.base_rate, found.lift) == (0.5, 0.5, 1.0)
    assert found.recall == pytest.approx(2 / 3)
    # Wilson's interval of 2 in 4.
    assert found.precision_lower == pytest.approx(0.15004, abs=1e-5)
    assert found.precision_upper == pytest.approx(0.84996, abs=1e-5)
    assert (found.amount_hit, found.amount_caught, found.fraud_amount) == (185.0, 150.0, 550.0)
    assert found.amount_recall == pytest.approx(150 / 550)
    assert (found.in_sample_hits, found.alerted_hits) == (1, 1)
    # Rows 2 and 6: nothing else hits, alerts or recommends them.
    assert (found.alone, found.alone_share, found.alone_labelled, found.alone_frauds) == (
        2,
        0.4,
        2,
        1,
    )
    assert found.overlaps == (Overlap("OTHER", 3, 2, 0.4), Overlap("THIRD", 1, 0, 0.0))
    assert found.by_day == (
        Day(date(2026, 1, 1), 4, 2),
        Day(date(2026, 1, 2), 1, 0),
        Day(date(2026, 1, 4), 0, 0),
    )


def test_the_interval_of_a_share_stays_a_share() -> None:
    # Of 21 rows the bounds are a rounding beyond 0 and 1.
    hits = pl.concat([TABLE.filter("hit:TRIED")] * 5).head(21)
    found = rule_figures(hits.with_columns(is_fraud=pl.lit(value=True)), "TRIED", [])
    assert (found.hits, found.precision, found.precision_upper) == (21, 1.0, 1.0)
    assert found.precision_lower == pytest.approx(0.84536, abs=1e-5)
    found = rule_figures(hits.with_columns(is_fraud=pl.lit(value=False)), "TRIED", [])
    assert (found.precision, found.precision_lower, found.lift) == (0.0, 0.0, None)


def test_where_nothing_is_there_to_divide_by_there_is_no_share() -> None:
    found = rule_figures(TABLE.with_columns(is_fraud=pl.lit(None, pl.Boolean)), "THIRD", [])
    assert (found.precision, found.precision_lower, found.recall, found.lift) == (None,) * 4
    assert (found.hits, found.unlabelled_hits, found.amount_recall) == (1, 1, None)
    none = rule_figures(
        TABLE.with_columns(pl.lit(value=False).alias("hit:NONE")), "NONE", ["OTHER"]
    )
    assert (none.hits, none.precision, none.alone_share, none.overlaps[0].share) == (
        0,
        None,
        None,
        None,
    )
    assert rule_figures(TABLE.clear(), "TRIED", ["OTHER"]).hits_a_day is None


def test_without_a_model_a_heavy_rule_goes_before_two_ordinary_ones() -> None:
    rows = [
        {"transaction_id": "two", "reasons": ["ANOMALY_HIGH", "PAYER_IN_RING"]},
        {"transaction_id": "heavy", "reasons": ["RULE_HEAVY"]},
    ]
    more: dict[str, pl.DataType] = {"feed": pl.String(), "expected_loss": pl.Float64()}
    evidence = {
        name: dtype for name, dtype in TRANSACTION_EVIDENCE.items() if "related" not in name
    }
    schema = {"transaction_id": pl.String(), "reasons": pl.List(pl.String()), **more, **evidence}
    candidates = pl.DataFrame(rows, schema=schema).with_columns(
        feed=pl.lit("card"),
        occurred_at=pl.lit(day(1)),
        payer=pl.col("transaction_id"),
        payee=pl.lit("p"),
        anomaly_score=pl.lit(0.5, pl.Float32),
    )
    order = [
        rank_transaction_alerts(candidates, None, capacity=5, weights=weights)[
            "subject_id"
        ].to_list()
        for weights in ({}, {"RULE_HEAVY": 3}, None)
    ]
    assert order == [["two", "heavy"], ["heavy", "two"], ["two", "heavy"]]
