from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.ranking_metrics import (
    CurvePoint,
    average_precision,
    precision_recall_points,
    random_average_precision,
    random_recall_at_fpr,
    recall_at_fpr,
    roc_auc,
)

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
LABELS = np.array([True, False, True, False, False])

Metric = Callable[..., float | None]


@st.composite
def scored_rows(draw: st.DrawFn) -> tuple[list[float], list[bool]]:
    """Both classes, many ties."""
    scores = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=2, max_size=30))
    labels = draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    return [0.2, 0.3, *scores], [True, False, *labels]


def test_average_precision_by_hand() -> None:
    # Frauds at ranks 1 and 3: (1/1 + 2/3) / 2.
    assert average_precision(SCORES, LABELS) == pytest.approx(5 / 6)


def test_average_precision_of_ties_is_that_of_one_step() -> None:
    # One step with 2 frauds in 4 rows, in whatever order.
    for labels in set(permutations([True, True, False, False])):
        assert average_precision(np.ones(4), np.array(labels)) == pytest.approx(0.5)


def test_roc_auc_by_hand() -> None:
    # Of 6 pairs of fraud and legitimate, only (0.7, 0.8) is in the wrong order.
    assert roc_auc(SCORES, LABELS) == pytest.approx(5 / 6)
    assert roc_auc(np.zeros(5), LABELS) == pytest.approx(0.5)


def test_recall_at_a_false_positive_rate_by_hand() -> None:
    assert recall_at_fpr(SCORES, LABELS, 0.0) == pytest.approx(0.5)
    assert recall_at_fpr(SCORES, LABELS, 1 / 3) == pytest.approx(1.0)
    assert recall_at_fpr(SCORES, LABELS, 0.33) == pytest.approx(0.5)
    # The highest score is a tie with a legitimate row: no threshold keeps it out.
    assert recall_at_fpr(np.array([0.9, 0.9]), np.array([True, False]), 0.01) == 0.0


def test_a_rate_that_float_multiplication_misses_is_reached() -> None:
    # 0.29 * 100 < 29 in float64.
    scores = np.arange(101, 0, -1) / 101
    labels = np.arange(101) == 29
    assert recall_at_fpr(scores, labels, 0.29) == 1.0


@pytest.mark.parametrize("metric", [average_precision, roc_auc, recall_at_fpr])
def test_without_frauds_or_rows_no_metric_is_defined(metric: Metric) -> None:
    assert metric(np.array([0.1, 0.2]), np.array([False, False])) is None
    assert metric(np.zeros(0), np.zeros(0, np.bool_)) is None


def test_with_nothing_but_frauds_only_average_precision_is_defined() -> None:
    scores, labels = np.array([0.1, 0.2]), np.array([True, True])
    assert average_precision(scores, labels) == 1.0
    assert roc_auc(scores, labels) is None
    assert recall_at_fpr(scores, labels) is None


@pytest.mark.parametrize("metric", [average_precision, roc_auc, recall_at_fpr])
def test_wrong_input_is_refused(metric: Metric) -> None:
    with pytest.raises(ValueError, match="1 of 2 scores are NaN"):
        metric(np.array([np.nan, 1.0]), np.array([True, False]))
    with pytest.raises(ValueError, match=r"shape \(2,\), labels of shape \(1,\)"):
        metric(np.array([0.0, 1.0]), np.array([True]))
    with pytest.raises(ValueError, match="must be bool"):
        metric(np.array([0.0, 1.0]), np.array([1, 0]))


@settings(deadline=None, max_examples=50)
@given(rows=scored_rows())
def test_values_are_those_of_scikit_learn(rows: tuple[list[float], list[bool]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    scores, labels = np.array(rows[0]), np.array(rows[1])
    assert average_precision(scores, labels) == pytest.approx(
        average_precision_score(labels, scores)
    )
    assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    false_rate, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert recall_at_fpr(scores, labels, 0.2) == pytest.approx(recall[false_rate <= 0.2].max())


def test_random_average_precision_is_the_mean_over_all_orders() -> None:
    scores = np.arange(5, 0, -1).astype(np.float64)
    orders = set(permutations([True, True, False, False, False]))
    values = [average_precision(scores, np.array(labels)) for labels in orders]
    expected = sum(value for value in values if value is not None) / len(orders)
    assert random_average_precision(5, 2) == pytest.approx(expected)
    assert random_average_precision(1, 1) == 1.0
    assert random_average_precision(5, 0) is None
    # It tends to the share of frauds.
    assert random_average_precision(1_000_000, 1_000) == pytest.approx(0.001, rel=0.02)


def test_random_recall_at_fpr_is_the_mean_over_all_orders() -> None:
    scores = np.arange(6, 0, -1).astype(np.float64)
    orders = set(permutations([True, True, False, False, False, False]))
    for rate in (0.0, 0.25, 0.5, 1.0):
        values = [recall_at_fpr(scores, np.array(labels), rate) for labels in orders]
        expected = sum(value for value in values if value is not None) / len(orders)
        assert random_recall_at_fpr(4, rate) == pytest.approx(expected)
    assert random_recall_at_fpr(0) is None


def test_the_curve_by_hand() -> None:
    assert precision_recall_points(SCORES, LABELS) == (
        CurvePoint(0.5, 1.0, 0.9),
        CurvePoint(1.0, 2 / 3, 0.7),
    )
    assert precision_recall_points(SCORES, np.zeros(5, np.bool_)) == ()


def test_a_thinned_curve_keeps_its_ends_and_only_points_of_the_full_one() -> None:
    draws = np.random.default_rng(0)
    scores, labels = draws.random(5_000), draws.random(5_000) < 0.4
    full = set(precision_recall_points(scores, labels, 10_000))
    thin = precision_recall_points(scores, labels, 50)
    assert len(thin) <= 50
    assert set(thin) <= full
    assert thin[-1].recall == 1.0
    assert [point.recall for point in thin] == sorted(point.recall for point in thin)
    gaps = np.diff([point.recall for point in thin])
    assert gaps.max() < 0.03
