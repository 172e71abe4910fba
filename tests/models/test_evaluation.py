import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gpu_ops.metrics import Evaluation, Figure, evaluate
from gpu_ops.probability_metrics import brier, calibration_slope, mean_score_ratio

START = datetime(2024, 3, 1, tzinfo=UTC)


def times(days: list[int]) -> pl.Series:
    return pl.Series([START + timedelta(days=day) for day in days], dtype=pl.Datetime("us", "UTC"))


def evaluated(labels: list[bool]) -> Evaluation:
    """Four rows on two days; probabilities 0.8, 0.1 and 0.2, 0.1."""
    return evaluate(
        np.array([0.8, 0.1, 0.2, 0.1]),
        np.array(labels),
        np.array([100.0, 5_000.0, 30.0, 10.0]),
        pl.Series(["a", "b", "c", "d"]),
        times([0, 0, 1, 1]),
        capacity=1,
        review_cost=5.0,
    )


def test_figures_by_hand() -> None:
    found = evaluated([True, False, False, True])
    assert (found.rows, found.positives, found.days) == (4, 2, 2)
    # Steps: 0.8 (1 of 1), 0.2 (1 of 2), 0.1 (2 of 4): (1 + 1/2) / 2.
    assert found.value("average_precision") == pytest.approx(0.75)
    # Pairs: (0.8, 0.1), (0.8, 0.2) right, (0.1, 0.1) half, (0.1, 0.2) wrong.
    assert found.value("roc_auc") == pytest.approx(2.5 / 4)
    assert found.figures["precision_at_capacity"] == Figure(0.5, 1.0, 0.5)
    assert found.figures["recall_at_capacity"] == Figure(0.5, 1.0, 0.5)
    assert found.figures["card_precision_at_100"].ceiling == pytest.approx(2 / 200)
    # By expected loss the second row (500) comes before the first (80): no fraud is caught.
    assert found.figures["value_saved"] == Figure(-10.0, 95.0 + 5.0, 50.0 + 5.0 - 10.0)
    assert found.value("savings_share") == pytest.approx(-10 / 110)
    # Squares: 0.04 + 0.01 + 0.04 + 0.81.
    assert found.value("brier") == pytest.approx(0.9 / 4)
    assert (found.figures["brier"].ceiling, found.figures["brier"].random) == (0.0, 0.25)
    assert found.value("mean_score_ratio") == pytest.approx(1.2 / 2)


def test_average_precision_comes_first_and_every_figure_has_a_ceiling() -> None:
    found = evaluated([True, False, False, True])
    assert next(iter(found.figures)) == "average_precision"
    assert [name for name, figure in found.figures.items() if figure.ceiling is None] == []
    for name, figure in found.figures.items():
        if figure.value is not None and figure.ceiling is not None and name != "brier":
            assert figure.value <= figure.ceiling + 1e-9


def test_it_is_json() -> None:
    found = evaluated([True, False, False, True]).to_dict()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["metrics"]["roc_auc"] == {"value": 0.625, "ceiling": 1.0, "random": 0.5}
    assert again["curve"][-1] == {"recall": 1.0, "precision": 0.5, "threshold": 0.1}


def test_without_fraud_what_needs_fraud_is_none() -> None:
    found = evaluated([False] * 4)
    undefined = {name for name, figure in found.figures.items() if figure.value is None}
    assert undefined == {
        "average_precision",
        "roc_auc",
        "recall_at_1pct_fpr",
        "recall_at_capacity",
        "savings_share",
        "calibration_slope",
        "mean_score_ratio",
    }
    assert found.value("value_saved") == -10.0
    assert found.curve == ()


def test_without_rows_it_is_still_json() -> None:
    none = np.zeros(0)
    found = evaluate(
        none,
        np.zeros(0, np.bool_),
        none,
        pl.Series([], dtype=pl.String),
        times([]),
        capacity=1,
        review_cost=5.0,
    )
    assert found.rows == 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_wrong_input_is_refused() -> None:
    labels, amounts = np.array([True, False]), np.array([1.0, 2.0])
    payer = pl.Series(["a", "b"])
    with pytest.raises(ValueError, match="NaN"):
        evaluate(
            np.array([0.1, np.nan]),
            labels,
            amounts,
            payer,
            times([0, 0]),
            capacity=1,
            review_cost=1.0,
        )
    with pytest.raises(ValueError, match=r"lie in 0\.1\.\.1\.1, not in 0\.\.1"):
        evaluate(
            np.array([0.1, 1.1]),
            labels,
            amounts,
            payer,
            times([0, 0]),
            capacity=1,
            review_cost=1.0,
        )
    with pytest.raises(ValueError, match="an amount is NaN or infinite"):
        evaluate(
            np.array([0.1, 0.2]),
            labels,
            np.array([1.0, np.nan]),
            payer,
            times([0, 0]),
            capacity=1,
            review_cost=1.0,
        )
    with pytest.raises(ValueError, match=r"lengths \[1, 2\]"):
        evaluate(
            np.array([0.1, 0.2]), labels, amounts, payer, times([0]), capacity=1, review_cost=1.0
        )


def test_brier_by_hand() -> None:
    assert brier(np.array([1.0, 0.5]), np.array([True, False])) == pytest.approx(0.125)
    assert brier(np.zeros(0), np.zeros(0, np.bool_)) is None


def test_the_calibration_slope_of_right_and_of_too_extreme_probabilities() -> None:
    draws = np.random.default_rng(0)
    log_odds = draws.normal(-2.0, 1.5, size=200_000)
    labels = draws.random(200_000) < 1 / (1 + np.exp(-log_odds))
    right, extreme = (1 / (1 + np.exp(-factor * log_odds)) for factor in (1.0, 4.0))
    assert calibration_slope(right, labels) == pytest.approx(1.0, abs=0.02)
    assert calibration_slope(extreme, labels) == pytest.approx(0.25, abs=0.01)
    assert mean_score_ratio(right, labels) == pytest.approx(1.0, abs=0.02)


def test_the_calibration_slope_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    draws = np.random.default_rng(1)
    log_odds = draws.normal(size=500)
    labels = draws.random(500) < 1 / (1 + np.exp(-2 * log_odds))
    reference = LogisticRegression(C=np.inf).fit(log_odds[:, None], labels)
    found = calibration_slope(1 / (1 + np.exp(-log_odds)), labels)
    assert found == pytest.approx(reference.coef_[0, 0], rel=1e-3)


def test_a_slope_that_does_not_exist_is_none() -> None:
    assert calibration_slope(np.array([0.1, 0.9]), np.array([False, True])) is None
    assert calibration_slope(np.array([0.5, 0.5]), np.array([False, True])) is None
    assert calibration_slope(np.array([0.1, 0.9]), np.array([True, True])) is None


def test_certain_probabilities_have_a_finite_slope() -> None:
    found = calibration_slope(np.array([0.0, 1.0, 0.0, 1.0]), np.array([False, True, True, False]))
    assert found == pytest.approx(0.0, abs=1e-6)
