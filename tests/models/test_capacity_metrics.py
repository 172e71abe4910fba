from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.capacity_metrics import (
    CapacityBounds,
    DailyCards,
    PrecisionRecall,
    alerts_at_capacity,
    card_precision_at_k,
    precision_recall_at_capacity,
    savings_share,
    value_saved,
)

START = datetime(2024, 3, 1, tzinfo=UTC)


def at(*days: float) -> pl.Series:
    """Times so many days after START."""
    return pl.Series([START + timedelta(days=day) for day in days], dtype=pl.Datetime("us", "UTC"))


def ids(text: str) -> pl.Series:
    return pl.Series(text.split())


def bools(text: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([letter == "F" for letter in text])


# Day 0: a (fraud, best 0.9), b (0.8), c (fraud, 0.1). Day 1: a (fraud, 0.9), b (fraud, 0.3).
PAYER = ids("a a b c a b")
TIMES = at(0.1, 0.2, 0.3, 0.99, 1.0, 1.5)
FRAUD = bools("F..FFF")
SCORES = np.array([0.2, 0.9, 0.8, 0.1, 0.9, 0.3])


def test_card_precision_by_hand() -> None:
    # k = 1: day 0 finds a (1); a leaves, so day 1 reviews b and finds it (1).
    assert card_precision_at_k(SCORES, FRAUD, PAYER, TIMES, 1) == pytest.approx(1.0)
    # k = 2: day 0 reviews a, b, finds a: 1/2. Day 1 reviews b alone, finds it: 1/2.
    assert card_precision_at_k(SCORES, FRAUD, PAYER, TIMES, 2) == pytest.approx(0.5)
    # k = 3: day 0 finds a and c: 2/3. Day 1: 1/3.
    assert card_precision_at_k(SCORES, FRAUD, PAYER, TIMES, 3) == pytest.approx(0.5)


def test_a_payer_that_was_reviewed_in_vain_stays() -> None:
    found = card_precision_at_k(np.array([0.9, 0.9]), bools(".F"), ids("a a"), at(0, 1), 1)
    assert found == pytest.approx(0.5)


def test_ties_go_to_the_lower_payer_id() -> None:
    fraud = bools("F.")
    times = at(0, 0.1)
    assert card_precision_at_k(np.ones(2), fraud, ids("a b"), times, 1) == 1.0
    assert card_precision_at_k(np.ones(2), fraud, ids("b a"), times, 1) == 0.0


def test_days_are_those_of_utc() -> None:
    elsewhere = TIMES.dt.convert_time_zone("UTC")
    assert elsewhere.dt.date().n_unique() == 2
    # One microsecond before and at midnight are two days.
    times = at(1 - 1e-9, 1.0)
    found = card_precision_at_k(np.ones(2), bools("FF"), ids("a b"), times, 1)
    assert found == 1.0


def test_the_ceiling_counts_each_payer_once() -> None:
    cards = DailyCards.of(FRAUD, PAYER, TIMES)
    # a and c on day 0, a and b on day 1: three payers, two days.
    assert cards.ceiling(1) == pytest.approx(1.0)
    assert cards.ceiling(2) == pytest.approx(3 / 4)
    assert cards.ceiling(100) == pytest.approx(3 / 200)
    assert cards.precision(FRAUD.astype(np.float64), 2) == pytest.approx(3 / 4)


def test_random_card_precision_is_seeded_and_between_the_bounds() -> None:
    cards = DailyCards.of(bools("F" + "." * 9), ids("a b c d e f g h i j"), at(*[0.0] * 10))
    found = cards.random(1, seed=1)
    assert found == cards.random(1, seed=1)
    assert found is not None
    assert 0 <= found <= 1
    # Whoever reviews everybody finds the one.
    assert cards.random(10) == pytest.approx(0.1)


def test_without_rows_nothing_is_defined() -> None:
    empty = pl.Series([], dtype=pl.Datetime("us", "UTC"))
    none, names = np.zeros(0), pl.Series([], dtype=pl.String)
    labels = np.zeros(0, np.bool_)
    assert card_precision_at_k(none, labels, names, empty, 1) is None
    assert precision_recall_at_capacity(none, labels, empty, 1) == (None, None)
    cards = DailyCards.of(labels, names, empty)
    assert (cards.ceiling(1), cards.random(1)) == (None, None)
    bounds = CapacityBounds.of(labels, none, empty, 1, 1.0)
    assert (bounds.ceiling, bounds.value_ceiling) == ((None, None), 0.0)


def test_alerts_are_the_highest_of_each_day_and_ties_go_to_the_earlier_row() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.2, 0.9])
    times = at(0, 0.1, 0.2, 1, 1.1)
    assert alerts_at_capacity(scores, times, 1).tolist() == [False, True, False, False, True]
    assert alerts_at_capacity(scores, times, 2).tolist() == [False, True, True, True, True]


def test_precision_and_recall_at_capacity_by_hand() -> None:
    # k = 2 alerts rows 1, 2 on day 0 and 4, 5 on day 1: 2 frauds in 4 alerts, of 4 frauds.
    found = precision_recall_at_capacity(SCORES, FRAUD, TIMES, 2)
    assert found == PrecisionRecall(0.5, 0.5)
    assert precision_recall_at_capacity(SCORES, bools("......"), TIMES, 2) == (0.0, None)


def test_value_saved_by_hand() -> None:
    alerted, labels = bools("FF..F"), bools("F.F..")
    amounts = np.array([100.0, 7.0, 50.0, 3.0, 9.0])
    saved = value_saved(alerted, labels, amounts, 5.0)
    assert saved == pytest.approx(100 - 3 * 5)
    assert savings_share(saved, labels, amounts) == pytest.approx(85 / 150)
    assert savings_share(saved, bools("....."), amounts) is None


def test_the_bounds_by_hand() -> None:
    # Day 0: frauds of 100, 2 and 60 in 4 rows. Day 1: no fraud in 1 row.
    labels, times = bools("FFF.."), at(0, 0.1, 0.2, 0.3, 1)
    amounts = np.array([100.0, 2.0, 60.0, 10.0, 10.0])
    bounds = CapacityBounds.of(labels, amounts, times, 2, 5.0)
    assert bounds.ceiling == pytest.approx((2 / 3, 2 / 3))
    # Random: 2 of 4 rows on day 0 hold 1.5 frauds, 3 alerts in all.
    assert bounds.random == pytest.approx((0.5, 0.5))
    assert bounds.value_ceiling == pytest.approx(95 + 55)
    assert bounds.value_random == pytest.approx(162 / 2 - 15)
    # A fraud cheaper than its review is left alone.
    assert CapacityBounds.of(labels, amounts, times, 3, 5.0).value_ceiling == pytest.approx(150)


@settings(deadline=None, max_examples=50)
@given(data=st.data(), rows=st.integers(1, 25), k=st.integers(1, 4))
def test_no_scores_pass_the_ceiling(data: st.DataObject, rows: int, k: int) -> None:
    def many(values: st.SearchStrategy[float]) -> list[float]:
        return data.draw(st.lists(values, min_size=rows, max_size=rows))

    labels = np.array(many(st.sampled_from([0.0, 0.0, 1.0]))) > 0
    scores = np.array(many(st.sampled_from([0.1, 0.2, 0.3, 0.4])))
    amounts = np.array(many(st.floats(0.01, 100)))
    times = at(*many(st.sampled_from([0.0, 1.0, 2.5])))
    payer = pl.Series(data.draw(st.lists(st.sampled_from("abcd"), min_size=rows, max_size=rows)))
    cards = DailyCards.of(labels, payer, times)
    found, ceiling = cards.precision(scores, k), cards.ceiling(k)
    assert found is not None
    assert ceiling is not None
    assert found <= ceiling + 1e-12
    bounds = CapacityBounds.of(labels, amounts, times, k, 1.0)
    alerted = alerts_at_capacity(scores, times, k)
    assert value_saved(alerted, labels, amounts, 1.0) <= bounds.value_ceiling + 1e-9
    at_capacity = precision_recall_at_capacity(scores, labels, times, k)
    assert at_capacity.precision is not None
    assert bounds.ceiling.precision is not None
    assert at_capacity.precision <= bounds.ceiling.precision + 1e-12


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity of 0 a day"):
        card_precision_at_k(SCORES, FRAUD, PAYER, TIMES, 0)
    with pytest.raises(ValueError, match="capacity of -1 a day"):
        precision_recall_at_capacity(SCORES, FRAUD, TIMES, -1)
    with pytest.raises(ValueError, match="NaN"):
        card_precision_at_k(np.full(6, np.nan), FRAUD, PAYER, TIMES, 1)
    with pytest.raises(ValueError, match="6 scores, 2 times"):
        alerts_at_capacity(SCORES, at(0, 1), 1)
    with pytest.raises(ValueError, match="1 values of 'payer' are null"):
        card_precision_at_k(np.ones(2), bools("F."), pl.Series("payer", ["a", None]), at(0, 1), 1)
