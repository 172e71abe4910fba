"""Costs, levels and what they lead to, on ten payments by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.cost_metrics import savings_at_levels
from gpu_ops.cost_model import CostMatrix, cost_of_nothing, savings
from gpu_ops.metrics import Figure
from gpu_ops.thresholds import Levels, Thresholds, choose_thresholds
from gpu_ops.what_if import Conduct, outcome, released

START = datetime(2024, 3, 1, tzinfo=UTC)
PROBABILITY = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
FRAUD = np.array([True, True, False, True, False, True, False, True, False, False])
AMOUNT = np.array([200.0, 100.0, 30.0, 40.0, 400.0, 20.0, 10.0, 3.0, 50.0, 5.0])
COSTS = CostMatrix(review_cost=5.0, wrong_block_share=0.1)


def stored(probability: float) -> float:
    """As it is stored, in Float32."""
    return float(np.float32(probability))


def days(numbers: list[int]) -> pl.Series:
    return pl.Series(
        [START + timedelta(days=one) for one in numbers], dtype=pl.Datetime("us", "UTC")
    )


TWO_DAYS = days([0, 1] * 5)


def chosen(capacity: int = 3, costs: CostMatrix = COSTS) -> Thresholds:
    return choose_thresholds(PROBABILITY, FRAUD, AMOUNT, TWO_DAYS, costs=costs, capacity=capacity)


def rows() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(10)],
            "occurred_at": TWO_DAYS,
            "amount": AMOUNT,
            "fraud_probability": pl.Series(PROBABILITY, dtype=pl.Float32),
            "is_fraud": FRAUD,
        }
    )


def conduct(alert: float | None, block: float | None, capacity: int = 9) -> Conduct:
    return Conduct(Levels(alert, block), capacity, COSTS, release_share=0.0, seed=0)


def test_a_miss_costs_its_amount_a_review_its_price_a_wrong_block_a_share() -> None:
    labels = np.array([True, True, True, False, False, False])
    amounts = np.array([100.0, 40.0, 60.0, 1_000.0, 70.0, 20.0])
    reviewed = np.array([False, True, False, False, True, False])
    blocked = np.array([False, False, True, True, False, False])
    cost = COSTS.cost(labels, amounts, reviewed=reviewed, blocked=blocked)
    # One missed fraud of 100, two reviews of 5, and a tenth of 1,000 blocked wrongly.
    assert cost == pytest.approx(100 + 2 * 5 + 100)
    assert cost_of_nothing(labels, amounts) == 200.0
    assert savings(cost, 200.0) == pytest.approx(1 - 210 / 200)
    assert savings(0.0, 0.0) is None


@pytest.mark.parametrize("wrong", [{"review_cost": -1.0}, {"wrong_block_share": float("nan")}])
def test_a_cost_is_a_number_of_at_least_0(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it must be a number of at least 0"):
        CostMatrix(**wrong)


def test_levels_by_cost() -> None:
    # Blocked: 0.95 to 0.7, among them one payment of 30 wrongly (3). Reviewed: 0.6 and 0.5 (10):
    # a block of the 400 at 0.6 would cost 40. Missed: the fraud of 3 at 0.3.
    found = chosen()
    assert found.by_cost == Levels(alert=stored(0.5), block=stored(0.7))
    assert (found.rows, found.positives, found.days) == (10, 5, 2)
    # Where a wrong block costs the whole amount, the 30 at 0.8 are reviewed.
    dear = chosen(costs=CostMatrix(5.0, 1.0))
    assert dear.by_cost == Levels(alert=stored(0.5), block=stored(0.9))
    # Where both are dearer than any fraud, what no legitimate payment reaches is blocked.
    assert chosen(costs=CostMatrix(1e6, 1e6)).by_cost == Levels(stored(0.9), stored(0.9))


@pytest.mark.parametrize(
    ("capacity", "alert", "block"), [(1, 0.9, 0.9), (2, 0.7, 0.7), (3, 0.5, 0.7), (5, 0.1, 0.7)]
)
def test_levels_by_capacity_fill_it_in_the_mean_of_the_days(
    capacity: int, alert: float, block: float
) -> None:
    assert chosen(capacity).by_capacity == Levels(alert=stored(alert), block=stored(block))


def test_rows_of_equal_score_are_decided_alike() -> None:
    labels, amounts = np.array([True, False, True]), np.array([50.0, 1.0, 50.0])
    found = choose_thresholds(
        np.array([0.5, 0.5, 0.5]), labels, amounts, days([0, 0, 0]), costs=COSTS, capacity=2
    )
    assert found.by_capacity == Levels(None, None)
    assert found.by_cost == Levels(0.5, 0.5)


def test_without_fraud_or_without_rows_there_are_no_levels() -> None:
    no_fraud = choose_thresholds(
        PROBABILITY, np.zeros(10, np.bool_), AMOUNT, TWO_DAYS, costs=COSTS, capacity=1
    )
    assert no_fraud.by_cost == Levels()
    none = np.zeros(0)
    empty = choose_thresholds(none, none.astype(bool), none, days([]), costs=COSTS, capacity=1)
    assert (empty.by_cost, empty.by_capacity, empty.days) == (Levels(), Levels(), 0)


def test_an_alert_level_above_the_block_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r"alert level 0\.9 lies above the block level 0\.8"):
        Levels(0.9, 0.8)
    with pytest.raises(ValueError, match=r"block level is 1\.5"):
        Levels(0.9, 1.5)


_CASE = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans(), st.integers(0, 60)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=50)
@given(case=_CASE, wrong=st.sampled_from([0.0, 0.1, 1.0]))
def test_no_pair_of_levels_costs_less(case: list[tuple[float, bool, int]], wrong: float) -> None:
    def cost(levels: Levels) -> float:
        total = 0.0
        for score, fraud, amount in case:
            if levels.block is not None and score >= levels.block:
                total += 0.0 if fraud else wrong * amount
            elif levels.alert is not None and score >= levels.alert:
                total += 5.0
            else:
                total += amount if fraud else 0.0
        return total

    found = choose_thresholds(
        np.array([one[0] for one in case]),
        np.array([one[1] for one in case]),
        np.array([float(one[2]) for one in case]),
        days([0] * len(case)),
        costs=CostMatrix(5.0, wrong),
        capacity=3,
    )
    scores = [None, *sorted({one[0] for one in case})]
    pairs = [
        Levels(alert, block)
        for alert in scores
        for block in scores
        if block is None or (alert is not None and alert <= block)
    ]
    assert cost(found.by_cost) == pytest.approx(min(map(cost, pairs)))
    within = found.by_capacity.alert
    assert within is None or sum(one[0] >= within for one in case) <= 3


def test_savings_at_two_levels_stand_beside_the_best_and_chance() -> None:
    figure = savings_at_levels(PROBABILITY, FRAUD, AMOUNT, Levels(stored(0.5), stored(0.7)), COSTS)
    # Chance: of ten rows four go through, with 4 tenths of 363; two are reviewed; four are blocked,
    # with 4 tenths of the legitimate 495.
    assert figure.value == pytest.approx(1 - 16 / 363)
    assert figure.ceiling == 1.0
    assert figure.random == pytest.approx(1 - (363 * 0.4 + 10 + 0.1 * 0.4 * 495) / 363)
    nothing = savings_at_levels(PROBABILITY, np.zeros(10, np.bool_), AMOUNT, Levels(), COSTS)
    assert nothing == Figure(None, None, None)


def test_what_levels_lead_to() -> None:
    found = outcome(rows(), conduct(0.45, 0.65))
    assert (found.alerts_a_day, found.reviews_a_day, found.blocks_a_day) == (1.0, 1.0, 2.0)
    assert found.precision == pytest.approx(4 / 6)
    assert found.recall == pytest.approx(4 / 5)
    assert (found.review_precision, found.block_precision) == (0.5, 0.75)
    assert found.cost == pytest.approx(16.0)
    assert found.cost_of_nothing == 363.0
    assert found.savings == pytest.approx(1 - 16 / 363)


def test_reviews_end_at_the_capacity_with_the_largest_expected_losses() -> None:
    # All ten are alerted. Day 0 (0.95 x 200, 0.6 x 400): the 400 first; day 1: the 0.9 x 100.
    found = outcome(rows(), conduct(0.05, None, capacity=1))
    assert (found.alerts_a_day, found.reviews_a_day) == (5.0, 1.0)
    assert (found.precision, found.recall) == (0.5, 0.2)
    assert found.cost == pytest.approx(363 - 100 + 2 * 5)
    assert found.block_precision is None


def test_released_rows_go_through_and_are_told_apart() -> None:
    everything = Conduct(Levels(0.25, 0.65), 9, COSTS, release_share=1.0, seed=0)
    found = outcome(rows(), everything)
    assert (found.released_a_day, found.blocks_a_day) == (2.0, 0.0)
    # Frauds of 200, 100 and 40 go through; 0.6 to 0.3 are reviewed, the two frauds left are there.
    assert found.cost == pytest.approx(340 + 4 * 5)
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_the_precision_of_blocks_is_that_of_the_released() -> None:
    decided = pl.Series(["release", "block", "release", "release", "none", "release"])
    labels = pl.Series([True, False, True, False, True, True])
    found = released(decided, labels)
    assert (found.rows, found.frauds, found.block_precision) == (4, 3, 0.75)
    # Wilson's interval of 3 in 4.
    assert found.lower == pytest.approx(0.3006, abs=1e-4)
    assert found.upper == pytest.approx(0.9544, abs=1e-4)
    assert released(decided.head(0), labels.head(0)).block_precision is None
