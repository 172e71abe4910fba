from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from gpu_ops.backtest_figures import (
    Capacity,
    ModelFigures,
    by_scenario,
    figures,
    mean_and_spread,
    paired_differences,
)

TWO = Capacity(k=2)
ROWS = pl.DataFrame(
    [
        # Day 1: payer 10 has the highest score; 2 and 3 tie, and 2 comes first; 9 is not reviewed.
        (1, "10", 0.9, True, "a"),
        (1, "10", 0.1, False, "0"),
        (1, "3", 0.5, True, "b"),
        (1, "2", 0.5, False, "0"),
        (1, "9", 0.4, True, "a"),
        # Day 2: 10 was found and is gone, though it scores highest; 2 and 3 are reviewed.
        (2, "10", 1.0, True, "a"),
        (2, "3", 0.8, True, "b"),
        (2, "2", 0.7, False, "0"),
        (2, "4", 0.6, True, "a"),
        # Day 3: a payer's highest score counts, whichever of its rows is the fraud; 3 is gone.
        (3, "5", 0.0, True, "b"),
        (3, "5", 0.9, False, "0"),
        (3, "3", 1.0, True, "b"),
        # Day 4: fewer than two payers, divided by two all the same.
        (4, "6", 0.3, True, "a"),
    ],
    schema=["day", "payer_id", "score", "is_fraud", "scenario"],
    orient="row",
).with_columns(
    occurred_at=pl.datetime(2024, 1, pl.col("day"), 12, time_zone="UTC").cast(
        pl.Datetime("us", "UTC")
    )
)
SCORES = ROWS["score"].to_numpy()


def test_precision_at_k_by_hand() -> None:
    """Found: 10 of two, 3 of two, 5 of two, 6 of two."""
    assert figures(SCORES, ROWS, TWO)["cp2"] == pytest.approx((1 + 1 + 1 + 1) / 2 / 4)


def test_ties_go_to_the_lower_number() -> None:
    """With one review on day 1 and equal scores, 2 comes before 10, unlike in text."""
    rows = ROWS.filter(pl.col("day") == 1, pl.col("payer_id").is_in(["10", "2"]))
    assert figures(np.zeros(rows.height), rows, Capacity(k=1))["cp1"] == 0.0
    assert figures(np.zeros(rows.height), rows, TWO)["cp2"] == 0.5


def test_the_payee_may_be_who_is_reviewed() -> None:
    rows = ROWS.with_columns(payee_id=pl.lit("M"), payer_id=pl.lit(None, pl.String))
    found = figures(SCORES, rows, Capacity("payee_id", 1))
    assert found["cp1"] == 0.25  # found on day 1, gone on the others


def test_order_of_all_rows() -> None:
    rows = pl.DataFrame(
        {
            "is_fraud": [True, False, True, False],
            "payer_id": ["a", "b", "c", "d"],
            "occurred_at": [datetime(2024, 1, 1, tzinfo=UTC)] * 4,
        }
    )
    found = figures(np.array([0.9, 0.8, 0.7, 0.1]), rows, TWO)
    assert found["auc"] == pytest.approx(3 / 4)
    assert found["ap"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures(np.zeros(4), rows.with_columns(is_fraud=False), TWO) == {
        "auc": None,
        "ap": None,
        "cp2": None,
    }
    assert figures(np.zeros(4), rows.with_columns(is_fraud=True), TWO)["auc"] is None


def test_a_scenario_is_judged_against_all_legitimate_rows() -> None:
    found = by_scenario({"model": SCORES}, ROWS, TWO)
    assert {name: frauds for name, (frauds, _) in found.items()} == {"a": 5, "b": 4}
    legitimate = np.array([0.1, 0.5, 0.7, 0.9])
    frauds = np.array([0.9, 0.4, 1.0, 0.6, 0.3])
    above = sum((fraud > legitimate).sum() + (fraud == legitimate).sum() / 2 for fraud in frauds)
    assert found["a"][1]["model"]["auc"] == pytest.approx(above / 20)


def test_mean_spread_and_paired_differences() -> None:
    folds: list[ModelFigures] = [
        {"ours": {"ap": 0.5}, "theirs": {"ap": 0.25}, "none": {"ap": None}},
        {"ours": {"ap": 0.75}, "theirs": {"ap": None}, "none": {"ap": None}},
    ]
    mean, spread = mean_and_spread(folds)
    assert mean == {"ours": {"ap": 0.625}, "theirs": {"ap": 0.25}, "none": {"ap": None}}
    assert spread == {"ours": {"ap": 0.125}, "theirs": {"ap": 0.0}, "none": {"ap": None}}
    assert paired_differences(folds, "ours") == [
        {"theirs": {"ap": 0.25}, "none": {"ap": None}},
        {"theirs": {"ap": None}, "none": {"ap": None}},
    ]
