"""Rules hit what they say, leave out what a feed lacks, and group what moved the model."""

import numpy as np
import polars as pl
import pytest

from gpu_ops.features import feature_names
from gpu_ops.reasons import (
    REASONS,
    RULES,
    applicable_rules,
    model_reason_of,
    model_reasons,
    reason_table,
    ring_reason,
    rule_hits,
    rule_reasons,
)

QUIET: dict[str, float] = {
    "payee_known_frauds_30d_delay_7d": 0,
    "payee_label_risk_30d_delay_7d": 0.0,
    "payee_ring_score": 0.1,
    "payer_ring_score": 0.1,
    "amount_to_payer_balance": 0.2,
    "pair_count_30d": 4,
    "payer_count_30d": 20,
    "amount_to_payer_mean_30d": 1.0,
    "amount_to_payer_max_30d": 0.5,
    "payee_count_30d": 20,
    "amount_to_payee_mean_30d": 1.0,
    "payee_distinct_payers_1d": 1,
    "payee_distinct_payers_30d": 15,
    "payer_distinct_payees_1d": 1,
    "payer_distinct_payees_30d": 8,
    "payer_count_1h": 0,
    "hour_of_day": 14,
    "anomaly_score": 0.45,
}


def reasons_of(changes: dict[str, float | None]) -> list[str]:
    row = pl.DataFrame([{**QUIET, **changes}])
    (codes,) = row.select(rule_reasons(row.columns)).to_series().to_list()
    assert row.select(rule_hits(row.columns)).item() == len(codes)
    return list(codes)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        (
            {"payee_known_frauds_30d_delay_7d": 1, "payee_label_risk_30d_delay_7d": 0.05},
            ["PAYEE_RECENT_FRAUD"],
        ),
        ({"payee_known_frauds_30d_delay_7d": 1, "payee_label_risk_30d_delay_7d": 0.001}, []),
        ({"payee_ring_score": 0.8}, ["PAYEE_IN_RING"]),
        ({"payer_ring_score": 0.8}, ["PAYER_IN_RING"]),
        ({"amount_to_payer_balance": 1.0}, ["EMPTIES_ACCOUNT"]),
        ({"amount_to_payer_balance": 3.0}, []),
        (
            {"pair_count_30d": 0, "amount_to_payer_mean_30d": 4.0},
            ["NEW_PAYEE_LARGE_AMOUNT"],
        ),
        ({"pair_count_30d": 0, "amount_to_payer_mean_30d": 4.0, "payer_count_30d": 2}, []),
        ({"amount_to_payer_mean_30d": 5.5}, ["AMOUNT_FAR_ABOVE_PAYER_HISTORY"]),
        ({"amount_to_payer_max_30d": 2.5}, ["AMOUNT_ABOVE_PAYER_MAXIMUM"]),
        ({"amount_to_payee_mean_30d": 6.0}, ["AMOUNT_FAR_ABOVE_PAYEE_HISTORY"]),
        ({"payee_distinct_payers_1d": 12}, ["MANY_PAYERS_IN_A_DAY"]),
        ({"payee_distinct_payers_1d": 11}, []),
        ({"payee_distinct_payers_1d": 15}, []),
        ({"payer_distinct_payees_1d": 6}, ["MANY_PAYEES_IN_A_DAY"]),
        ({"payer_count_1h": 7}, ["BURST_OF_PAYMENTS"]),
        ({"payer_count_1h": 7, "payer_count_30d": 22}, []),
        ({"hour_of_day": 3, "amount_to_payer_mean_30d": 3.5}, ["NIGHT_LARGE_AMOUNT"]),
        ({"hour_of_day": 3}, []),
        ({"hour_of_day": 0, "amount_to_payer_mean_30d": 3.5}, []),
        ({"anomaly_score": 0.66}, ["ANOMALY_HIGH"]),
        (
            {"anomaly_score": 0.7, "payee_ring_score": 0.9, "amount_to_payer_mean_30d": 9.0},
            ["PAYEE_IN_RING", "AMOUNT_FAR_ABOVE_PAYER_HISTORY", "ANOMALY_HIGH"],
        ),
    ],
)
def test_each_rule_hits_what_it_says(changes: dict[str, float | None], codes: list[str]) -> None:
    assert reasons_of(changes) == codes


@pytest.mark.parametrize("column", sorted(QUIET))
def test_an_unknown_value_is_never_a_hit(column: str) -> None:
    assert reasons_of({column: None}) == []


def test_counts_do_not_wrap_around() -> None:
    row = pl.DataFrame(
        {"payer_count_1h": [2_200_000_000], "payer_count_30d": [4_000_000_000]},
        schema_overrides={
            "payer_count_1h": pl.UInt32,
            "payer_count_30d": pl.UInt32,
        },
    )
    assert row.select(rule_reasons(row.columns)).item().to_list() == ["BURST_OF_PAYMENTS"]


def test_rules_whose_columns_a_feed_lacks_are_left_out() -> None:
    codes = {rule.code for rule in applicable_rules(["anomaly_score", "pair_count_30d"])}
    assert codes == {"ANOMALY_HIGH"}
    frame = pl.DataFrame({"amount": [1.0, 2.0]})
    assert frame.with_columns(rule_reasons(["amount"]))["reasons"].to_list() == [[], []]
    assert frame.with_columns(rule_hits(["amount"]))["rule_hits"].to_list() == [0, 0]


def test_every_rule_reads_features_that_exist() -> None:
    added = {"anomaly_score", "payer_ring_score", "payee_ring_score"}
    assert {rule.code for rule in applicable_rules({*feature_names(), *added})} == {
        rule.code for rule in RULES
    }


def test_every_feature_has_a_model_reason() -> None:
    assert {model_reason_of(name) for name in feature_names()} <= set(REASONS)
    assert "MODEL_OTHER" not in {model_reason_of(name) for name in feature_names()}
    expected = {
        "amount": "MODEL_AMOUNT",
        "is_cash_out": "MODEL_KIND",
        "is_night": "MODEL_TIME",
        "empties_payer": "MODEL_PAYER_BALANCE",
        "amount_to_payer_balance": "MODEL_PAYER_BALANCE",
        "amount_to_payer_mean_30d": "MODEL_PAYER_AMOUNTS",
        "payee_label_risk_7d_delay_7d": "MODEL_PAYEE_LABELS",
        "payee_ring_score": "MODEL_RINGS",
        "something_new": "MODEL_OTHER",
    }
    assert {name: model_reason_of(name) for name in expected} == expected


def test_model_reasons_are_the_largest_positive_sums() -> None:
    columns = ["amount", "payer_count_1h", "payer_count_1d", "is_night", "pair_count_1d"]
    contributions = np.array(
        [
            # Two halves of the payer's activity together beat the amount.
            [0.5, 0.4, 0.4, 0.1, -2.0],
            # Opposite parts of one story cancel.
            [0.2, 0.9, -0.9, 0.0, 0.0],
            [-1.0, -1.0, -1.0, -1.0, -1.0],
            [0.1, 0.2, 0.2, 0.3, 0.2],
        ],
        dtype=np.float32,
    )
    assert model_reasons(contributions, columns) == [
        ["MODEL_PAYER_ACTIVITY", "MODEL_AMOUNT", "MODEL_TIME"],
        ["MODEL_AMOUNT"],
        [],
        ["MODEL_PAYER_ACTIVITY", "MODEL_TIME", "MODEL_PAIR_HISTORY"],
    ]
    assert model_reasons(contributions, columns, most=1)[3] == ["MODEL_PAYER_ACTIVITY"]


def test_model_reasons_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 2\) do not fit 1 columns"):
        model_reasons(np.zeros((1, 2)), ["amount"])


def test_no_rows_have_no_model_reasons() -> None:
    assert model_reasons(np.zeros((0, 1)), ["amount"]) == []


def test_the_table_documents_every_code_once() -> None:
    table = reason_table()
    assert [row["code"] for row in table] == list(REASONS)
    assert len({row["text"] for row in table}) == len(table)
    assert all(all(row.values()) for row in table)


def test_ring_reasons() -> None:
    assert ring_reason("scatter_gather") == "RING_SCATTER_GATHER"
    assert ring_reason("cluster") in REASONS
    with pytest.raises(ValueError, match="'star' is no ring pattern"):
        ring_reason("star")
